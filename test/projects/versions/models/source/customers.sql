-- The test writes this file anew before each run.
select 1 as customer_id, 'Ada' as name
