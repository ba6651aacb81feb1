//! The functions and objects of dbt's Jinja context that are not macros.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, Value};
use minijinja::{Error, ErrorKind, State};
use serde_json::{json, Value as Json};

use crate::adapter::Adapter;
use crate::config::Config;
use crate::operators::{add, subtract};
use crate::relation::{Class, Relation};
use crate::session::{self, stand_in};
use crate::table::Table;
use crate::value::{self, dict, failed, from_json, items, list, own, to_json, tuple, Arguments};
use crate::yaml::write_yaml;
use crate::{datetime, itertools, methods, regular};

type Function = fn(&mut State<'_, '_>, Arguments) -> Result<Value, Error>;

/// A function of ours as a template's value.
pub struct Native {
    pub name: &'static str,
    pub function: Function,
}

impl fmt::Debug for Native {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<function {}>", self.name)
    }
}

impl Object for Native {
    fn is_true(self: &Arc<Self>) -> bool {
        true
    }
    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        (self.function)(state, Arguments::of(args)?)
    }
}

/// An object with functions: modules.re, exceptions, api …
pub struct Members {
    pub name: &'static str,
    pub members: HashMap<&'static str, Value>,
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.name)
    }
}

impl Object for Members {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.members.get(key.as_str()?).cloned()
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.members.keys().map(|k| Value::from(*k)).collect())
    }
    fn is_true(self: &Arc<Self>) -> bool {
        true
    }
}

pub fn native(name: &'static str, function: Function) -> Value {
    Value::from_object(Native { name, function })
}

pub fn members(name: &'static str, members: HashMap<&'static str, Value>) -> Value {
    Value::from_object(Members { name, members })
}

