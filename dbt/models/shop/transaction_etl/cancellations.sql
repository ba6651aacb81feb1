with

cancelled as (

    select * from {{ ref('int_transactions') }} where line_type = 'cancellation'

),

sales as (

    select * from {{ ref('int_transactions') }} where line_type = 'sale'

),

matches as (

    select * from {{ ref('int_cancellation_matches') }}

),

matched_quantities as (

    select
        cancellation_invoice_no,
        cancellation_date,
        cancellation_line_number,
        {{ sum_bigint('quantity') }} as quantity
    from matches
    group by cancellation_invoice_no, cancellation_date, cancellation_line_number

),

parts as (

    select
        cancelled.*,
        matches.sale_invoice_no,
        matches.sale_line_number,
        sales.invoice_at as sold_at,
        matches.quantity as part_quantity
    from cancelled
    inner join matches
        on cancelled.invoice_no = matches.cancellation_invoice_no
        and cancelled.invoice_date = matches.cancellation_date
        and cancelled.line_number = matches.cancellation_line_number
    inner join sales
        on matches.sale_invoice_no = sales.invoice_no
        and matches.sale_date = sales.invoice_date
        and matches.sale_line_number = sales.line_number

    union all

    select
        cancelled.*,
        cast(null as {{ dbt.type_string() }}),
        cast(null as {{ dbt.type_int() }}),
        cast(null as {{ dbt.type_timestamp() }}),
        -cancelled.quantity - coalesce(matched_quantities.quantity, 0)
    from cancelled
    left join matched_quantities
        on cancelled.invoice_no = matched_quantities.cancellation_invoice_no
        and cancelled.invoice_date = matched_quantities.cancellation_date
        and cancelled.line_number = matched_quantities.cancellation_line_number
    where -cancelled.quantity > coalesce(matched_quantities.quantity, 0)

),

final as (

    select
        invoice_no as cancellation_invoice_no,
        line_number as cancellation_line_number,
        invoice_at as cancelled_at,
        invoice_date as cancellation_date,
        sale_invoice_no,
        sale_line_number,
        sold_at,
        sale_invoice_no is not null as is_matched,
        {{ days_between('cast(sold_at as date)', 'invoice_date') }} as days_since_sale,
        customer_id,
        stock_code,
        item_type,
        part_quantity as quantity,
        part_quantity * unit_price_micros as revenue_micros,
        {{ amount('part_quantity * unit_price_micros') }} as revenue
    from parts

)

select * from final
