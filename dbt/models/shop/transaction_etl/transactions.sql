with

lines as (

    select * from {{ ref('int_transactions') }}

),

matches as (

    select * from {{ ref('int_cancellation_matches') }}

),

matched as (

    select
        sale_invoice_no as invoice_no,
        sale_date as invoice_date,
        sale_line_number as line_number,
        {{ sum_bigint('quantity') }} as quantity
    from matches
    group by sale_invoice_no, sale_date, sale_line_number

    union all

    select
        cancellation_invoice_no,
        cancellation_date,
        cancellation_line_number,
        {{ sum_bigint('-quantity') }}
    from matches
    group by cancellation_invoice_no, cancellation_date, cancellation_line_number

),

joined as (

    select
        lines.*,
        case when lines.line_type in ('sale', 'cancellation') then coalesce(matched.quantity, 0) end as matched_quantity
    from lines
    left join matched
        on lines.invoice_no = matched.invoice_no
        and lines.invoice_date = matched.invoice_date
        and lines.line_number = matched.line_number

),

final as (

    select
        invoice_no,
        line_number,
        line_type,
        item_type,
        invoice_at,
        invoice_date,
        stock_code,
        description,
        quantity,
        abs(matched_quantity) as cancelled_quantity,
        quantity - matched_quantity as net_quantity,
        unit_price_micros,
        revenue_micros,
        (quantity - matched_quantity) * unit_price_micros as net_revenue_micros,
        {{ amount('unit_price_micros') }} as unit_price,
        {{ amount('revenue_micros') }} as revenue,
        {{ amount('(quantity - matched_quantity) * unit_price_micros') }} as net_revenue,
        customer_id,
        country,
        year,
        month,
        day
    from joined

)

select * from final
