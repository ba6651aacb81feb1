{%- set whole = dbt.type_bigint() -%}

with

lines as (

    select *
    from {{ ref('transactions') }}
    where item_type = 'product' and line_type in ('sale', 'cancellation') and stock_code is not null

),

-- The last name under which a product was sold; what is blank is no name.
sales as (

    select
        stock_code as product_id,
        {{ last_by('description', record({'t': 'invoice_at', 'n': 'invoice_no', 'd': 'description'}), "trim(description) <> ''") }} as sold_as,
        {{ sum_bigint("case when line_type = 'sale' then quantity end") }} as sold_quantity,
        {{ sum_bigint("case when line_type = 'cancellation' then -quantity end") }} as cancelled_quantity,
        {{ sum_bigint("case when line_type = 'sale' then revenue_micros end") }} as gross_revenue_micros,
        {{ sum_bigint('revenue_micros') }} as net_revenue_micros,
        min(case when line_type = 'sale' then invoice_date end) as first_sold_date,
        max(case when line_type = 'sale' then invoice_date end) as last_sold_date
    from lines
    group by stock_code

),

-- Grouped first and then counted, as in orders_enriched.
product_orders as (

    select distinct
        stock_code as product_id,
        invoice_no
    from {{ ref('transactions') }}
    where item_type = 'product'
        and line_type = 'sale'
        and stock_code is not null
        and invoice_no is not null

),

order_counts as (

    select
        product_id,
        cast(count(*) as {{ whole }}) as orders
    from product_orders
    group by product_id

),

product_customers as (

    select distinct
        stock_code as product_id,
        customer_id
    from {{ ref('transactions') }}
    where item_type = 'product'
        and line_type = 'sale'
        and stock_code is not null
        and customer_id is not null

),

customer_counts as (

    select
        product_id,
        cast(count(*) as {{ whole }}) as customers
    from product_customers
    group by product_id

),

reviews as (

    select
        product_id,
        cast(count(*) as {{ whole }}) as reviews,
        {{ count_if('is_verified') }} as verified_reviews,
        round(avg(cast(rating as {{ double() }})), 2) as average_rating
    from {{ ref('reviews') }}
    where is_valid
    group by product_id

),

clicks as (

    select
        product_id,
        {{ sum_bigint('views') }} as views,
        {{ sum_bigint('cart_adds') }} as cart_adds
    from {{ ref('clickstream_products_daily') }}
    group by product_id

),

ids as (

    select product_id from sales
    union
    select product_id from {{ ref('products') }}

),

joined as (

    select
        ids.product_id,
        coalesce(products.name, sales.sold_as) as product_name,
        products.brand,
        products.category,
        products.department,
        products.product_id is not null as is_in_catalogue,
        products.price,
        products.stock_quantity,
        products.stock_status,
        sales.first_sold_date,
        sales.last_sold_date,
        coalesce(order_counts.orders, 0) as orders,
        coalesce(customer_counts.customers, 0) as customers,
        coalesce(sales.sold_quantity, 0) as sold_quantity,
        coalesce(sales.cancelled_quantity, 0) as cancelled_quantity,
        coalesce(sales.gross_revenue_micros, 0) as gross_revenue_micros,
        coalesce(sales.net_revenue_micros, 0) as net_revenue_micros,
        coalesce(reviews.reviews, 0) as reviews,
        coalesce(reviews.verified_reviews, 0) as verified_reviews,
        reviews.average_rating,
        coalesce(clicks.views, 0) as views,
        coalesce(clicks.cart_adds, 0) as cart_adds
    from ids
    left join sales on ids.product_id = sales.product_id
    left join order_counts on ids.product_id = order_counts.product_id
    left join customer_counts on ids.product_id = customer_counts.product_id
    left join {{ ref('products') }} as products on ids.product_id = products.product_id
    left join reviews on ids.product_id = reviews.product_id
    left join clicks on ids.product_id = clicks.product_id

),

final as (

    select
        product_id,
        product_name,
        brand,
        category,
        department,
        is_in_catalogue,
        price,
        stock_quantity,
        stock_status,
        first_sold_date,
        last_sold_date,
        orders,
        customers,
        sold_quantity,
        cancelled_quantity,
        {{ ratio('cancelled_quantity', 'sold_quantity') }} as cancellation_rate,
        gross_revenue_micros,
        net_revenue_micros,
        {{ amount('gross_revenue_micros') }} as gross_revenue,
        {{ amount('net_revenue_micros') }} as net_revenue,
        cast(rank() over (order by net_revenue_micros desc) as {{ whole }}) as revenue_rank,
        reviews,
        verified_reviews,
        average_rating,
        views,
        cart_adds,
        {{ ratio('orders', 'views') }} as orders_per_view
    from joined

)

select * from final
