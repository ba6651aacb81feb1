{{ config(partition_by='ordered_on', tags=['daily']) }}
select ordered_on, count(*) as order_count, sum(amount_cents) as total_cents
from {{ ref('stg_orders') }}
group by ordered_on
