{#- Invoice lines as the lake holds them, under the names of the models. Empty if the shop has no such source. -#}
{%- set lines = source('shop', 'transactions') -%}
{%- set text = dbt.type_string() -%}
{%- set whole = dbt.type_bigint() -%}

{% if source_exists(lines) %}
select
    upper(trim(invoice_no)) as invoice_no,
    upper(trim(stock_code)) as stock_code,
    description,
    cast(quantity as {{ whole }}) as quantity,
    {{ micros('unit_price') }} as unit_price_micros,
    cast(customer_id as {{ text }}) as customer_id,
    nullif(trim(country), '') as country,
    {{ timestamp_from_micros(micros_from_timestamp('invoice_date')) }} as invoice_at,
    {{ adapter.quote('date') }} as invoice_date,
    {{ micros_from_timestamp('_shoplake_ingested_at') }} as ingested_timestamp
from {{ lines }}
{% else %}
select
    cast(null as {{ text }}) as invoice_no,
    cast(null as {{ text }}) as stock_code,
    cast(null as {{ text }}) as description,
    cast(null as {{ whole }}) as quantity,
    cast(null as {{ whole }}) as unit_price_micros,
    cast(null as {{ text }}) as customer_id,
    cast(null as {{ text }}) as country,
    cast(null as {{ dbt.type_timestamp() }}) as invoice_at,
    cast(null as date) as invoice_date,
    cast(null as {{ whole }}) as ingested_timestamp
where false
{% endif %}
