-- Events of every shape. A view that nothing but fact_events should read in full.
with

final as (

    select * from {{ ref('stg_ga4_events') }}
    union all
    select * from {{ ref('stg_clickstream_events') }}

)

select * from final
