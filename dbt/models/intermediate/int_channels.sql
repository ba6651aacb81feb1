-- The rules are tried once for each distinct source, medium and campaign, not once for each event or session.
with

campaigns as (

    select distinct
        coalesce(source, '(direct)') as source,
        case when source is null then '(none)' else coalesce(medium, '(none)') end as medium,
        case when source is null then '(none)' else coalesce(campaign, '(none)') end as campaign
    from {{ ref('stg_ga4_sessions') }}

),

described as (

    select
        campaigns.source,
        campaigns.medium,
        campaigns.campaign,
        source_categories.source_category,
        display_channels.channel as source_channel,
        {{ matches('campaigns.medium', var('paid_medium_pattern')) }} as medium_is_paid,
        {{ matches('campaigns.campaign', var('shopping_campaign_pattern')) }} as campaign_is_shopping
    from campaigns
    left join {{ ref('source_categories') }} as source_categories on campaigns.source = source_categories.source
    left join {{ ref('display_channels') }} as display_channels on campaigns.source = display_channels.source

),

-- A version of the rules begins wherever a row begins or ends to be valid.
version_starts as (

    select valid_from from {{ ref('channel_rules') }}
    union
    select valid_to from {{ ref('channel_rules') }} where valid_to is not null

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
        and (rules.valid_to is null or rules.valid_to > versions.valid_from)
        and (rules.source_equals is null or described.source = rules.source_equals)
        and (rules.source_category is null or described.source_category = rules.source_category)
        and (rules.medium_equals is null or described.medium = rules.medium_equals)
        and (rules.medium_contains is null or {{ contains('described.medium', 'rules.medium_contains') }})
        and (rules.medium_ends_with is null or {{ ends_with('described.medium', 'rules.medium_ends_with') }})
        and (rules.medium_is_paid is null or described.medium_is_paid = rules.medium_is_paid)
        and (rules.campaign_equals is null or described.campaign = rules.campaign_equals)
        and (rules.campaign_contains is null or {{ contains('described.campaign', 'rules.campaign_contains') }})
        and (rules.campaign_is_shopping is null or described.campaign_is_shopping = rules.campaign_is_shopping)

),

final as (

    select
        described.source,
        described.medium,
        described.campaign,
        versions.valid_from,
        versions.valid_to,
        coalesce(described.source_category, '(none)') as source_category,
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

)

select * from final
