with

lines as (

    select * from {{ ref('transactions') }} where line_type = 'sale'

),

enriched_lines as (

    select
        lines.*,
        products.category,
        products.department
    from lines
    left join {{ ref('products') }} as products on lines.stock_code = products.product_id

),

categories as (

    select
        invoice_no,
        category,
        {{ sum_bigint('revenue_micros') }} as revenue_micros
    from enriched_lines
    where category is not null
    group by invoice_no, category

),

main_categories as (

    select
        invoice_no,
        category,
        row_number() over (partition by invoice_no order by revenue_micros desc, category) as place
    from categories

),

orders as (

    select
        invoice_no,
        min(invoice_at) as ordered_at,
        min(customer_id) as customer_id,
        min(country) as country,
        cast(count(*) as {{ dbt.type_bigint() }}) as line_count,
        cast(count(distinct case when item_type = 'product' then stock_code end) as {{ dbt.type_bigint() }}) as product_count,
        cast(count(distinct category) as {{ dbt.type_bigint() }}) as category_count,
        {{ sum_bigint("case when item_type = 'product' then quantity end") }} as quantity,
        {{ sum_bigint("case when item_type = 'product' then cancelled_quantity end") }} as cancelled_quantity,
        {{ sum_bigint('revenue_micros') }} as gross_revenue_micros,
        {{ sum_bigint('net_revenue_micros') }} as net_revenue_micros,
        {{ sum_bigint("case when item_type <> 'product' then revenue_micros end") }} as service_revenue_micros
    from enriched_lines
    group by invoice_no

),

numbered as (

    select
        *,
        case when customer_id is not null then
            row_number() over (partition by customer_id order by ordered_at, invoice_no)
        end as customer_order_number,
        lag(cast(ordered_at as date)) over (partition by customer_id order by ordered_at, invoice_no) as previous_order_date
    from orders

),

final as (

    select
        numbered.invoice_no,
        numbered.customer_id,
        numbered.country,
        numbered.ordered_at,
        cast(numbered.ordered_at as date) as order_date,
        numbered.customer_order_number,
        coalesce(numbered.customer_order_number = 1, false) as is_first_order,
        case when numbered.customer_id is not null then
            {{ days_between('numbered.previous_order_date', 'cast(numbered.ordered_at as date)') }}
        end as days_since_previous_order,
        numbered.line_count,
        numbered.product_count,
        numbered.category_count,
        main_categories.category as main_category,
        numbered.quantity,
        numbered.cancelled_quantity,
        numbered.quantity - numbered.cancelled_quantity as net_quantity,
        case
            when numbered.net_revenue_micros = 0 then 'cancelled'
            when numbered.net_revenue_micros < numbered.gross_revenue_micros then 'partly_cancelled'
            else 'completed'
        end as order_status,
        numbered.gross_revenue_micros,
        numbered.net_revenue_micros,
        {{ amount('numbered.gross_revenue_micros') }} as gross_revenue,
        {{ amount('numbered.gross_revenue_micros - numbered.net_revenue_micros') }} as cancelled_revenue,
        {{ amount('numbered.net_revenue_micros') }} as net_revenue,
        {{ amount('numbered.service_revenue_micros') }} as service_revenue
    from numbered
    left join main_categories
        on numbered.invoice_no = main_categories.invoice_no and main_categories.place = 1

)

select * from final
