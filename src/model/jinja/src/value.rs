//! Python's mutable lists and dicts as minijinja objects, and values to and from JSON.

use std::cmp::Ordering;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use indexmap::IndexMap;
use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr, Tuple, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};
use serde_json::Value as Json;

use crate::methods;
use crate::relation::{Column, Relation};

pub type Map = IndexMap<Value, Value>;

/// A list that `append` and its like change in place, seen by all who hold it.
#[derive(Default)]
pub struct List(Mutex<Vec<Value>>);

/// A dict that keeps its keys' order and can be changed in place.
#[derive(Default)]
pub struct Dict(Mutex<Map>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl List {
    pub fn new(items: Vec<Value>) -> List {
        List(Mutex::new(items))
    }
    pub fn items(&self) -> MutexGuard<'_, Vec<Value>> {
        lock(&self.0)
    }
}

impl Dict {
    pub fn new(entries: Map) -> Dict {
        Dict(Mutex::new(entries))
    }
    pub fn entries(&self) -> MutexGuard<'_, Map> {
        lock(&self.0)
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = self.items().clone();
        f.debug_list().entries(items).finish()
    }
}

impl fmt::Debug for Dict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries().clone();
        f.debug_map().entries(entries).finish()
    }
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.items().get(key.as_usize()?).cloned()
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.items().clone())
    }
    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.items().len())
    }
    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        methods::of_list(self, method, args)
    }
    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let other = other.downcast::<List>()?;
        if Arc::ptr_eq(self, &other) {
            return Some(Ordering::Equal);
        }
        let (left, right) = (self.items().clone(), other.items().clone());
        Some(left.cmp(&right))
    }
}

impl Object for Dict {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.entries().get(key).cloned()
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.entries().keys().cloned().collect())
    }
    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.entries().len())
    }
    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        methods::of_dict(self, method, args)
    }
}

pub fn list(items: Vec<Value>) -> Value {
    Value::from_object(List::new(items))
}

pub fn dict(entries: Map) -> Value {
    Value::from_object(Dict::new(entries))
}

/// The items of anything that can be iterated.
pub fn items(value: &Value) -> Result<Vec<Value>, Error> {
    value.try_iter()?.checked().collect()
}

/// The entries of a mapping.
pub fn entries(value: &Value) -> Result<Map, Error> {
    if let Some(dict) = value.downcast_object_ref::<Dict>() {
        return Ok(dict.entries().clone());
    }
    let mut result = Map::new();
    for key in value.try_iter()?.checked() {
        let key = key?;
        let item = value.get_item(&key)?;
        result.insert(key, item);
    }
    Ok(result)
}

/// A value that can be changed: minijinja's own sequences (of `+`, slices, filters) and maps become ours.
pub fn own(value: Value) -> Value {
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            let object = value.as_object().map(|o| (o.downcast_ref::<List>().is_some(), is_engine_sequence(o)));
            match object {
                Some((false, true)) if !value.is_tuple() => items(&value).map(list).unwrap_or(value),
                _ => value,
            }
        }
        ValueKind::Map if value.is_kwargs() || value.as_object().is_some_and(is_engine_map) => entries(&value).map(dict).unwrap_or(value),
        _ => value,
    }
}

fn is_engine_sequence(object: &DynObject) -> bool {
    let name = object.type_name();
    !name.starts_with("shoplake_jinja::")
}

fn is_engine_map(object: &DynObject) -> bool {
    let name = object.type_name();
    name.contains("IndexMap") || name.contains("BTreeMap") || name.contains("HashMap")
}

pub fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Value::from(value),
            (_, Some(value)) => Value::from(value),
            _ => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(values) => list(values.iter().map(from_json).collect()),
        Json::Object(object) => {
            if let Some(relation) = object.get("__relation__").and_then(Relation::from_json) {
                return Value::from_object(relation);
            }
            dict(object.iter().map(|(key, value)| (Value::from(key.as_str()), from_json(value))).collect())
        }
    }
}

