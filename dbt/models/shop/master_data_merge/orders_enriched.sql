{#-
    What is counted apart (products, categories) is grouped first and then counted: count(distinct …) keeps a row of each line
    for every invoice at once, which takes three times as long where the lines do not fit into memory. And nothing but the
    columns that are needed is read, once for each purpose: a step that is read twice is kept as a whole.
-#}
{%- set whole = dbt.type_bigint() -%}

with

invoices as (

    select
        invoice_no,
        min(invoice_at) as ordered_at,
        min(customer_id) as customer_id,
        min(country) as country,
        cast(count(*) as {{ whole }}) as line_count,
        {{ sum_bigint("case when item_type = 'product' then quantity end") }} as quantity,
        {{ sum_bigint("case when item_type = 'product' then cancelled_quantity end") }} as cancelled_quantity,
        {{ sum_bigint('revenue_micros') }} as gross_revenue_micros,
        {{ sum_bigint('net_revenue_micros') }} as net_revenue_micros,
        {{ sum_bigint("case when item_type <> 'product' then revenue_micros end") }} as service_revenue_micros
    from {{ ref('transactions') }}
    where line_type = 'sale'
    group by invoice_no

),

invoice_products as (

    select distinct
        invoice_no,
        stock_code
    from {{ ref('transactions') }}
    where line_type = 'sale'
        and item_type = 'product'
        and stock_code is not null

),

product_counts as (

    select
        invoice_no,
        cast(count(*) as {{ whole }}) as product_count
    from invoice_products
    group by invoice_no

),

invoice_categories as (

    select
        lines.invoice_no,
        products.category,
        {{ sum_bigint('lines.revenue_micros') }} as revenue_micros
    from {{ ref('transactions') }} as lines
    inner join {{ ref('products') }} as products on lines.stock_code = products.product_id
    where lines.line_type = 'sale'
        and products.category is not null
    group by lines.invoice_no, products.category

),

-- The category that most of the money went to; of equal ones the first by name.
category_counts as (

    select
        invoice_no,
        cast(count(*) as {{ whole }}) as category_count,
        {{ first_by('category', record({'revenue': '-revenue_micros', 'category': 'category'})) }} as main_category
    from invoice_categories
    group by invoice_no

),

orders as (

    select
        invoices.*,
        coalesce(product_counts.product_count, 0) as product_count,
        coalesce(category_counts.category_count, 0) as category_count,
        category_counts.main_category
    from invoices
    left join product_counts on invoices.invoice_no = product_counts.invoice_no
    left join category_counts on invoices.invoice_no = category_counts.invoice_no

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
        invoice_no,
        customer_id,
        country,
        ordered_at,
        cast(ordered_at as date) as order_date,
        customer_order_number,
        coalesce(customer_order_number = 1, false) as is_first_order,
        case when customer_id is not null then
            {{ days_between('previous_order_date', 'cast(ordered_at as date)') }}
        end as days_since_previous_order,
        line_count,
        product_count,
        category_count,
        main_category,
        quantity,
        cancelled_quantity,
        quantity - cancelled_quantity as net_quantity,
        case
            when net_revenue_micros = 0 then 'cancelled'
            when net_revenue_micros < gross_revenue_micros then 'partly_cancelled'
            else 'completed'
        end as order_status,
        gross_revenue_micros,
        net_revenue_micros,
        {{ amount('gross_revenue_micros') }} as gross_revenue,
        {{ amount('gross_revenue_micros - net_revenue_micros') }} as cancelled_revenue,
        {{ amount('net_revenue_micros') }} as net_revenue,
        {{ amount('service_revenue_micros') }} as service_revenue
    from numbered

)

select * from final
