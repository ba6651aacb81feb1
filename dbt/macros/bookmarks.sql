{#-
    Bookmarks of the incremental shop models. The bookmark of a day is its state in the source: how many rows it has, and
    when the first and the last of them were loaded. Each row of a model keeps the bookmark that it was made from, so the
    bookmark and the rows change in one commit. A run reads the days whose bookmark differs, whole, and nothing else.
-#}

{# Days of a relation with their state; `ingested_timestamp` is a column of the relation. #}
{% macro source_days(relation, date) -%}
    select
        {{ date }},
        cast(count(*) as {{ dbt.type_string() }})
            || '/' || cast(min(ingested_timestamp) as {{ dbt.type_string() }})
            || '/' || cast(max(ingested_timestamp) as {{ dbt.type_string() }}) as day_fingerprint
    from {{ relation }}
    group by {{ date }}
{%- endmacro %}

{# Those whose state differs from the one that the model was built from; all of them in a first or a full build. #}
{% macro changed_days(relation, date) -%}
    select
        days.{{ date }},
        days.day_fingerprint
    from ({{ source_days(relation, date) }}) as days
    {% if is_incremental() %}
    left join ({{ day_states(this, date) }}) as known
        on days.{{ date }} = known.{{ date }} and days.day_fingerprint = known.day_fingerprint
    where known.{{ date }} is null
    {% endif %}
{%- endmacro %}
