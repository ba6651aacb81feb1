{%- set batch = changed('stg_ga4_conversions') -%}
{%- set scope -%}
    conversion_id in (select conversion_id from {{ batch }})
    or (
        conversion_event = 'purchase'
        and transaction_id in (select transaction_id from {{ batch }} where conversion_event = 'purchase' and transaction_id is not null)
    )
{%- endset -%}
{%- set conversions = ref('stg_ga4_conversions') -%}
{%- set relations = [this, batch] if is_live() else [conversions] -%}
{#- The whole table stays in memory: an order can come again after any time. -#}
{{ config(meta={'live': {'scope': scope | trim}}) }}

with

conversions as (

    {% for relation in relations %}
    select
        conversion_id,
        conversion_event,
        conversion_date,
        conversion_timestamp,
        conversion_at,
        stream_id,
        user_pseudo_id,
        user_id,
        session_id,
        transaction_id,
        currency,
        value_micros,
        batch_page_id,
        batch_ordering_id,
        batch_event_index
    from {{ relation }}
    {% if is_live() %}
    where {{ scope }}
    {% endif %}
    {{ 'union all' if not loop.last }}
    {% endfor %}

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
        value_micros,
        batch_page_id,
        batch_ordering_id,
        batch_event_index
    from ranked
    where occurrence = 1

)

select * from final
