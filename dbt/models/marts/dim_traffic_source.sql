with

sessions as (

    select * from {{ ref('fact_sessions') }}

),

-- The client's latest session that is not direct, up to this one.
with_last_non_direct as (

    select
        *,
        max(case when source <> '(direct)' then session_start_timestamp end) over (
            partition by stream_id, user_pseudo_id
            order by session_start_timestamp
        ) as last_non_direct_timestamp
    from sessions

),

non_direct as (

    select
        stream_id,
        user_pseudo_id,
        session_start_timestamp,
        session_start_date,
        source,
        medium,
        campaign,
        channel_group,
        channel,
        row_number() over (
            partition by stream_id, user_pseudo_id, session_start_timestamp order by session_id desc
        ) as tie_number
    from sessions
    where source <> '(direct)'

),

final as (

    select
        sessions.session_id,
        sessions.user_pseudo_id,
        sessions.session_start_date,
        sessions.source,
        sessions.medium,
        sessions.campaign,
        sessions.content,
        sessions.term,
        sessions.source_category,
        sessions.channel_group,
        sessions.channel,
        sessions.exported_channel_group,
        sessions.click_id,
        case
            when sessions.source_event_timestamp is null then 'none'
            when sessions.click_id is not null then 'click_id'
            else 'parameter'
        end as decided_by,
        sessions.source_event_timestamp,
        case when sessions.source = '(direct)' then coalesce(non_direct.source, sessions.source) else sessions.source end as last_non_direct_source,
        case when sessions.source = '(direct)' then coalesce(non_direct.medium, sessions.medium) else sessions.medium end as last_non_direct_medium,
        case when sessions.source = '(direct)' then coalesce(non_direct.campaign, sessions.campaign) else sessions.campaign end as last_non_direct_campaign,
        case when sessions.source = '(direct)' then coalesce(non_direct.channel_group, sessions.channel_group) else sessions.channel_group end as last_non_direct_channel_group,
        case when sessions.source = '(direct)' then coalesce(non_direct.channel, sessions.channel) else sessions.channel end as last_non_direct_channel
    from with_last_non_direct as sessions
    left join non_direct
        on sessions.source = '(direct)'
        and sessions.stream_id = non_direct.stream_id
        and sessions.user_pseudo_id = non_direct.user_pseudo_id
        and sessions.last_non_direct_timestamp = non_direct.session_start_timestamp
        and non_direct.tie_number = 1
        and non_direct.session_start_date >= {{ add_days('sessions.session_start_date', '-' ~ var('last_non_direct_days')) }}

)

select * from final
