select 'customers' as what, count(*) as n from {{ ref('customer_totals') }}
union all
select 'days', count(*) from {{ ref('daily') }}
