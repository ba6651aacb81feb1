{#-
    The rules are tried once for each distinct source, medium and campaign that an event carries, not once for each event or
    session. A session has those of one of its events, or (direct).
-#}
{%- set campaign = "event_source, coalesce(event_medium, '(none)'), coalesce(event_campaign, '(none)')" -%}
{%- set scope = "source = '(direct)' or (source, medium, campaign) in (select " ~ campaign ~ ' from ' ~ changed('fact_events') ~ ')' -%}
{{ config(meta={'live': {'scope': scope}}) }}

with

campaigns as (

    select distinct
        event_source as source,
        coalesce(event_medium, '(none)') as medium,
        coalesce(event_campaign, '(none)') as campaign
    from {{ ref('fact_events') }}
    where event_source <> '(direct)'
    union all
    select '(direct)' as source, '(none)' as medium, '(none)' as campaign

),

described as (

    select
        campaigns.source,
        campaigns.medium,
        campaigns.campaign,
        coalesce(source_categories.source_category, '(none)') as source_category,
        display_channels.channel as source_channel,
        case when {{ matches('campaigns.medium', var('paid_medium_pattern')) }} then 'paid' else 'other' end as medium_kind,
        case when {{ matches('campaigns.campaign', var('shopping_campaign_pattern')) }} then 'shopping' else 'other' end as campaign_kind
    from campaigns
    left join {{ ref('source_categories') }} as source_categories on campaigns.source = source_categories.source
    left join {{ ref('display_channels') }} as display_channels on campaigns.source = display_channels.source

),

-- A version of the rules begins wherever a row begins or ends to be valid.
version_starts as (

    select valid_from from {{ ref('channel_rules') }}
    union
    select valid_to from {{ ref('channel_rules') }}

),

versions as (

    select
        valid_from,
        lead(valid_from) over (order by valid_from) as valid_to
    from version_starts

),

matching_rules as (

    select
        described.source,
        described.medium,
        described.campaign,
        versions.valid_from,
        rules.channel_group,
        row_number() over (
            partition by described.source, described.medium, described.campaign, versions.valid_from
            order by rules.priority, rules.channel_group
        ) as rule_number
    from described
    cross join versions
    inner join {{ ref('channel_rules') }} as rules
        on rules.valid_from <= versions.valid_from
        and rules.valid_to > versions.valid_from
        and {{ is_like('described.source', 'rules.source_like') }}
        and rules.source_category in ('any', described.source_category)
        and {{ is_like('described.medium', 'rules.medium_like') }}
        and rules.medium_kind in ('any', described.medium_kind)
        and {{ is_like('described.campaign', 'rules.campaign_like') }}
        and rules.campaign_kind in ('any', described.campaign_kind)

),

final as (

    select
        described.source,
        described.medium,
        described.campaign,
        versions.valid_from,
        versions.valid_to,
        described.source_category,
        coalesce(matching_rules.channel_group, 'Unassigned') as channel_group,
        coalesce(described.source_channel, matching_rules.channel_group, 'Unassigned') as channel
    from described
    cross join versions
    left join matching_rules
        on described.source = matching_rules.source
        and described.medium = matching_rules.medium
        and described.campaign = matching_rules.campaign
        and versions.valid_from = matching_rules.valid_from
        and matching_rules.rule_number = 1
    where versions.valid_to is not null

)

select * from final
