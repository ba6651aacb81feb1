-- Tables whose grain is more than one column; those of one column have a unique test.
{% set grains = {
    'int_transactions': ['invoice_no', 'invoice_date', 'line_number'],
    'int_cancellation_matches': ['cancellation_invoice_no', 'cancellation_date', 'cancellation_line_number', 'sale_invoice_no', 'sale_date', 'sale_line_number'],
    'transactions': ['invoice_no', 'invoice_date', 'line_number'],
    'cancellations': ['cancellation_invoice_no', 'cancellation_date', 'cancellation_line_number', 'sale_invoice_no', 'sold_at', 'sale_line_number'],
    'int_products_daily': ['product_id', 'catalogue_date'],
    'product_price_history': ['product_id', 'valid_from'],
    'clickstream_sessions': ['user_pseudo_id', 'session_number'],
    'clickstream_products_daily': ['product_id', 'event_date'],
    'int_reviews': ['review_id', 'review_date'],
    'referential_gaps': ['table_name', 'column_name', 'key_value'],
} %}
{% for model, columns in grains.items() %}
select '{{ model }}' as model_name, count(*) as repeated
from (
    select {{ columns | join(', ') }}
    from {{ ref(model) }}
    group by {{ columns | join(', ') }}
    having count(*) > 1
) as repeats
having count(*) > 0
{{ 'union all' if not loop.last }}
{% endfor %}
