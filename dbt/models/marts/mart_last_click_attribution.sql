{{ single_touch_attribution('is_last_touch') }}
