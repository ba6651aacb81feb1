//! `modules`: parts of Python's datetime, re, itertools and pytz.

use std::collections::HashMap;

use minijinja::value::Value;

use crate::functions::members;

pub fn all() -> Value {
    members("modules", HashMap::new())
}

pub fn run_started_at(text: &str) -> Value {
    Value::from(text)
}