pub fn to_json(value: &Value) -> Json {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::Number => {
            if value.is_integer() {
                if let Some(number) = value.as_i64() {
                    return Json::from(number);
                }
            }
            f64::try_from(value.clone()).ok().and_then(serde_json::Number::from_f64).map_or(Json::Null, Json::Number)
        }
        ValueKind::Seq | ValueKind::Iterable => Json::Array(items(value).unwrap_or_default().iter().map(to_json).collect()),
        ValueKind::Map => {
            if let Some(relation) = value.downcast_object_ref::<Relation>() {
                return relation.to_json();
            }
            if let Some(column) = value.downcast_object_ref::<Column>() {
                return column.to_json();
            }
            let entries = entries(value).unwrap_or_default();
            Json::Object(entries.iter().map(|(key, item)| (key.to_string(), to_json(item))).collect())
        }
        _ => {
            if let Some(relation) = value.downcast_object_ref::<Relation>() {
                return relation.to_json();
            }
            if let Some(column) = value.downcast_object_ref::<Column>() {
                return column.to_json();
            }
            Json::String(value.to_string())
        }
    }
}

/// JSON as Python's json.dumps writes it: blanks after `,` and `:`, everything beyond ASCII escaped.
pub fn dumps(value: &Json, sort_keys: bool) -> String {
    let mut out = String::new();
    dump(value, sort_keys, &mut out);
    out
}

fn dump(value: &Json, sort_keys: bool, out: &mut String) {
    match value {
        Json::String(text) => dump_string(text, out),
        Json::Array(values) => {
            out.push('[');
            for (index, item) in values.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                dump(item, sort_keys, out);
            }
            out.push(']');
        }
        Json::Object(object) => {
            let mut pairs: Vec<_> = object.iter().collect();
            if sort_keys {
                pairs.sort_by(|a, b| a.0.cmp(b.0));
            }
            out.push('{');
            for (index, (key, item)) in pairs.into_iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                dump_string(key, out);
                out.push_str(": ");
                dump(item, sort_keys, out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

fn dump_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            c => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
}

/// Positional and keyword arguments of one call.
pub struct Arguments {
    pub positional: Vec<Value>,
    pub named: IndexMap<String, Value>,
}

impl Arguments {
    pub fn of(args: &[Value]) -> Result<Arguments, Error> {
        let mut named = IndexMap::new();
        let mut positional = args;
        if let Some(last) = args.last().filter(|last| last.is_kwargs()) {
            for (key, value) in entries(last)? {
                named.insert(key.to_string(), value);
            }
            positional = &args[..args.len() - 1];
        }
        Ok(Arguments { positional: positional.to_vec(), named })
    }

    /// Takes the argument at `position` or called `name`.
    pub fn take(&mut self, position: usize, name: &str) -> Option<Value> {
        match self.positional.get(position) {
            Some(value) => Some(value.clone()),
            None => self.named.shift_remove(name),
        }
    }

    pub fn need(&mut self, position: usize, name: &str, function: &str) -> Result<Value, Error> {
        self.take(position, name).ok_or_else(|| Error::new(ErrorKind::MissingArgument, format!("{function}() needs the argument '{name}'")))
    }

    pub fn text(&mut self, position: usize, name: &str, function: &str) -> Result<String, Error> {
        Ok(self.need(position, name, function)?.to_string())
    }

    pub fn flag(&mut self, position: usize, name: &str, default: bool) -> bool {
        self.take(position, name).map_or(default, |value| value.is_true())
    }
}

pub fn tuple(values: Vec<Value>) -> Value {
    Value::from(Tuple::from(values))
}

pub fn failed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// A float whose Python text has an exponent; nothing for all others, which minijinja writes as Python does.
pub fn python_float(value: &Value) -> Option<String> {
    if value.kind() != ValueKind::Number || value.is_integer() {
        return None;
    }
    let float = f64::try_from(value.clone()).ok().filter(|f| f.is_finite() && *f != 0.0)?;
    if (1e-4..1e16).contains(&float.abs()) {
        return None;
    }
    let text = format!("{float:e}");
    let (digits, exponent) = text.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    Some(format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()))
}
