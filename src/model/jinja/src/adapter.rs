//! `adapter`: what dbt's adapter answers to templates.

use std::sync::Arc;

use minijinja::value::{Object, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};
use serde_json::{json, Value as Json};

use crate::relation::{self, Column, Relation};
use crate::session;
use crate::value::{self, failed, items, list, Arguments};

#[derive(Debug)]
pub struct Adapter;

/// The relation of that name as it exists, or None.
pub fn get_relation(wanted: &Value) -> Result<Value, Error> {
    let Some(wanted) = Relation::of(wanted) else { return Ok(Value::from(())) };
    session::with(|session| {
        if !session.execute {
            return Ok(Value::from(()));
        }
        Ok(session.ask_relation("get_relation", &wanted.to_json()["__relation__"])?.map_or(Value::from(()), Value::from_object))
    })
}

fn columns(wanted: &Value) -> Result<Vec<Column>, Error> {
    let wanted =
        Relation::of(wanted).ok_or_else(|| failed(format!("get_columns_in_relation() needs a relation, not {}", wanted.kind())))?;
    session::with(|session| {
        if !session.execute {
            return Ok(Vec::new());
        }
        let answer = session.ask("columns_in_relation", &wanted.to_json()["__relation__"])?;
        let text = |c: &Json, key: &str| c.get(key).and_then(Json::as_str).unwrap_or_default().to_string();
        Ok(answer
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
            .iter()
            .map(|c| Column::new(&text(c, "name"), &text(c, "dtype")))
            .collect())
    })
}

fn column_list(columns: Vec<Column>) -> Value {
    list(columns.into_iter().map(Value::from_object).collect())
}

impl Object for Adapter {
    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "Relation" => Value::from_object(relation::Class::Relation),
            "Column" => Value::from_object(relation::Class::Column),
            _ => return None,
        })
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let mut call = Arguments::of(args)?;
        let none = Value::from(());
        Ok(match method {
            "dispatch" => {
                let name = call.text(0, "macro_name", "adapter.dispatch")?;
                if name.contains('.') {
                    return Err(failed(format!("adapter.dispatch('{name}'): give the package as macro_namespace, not with a dot")));
                }
                let namespace = call.take(1, "macro_namespace").filter(|v| !v.is_none()).map(|v| v.to_string());
                session::with(|s| s.project.dispatch(&name, namespace.as_deref(), &s.package)).map(Value::from_dyn_object)?
            }
            "type" => session::with(|s| Ok(Value::from(s.project.adapter.as_str())))?,
            "quote" => Value::from(relation::quoted(&call.text(0, "identifier", "quote")?)),
            "quote_as_configured" => Value::from(relation::quoted(&call.text(0, "identifier", method)?)),
            "quote_seed_column" => {
                let name = call.text(0, "column", method)?;
                match call.take(1, "quote_config") {
                    Some(flag) if !flag.is_none() && !flag.is_true() => Value::from(name),
                    _ => Value::from(relation::quoted(&name)),
                }
            }
            "get_relation" => {
                let mut text = |at, name| call.take(at, name).filter(|v: &Value| !v.is_none()).map(|v| v.to_string()).unwrap_or_default();
                let wanted = Relation::new(&text(0, "database"), &text(1, "schema"), &text(2, "identifier"), "");
                get_relation(&Value::from_object(wanted))?
            }
            "load_relation" => get_relation(&call.need(0, "relation", method)?)?,
            "already_exists" => {
                let wanted = Relation::new("", &call.text(0, "schema", method)?, &call.text(1, "identifier", method)?, "");
                Value::from(!get_relation(&Value::from_object(wanted))?.is_none())
            }
            "get_columns_in_relation" => column_list(columns(&call.need(0, "relation", method)?)?),
            "get_missing_columns" => {
                let from = columns(&call.need(0, "from_relation", method)?)?;
                let to = columns(&call.need(1, "to_relation", method)?)?;
                column_list(from.into_iter().filter(|c| !to.iter().any(|t| t.name.eq_ignore_ascii_case(&c.name))).collect())
            }
            "expand_target_column_types"
            | "valid_snapshot_target"
            | "cache_added"
            | "cache_dropped"
            | "cache_renamed"
            | "commit"
            | "create_schema" => none,
            "check_schema_exists" => Value::from(true),
            "list_relations_without_caching" | "list_schemas" => list(Vec::new()),
            "convert_type" => {
                let table = call.need(0, "agate_table", method)?;
                let at = call.need(1, "col_idx", method)?;
                let types = items(&table.get_attr("column_types")?)?;
                at.as_usize().and_then(|at| types.get(at).cloned()).unwrap_or_else(|| Value::from("text"))
            }
            "translate_type" => Value::from(relation::translate_type(&call.text(0, "dtype", method)?)),
            "get_incremental_strategy_macro" | "validate_incremental_strategy" | "external_root" => none,
            "is_replaceable" | "supports" => Value::from(true),
            "render_raw_columns_constraints" => {
                let columns = value::entries(&call.need(0, "raw_columns", method)?)?;
                let line =
                    |c: &Value| format!("{} {}", c.get_attr("name").unwrap_or_default(), c.get_attr("data_type").unwrap_or_default());
                list(columns.values().map(|c| Value::from(line(c))).collect())
            }
            "execute" => {
                let sql = call.text(0, "sql", method)?;
                let table = session::with(|s| if s.execute { s.ask("run_query", &json!({"sql": sql})) } else { Ok(Json::Null) })?;
                let table = crate::table::Table::from_json(&table);
                value::tuple(vec![Value::from("OK"), Value::from_object(table)])
            }
            "drop_relation" | "truncate_relation" | "rename_relation" | "drop_schema" => {
                return Err(failed(format!("adapter.{method}() is not for templates here: shoplake replaces tables itself, atomically")));
            }
            "standardize_grants_dict" => value::dict(value::Map::new()),
            _ if self.get_value(&Value::from(method)).is_some_and(|v| v.kind() == ValueKind::Map) => {
                return Err(Error::from(ErrorKind::UnknownMethod))
            }
            _ => return Err(failed(format!("adapter has no method '{method}'"))),
        })
    }
}
