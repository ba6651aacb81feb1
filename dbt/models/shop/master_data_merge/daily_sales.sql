{%- set whole = dbt.type_bigint() -%}

with

lines as (

    select * from {{ ref('transactions') }} where line_type in ('sale', 'cancellation')

),

days as (

    select
        invoice_date as sales_date,
        cast(count(distinct case when line_type = 'sale' then invoice_no end) as {{ whole }}) as orders,
        cast(count(distinct case when line_type = 'cancellation' then invoice_no end) as {{ whole }}) as cancellations,
        cast(count(distinct case when line_type = 'sale' then customer_id end) as {{ whole }}) as customers,
        {{ count_if("line_type = 'sale'") }} as sale_lines,
        {{ sum_bigint("case when line_type = 'sale' and item_type = 'product' then quantity end") }} as sold_quantity,
        {{ sum_bigint("case when line_type = 'cancellation' and item_type = 'product' then -quantity end") }} as cancelled_quantity,
        {{ sum_bigint("case when line_type = 'sale' then revenue_micros end") }} as gross_revenue_micros,
        {{ sum_bigint("case when line_type = 'cancellation' then -revenue_micros end") }} as cancelled_revenue_micros,
        {{ sum_bigint('revenue_micros') }} as net_revenue_micros
    from lines
    group by invoice_date

),

new_customers as (

    select
        order_date,
        cast(count(*) as {{ whole }}) as new_customers
    from {{ ref('orders_enriched') }}
    where is_first_order
    group by order_date

),

final as (

    select
        days.sales_date,
        days.orders,
        days.cancellations,
        days.customers,
        coalesce(new_customers.new_customers, 0) as new_customers,
        days.sale_lines,
        days.sold_quantity,
        days.cancelled_quantity,
        days.gross_revenue_micros,
        days.cancelled_revenue_micros,
        days.net_revenue_micros,
        {{ amount('days.gross_revenue_micros') }} as gross_revenue,
        {{ amount('days.cancelled_revenue_micros') }} as cancelled_revenue,
        {{ amount('days.net_revenue_micros') }} as net_revenue,
        case when days.orders > 0 then {{ amount('days.gross_revenue_micros / days.orders') }} end as average_order_value,
        clickstream.sessions,
        clickstream.conversion_rate
    from days
    left join new_customers on days.sales_date = new_customers.order_date
    left join {{ ref('clickstream_daily') }} as clickstream on days.sales_date = clickstream.event_date

)

select * from final
