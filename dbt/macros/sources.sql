{#
    Whether the table of a source is there. A shop may send GA4 events, flat clickstream or both, so a source that nobody
    fills may be absent. (While dbt parses the project nothing can be asked; in a unit test the rows are given.)
-#}
{% macro source_exists(relation) -%}
    {{ return(not execute or relation.is_cte or load_relation(relation) is not none) }}
{%- endmacro %}
