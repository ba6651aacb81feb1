with

sessions as (

    select * from {{ ref('fact_sessions') }}

),

-- Of a direct session: the start of the client's latest session before it that is not direct.
with_last_non_direct as (

    select
        *,
        case
            when source = '(direct)'
                then max(case when source <> '(direct)' then session_start_timestamp end) over (
                    partition by stream_id, user_pseudo_id
                    order by session_start_timestamp
                )
        end as last_non_direct_timestamp
    from sessions

),

-- Two sessions of a client that begin in the same microsecond: one of them has to be it.
non_direct as (

    select
        stream_id,
        user_pseudo_id,
        session_start_timestamp,
        max(session_id) as session_id
    from sessions
    where source <> '(direct)'
    group by stream_id, user_pseudo_id, session_start_timestamp

),

taken as (

    select
        direct.session_id,
        sessions.source,
        sessions.medium,
        sessions.campaign,
        sessions.channel_group,
        sessions.channel
    from with_last_non_direct as direct
    inner join non_direct
        on direct.stream_id = non_direct.stream_id
        and direct.user_pseudo_id = non_direct.user_pseudo_id
        and direct.last_non_direct_timestamp = non_direct.session_start_timestamp
    inner join sessions on non_direct.session_id = sessions.session_id
    where direct.session_start_timestamp - direct.last_non_direct_timestamp <= {{ var('last_non_direct_days') }} * 86400000000

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
        coalesce(taken.source, sessions.source) as last_non_direct_source,
        coalesce(taken.medium, sessions.medium) as last_non_direct_medium,
        coalesce(taken.campaign, sessions.campaign) as last_non_direct_campaign,
        coalesce(taken.channel_group, sessions.channel_group) as last_non_direct_channel_group,
        coalesce(taken.channel, sessions.channel) as last_non_direct_channel
    from sessions
    left join taken on sessions.session_id = taken.session_id

)

select * from final
