{#- Keys that point nowhere. They are reported, not removed: what they stand for is in every sum. -#}
{%- set checks = [
    {'source': 'transactions', 'column': 'stock_code', 'date': 'invoice_date', 'target': 'products', 'key': 'target.product_id',
     'where': "item_type = 'product' and line_type in ('sale', 'cancellation')"},
    {'source': 'reviews', 'column': 'product_id', 'date': 'review_date', 'target': 'products', 'key': 'target.product_id', 'where': 'is_valid'},
    {'source': 'clickstream_products_daily', 'column': 'product_id', 'date': 'event_date', 'target': 'products', 'key': 'target.product_id', 'where': 'true'},
    {'source': 'products', 'column': 'category', 'date': 'last_catalogue_date', 'target': 'product_categories', 'key': 'target.category', 'where': 'true'},
] -%}

with

gaps as (

    {% for check in checks %}
    select
        '{{ check.source }}' as table_name,
        '{{ check.column }}' as column_name,
        '{{ check.target }}' as referenced_table,
        cast(source.{{ check.column }} as {{ dbt.type_string() }}) as key_value,
        source.{{ check.date }} as seen_date
    from {{ ref(check.source) }} as source
    left join {{ ref(check.target) }} as target on source.{{ check.column }} = {{ check.key }}
    where source.{{ check.column }} is not null
        and {{ check.key }} is null
        and {{ check.where }}
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

final as (

    select
        table_name,
        column_name,
        referenced_table,
        key_value,
        cast(count(*) as {{ dbt.type_bigint() }}) as row_count,
        min(seen_date) as first_date,
        max(seen_date) as last_date
    from gaps
    group by table_name, column_name, referenced_table, key_value

)

select * from final
