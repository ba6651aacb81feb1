{#-
    Incremental by conversion day. A journey depends on the events of the conversion's day and of the days before it that the
    look-back reaches: window_fingerprint is their state. It holds journeys of all conversion events, also of repeated orders:
    which of those counts is decided over all days, in int_conversions; join it.
-#}
{#-
    A touchpoint can change the journeys of its client's conversions from its moment on, and so can an earlier conversion. Not
    those before it: what they are made of may lie before the hot days.
-#}
{%- set clients -%}
    conversion_id in (select conversion_id from {{ changed('stg_ga4_conversions') }})
    or user_pseudo_id in (
        select user_pseudo_id from {{ changed('int_touchpoints') }}
        union all
        select user_pseudo_id from {{ changed('stg_ga4_conversions') }}
    )
{%- endset -%}
{%- set scope -%}
    ({{ clients }})
    and (
        conversion_id in (select conversion_id from {{ changed('stg_ga4_conversions') }})
        or exists (
            select 1
            from (
                select user_pseudo_id as changed_user, touchpoint_timestamp as changed_from
                from {{ changed('int_touchpoints') }}
                union all
                select user_pseudo_id as changed_user, conversion_timestamp as changed_from
                from {{ changed('stg_ga4_conversions') }}
            ) as changes
            where changed_user = user_pseudo_id and changed_from <= conversion_timestamp
        )
    )
{%- endset -%}
{%- set of_clients = "user_pseudo_id in (select user_pseudo_id from {{ ref('stg_ga4_conversions') }})" -%}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='conversion_date',
        meta={
            'settles': true,
            'live': {
                'scope': scope | trim,
                'reads': [
                    {'ref': 'stg_ga4_conversions', 'where': clients | trim},
                    {'ref': 'int_touchpoints', 'where': of_clients},
                ],
                'day': 'conversion_date',
                'hot_days': live_hot_days(),
            },
        },
    )
}}

with

{% if is_live() %}
conversions as (

    select
        conversion_id,
        conversion_event,
        conversion_date,
        conversion_timestamp,
        user_pseudo_id,
        session_id,
        'live' as window_fingerprint
    from {{ ref('stg_ga4_conversions') }}
    where {{ scope }}

),
{% else %}
days as (

    {{ day_states(ref('fact_events')) }}

),

conversion_days as (

    select
        conversion_days.event_date as conversion_date,
        md5({{ joined_text("coalesce(window_days.day_fingerprint, 'live')", 'window_days.event_date') }}) as window_fingerprint
    from (select distinct conversion_date as event_date from {{ ref('stg_ga4_conversions') }}) as conversion_days
    inner join days as window_days
        on window_days.event_date <= conversion_days.event_date
        and window_days.event_date >= {{ add_days('conversion_days.event_date', '-(' ~ var('lookback_days') ~ ' + 1)') }}
    group by conversion_days.event_date

),

changed_days as (

    select
        conversion_days.conversion_date,
        conversion_days.window_fingerprint
    from conversion_days
    {% if is_incremental() %}
    left join ({{ day_states(this, 'conversion_date', 'window_fingerprint') }}) as known
        on conversion_days.conversion_date = known.conversion_date
        and conversion_days.window_fingerprint = known.window_fingerprint
    where known.conversion_date is null
    {% endif %}

),

conversions as (

    select
        conversions.conversion_id,
        conversions.conversion_event,
        conversions.conversion_date,
        conversions.conversion_timestamp,
        conversions.user_pseudo_id,
        conversions.session_id,
        changed_days.window_fingerprint
    from {{ ref('stg_ga4_conversions') }} as conversions
    inner join changed_days on conversions.conversion_date = changed_days.conversion_date

),
{% endif %}

{% if var('conversion_cuts_journey') %}
previous_conversions as (

    select
        conversion_id,
        lag(conversion_timestamp) over (
            partition by user_pseudo_id, conversion_event order by conversion_timestamp, conversion_id
        ) as previous_timestamp
    from {{ ref('stg_ga4_conversions') }}

),
{% endif %}

touches as (

    select
        conversions.conversion_id,
        touchpoints.touchpoint_id,
        touchpoints.session_id as touchpoint_session_id,
        touchpoints.touchpoint_timestamp,
        touchpoints.touchpoint_at,
        touchpoints.source,
        touchpoints.medium,
        touchpoints.campaign,
        touchpoints.channel_group,
        touchpoints.channel,
        row_number() over (
            partition by conversions.conversion_id
            order by touchpoints.touchpoint_timestamp, touchpoints.touchpoint_id
        ) as touchpoint_number,
        count(*) over (partition by conversions.conversion_id) as touchpoint_count
    from conversions
    {% if var('conversion_cuts_journey') %}
    inner join previous_conversions on conversions.conversion_id = previous_conversions.conversion_id
    {% endif %}
    inner join {{ ref('int_touchpoints') }} as touchpoints
        on conversions.user_pseudo_id = touchpoints.user_pseudo_id
        and touchpoints.touchpoint_timestamp <= conversions.conversion_timestamp
        and (
            touchpoints.touchpoint_timestamp >= conversions.conversion_timestamp - {{ var('lookback_days') }} * 86400000000
            or touchpoints.session_id = conversions.session_id
        )
    {% if var('conversion_cuts_journey') %}
    where previous_conversions.previous_timestamp is null
        or touchpoints.touchpoint_timestamp > previous_conversions.previous_timestamp
        or touchpoints.session_id = conversions.session_id
    {% endif %}

),

final as (

    select
        conversions.conversion_id,
        conversions.conversion_event,
        conversions.conversion_date,
        conversions.conversion_timestamp,
        conversions.user_pseudo_id,
        coalesce(touches.touchpoint_number, 1) as touchpoint_number,
        coalesce(touches.touchpoint_count, 0) as touchpoint_count,
        touches.touchpoint_id,
        touches.touchpoint_session_id as session_id,
        touches.touchpoint_timestamp,
        touches.touchpoint_at,
        touches.source,
        touches.medium,
        touches.campaign,
        coalesce(touches.channel_group, 'Unattributed') as channel_group,
        coalesce(touches.channel, 'Unattributed') as channel,
        {{ whole_seconds('(conversions.conversion_timestamp - touches.touchpoint_timestamp)') }} as seconds_to_conversion,
        coalesce(touches.touchpoint_number, 1) = 1 as is_first_touch,
        coalesce(touches.touchpoint_number = touches.touchpoint_count, true) as is_last_touch,
        conversions.window_fingerprint
    from conversions
    left join touches on conversions.conversion_id = touches.conversion_id

)

select * from final
