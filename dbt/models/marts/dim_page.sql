with

page_events as (

    select
        page_location,
        user_pseudo_id,
        event_date,
        event_name,
        is_entrance,
        engagement_time_msec,
        page_title,
        content_group,
        {{ event_order() }} as event_order
    from {{ ref('fact_events') }}
    where page_location is not null

),

pages as (

    select
        page_location,
        {{ last_by('page_title', 'event_order', 'page_title is not null') }} as page_title,
        {{ last_by('content_group', 'event_order', 'content_group is not null') }} as content_group,
        min(case when event_name = 'page_view' then event_date end) as first_seen_date,
        max(case when event_name = 'page_view' then event_date end) as last_seen_date,
        {{ count_if("event_name = 'page_view'") }} as page_view_count,
        cast(count(distinct case when event_name = 'page_view' then user_pseudo_id end) as {{ dbt.type_bigint() }}) as user_count,
        {{ count_if("event_name = 'page_view' and is_entrance") }} as entrance_count,
        {{ sum_bigint('engagement_time_msec') }} as engagement_time_msec
    from page_events
    group by page_location

),

final as (

    select
        md5(page_location) as page_id,
        page_location,
        {{ url_hostname('page_location') }} as page_hostname,
        {{ url_path('page_location') }} as page_path,
        {{ url_query_string('page_location') }} as page_query_string,
        page_title,
        content_group,
        first_seen_date,
        last_seen_date,
        page_view_count,
        user_count,
        entrance_count,
        engagement_time_msec
    from pages
    where page_view_count > 0

)

select * from final
