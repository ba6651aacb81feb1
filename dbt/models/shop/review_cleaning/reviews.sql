with

versions as (

    select
        *,
        row_number() over (partition by review_id order by edited_at desc, review_date desc) as version_number
    from {{ ref('int_reviews') }}

),

checked as (

    select
        review_id,
        product_id,
        customer_hash,
        reviewed_at,
        edited_at,
        review_date,
        rating,
        title,
        review_text,
        language,
        is_verified,
        case when trim(review_text) <> '' then length(trim(review_text)) else 0 end as text_length,
        case
            when product_id is null or product_id = '' then 'no_product'
            when rating is null then 'no_rating'
            when rating not between 1 and 5 then 'rating_out_of_range'
        end as rejection_reason
    from versions
    where version_number = 1

),

-- The same words about the same product by one customer count once: the first.
repeats as (

    select
        *,
        row_number() over (
            partition by product_id, customer_hash, rating, title, review_text, rejection_reason
            order by reviewed_at, review_id
        ) as repeat_number
    from checked

),

final as (

    select
        review_id,
        product_id,
        customer_hash,
        reviewed_at,
        edited_at,
        review_date,
        rating,
        title,
        review_text,
        language,
        is_verified,
        cast(text_length as {{ dbt.type_bigint() }}) as text_length,
        case
            when rating >= 4 then 'positive'
            when rating = 3 then 'neutral'
            when rating <= 2 then 'negative'
        end as sentiment,
        case
            when rejection_reason is not null then rejection_reason
            when customer_hash is not null and text_length > 0 and repeat_number > 1 then 'repeated'
        end as rejection_reason,
        rejection_reason is null
            and (customer_hash is null or text_length = 0 or repeat_number = 1) as is_valid
    from repeats

)

select * from final
