{#-
    Which sale a cancellation takes back: of the same customer, item and price, the units sold first are returned first. A
    cancellation before its sale, or of more than was sold, stays unmatched to that part.

    The units sold of one customer, item and price are numbered in the order of time, and so are the units returned, but for
    those that nothing was left to be returned for. Equal numbers are a match. How many returns up to a moment found nothing is
    the lowest that sales less cancellations ever were until then, if that is below zero.
-#}
{%- set whole = dbt.type_bigint() -%}
{%- set item -%}
    partition by customer_id, stock_code, unit_price_micros
    order by invoice_at, line_type desc, invoice_no, line_number
{%- endset -%}
{%- set so_far = item ~ ' rows between unbounded preceding and current row' -%}

with

-- Most lines are of something that nobody has returned: they need not be sorted.
returned_items as (

    select distinct
        customer_id,
        stock_code,
        unit_price_micros
    from {{ ref('int_transactions') }}
    where line_type = 'cancellation'
        and customer_id is not null

),

-- Sales come before cancellations of the same moment: "sale" is after "cancellation".
lines as (

    select
        transactions.invoice_no,
        transactions.invoice_date,
        transactions.invoice_at,
        transactions.line_number,
        transactions.line_type,
        transactions.customer_id,
        transactions.stock_code,
        transactions.unit_price_micros,
        transactions.quantity,
        case when transactions.line_type = 'sale' then transactions.quantity else 0 end as sold,
        case when transactions.line_type = 'cancellation' then -transactions.quantity else 0 end as returned
    from {{ ref('int_transactions') }} as transactions
    inner join returned_items
        on transactions.customer_id = returned_items.customer_id
        and transactions.stock_code = returned_items.stock_code
        and transactions.unit_price_micros = returned_items.unit_price_micros
    where transactions.line_type in ('sale', 'cancellation')

),

balances as (

    select
        *,
        cast(sum(sold) over ({{ so_far }}) as {{ whole }}) as sold_to,
        cast(sum(returned) over ({{ so_far }}) as {{ whole }}) as returned_to,
        cast(sum(quantity) over ({{ so_far }}) as {{ whole }}) as balance
    from lines

),

shortages as (

    select
        *,
        greatest(0, -min(balance) over ({{ so_far }})) as unmatched_to
    from balances

),

returns as (

    select
        *,
        returned_to - unmatched_to as matched_to,
        coalesce(lag(returned_to - unmatched_to) over ({{ item }}), 0) as matched_from
    from shortages

),

final as (

    select
        returns.invoice_no as cancellation_invoice_no,
        returns.invoice_date as cancellation_date,
        returns.line_number as cancellation_line_number,
        sales.invoice_no as sale_invoice_no,
        sales.invoice_date as sale_date,
        sales.line_number as sale_line_number,
        least(returns.matched_to, sales.sold_to) - greatest(returns.matched_from, sales.sold_to - sales.sold) as quantity
    from returns
    inner join returns as sales
        on returns.customer_id = sales.customer_id
        and returns.stock_code = sales.stock_code
        and returns.unit_price_micros = sales.unit_price_micros
        and returns.matched_from < sales.sold_to
        and returns.matched_to > sales.sold_to - sales.sold
    where returns.line_type = 'cancellation'
        and sales.line_type = 'sale'

)

select * from final
