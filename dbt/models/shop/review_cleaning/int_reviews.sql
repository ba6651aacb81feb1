{#- Incremental by day of the review; macros/bookmarks.sql says how. -#}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='review_date',
        meta={'settles': true},
    )
}}

with

changed_days as (

    {{ changed_days(ref('stg_reviews'), 'review_date') }}

),

ranked as (

    -- A review that was changed on its day counts once, as it was last.
    select
        reviews.*,
        changed_days.day_fingerprint,
        row_number() over (
            partition by reviews.review_id, reviews.review_date
            order by reviews.edited_at desc, reviews.ingested_timestamp desc, reviews.rating, reviews.title,
                reviews.review_text, reviews.product_id, reviews.customer_hash
        ) as version_number
    from {{ ref('stg_reviews') }} as reviews
    inner join changed_days on reviews.review_date = changed_days.review_date

),

final as (

    select
        review_id,
        review_date,
        reviewed_at,
        edited_at,
        product_id,
        customer_hash,
        rating,
        title,
        review_text,
        language,
        is_verified,
        day_fingerprint
    from ranked
    where version_number = 1

)

select * from final
