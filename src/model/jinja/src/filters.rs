//! Filters and tests in which Jinja (or dbt) differs from minijinja.

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Environment, Error};

use serde_json::Value as Json;

use crate::methods;
use crate::session;
use crate::value::{self, failed, items, list, to_json, tuple};

fn in_yaml() -> bool {
    session::get().is_some_and(|session| session.is_yaml)
}

/// In YAML files: the text as the value that it spells. In SQL these filters do nothing.
fn native(value: Value, what: &str, is_right: fn(&Json) -> bool) -> Result<Value, Error> {
    if !in_yaml() {
        return Ok(value);
    }
    let json = match value.as_str() {
        Some("True") => Json::Bool(true),
        Some("False") => Json::Bool(false),
        Some("None") => Json::Null,
        Some(text) => serde_json::from_str(&text.replace('\'', "\"")).unwrap_or_else(|_| Json::from(text)),
        None => to_json(&value),
    };
    if is_right(&json) {
        return Ok(value::from_json(&json));
    }
    Err(failed(format!("'{value}' is not {what}")))
}

pub fn add(environment: &mut Environment<'static>) {
    environment.add_filter("as_text", |value: Value| if in_yaml() { Value::from(value.to_string()) } else { value });
    environment.add_filter("as_bool", |value: Value| native(value, "a bool", |json| json.is_boolean()));
    environment.add_filter("as_number", |value: Value| native(value, "a number", |json| json.is_number()));
    environment.add_filter("as_native", |value: Value| native(value, "a value", |_| true));
    environment.add_filter("tojson", |value: Value| {
        // Jinja makes it safe inside of HTML.
        let text = value::dumps(&to_json(&value), true);
        text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026").replace('\'', "\\u0027")
    });
    environment.add_filter("string", |value: Value| Value::from(value::python_float(&value).unwrap_or_else(|| value.to_string())));
    environment.add_filter("title", |text: String| methods::title(&text));
    environment.add_filter("float", |value: Value, default: Option<f64>| {
        let parsed = value.as_str().map_or_else(|| f64::try_from(value.clone()).ok(), |text| text.trim().parse().ok());
        parsed.or(default).unwrap_or(0.0)
    });
    environment.add_filter("int", |value: Value, default: Option<i64>| {
        let parsed = match value.as_str() {
            Some(text) => text.trim().replace('_', "").parse::<i64>().ok().or_else(|| text.trim().parse::<f64>().ok().map(|f| f as i64)),
            None if value.kind() == ValueKind::Bool => Some(i64::from(value.is_true())),
            None => value.as_i64().or_else(|| f64::try_from(value.clone()).ok().map(|f| f as i64)),
        };
        parsed.or(default).unwrap_or(0)
    });
    environment.add_filter("list", |value: Value| -> Result<Value, Error> {
        if let Some(text) = value.as_str() {
            return Ok(list(text.chars().map(|c| Value::from(c.to_string())).collect()));
        }
        Ok(list(items(&value)?))
    });
    environment.add_filter("items", |value: Value| -> Result<Value, Error> {
        Ok(list(value::entries(&value)?.into_iter().map(|(k, v)| tuple(vec![k, v])).collect()))
    });
    environment.add_filter("center", |text: String, width: Option<usize>| methods::center(&text, width.unwrap_or(80), ' '));
    environment.add_test("callable", |value: Value| {
        value
            .as_object()
            .is_some_and(|o| o.type_name().starts_with("shoplake_jinja::functions") || o.downcast_ref::<crate::project::Macro>().is_some())
    });
    environment.add_filter("wordcount", |text: String| text.split_whitespace().count());
    environment.add_filter(
        "truncate",
        |text: String, length: Option<usize>, kill: Option<bool>, end: Option<String>, kwargs: Kwargs| -> Result<String, Error> {
            let length = kwargs.get::<Option<usize>>("length")?.or(length).unwrap_or(255);
            let end = kwargs.get::<Option<String>>("end")?.or(end).unwrap_or_else(|| "...".to_string());
            let kill = kwargs.get::<Option<bool>>("killwords")?.or(kill).unwrap_or(false);
            let leeway = kwargs.get::<Option<usize>>("leeway")?.unwrap_or(5);
            let chars: Vec<char> = text.chars().collect();
            if chars.len() <= length + leeway {
                return Ok(text);
            }
            let cut: String = chars[..length.saturating_sub(end.chars().count())].iter().collect();
            let cut = if kill { cut } else { cut.rsplit_once(' ').map_or(cut.clone(), |(head, _)| head.to_string()) };
            Ok(cut + &end)
        },
    );
    environment.add_filter("random", |value: Value| -> Result<Value, Error> {
        let _ = value;
        Err(failed("the filter 'random' would make a model differ from run to run"))
    });
}
