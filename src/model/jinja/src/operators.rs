//! Python's `+` and `-`, which source.rs puts in place of Jinja's: they also know lists, dates and lengths of time.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};

use crate::datetime;
use crate::value::{failed, items, list, tuple, List};

/// Python's `+`.
pub fn add(left: &Value, right: &Value) -> Result<Value, Error> {
    if let Some(result) = datetime::arithmetic(left, right, 1) {
        return result;
    }
    match (left.as_str(), right.as_str()) {
        (Some(left), Some(right)) => return Ok(Value::from([left, right].concat())),
        (None, None) => {}
        _ => return Err(impossible("+", left, right)),
    }
    let sequence = |v: &Value| matches!(v.kind(), ValueKind::Seq | ValueKind::Iterable);
    if sequence(left) && sequence(right) {
        let all = [items(left)?, items(right)?].concat();
        return Ok(if left.is_tuple() && right.is_tuple() { tuple(all) } else { list(all) });
    }
    number(left, right, "+", i64::checked_add, |a, b| a + b)
}

/// Python's binary `-`.
pub fn subtract(left: &Value, right: &Value) -> Result<Value, Error> {
    if let Some(result) = datetime::arithmetic(left, right, -1) {
        return result;
    }
    if left.downcast_object_ref::<List>().is_some() && right.downcast_object_ref::<List>().is_some() {
        // Sets are lists here.
        let other = items(right)?;
        return Ok(list(items(left)?.into_iter().filter(|item| !other.contains(item)).collect()));
    }
    number(left, right, "-", i64::checked_sub, |a, b| a - b)
}

fn impossible(operator: &str, left: &Value, right: &Value) -> Error {
    let kind = if left.is_undefined() || right.is_undefined() { ErrorKind::UndefinedError } else { ErrorKind::InvalidOperation };
    Error::new(kind, format!("'{operator}' cannot be used with {} and {}: {left:?} {operator} {right:?}", left.kind(), right.kind()))
}

fn number(
    left: &Value,
    right: &Value,
    operator: &str,
    exact: fn(i64, i64) -> Option<i64>,
    float: fn(f64, f64) -> f64,
) -> Result<Value, Error> {
    let numeric = |v: &Value| matches!(v.kind(), ValueKind::Number | ValueKind::Bool);
    if !numeric(left) || !numeric(right) {
        return Err(impossible(operator, left, right));
    }
    let whole = |v: &Value| match v.kind() {
        ValueKind::Bool => Some(i64::from(v.is_true())),
        _ if v.is_integer() => v.as_i64(),
        _ => None,
    };
    if let (Some(a), Some(b)) = (whole(left), whole(right)) {
        return exact(a, b).map(Value::from).ok_or_else(|| failed(format!("{left} {operator} {right} is too large")));
    }
    let wide = |v: &Value| whole(v).map_or_else(|| f64::try_from(v.clone()), |n| Ok(n as f64));
    Ok(Value::from(float(wide(left)?, wide(right)?)))
}
