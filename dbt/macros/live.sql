{#-
    Live mode: `shoplake serve` takes a batch of new events through the models once a second. The models stay the one place
    of the logic; a live branch says only which rows a batch can change.

    A model takes part by meta.live in its config:
      scope      Jinja text of a predicate over the model's own columns: the rows that this batch can change. 'false': rows are
                 only added. 'true': any row of a small table. In live mode the model's SQL gives all its rows within the
                 scope and no others; they replace those of the table.
      reads      list of {ref, where}: of another live model, only the rows that the predicate `where` (Jinja text over that
                 model's columns) is true of are needed. In live mode its ref() gives just these. They are found in the order of
                 the list, and a predicate may ref() what stands before it.
      day        column of the date of a row.
      hot_days   days before the newest that live keeps in memory; without it, the whole table. Rows before these are
                 neither read nor changed.

    In live mode source() and ref() of a model that is only added to give the rows of this batch; ref() of another live model
    gives its hot rows, this batch included; `this` gives the hot rows within the scope as they were before this batch. Rows
    made in live mode carry the fingerprint 'live', which no day has: the next build computes the days of these rows again.

    Rows are found by key where a predicate says `columns in (select …)`, or several such terms joined by `or`: then the price of
    a batch is that of the rows it touches. Any other predicate (exists, comparisons) is asked about every row in memory.

    dbt-core knows nothing of this: var live is false there.
-#}
{% macro is_live() -%}
    {{ return(var('live', false)) }}
{%- endmacro %}

{#
    Rows of a live model that this batch added or removed, with change_count: how many equal ones were added, negative for removed
    ones. The calling model must also ref() that model, or one above it.
#}
{% macro changed(model) -%}
    {{ return('live.changed_' ~ model) }}
{%- endmacro %}

{# Days of journeys that an event can change: it is at most live_late_hours old, and the look-back reaches before it. #}
{% macro live_hot_days() -%}
    {{ return(var('lookback_days') + (var('live_late_hours') + 23) // 24 + 1) }}
{%- endmacro %}

{# Whether a part of a table is computed again; live mode has scopes instead. #}
{% macro is_incremental_build() -%}
    {{ return(is_incremental() and not is_live()) }}
{%- endmacro %}

{#
    State of each day of a relation. A day that holds rows of several states (some of them live) has none, so it differs from
    every other.
#}
{% macro day_states(relation, date='event_date', fingerprint='day_fingerprint') -%}
    select
        {{ date }},
        case when min({{ fingerprint }}) = max({{ fingerprint }}) then min({{ fingerprint }}) end as {{ fingerprint }}
    from {{ relation }}
    group by {{ date }}
{%- endmacro %}
