with

reports as (

    select *
    from {{ ref('ga4_events_staged') }}
    where report_name in ('day', 'channel')

),

final as (

    select
        property_id,
        report_date as event_date,
        case when report_name = 'day' then '(all)' else session_default_channel_group end as channel_group,
        {{ ga4_measures() }},
        {{ ga4_kpis() }},
        is_sampled or is_thresholded or has_other_row as is_estimate
    from reports

)

select * from final
