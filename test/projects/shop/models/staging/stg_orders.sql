select
    order_id,
    customer_id,
    ordered_on,
    {{ cents('amount') }} as amount_cents,
    status
from {{ ref('orders') }}
where amount >= {{ var('minimum_amount') }}
