{{ single_touch_attribution('is_first_touch') }}
