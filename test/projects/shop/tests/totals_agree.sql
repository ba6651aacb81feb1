select 1
where (select sum(total_cents) from {{ ref('customer_totals') }})
    <> (select sum(amount_cents) from {{ ref('paid_orders') }})
