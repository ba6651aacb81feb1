{{ config(severity='warn') }}

{%- set sources = [source('ga4', 'events'), source('clickstream', 'clickstream')] -%}

-- Every record of the sources stands behind exactly one event of fact_events. A warning names what does not: a record
-- without a day, or a copy of an event that was delivered under another day after that day was built.
with

records as (

    select
        {% for relation in sources if source_exists(relation) %}
        (select count(*) from {{ relation }}){{ ' +' if not loop.last }}
        {% endfor %}
        as record_count

),

events as (

    select coalesce(sum(source_row_count), 0) as record_count
    from {{ ref('fact_events') }}

)

select
    records.record_count,
    events.record_count as accounted_count
from records
cross join events
where records.record_count <> events.record_count
