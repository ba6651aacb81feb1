with customers as (

    select customer_id, name from {{ ref('customers') }}

)

select
    customers.customer_id,
    customers.name,
    count(orders.order_id) as order_count,
    sum(orders.amount_cents) as total_cents,
    max(orders.ordered_on) as last_ordered_on
from customers
left join {{ ref('paid_orders') }} as orders on customers.customer_id = orders.customer_id
group by customers.customer_id, customers.name
