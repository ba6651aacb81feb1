{#- Incremental by day of the invoice; macros/bookmarks.sql says how. -#}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='invoice_date',
        partition_by=['year', 'month', 'day'],
        meta={'settles': true},
    )
}}

with

changed_days as (

    {{ changed_days(ref('stg_transactions'), 'invoice_date') }}

),

lines as (

    select
        lines.*,
        changed_days.day_fingerprint,
        {{ matches('lines.invoice_no', '^C[0-9]') }} as is_cancellation_invoice,
        coalesce(service_codes.item_type, 'product') as item_type
    from {{ ref('stg_transactions') }} as lines
    inner join changed_days on lines.invoice_date = changed_days.invoice_date
    left join {{ ref('service_codes') }} as service_codes on lines.stock_code = service_codes.stock_code

),

classified as (

    select
        *,
        case
            -- A product of the two that no column can hold is as good as none.
            when quantity is null or quantity = 0 or unit_price_micros is null then 'invalid'
            when abs(cast(quantity as {{ double() }}) * unit_price_micros) >= 9e18 then 'invalid'
            when unit_price_micros <= 0 then 'adjustment'
            when is_cancellation_invoice and quantity < 0 then 'cancellation'
            when is_cancellation_invoice or quantity < 0 then 'adjustment'
            else 'sale'
        end as line_type
    from lines

),

final as (

    select
        invoice_no,
        invoice_date,
        -- Equal lines of an invoice are so many pieces more: nothing tells them apart, and nothing has to. The place in the
        -- invoice is the place in the day less that of the invoice's first line: so lines come out by day, as they are kept.
        cast(
            row_number() over (
                partition by invoice_date
                order by invoice_no, invoice_at, stock_code, description, quantity, unit_price_micros, customer_id, country
            ) - rank() over (partition by invoice_date order by invoice_no) + 1
        as {{ dbt.type_int() }}) as line_number,
        invoice_at,
        line_type,
        item_type,
        stock_code,
        description,
        quantity,
        unit_price_micros,
        case when line_type in ('sale', 'cancellation') then quantity * unit_price_micros end as revenue_micros,
        customer_id,
        country,
        cast(extract(year from invoice_date) as {{ dbt.type_int() }}) as year,
        cast(extract(month from invoice_date) as {{ dbt.type_int() }}) as month,
        cast(extract(day from invoice_date) as {{ dbt.type_int() }}) as day,
        day_fingerprint
    from classified

)

select * from final
