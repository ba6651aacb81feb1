{#-
    Recency counts from the last day of the data, not from today, so that the same data give the same table. Scores are
    fifths: 5 is the best; customers with equal values have equal scores. Reviews are missing on purpose: their contract keeps of
    the customer only a keyed hash, so that what somebody wrote cannot be laid beside what they bought.
-#}
{%- set whole = dbt.type_bigint() -%}

with

lines as (

    select * from {{ ref('transactions') }} where customer_id is not null and line_type in ('sale', 'cancellation')

),

last_day as (

    select max(invoice_date) as last_date from {{ ref('transactions') }}

),

totals as (

    select
        customer_id,
        {{ last_by('country', record({'t': 'invoice_at', 'n': 'invoice_no', 'c': 'country'}), 'country is not null') }} as country,
        {{ sum_bigint("case when line_type = 'sale' and item_type = 'product' then quantity end") }} as quantity,
        {{ sum_bigint("case when line_type = 'sale' then revenue_micros end") }} as gross_revenue_micros,
        {{ sum_bigint("case when line_type = 'cancellation' then -revenue_micros end") }} as cancelled_revenue_micros,
        {{ sum_bigint('revenue_micros') }} as net_revenue_micros,
        cast(count(distinct case when line_type = 'cancellation' then invoice_no end) as {{ whole }}) as cancellations,
        cast(count(distinct case when line_type = 'sale' and item_type = 'product' then stock_code end) as {{ whole }}) as products
    from lines
    group by customer_id

),

orders as (

    select
        customer_id,
        min(order_date) as first_order_date,
        max(order_date) as last_order_date,
        cast(count(*) as {{ whole }}) as orders,
        {{ count_if("order_status = 'cancelled'") }} as cancelled_orders
    from {{ ref('orders_enriched') }}
    where customer_id is not null
    group by customer_id

),

categories as (

    select
        lines.customer_id,
        products.category,
        row_number() over (
            partition by lines.customer_id order by sum(lines.revenue_micros) desc, products.category
        ) as place
    from lines
    inner join {{ ref('products') }} as products on lines.stock_code = products.product_id
    where products.category is not null
    group by lines.customer_id, products.category

),

visits as (

    select
        user_pseudo_id as customer_id,
        cast(count(*) as {{ whole }}) as sessions,
        max(session_date) as last_session_date
    from {{ ref('clickstream_sessions') }}
    group by user_pseudo_id

),

joined as (

    select
        totals.*,
        orders.first_order_date,
        orders.last_order_date,
        coalesce(orders.orders, 0) as orders,
        coalesce(orders.cancelled_orders, 0) as cancelled_orders,
        {{ days_between('orders.last_order_date', 'last_day.last_date') }} as recency_days,
        categories.category as favourite_category,
        coalesce(visits.sessions, 0) as sessions,
        visits.last_session_date
    from totals
    cross join last_day
    left join orders on totals.customer_id = orders.customer_id
    left join categories on totals.customer_id = categories.customer_id and categories.place = 1
    left join visits on totals.customer_id = visits.customer_id

),

-- How large a part of the customers is worse, counted without those that are equal.
shares as (

    select
        *,
        percent_rank() over (order by recency_days desc) as recency_share,
        percent_rank() over (order by orders) as frequency_share,
        percent_rank() over (order by net_revenue_micros) as monetary_share
    from joined
    where orders > 0

),

scores as (

    select
        customer_id,
        cast(least(5, floor(recency_share * 5) + 1) as {{ dbt.type_int() }}) as recency_score,
        cast(least(5, floor(frequency_share * 5) + 1) as {{ dbt.type_int() }}) as frequency_score,
        cast(least(5, floor(monetary_share * 5) + 1) as {{ dbt.type_int() }}) as monetary_score
    from shares

),

final as (

    select
        joined.customer_id,
        joined.country,
        joined.first_order_date,
        joined.last_order_date,
        joined.recency_days,
        joined.orders,
        joined.cancelled_orders,
        joined.cancellations,
        joined.products,
        joined.quantity,
        joined.gross_revenue_micros,
        joined.cancelled_revenue_micros,
        joined.net_revenue_micros,
        {{ amount('joined.gross_revenue_micros') }} as gross_revenue,
        {{ amount('joined.cancelled_revenue_micros') }} as cancelled_revenue,
        {{ amount('joined.net_revenue_micros') }} as net_revenue,
        case when joined.orders > 0 then {{ amount('joined.gross_revenue_micros / joined.orders') }} end as average_order_value,
        scores.recency_score,
        scores.frequency_score,
        scores.monetary_score,
        case
            when scores.customer_id is null then 'no_order'
            when scores.recency_score >= 4 and scores.frequency_score >= 4 and scores.monetary_score >= 4 then 'champion'
            when scores.recency_score >= 3 and scores.frequency_score >= 4 then 'loyal'
            when scores.recency_score >= 4 and joined.orders = 1 then 'new'
            when scores.recency_score >= 3 then 'promising'
            when scores.frequency_score >= 4 or scores.monetary_score >= 4 then 'at_risk'
            else 'dormant'
        end as rfm_segment,
        joined.favourite_category,
        joined.sessions,
        joined.last_session_date
    from joined
    left join scores on joined.customer_id = scores.customer_id

)

select * from final
