{#- Reviews as the lake holds them. Empty if the shop has no such source. -#}
{%- set reviews = source('shop', 'reviews') -%}
{%- set text = dbt.type_string() -%}
{%- set whole = dbt.type_bigint() -%}

{% if source_exists(reviews) %}
select
    review_id,
    upper(trim(product_id)) as product_id,
    customer_id as customer_hash,
    cast(rating as {{ whole }}) as rating,
    title,
    {{ adapter.quote('text') }} as review_text,
    language,
    is_verified,
    {{ timestamp_from_micros(micros_from_timestamp('created_at')) }} as reviewed_at,
    {{ timestamp_from_micros(micros_from_timestamp('coalesce(updated_at, created_at)')) }} as edited_at,
    review_date,
    {{ micros_from_timestamp('_shoplake_ingested_at') }} as ingested_timestamp
from {{ reviews }}
{% else %}
select
    cast(null as {{ text }}) as review_id,
    cast(null as {{ text }}) as product_id,
    cast(null as {{ text }}) as customer_hash,
    cast(null as {{ whole }}) as rating,
    cast(null as {{ text }}) as title,
    cast(null as {{ text }}) as review_text,
    cast(null as {{ text }}) as language,
    cast(null as {{ dbt.type_boolean() }}) as is_verified,
    cast(null as {{ dbt.type_timestamp() }}) as reviewed_at,
    cast(null as {{ dbt.type_timestamp() }}) as edited_at,
    cast(null as date) as review_date,
    cast(null as {{ whole }}) as ingested_timestamp
where false
{% endif %}
