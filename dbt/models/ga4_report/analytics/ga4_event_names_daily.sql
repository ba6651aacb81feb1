with

events as (

    select *
    from {{ ref('ga4_events_staged') }}
    where report_name = 'event'

),

final as (

    select
        property_id,
        report_date as event_date,
        event_name,
        event_count,
        total_users,
        key_events,
        {{ ratio('event_count', 'total_users') }} as events_per_user,
        purchase_revenue_micros,
        {{ amount('purchase_revenue_micros') }} as purchase_revenue,
        currency_code,
        is_sampled or is_thresholded or has_other_row as is_estimate
    from events

)

select * from final
