select customer_id, name
from {{ ref('customers_by_time') }}
where dbt_valid_to is null
