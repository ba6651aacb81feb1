//! The answer of a query as dbt's templates see it (agate's Table): columns, rows, names, types.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind, State};
use serde_json::Value as Json;

use crate::value::{self, failed, items, list, tuple, Arguments};

struct Data {
    names: Vec<String>,
    types: Vec<String>,
    rows: Vec<Vec<Value>>,
    /// False for what stands for a table while parsing.
    is_real: bool,
}

#[derive(Clone)]
pub struct Table(Arc<Data>);

/// One row: by position, by name, as a sequence of values.
struct Row(Arc<Data>, usize);

/// One column.
struct TableColumn(Arc<Data>, usize);

/// All columns, or all rows.
struct Columns(Arc<Data>);
struct Rows(Arc<Data>);

impl Table {
    pub fn empty() -> Table {
        Table(Arc::new(Data { names: Vec::new(), types: Vec::new(), rows: Vec::new(), is_real: false }))
    }

    pub fn from_json(json: &Json) -> Table {
        let text = |column: &Json, key: &str| column.get(key).and_then(Json::as_str).unwrap_or_default().to_string();
        let columns = json.get("columns").and_then(Json::as_array).cloned().unwrap_or_default();
        let rows = json.get("rows").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        Table(Arc::new(Data {
            names: columns.iter().map(|c| text(c, "name")).collect(),
            types: columns.iter().map(|c| text(c, "type")).collect(),
            rows: rows.iter().map(|row| row.as_array().map_or_else(Vec::new, |row| row.iter().map(value::from_json).collect())).collect(),
            is_real: true,
        }))
    }

    pub fn data(&self) -> Value {
        list(self.0.rows.iter().map(|row| tuple(row.clone())).collect())
    }

    pub fn row_count(&self) -> usize {
        self.0.rows.len()
    }

    fn printed(&self) -> String {
        let data = &self.0;
        let mut widths: Vec<usize> = data.names.iter().map(|n| n.chars().count()).collect();
        let cells: Vec<Vec<String>> =
            data.rows.iter().map(|row| row.iter().map(|v| if v.is_none() { String::new() } else { v.to_string() }).collect()).collect();
        for row in &cells {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let line = |cells: &[String]| {
            let padded: Vec<String> = cells.iter().zip(&widths).map(|(c, w)| format!("{c}{}", " ".repeat(w - c.chars().count()))).collect();
            format!("| {} |\n", padded.join(" | "))
        };
        let mut out = line(&data.names);
        let rule: Vec<String> = widths.iter().map(|w| "-".repeat(*w)).collect();
        out.push_str(&line(&rule));
        cells.iter().for_each(|row| out.push_str(&line(row)));
        out
    }
}

impl Data {
    fn position(&self, key: &Value, length: usize) -> Option<usize> {
        match key.as_str() {
            Some(name) => {
                self.names.iter().position(|n| n == name).or_else(|| self.names.iter().position(|n| n.eq_ignore_ascii_case(name)))
            }
            None => key.as_usize().filter(|index| *index < length),
        }
    }
}

macro_rules! debug_as {
    ($type:ty, $self:ident => $text:expr) => {
        impl fmt::Debug for $type {
            fn fmt(&$self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&$text)
            }
        }
    };
}
debug_as!(Table, self => self.printed());
debug_as!(Row, self => format!("<Row: {}>", tuple(self.0.rows[self.1].clone())));
debug_as!(TableColumn, self => format!("<Column: {}>", self.0.names[self.1]));
debug_as!(Columns, self => format!("{:?}", self.0.names));
debug_as!(Rows, self => format!("<{} rows>", self.0.rows.len()));

impl TableColumn {
    fn values(&self) -> Vec<Value> {
        self.0.rows.iter().map(|row| row.get(self.1).cloned().unwrap_or_default()).collect()
    }
}

fn names(data: &Data) -> Value {
    tuple(data.names.iter().map(|n| Value::from(n.as_str())).collect())
}