fn functions(list: &[(&'static str, Function)]) -> HashMap<&'static str, Value> {
    list.iter().map(|(name, function)| (*name, native(name, *function))).collect()
}

/// All names that are the same for every node.
pub fn natives(options: &Json) -> HashMap<&'static str, Value> {
    let mut names = functions(&[
        // Only source.rs writes calls of these.
        ("__list", |_, mut call| Ok(list(items(&call.need(0, "items", "list")?)?))),
        ("__dict", |_, mut call| Ok(dict(value::entries(&call.need(0, "entries", "dict")?)?))),
        ("__own", |_, mut call| Ok(own(call.need(0, "value", "set")?))),
        ("__add", |_, mut call| add(&call.need(0, "left", "+")?, &call.need(1, "right", "+")?)),
        ("__sub", |_, mut call| subtract(&call.need(0, "left", "-")?, &call.need(1, "right", "-")?)),
        ("__percent", |_, mut call| {
            let text = call.text(0, "left", "%")?;
            Ok(Value::from(methods::percent(&text, &call.need(1, "right", "%")?)?))
        }),
        ("ref", ref_function),
        ("source", source_function),
        ("var_get", var_function),
        ("env_var", env_var),
        ("log", log),
        ("print", print),
        ("return", return_function),
        ("is_incremental", |_, _| session::with(|s| Ok(Value::from(s.is_incremental)))),
        ("should_full_refresh", |_, _| session::with(|s| Ok(Value::from(should_full_refresh(s))))),
        ("statement", statement),
        ("noop_statement", noop_statement),
        ("load_result", load_result),
        ("store_result", store_result),
        ("run_query", run_query),
        ("load_relation", |_, mut call| crate::adapter::get_relation(&call.need(0, "relation", "load_relation")?)),
        ("load_cached_relation", |_, mut call| crate::adapter::get_relation(&call.need(0, "relation", "load_cached_relation")?)),
        ("tojson", |_, mut call| {
            let sort = call.flag(2, "sort_keys", false);
            Ok(Value::from(value::dumps(&to_json(&call.need(0, "value", "tojson")?), sort)))
        }),
        ("fromjson", |_, mut call| {
            let text = call.text(0, "string", "fromjson")?;
            match serde_json::from_str::<Json>(&text) {
                Ok(json) => Ok(from_json(&json)),
                Err(error) => call.take(1, "default").ok_or_else(|| failed(format!("fromjson(): {error}"))),
            }
        }),
        ("toyaml", |_, mut call| {
            let sort = call.flag(2, "sort_keys", false);
            let mut out = String::new();
            write_yaml(&to_json(&call.need(0, "value", "toyaml")?), sort, 0, &mut out);
            Ok(Value::from(out))
        }),
        ("fromyaml", |_, mut call| {
            let text = call.text(0, "value", "fromyaml")?;
            let default = call.take(1, "default");
            session::with(|s| match s.ask("fromyaml", &json!({"text": text})) {
                Ok(value) => Ok(from_json(&value)),
                Err(error) => default.ok_or(error),
            })
        }),
        ("local_md5", |_, mut call| {
            let text = call.text(0, "value", "local_md5")?;
            session::with(|s| s.ask("md5", &json!({"text": text})).map(|v| from_json(&v)))
        }),
        ("set", |_, mut call| {
            let given = call.take(0, "value").map_or(Ok(Vec::new()), |v| items(&v));
            match (given, call.take(1, "default")) {
                (Ok(given), _) => Ok(list(distinct(given))),
                (Err(_), Some(default)) => Ok(default),
                (Err(_), None) => Ok(Value::from(())),
            }
        }),
        ("set_strict", |_, mut call| Ok(list(distinct(items(&call.need(0, "value", "set_strict")?)?)))),
        ("zip", |_, mut call| {
            let default = call.named.shift_remove("default").unwrap_or(Value::from(()));
            Ok(zip(&call.positional).unwrap_or(default))
        }),
        ("zip_strict", |_, call| zip(&call.positional)),
        ("range", |_, call| range(&call.positional)),
        ("dict", |_, mut call| {
            let mut entries = call.take(0, "mapping").map_or(Ok(value::Map::new()), |m| value::entries(&m))?;
            entries.extend(call.named.into_iter().map(|(k, v)| (Value::from(k), v)));
            Ok(dict(entries))
        }),
        ("diff_of_two_dicts", diff_of_two_dicts),
        ("submit_python_job", |_, _| Err(failed("Python models are not supported"))),
        ("store_raw_result", |_, _| Ok(Value::from(""))),
        ("write", |_, _| Ok(Value::from(""))),
        ("cycler", |_, call| Ok(list(call.positional))),
    ]);
    let text = |key: &str| options.get(key).and_then(Json::as_str).unwrap_or_default().to_string();
    names.insert("var", Value::from_object(Var));
    names.insert("config", Value::from_object(Config));
    names.insert("adapter", Value::from_object(Adapter));
    names.insert("builtins", Value::from_object(Builtins));
    names.insert("target", from_json(options.get("target").unwrap_or(&Json::Null)));
    names.insert("project_name", Value::from(text("project_name")));
    names.insert("invocation_id", Value::from(text("invocation_id")));
    names.insert("dbt_version", Value::from("1.9.8"));
    names.insert("database", Value::from(text("database")));
    names.insert("schema", options.pointer("/target/schema").map_or(Value::from(""), from_json));
    names.insert("run_started_at", datetime::run_started_at(&text("run_started_at")));
    names.insert("flags", Value::from_object(Flags(options.get("flags").cloned().unwrap_or(Json::Null))));
    names.insert("invocation_args_dict", from_json(options.get("flags").unwrap_or(&json!({}))));
    names.insert("dbt_metadata_envs", from_json(&metadata_envs(options)));
    names.insert("thread_id", Value::from("Thread-1"));
    names.insert("column_types", dict(value::Map::new()));
    names.insert(
        "graph",
        from_json(options.get("graph").unwrap_or(&json!({"nodes": {}, "sources": {}, "exposures": {}, "metrics": {}, "groups": {}}))),
    );
    names.insert("selected_resources", from_json(options.get("selected_resources").unwrap_or(&json!([]))));
    let modules = HashMap::from([
        ("datetime", datetime::datetime()),
        ("re", regular::module()),
        ("itertools", itertools::module()),
        ("pytz", datetime::pytz()),
    ]);
    names.insert("modules", members("modules", modules));
    names.insert(
        "api",
        members("api", HashMap::from([("Relation", Value::from_object(Class::Relation)), ("Column", Value::from_object(Class::Column))])),
    );
    names.insert(
        "exceptions",
        members(
            "exceptions",
            functions(&[
                ("raise_compiler_error", |_, mut call| Err(failed(call.text(0, "msg", "raise_compiler_error")?))),
                ("raise_not_implemented", |_, mut call| Err(failed(call.text(0, "msg", "raise_not_implemented")?))),
                ("warn", |_, mut call| {
                    session::log(&format!("Warning: {}", call.text(0, "msg", "warn")?), true)?;
                    Ok(Value::from(""))
                }),
                ("missing_config", |_, mut call| {
                    Err(failed(format!("the configuration has no '{}'", call.text(1, "name", "missing_config")?)))
                }),
                ("missing_relation", |_, mut call| {
                    Err(failed(format!("relation {} does not exist", call.text(0, "relation", "missing_relation")?)))
                }),
                ("relation_wrong_type", |_, mut call| {
                    let (relation, expected) =
                        (call.text(0, "relation", "relation_wrong_type")?, call.text(1, "expected_type", "relation_wrong_type")?);
                    Err(failed(format!("relation {relation} is not a {expected}")))
                }),
                ("column_type_missing", |_, _| Err(failed("a contracted model has a column without data_type"))),
            ]),
        ),
    );
    names
}

fn metadata_envs(options: &Json) -> Json {
    let prefix = "DBT_ENV_CUSTOM_ENV_";
    let env = options.get("env").and_then(Json::as_object).cloned().unwrap_or_default();
    Json::Object(env.into_iter().filter_map(|(k, v)| Some((k.strip_prefix(prefix)?.to_string(), v))).collect())
}

fn distinct(given: Vec<Value>) -> Vec<Value> {
    let mut result: Vec<Value> = Vec::new();
    for item in given {
        if !result.contains(&item) {
            result.push(item);
        }
    }
    result
}

fn zip(lists: &[Value]) -> Result<Value, Error> {
    let columns: Vec<Vec<Value>> = lists.iter().map(items).collect::<Result<_, _>>()?;
    let length = columns.iter().map(Vec::len).min().unwrap_or(0);
    Ok(list((0..length).map(|at| tuple(columns.iter().map(|c| c[at].clone()).collect())).collect()))
}

/// More items than any template needs, and less than fills the memory.
const RANGE_ITEMS_MAX: i64 = 100_000;

fn range(args: &[Value]) -> Result<Value, Error> {
    let numbers: Vec<i64> =
        args.iter().map(|v| v.as_i64().ok_or_else(|| failed(format!("range() needs integers, not {v:?}")))).collect::<Result<_, _>>()?;
    let (start, stop, step) = match numbers[..] {
        [stop] => (0, stop, 1),
        [start, stop] => (start, stop, 1),
        [start, stop, step] if step != 0 => (start, stop, step),
        _ => return Err(failed("range() needs one to three integers, and a step that is not 0")),
    };
    let distance = if step > 0 { stop.saturating_sub(start) } else { start.saturating_sub(stop) };
    if distance / step.abs() > RANGE_ITEMS_MAX {
        return Err(failed(format!("range() gives more than {RANGE_ITEMS_MAX} items")));
    }
    let mut result = Vec::new();
    let mut at = start;
    while (step > 0 && at < stop) || (step < 0 && at > stop) {
        result.push(Value::from(at));
        at += step;
    }
    Ok(list(result))
}

fn diff_of_two_dicts(_: &mut State, mut call: Arguments) -> Result<Value, Error> {
    let left = value::entries(&call.need(0, "dict_a", "diff_of_two_dicts")?)?;
    let right = value::entries(&call.need(1, "dict_b", "diff_of_two_dicts")?)?;
    let lower = |v: &Value| v.to_string().to_lowercase();
    let mut result = value::Map::new();
    for (key, values) in left {
        let other = right.iter().find(|(k, _)| lower(k) == lower(&key)).map(|(_, v)| items(v)).transpose()?.unwrap_or_default();
        let missing: Vec<Value> = items(&values)?.into_iter().filter(|v| !other.iter().any(|o| lower(o) == lower(v))).collect();
        if !missing.is_empty() {
            result.insert(key, list(missing));
        }
    }
    Ok(dict(result))
}

fn ref_function(_: &mut State, mut call: Arguments) -> Result<Value, Error> {
    let version = call.named.shift_remove("v").or_else(|| call.named.shift_remove("version")).filter(|v| !v.is_none());
    let (package, name) = match &call.positional[..] {
        [name] => (String::new(), name.to_string()),
        [package, name] => (package.to_string(), name.to_string()),
        other => return Err(failed(format!("ref() takes a model, or a package and a model; it got {} arguments", other.len()))),
    };
    let request = json!({"package": package, "name": name, "version": version.map(|v| v.to_string())});
    session::with(|session| {
        {
            let mut found = session.found.borrow_mut();
            if !found.refs.contains(&request) {
                found.refs.push(request.clone());
            }
        }
        if session.is_parsing {
            return Ok(stand_in("", &name));
        }
        relation(session.ask("ref", &request)?)
    })
}

fn source_function(_: &mut State, call: Arguments) -> Result<Value, Error> {
    let [source, table] = &call.positional[..] else {
        return Err(failed(format!("source() takes a source and a table; it got {} arguments", call.positional.len())));
    };
    let request = json!({"source": source.to_string(), "table": table.to_string()});
    session::with(|session| {
        {
            let mut found = session.found.borrow_mut();
            if !found.sources.contains(&request) {
                found.sources.push(request.clone());
            }
        }
        if session.is_parsing {
            return Ok(stand_in(&source.to_string(), &table.to_string()));
        }
        relation(session.ask("source", &request)?)
    })
}

fn relation(json: Json) -> Result<Value, Error> {
    Relation::from_json(&json).map(Value::from_object).ok_or_else(|| failed("the host's answer is not a relation"))
}

fn should_full_refresh(session: &session::Session) -> bool {
    match session.config_value("full_refresh") {
        Some(Json::Bool(value)) => value,
        _ => session.project.natives.get("flags").and_then(|f| f.get_attr("FULL_REFRESH").ok()).is_some_and(|v| v.is_true()),
    }
}

fn var_function(_: &mut State, mut call: Arguments) -> Result<Value, Error> {
    let name = call.text(0, "name", "var")?;
    let default = call.take(1, "default");
    session::with(|session| match (session.var(&name), default) {
        (Some(value), _) => Ok(from_json(&value)),
        (None, Some(default)) => Ok(default),
        (None, None) if session.is_parsing => Ok(Value::from(())),
        (None, None) => Err(failed(format!(
            "the variable '{name}' is not set: set it under vars in dbt_project.yml or with --vars '{{{name}: …}}', or give var() a default"
        ))),
    })
}

/// `var('name', default)`, `var.has_var('name')`.
#[derive(Debug)]
struct Var;

impl Object for Var {
    fn is_true(self: &Arc<Self>) -> bool {
        true
    }
    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        var_function(state, Arguments::of(args)?)
    }
    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "has_var" => {
                let name = Arguments::of(args)?.text(0, "name", "has_var")?;
                session::with(|session| Ok(Value::from(session.var(&name).is_some())))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

fn env_var(_: &mut State, mut call: Arguments) -> Result<Value, Error> {
    let name = call.text(0, "var", "env_var")?;
    if name.starts_with("DBT_ENV_SECRET") {
        return Err(failed(format!(
            "env_var('{name}'): variables whose names start with DBT_ENV_SECRET are secret and cannot stand in a project's files"
        )));
    }
    let default = call.take(1, "default").filter(|v| !v.is_none());
    session::with(|session| match session.project.env.get(&name) {
        Some(value) => Ok(Value::from(value.as_str())),
        None => default.ok_or_else(|| failed(format!("the environment variable '{name}' is not set, and env_var() has no default"))),
    })
}

fn log(_: &mut State, mut call: Arguments) -> Result<Value, Error> {
    let message = call.text(0, "msg", "log")?;
    session::log(&message, call.flag(1, "info", false))?;
    Ok(Value::from(""))
}

fn print(_: &mut State, mut call: Arguments) -> Result<Value, Error> {
    let message = call.text(0, "msg", "print")?;
    session::log(&message, true)?;
    Ok(Value::from(""))
}

/// Unwinds to the macro that is running, which answers with the value.
fn return_function(_: &mut State, mut call: Arguments) -> Result<Value, Error> {
    let value = own(call.take(0, "data").unwrap_or(Value::from(())));
    session::with(|session| {
        *session.returned.borrow_mut() = Some(value);
        Err(Error::new(ErrorKind::InvalidOperation, "return() is used outside of a macro"))
    })
}

fn query(sql: &str) -> Result<Table, Error> {
    session::with(|session| {
        if !session.execute {
            return Ok(Table::empty());
        }
        Ok(Table::from_json(&session.ask("run_query", &json!({"sql": sql}))?))
    })
}

fn run_query(_: &mut State, mut call: Arguments) -> Result<Value, Error> {
    Ok(Value::from_object(query(&call.text(0, "sql", "run_query")?)?))
}

fn result_of(table: Table) -> Value {
    let response = format!("OK {}", table.row_count());
    dict(value::Map::from([
        (Value::from("response"), Value::from(response.as_str())),
        (Value::from("data"), table.data()),
        (Value::from("table"), Value::from_object(table)),
    ]))
}

/// `{% call statement('name', fetch_result=True) %} sql {% endcall %}`
fn statement(state: &mut State, mut call: Arguments) -> Result<Value, Error> {
    let name = call.take(0, "name").filter(|v| !v.is_none()).map(|v| v.to_string());
    let block = call
        .named
        .shift_remove("caller")
        .ok_or_else(|| failed("statement() is used with call: {% call statement('name') %} … {% endcall %}"))?;
    let sql = block.call(state, &[])?.to_string();
    session::with(|session| {
        if session.execute {
            let table = query(&sql)?;
            if let Some(name) = name {
                session.results.borrow_mut().insert(name, result_of(table));
            }
        }
        Ok(Value::from(""))
    })
}

fn noop_statement(_: &mut State, mut call: Arguments) -> Result<Value, Error> {
    if let Some(name) = call.take(0, "name") {
        session::with(|session| {
            session.results.borrow_mut().insert(name.to_string(), result_of(Table::empty()));
            Ok(())
        })?;
    }
    Ok(Value::from(""))
}

fn load_result(_: &mut State, mut call: Arguments) -> Result<Value, Error> {
    let name = call.text(0, "name", "load_result")?;
    session::with(|session| Ok(session.results.borrow().get(&name).cloned().unwrap_or(Value::from(()))))
}

fn store_result(_: &mut State, mut call: Arguments) -> Result<Value, Error> {
    let name = call.text(0, "name", "store_result")?;
    let table = call.take(2, "agate_table").unwrap_or_else(|| Value::from_object(Table::empty()));
    let response = call.take(1, "response").unwrap_or(Value::from(()));
    let result = dict(value::Map::from([(Value::from("response"), response), (Value::from("table"), table)]));
    session::with(|session| {
        session.results.borrow_mut().insert(name, result);
        Ok(Value::from(""))
    })
}

/// `flags.FULL_REFRESH`; a flag that is not known is False.
#[derive(Debug)]
struct Flags(Json);

impl Object for Flags {
    fn is_true(self: &Arc<Self>) -> bool {
        true
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        let found = self.0.get(key).or_else(|| self.0.get(key.to_lowercase()));
        match found {
            Some(value) => Some(from_json(value)),
            None if key.chars().all(|c| c.is_ascii_uppercase() || c == '_') => Some(Value::from(false)),
            None => None,
        }
    }
}

/// `builtins.ref`: the functions themselves, whatever a project's macros are called.
#[derive(Debug)]
struct Builtins;

impl Object for Builtins {
    fn is_true(self: &Arc<Self>) -> bool {
        true
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        session::get()?.project.natives.get(key.as_str()?).cloned()
    }
    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match self.get_value(&Value::from(method)) {
            Some(function) => function.call(state, args),
            None => Err(failed(format!("builtins has no '{method}'"))),
        }
    }
}
