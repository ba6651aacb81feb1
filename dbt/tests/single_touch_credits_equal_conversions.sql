-- Every conversion that counts is credited exactly once and with exactly its value, under first and under last click.
with

credits as (

    select 'first_click' as attribution_model, conversion_id, conversion_count, conversion_value_micros
    from {{ ref('mart_first_click_attribution') }}
    union all
    select 'last_click' as attribution_model, conversion_id, conversion_count, conversion_value_micros
    from {{ ref('mart_last_click_attribution') }}

),

models as (

    select 'first_click' as attribution_model
    union all
    select 'last_click' as attribution_model

),

credited as (

    select
        attribution_model,
        conversion_id,
        sum(conversion_count) as conversion_count,
        sum(conversion_value_micros) as value_micros
    from credits
    group by attribution_model, conversion_id

)

select
    models.attribution_model,
    conversions.conversion_id,
    conversions.value_micros,
    credited.value_micros as credited_micros
from {{ ref('int_conversions') }} as conversions
cross join models
left join credited
    on conversions.conversion_id = credited.conversion_id
    and models.attribution_model = credited.attribution_model
where credited.conversion_count is null
    or credited.conversion_count <> 1
    or credited.value_micros <> conversions.value_micros