impl Object for Table {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "columns" => Value::from_object(Columns(self.0.clone())),
            "rows" => Value::from_object(Rows(self.0.clone())),
            "column_names" => names(&self.0),
            "column_types" => tuple(self.0.types.iter().map(|n| Value::from(n.as_str())).collect()),
            _ => return None,
        })
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let data = self.0.clone();
        Enumerator::Values((0..data.rows.len()).map(|at| Value::from_object(Row(data.clone(), at))).collect())
    }
    fn is_true(self: &Arc<Self>) -> bool {
        self.0.is_real
    }
    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let mut call = Arguments::of(args)?;
        let select = |positions: Vec<usize>| {
            let pick = |row: &Vec<Value>| positions.iter().map(|p| row[*p].clone()).collect();
            Value::from_object(Table(Arc::new(Data {
                names: positions.iter().map(|p| self.0.names[*p].clone()).collect(),
                types: positions.iter().map(|p| self.0.types[*p].clone()).collect(),
                rows: self.0.rows.iter().map(pick).collect(),
                is_real: self.0.is_real,
            })))
        };
        Ok(match method {
            "print_table" | "print_csv" | "print_json" => {
                crate::session::log(&self.printed(), true)?;
                Value::from("")
            }
            "select" | "exclude" => {
                let wanted = call.need(0, "key", method)?;
                let wanted = if wanted.as_str().is_some() { vec![wanted] } else { items(&wanted)? };
                let found: Vec<usize> = wanted.iter().filter_map(|k| self.0.position(k, self.0.names.len())).collect();
                select(if method == "select" { found } else { (0..self.0.names.len()).filter(|p| !found.contains(p)).collect() })
            }
            "limit" => {
                let count = call.need(0, "start_or_stop", "limit")?.as_usize().unwrap_or(0);
                Value::from_object(Table(Arc::new(Data {
                    names: self.0.names.clone(),
                    types: self.0.types.clone(),
                    rows: self.0.rows.iter().take(count).cloned().collect(),
                    is_real: self.0.is_real,
                })))
            }
            "rename" => {
                let wanted = value::entries(&call.need(0, "column_names", "rename")?)?;
                let renamed = |name: &String| wanted.get(&Value::from(name.as_str())).map_or_else(|| name.clone(), |v| v.to_string());
                Value::from_object(Table(Arc::new(Data {
                    names: self.0.names.iter().map(renamed).collect(),
                    types: self.0.types.clone(),
                    rows: self.0.rows.clone(),
                    is_real: self.0.is_real,
                })))
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.printed())
    }
}

impl Object for Row {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let row = &self.0.rows[self.1];
        self.0.position(key, row.len()).and_then(|at| row.get(at)).cloned()
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.rows[self.1].clone())
    }
    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let mut call = Arguments::of(args)?;
        let row = &self.0.rows[self.1];
        let pairs = || self.0.names.iter().map(|n| Value::from(n.as_str())).zip(row.iter().cloned());
        Ok(match method {
            "values" => tuple(row.clone()),
            "keys" => names(&self.0),
            "items" => list(pairs().map(|(k, v)| tuple(vec![k, v])).collect()),
            "dict" => value::dict(pairs().collect()),
            "get" => {
                let key = call.need(0, "key", "get")?;
                self.get_value(&key).unwrap_or_else(|| call.take(1, "default").unwrap_or(Value::from(())))
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }
}

impl Object for TableColumn {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str() {
            Some("name") => Value::from(self.0.names[self.1].as_str()),
            Some("data_type") => Value::from(self.0.types[self.1].as_str()),
            Some("index") => Value::from(self.1),
            Some(_) => return None,
            None => self.0.rows.get(key.as_usize()?)?.get(self.1)?.clone(),
        })
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.values())
    }
    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, _: &[Value]) -> Result<Value, Error> {
        Ok(match method {
            "values" => tuple(self.values()),
            "values_distinct" => {
                let mut distinct: Vec<Value> = Vec::new();
                for item in self.values() {
                    if !distinct.contains(&item) {
                        distinct.push(item);
                    }
                }
                tuple(distinct)
            }
            "values_without_nulls" => tuple(self.values().into_iter().filter(|v| !v.is_none()).collect()),
            "values_sorted" => {
                let mut values = self.values();
                values.sort();
                tuple(values)
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }
}

impl Object for Columns {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.position(key, self.0.names.len()).map(|at| Value::from_object(TableColumn(self.0.clone(), at)))
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values((0..self.0.names.len()).map(|at| Value::from_object(TableColumn(self.0.clone(), at))).collect())
    }
    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let mut call = Arguments::of(args)?;
        let column = |at: usize| Value::from_object(TableColumn(self.0.clone(), at));
        Ok(match method {
            "keys" => names(&self.0),
            "values" => tuple((0..self.0.names.len()).map(column).collect()),
            "items" => list(self.0.names.iter().enumerate().map(|(at, n)| tuple(vec![Value::from(n.as_str()), column(at)])).collect()),
            "get" => {
                let key = call.need(0, "key", "get")?;
                self.get_value(&key).unwrap_or_else(|| Value::from(()))
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }
}

impl Object for Rows {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        key.as_usize().filter(|at| *at < self.0.rows.len()).map(|at| Value::from_object(Row(self.0.clone(), at)))
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values((0..self.0.rows.len()).map(|at| Value::from_object(Row(self.0.clone(), at))).collect())
    }
    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, _: &[Value]) -> Result<Value, Error> {
        match method {
            "values" => Ok(tuple((0..self.0.rows.len()).map(|at| Value::from_object(Row(self.0.clone(), at))).collect())),
            _ => Err(failed(format!("rows have no method '{method}'"))),
        }
    }
}
