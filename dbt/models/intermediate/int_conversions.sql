with

conversions as (

    select * from {{ ref('stg_ga4_conversions') }}

),

-- One order counts once, by its first event. Purchases without an order number are each their own.
ranked as (

    select
        *,
        case
            when conversion_event = 'purchase' and transaction_id is not null
                then row_number() over (
                    partition by conversion_event, transaction_id
                    order by
                        conversion_timestamp,
                        coalesce(batch_page_id, 0),
                        coalesce(batch_ordering_id, 0),
                        coalesce(batch_event_index, 0),
                        conversion_id
                )
            else 1
        end as occurrence
    from conversions

),

final as (

    select
        conversion_id,
        conversion_event,
        conversion_date,
        conversion_timestamp,
        conversion_at,
        {{ timestamp_from_micros('conversion_timestamp - ' ~ var('lookback_days') ~ ' * 86400000000') }} as lookback_start_at,
        stream_id,
        user_pseudo_id,
        user_id,
        session_id,
        transaction_id,
        currency,
        value_micros
    from ranked
    where occurrence = 1

)

select * from final
