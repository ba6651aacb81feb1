-- Net revenue and quantity are the same whether summed by line, order and unmatched cancellation, day, product or customer.
with

lines as (

    select
        {{ sum_bigint('revenue_micros') }} as revenue_micros,
        {{ sum_bigint('net_revenue_micros') }} as net_revenue_micros,
        {{ sum_bigint("case when item_type = 'product' then revenue_micros end") }} as product_revenue_micros,
        {{ sum_bigint("case when customer_id is not null then revenue_micros end") }} as customer_revenue_micros
    from {{ ref('transactions') }}

),

sums as (

    select 'lines' as what, revenue_micros as expected, net_revenue_micros as found from lines
    union all
    select 'days', (select revenue_micros from lines), {{ sum_bigint('net_revenue_micros') }} from {{ ref('daily_sales') }}
    union all
    select 'products', (select product_revenue_micros from lines), {{ sum_bigint('net_revenue_micros') }} from {{ ref('product_performance') }}
    union all
    select 'customers', (select customer_revenue_micros from lines), {{ sum_bigint('net_revenue_micros') }} from {{ ref('customer_360') }}
    union all
    select
        'orders and unmatched cancellations',
        (select revenue_micros from lines),
        {{ sum_bigint('revenue_micros') }}
    from (
        select net_revenue_micros as revenue_micros from {{ ref('orders_enriched') }}
        union all
        select -revenue_micros from {{ ref('cancellations') }} where not is_matched
    ) as parts

)

select * from sums where expected <> found
