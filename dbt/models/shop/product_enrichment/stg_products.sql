{#- The catalogue as the lake holds it: one row per product and delivery. Empty if the shop has no such source. -#}
{%- set products = source('shop', 'products') -%}
{%- set text = dbt.type_string() -%}
{%- set whole = dbt.type_bigint() -%}

{% if source_exists(products) %}
select
    upper(trim(product_id)) as product_id,
    name,
    brand,
    nullif(trim(category), '') as category,
    nullif(trim(subcategory), '') as subcategory,
    upper(trim(currency)) as currency,
    {{ micros('price') }} as price_micros,
    {{ micros('cost') }} as cost_micros,
    cast(stock_quantity as {{ whole }}) as stock_quantity,
    cast(reorder_level as {{ whole }}) as reorder_level,
    coalesce(is_active, true) as is_active,
    {{ timestamp_from_micros(micros_from_timestamp('coalesce(updated_at, created_at, _shoplake_ingested_at)')) }} as updated_at,
    cast({{ timestamp_from_micros(micros_from_timestamp('coalesce(updated_at, created_at, _shoplake_ingested_at)')) }} as date) as catalogue_date,
    {{ micros_from_timestamp('_shoplake_ingested_at') }} as ingested_timestamp
from {{ products }}
{% else %}
select
    cast(null as {{ text }}) as product_id,
    cast(null as {{ text }}) as name,
    cast(null as {{ text }}) as brand,
    cast(null as {{ text }}) as category,
    cast(null as {{ text }}) as subcategory,
    cast(null as {{ text }}) as currency,
    cast(null as {{ whole }}) as price_micros,
    cast(null as {{ whole }}) as cost_micros,
    cast(null as {{ whole }}) as stock_quantity,
    cast(null as {{ whole }}) as reorder_level,
    cast(null as {{ dbt.type_boolean() }}) as is_active,
    cast(null as {{ dbt.type_timestamp() }}) as updated_at,
    cast(null as date) as catalogue_date,
    cast(null as {{ whole }}) as ingested_timestamp
where false
{% endif %}
