{#- Flat clickstream in the columns of stg_ga4_events. A view, empty if the shop has no such source. -#}
{%- set events = source('clickstream', 'clickstream') -%}
{%- set ga4_events = ref('stg_ga4_events') -%}
{%- set text = dbt.type_string() -%}
{%- set whole = dbt.type_bigint() -%}

with

{% if source_exists(events) %}
source as (

    select
        *,
        lower(replace(trim(event_type), ' ', '_')) as cleaned_event_type
    from {{ events }}

),

typed as (

    select
        event_id,
        event_date,
        greatest(0, least({{ micros_from_timestamp(adapter.quote('timestamp')) }}, 253402300799999999)) as event_timestamp,
        case cleaned_event_type
            {% for type, name in var('clickstream_event_names').items() %}
            when '{{ type }}' then '{{ name }}'
            {% endfor %}
            else cleaned_event_type
        end as event_name,
        -- Who has no id is known by the session.
        coalesce(user_id, session_id) as user_pseudo_id,
        user_id,
        session_id,
        page_url,
        referrer,
        {{ click_id_name('page_url') }} as page_click_id,
        lower(utm_source) as exported_source,
        lower(utm_medium) as exported_medium,
        lower(utm_campaign) as exported_campaign,
        lower(utm_content) as event_content,
        lower(utm_term) as event_term,
        lower(device) as device_category,
        country,
        upper(currency) as currency,
        revenue,
        quantity,
        _shoplake_source_object as source_object,
        _shoplake_line as source_line,
        {{ micros_from_timestamp('_shoplake_ingested_at') }} as ingested_timestamp
    from source

),

final as (

    select
        event_id,
        {{ yyyymmdd_from_date('event_date') }} as event_day,
        event_date,
        event_timestamp,
        {{ timestamp_from_micros('event_timestamp') }} as event_at,
        event_name,
        'clickstream' as stream_id,
        'CLICKSTREAM' as platform,
        user_pseudo_id,
        user_id,
        cast(null as {{ whole }}) as ga_session_id,
        session_id as client_session_id,
        cast(null as {{ whole }}) as session_number,
        cast(null as {{ whole }}) as session_engaged,
        cast(null as {{ whole }}) as engagement_time_msec,
        false as is_entrance,
        page_url as original_page_location,
        referrer as original_page_referrer,
        {{ cleaned_url('page_url') }} as page_location,
        {{ cleaned_url('referrer') }} as page_referrer,
        cast(null as {{ text }}) as page_title,
        {{ url_hostname(cleaned_url('page_url')) }} as page_hostname,
        {{ url_path(cleaned_url('page_url')) }} as page_path,
        {{ url_query_string(cleaned_url('page_url')) }} as page_query_string,
        cast(null as {{ text }}) as content_group,
        page_click_id,
        exported_source,
        exported_medium,
        exported_campaign,
        event_content,
        event_term,
        cast(null as {{ text }}) as exported_channel_group,
        cast(null as {{ text }}) as user_source,
        cast(null as {{ text }}) as user_medium,
        cast(null as {{ text }}) as user_campaign,
        device_category,
        cast(null as {{ text }}) as device_operating_system,
        cast(null as {{ text }}) as device_browser,
        cast(null as {{ text }}) as device_language,
        country as geo_country,
        cast(null as {{ text }}) as geo_region,
        cast(null as {{ text }}) as geo_city,
        cast(null as {{ text }}) as transaction_id,
        currency,
        {{ micros('revenue') }} as event_value_micros,
        case when currency = 'USD' then revenue end as event_value_in_usd,
        case when currency = 'USD' then {{ micros('revenue') }} end as event_value_in_usd_micros,
        case when event_name = 'purchase' then {{ micros('revenue') }} end as purchase_revenue_micros,
        case when event_name = 'purchase' and currency = 'USD' then {{ micros('revenue') }} end as purchase_revenue_in_usd_micros,
        quantity as item_quantity,
        cast(null as {{ whole }}) as first_touch_timestamp,
        cast(null as {{ dbt.type_boolean() }}) as is_active_user,
        cast(null as {{ whole }}) as batch_page_id,
        cast(null as {{ whole }}) as batch_ordering_id,
        cast(null as {{ whole }}) as batch_event_index,
        source_object,
        source_line,
        ingested_timestamp
    from typed

)
{% else %}
final as (

    select * from {{ ga4_events }} where false

)
{% endif %}

select * from final
