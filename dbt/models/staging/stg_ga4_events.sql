-- A view: each reading unpacks the nested fields again.
with

source as (

    select
        *,
        {{ event_param_keys('event_params') }} as param_keys,
        {{ event_param_strings('event_params') }} as param_strings,
        {{ event_param_integers('event_params') }} as param_integers,
        {{ event_param_doubles('event_params') }} as param_doubles
    from {{ source('ga4', 'events') }}

),

params as (

    select
        *,
        {{ event_param('param_integers', 'param_keys', 'ga_session_id') }} as ga_session_id,
        {{ event_param('param_integers', 'param_keys', 'ga_session_number') }} as session_number,
        {{ event_param('param_integers', 'param_keys', 'session_engaged') }} as session_engaged_integer,
        {{ event_param('param_integers', 'param_keys', 'engagement_time_msec') }} as engagement_time_msec,
        {{ event_param('param_integers', 'param_keys', 'entrances') }} as entrances,
        {{ event_param('param_strings', 'param_keys', 'page_location') }} as page_location,
        {{ event_param('param_strings', 'param_keys', 'page_referrer') }} as page_referrer,
        {{ event_param('param_strings', 'param_keys', 'page_title') }} as page_title,
        {{ event_param('param_strings', 'param_keys', 'content_group') }} as content_group,
        {{ event_param('param_strings', 'param_keys', 'source') }} as source_param,
        {{ event_param('param_strings', 'param_keys', 'medium') }} as medium_param,
        {{ event_param('param_strings', 'param_keys', 'campaign') }} as campaign_param,
        {{ event_param('param_strings', 'param_keys', 'content') }} as content_param,
        {{ event_param('param_strings', 'param_keys', 'term') }} as term_param,
        {{ event_param('param_strings', 'param_keys', 'currency') }} as currency,
        {{ event_param('param_strings', 'param_keys', 'transaction_id') }} as transaction_id_param,
        {{ event_param('param_strings', 'param_keys', 'session_engaged') }} as session_engaged_text,
        {{ event_param('param_doubles', 'param_keys', 'value') }} as event_value
    from source

),

typed as (

    select
        _shoplake_event_id as event_id,
        event_date as event_day,
        {{ date_from_yyyymmdd('event_date') }} as event_date,
        -- A clock that is out of its mind stays within 1970 to 9999, where later models can calculate with it.
        greatest(0, least(event_timestamp, 253402300799999999)) as event_timestamp,
        lower(replace(trim(event_name), ' ', '_')) as event_name,
        stream_id,
        platform,
        user_pseudo_id,
        user_id,
        ga_session_id,
        session_number,
        -- Text "0" says as little as no parameter: the tag sends it on events that know nothing about engagement.
        case
            when session_engaged_integer is not null then session_engaged_integer
            when session_engaged_text = '1' then 1
        end as session_engaged,
        engagement_time_msec,
        coalesce(entrances = 1, false) as is_entrance,
        page_location as original_page_location,
        {{ click_id_name('page_location') }} as page_click_id,
        page_referrer as original_page_referrer,
        page_title,
        content_group,
        -- The parameters belong to the event; collected_traffic_source is the newer place of the same.
        lower(coalesce(source_param, collected_traffic_source.manual_source)) as exported_source,
        lower(coalesce(medium_param, collected_traffic_source.manual_medium)) as exported_medium,
        lower(coalesce(campaign_param, collected_traffic_source.manual_campaign_name)) as exported_campaign,
        lower(coalesce(content_param, collected_traffic_source.manual_content)) as event_content,
        lower(coalesce(term_param, collected_traffic_source.manual_term)) as event_term,
        session_traffic_source_last_click.cross_channel_campaign.default_channel_group as exported_channel_group,
        traffic_source.source as user_source,
        traffic_source.medium as user_medium,
        traffic_source.name as user_campaign,
        device.category as device_category,
        device.operating_system as device_operating_system,
        coalesce(device.web_info.browser, device.browser) as device_browser,
        device.language as device_language,
        geo.country as geo_country,
        geo.region as geo_region,
        geo.city as geo_city,
        nullif(nullif(coalesce(ecommerce.transaction_id, transaction_id_param), '(not set)'), '') as transaction_id,
        currency,
        event_value,
        event_value_in_usd,
        ecommerce.purchase_revenue as purchase_revenue,
        ecommerce.purchase_revenue_in_usd as purchase_revenue_in_usd,
        ecommerce.total_item_quantity as item_quantity,
        user_first_touch_timestamp as first_touch_timestamp,
        is_active_user,
        batch_page_id,
        batch_ordering_id,
        batch_event_index,
        _shoplake_source_object as source_object,
        _shoplake_line as source_line,
        {{ micros_from_timestamp('_shoplake_ingested_at') }} as ingested_timestamp
    from params

),

final as (

    select
        event_id,
        event_day,
        event_date,
        event_timestamp,
        {{ timestamp_from_micros('event_timestamp') }} as event_at,
        event_name,
        stream_id,
        platform,
        user_pseudo_id,
        user_id,
        ga_session_id,
        cast(null as {{ dbt.type_string() }}) as client_session_id,
        session_number,
        session_engaged,
        engagement_time_msec,
        is_entrance,
        original_page_location,
        original_page_referrer,
        {{ cleaned_url('original_page_location') }} as page_location,
        {{ cleaned_url('original_page_referrer') }} as page_referrer,
        page_title,
        {{ url_hostname(cleaned_url('original_page_location')) }} as page_hostname,
        {{ url_path(cleaned_url('original_page_location')) }} as page_path,
        {{ url_query_string(cleaned_url('original_page_location')) }} as page_query_string,
        content_group,
        page_click_id,
        exported_source,
        exported_medium,
        exported_campaign,
        event_content,
        event_term,
        exported_channel_group,
        user_source,
        user_medium,
        user_campaign,
        device_category,
        device_operating_system,
        device_browser,
        device_language,
        geo_country,
        geo_region,
        geo_city,
        transaction_id,
        currency,
        {{ micros('event_value') }} as event_value_micros,
        event_value_in_usd,
        {{ micros('event_value_in_usd') }} as event_value_in_usd_micros,
        {{ micros('purchase_revenue') }} as purchase_revenue_micros,
        {{ micros('purchase_revenue_in_usd') }} as purchase_revenue_in_usd_micros,
        item_quantity,
        first_touch_timestamp,
        is_active_user,
        batch_page_id,
        batch_ordering_id,
        batch_event_index,
        source_object,
        source_line,
        ingested_timestamp
    from typed

)

select * from final
