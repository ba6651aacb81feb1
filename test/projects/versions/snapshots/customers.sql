{# {% snapshot not_this_one %} a comment {% endsnapshot %} #}
{% snapshot customers_by_time %}
    {{ config(target_schema='archive', strategy='timestamp', updated_at='changed_at') }}
    select * from {{ ref('customers') }}
{% endsnapshot %}

{% snapshot customers_by_time_ended %}
    {{ config(strategy='timestamp', updated_at='changed_at', invalidate_hard_deletes=true) }}
    select * from {{ ref('customers') }} where customer_id < 100
{% endsnapshot %}

{%- snapshot customers_by_time_deleted -%}
    {{ config(strategy='timestamp', updated_at='changed_at', hard_deletes='new_record', alias='customers_deleted') }}
    select *, upper(name) as loud_name from {{ ref('customers') }}
{%- endsnapshot -%}
