-- Likewise.
select 'shop' as place, 1 as article_id
