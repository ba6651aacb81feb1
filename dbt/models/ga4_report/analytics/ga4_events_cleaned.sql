with

traffic as (

    select *
    from {{ ref('ga4_events_staged') }}
    where report_name = 'traffic'

),

final as (

    select
        property_id,
        report_date as event_date,
        session_source,
        session_medium,
        session_campaign_name,
        session_default_channel_group as channel_group,
        device_category,
        country,
        {{ ga4_measures() }},
        {{ ga4_kpis() }},
        is_sampled,
        is_thresholded,
        has_other_row,
        time_zone,
        source_object
    from traffic

)

select * from final
