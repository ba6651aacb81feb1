//! `config` in templates.

use std::sync::Arc;

use minijinja::value::{Object, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

use crate::session;
use crate::value::{self, failed, from_json, to_json, Arguments};

/// `config(…)` records while parsing; its methods read.
#[derive(Debug)]
pub struct Config;

impl Object for Config {
    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let session = session::get()?;
        match key.as_str()? {
            "model" => session.lookup("model", None),
            name => session.config_value(name).as_ref().map(from_json),
        }
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let mut call = Arguments::of(args)?;
        if let Some(mapping) = call.positional.first() {
            if mapping.kind() != ValueKind::Map || call.positional.len() > 1 || !call.named.is_empty() {
                return Err(failed("config() takes keyword arguments, or one mapping"));
            }
            call.named = value::entries(mapping)?.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
        }
        session::with(|session| {
            for (name, value) in &call.named {
                session.record_config(name, to_json(value));
            }
            Ok(Value::from(""))
        })
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let mut call = Arguments::of(args)?;
        session::with(|session| {
            let default = |call: &mut Arguments| call.take(1, "default").unwrap_or(Value::from(()));
            Ok(match method {
                "get" => {
                    let name = call.text(0, "name", "config.get")?;
                    session.config_value(&name).map_or_else(|| default(&mut call), |v| from_json(&v))
                }
                "meta_get" => {
                    let name = call.text(0, "name", "config.meta_get")?;
                    let meta = session.config_value("meta").and_then(|m| m.get(&name).cloned());
                    meta.map_or_else(|| default(&mut call), |v| from_json(&v))
                }
                "require" | "meta_require" => {
                    let name = call.text(0, "name", "config.require")?;
                    let found = if method == "require" {
                        session.config_value(&name)
                    } else {
                        session.config_value("meta").and_then(|m| m.get(&name).cloned())
                    };
                    match found {
                        Some(value) => from_json(&value),
                        None if session.is_parsing => Value::from(""),
                        None => {
                            return Err(failed(format!(
                                "{} has no configuration '{name}', which is required: add it to config() or to a properties file",
                                session.unique_id
                            )))
                        }
                    }
                }
                "set" => {
                    let name = call.text(0, "name", "config.set")?;
                    session.record_config(&name, to_json(&call.need(1, "value", "config.set")?));
                    Value::from("")
                }
                "persist_relation_docs" | "persist_column_docs" => {
                    let part = if method == "persist_relation_docs" { "relation" } else { "columns" };
                    Value::from(session.config_value("persist_docs").and_then(|d| d.get(part)?.as_bool()).unwrap_or(false))
                }
                _ => return Err(Error::from(ErrorKind::UnknownMethod)),
            })
        })
    }
}
