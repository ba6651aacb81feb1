//! dbt's Relation and Column objects, and `api` that makes them.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind, State};
use serde_json::{json, Value as Json};

use crate::value::{self, failed, Arguments};

/// A table, view or CTE by name. Renders as its quoted path.
#[derive(Clone)]
pub struct Relation {
    pub database: String,
    pub schema: String,
    pub identifier: String,
    pub kind: String,
    /// For ephemeral models: what stands instead of the name.
    pub sql: String,
    include: [bool; 3],
    quote: [bool; 3],
}

const PARTS: [&str; 3] = ["database", "schema", "identifier"];

impl Relation {
    pub fn new(database: &str, schema: &str, identifier: &str, kind: &str) -> Relation {
        Relation {
            database: database.to_string(),
            schema: schema.to_string(),
            identifier: identifier.to_string(),
            kind: kind.to_string(),
            sql: String::new(),
            include: [true; 3],
            quote: [true; 3],
        }
    }

    pub fn from_json(json: &Json) -> Option<Relation> {
        let object = json.as_object()?;
        let text = |key: &str| object.get(key).and_then(Json::as_str).unwrap_or_default();
        let mut relation = Relation::new(text("database"), text("schema"), text("identifier"), text("type"));
        relation.sql = text("sql").to_string();
        Some(relation)
    }

    fn plain_json(&self) -> Json {
        json!({"database": self.database, "schema": self.schema, "identifier": self.identifier, "type": self.kind, "sql": self.sql})
    }

    /// Marked, so that it becomes a relation again on its way back.
    pub fn to_json(&self) -> Json {
        json!({"__relation__": self.plain_json(), "rendered": self.rendered()})
    }

    fn part(&self, index: usize) -> &str {
        [&self.database, &self.schema, &self.identifier][index]
    }

    pub fn rendered(&self) -> String {
        if !self.sql.is_empty() {
            return self.sql.clone();
        }
        let mut out = String::new();
        for index in 0..3 {
            let part = self.part(index);
            if !self.include[index] || part.is_empty() {
                continue;
            }
            if !out.is_empty() {
                out.push('.');
            }
            if self.quote[index] {
                out.push_str(&quoted(part));
            } else {
                out.push_str(part);
            }
        }
        out
    }

    /// The relation of a value that templates pass: a relation, or a mapping with its parts.
    pub fn of(value: &Value) -> Option<Relation> {
        match value.downcast_object_ref::<Relation>() {
            Some(relation) => Some(relation.clone()),
            None => Relation::from_json(&value::to_json(value)).filter(|r| !r.identifier.is_empty()),
        }
    }

    fn with_path(&self, call: &mut Arguments) -> Relation {
        let mut changed = self.clone();
        for (name, part) in PARTS.iter().zip([&mut changed.database, &mut changed.schema, &mut changed.identifier]) {
            if let Some(value) = call.named.shift_remove(*name) {
                *part = if value.is_none() { String::new() } else { value.to_string() };
            }
        }
        changed
    }
}

pub fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

fn text_or_none(text: &str) -> Value {
    if text.is_empty() {
        Value::from(())
    } else {
        Value::from(text)
    }
}

impl fmt::Debug for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Relation {}>", self.rendered())
    }
}

impl Object for Relation {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "database" => text_or_none(&self.database),
            "schema" => text_or_none(&self.schema),
            "identifier" | "name" | "table" | "alias" => text_or_none(&self.identifier),
            "type" => text_or_none(&self.kind),
            "path" => value::dict(PARTS.iter().enumerate().map(|(i, name)| (Value::from(*name), text_or_none(self.part(i)))).collect()),
            // Packages tell a relation from other mappings by this.
            "metadata" => value::dict(value::Map::from([(Value::from("type"), Value::from("DuckDBRelation"))])),
            "is_table" => Value::from(self.kind == "table"),
            "is_view" => Value::from(self.kind == "view"),
            "is_cte" => Value::from(self.kind == "cte" || !self.sql.is_empty()),
            "is_materialized_view" => Value::from(self.kind == "materialized_view"),
            "is_pointer" | "is_external_table" => Value::from(self.kind == "external"),
            "can_be_renamed" | "can_be_replaced" => Value::from(true),
            "View" | "Table" | "CTE" | "External" | "MaterializedView" => return constant(key.as_str()?),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&PARTS)
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let mut call = Arguments::of(args)?;
        Ok(match method {
            "render" | "__str__" => Value::from(self.rendered()),
            "include" | "quote" => {
                let mut changed = Relation::clone(self);
                for (index, name) in PARTS.iter().enumerate() {
                    if let Some(flag) = call.take(index, name) {
                        let policy = if method == "include" { &mut changed.include } else { &mut changed.quote };
                        policy[index] = flag.is_true();
                    }
                }
                Value::from_object(changed)
            }
            "without_identifier" => {
                let mut changed = Relation::clone(self);
                changed.identifier.clear();
                Value::from_object(changed)
            }
            "replace_path" => Value::from_object(self.with_path(&mut call)),
            "incorporate" => {
                let mut changed = Relation::clone(self);
                if let Some(path) = call.named.shift_remove("path") {
                    let named = value::entries(&path)?.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
                    changed = changed.with_path(&mut Arguments { positional: Vec::new(), named });
                }
                if let Some(kind) = call.named.shift_remove("type") {
                    changed.kind = if kind.is_none() { String::new() } else { kind.to_string() };
                }
                Value::from_object(changed)
            }
            "information_schema" | "information_schema_only" => {
                let view = call.take(0, "view_name").filter(|v| !v.is_none()).map(|v| v.to_string().to_uppercase());
                let mut made = Relation::new(&self.database, "information_schema", view.as_deref().unwrap_or(""), "view");
                made.quote = [true, false, false];
                Value::from_object(made)
            }
            "matches" => {
                let mut same = true;
                for (index, name) in PARTS.iter().enumerate() {
                    if let Some(value) = call.take(index, name).filter(|v| !v.is_none()) {
                        same &= value.to_string().eq_ignore_ascii_case(self.part(index));
                    }
                }
                Value::from(same)
            }
            "get" => {
                let key = call.need(0, "key", "get")?;
                self.get_value(&key).unwrap_or_else(|| call.take(1, "default").unwrap_or(Value::from(())))
            }
            "to_dict" => value::from_json(&self.plain_json()),
            "quoted" => Value::from(quoted(&call.text(0, "identifier", "quoted")?)),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }

    fn custom_cmp(self: &Arc<Self>, other: &minijinja::value::DynObject) -> Option<std::cmp::Ordering> {
        Some(self.rendered().cmp(&other.downcast_ref::<Relation>()?.rendered()))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rendered())
    }
}

fn constant(name: &str) -> Option<Value> {
    Some(Value::from(match name {
        "View" => "view",
        "Table" => "table",
        "CTE" => "cte",
        "External" => "external",
        "MaterializedView" => "materialized_view",
        _ => return None,
    }))
}

/// A column as adapter.get_columns_in_relation() gives it.
#[derive(Clone)]
pub struct Column {
    pub name: String,
    pub dtype: String,
    char_size: Option<i64>,
    numeric_precision: Option<i64>,
    numeric_scale: Option<i64>,
}

impl Column {
    pub fn new(name: &str, dtype: &str) -> Column {
        Column { name: name.to_string(), dtype: dtype.to_string(), char_size: None, numeric_precision: None, numeric_scale: None }
    }

    pub fn to_json(&self) -> Json {
        json!({"name": self.name, "dtype": self.dtype})
    }

    fn base(&self) -> String {
        self.dtype.split('(').next().unwrap_or_default().trim().to_lowercase()
    }

    fn is_string(&self) -> bool {
        matches!(self.base().as_str(), "text" | "character varying" | "character" | "varchar" | "string" | "char")
    }

    fn is_float(&self) -> bool {
        matches!(self.base().as_str(), "real" | "float4" | "float" | "double precision" | "float8" | "double")
    }

    fn is_integer(&self) -> bool {
        let names = [
            "tinyint",
            "smallint",
            "integer",
            "bigint",
            "int",
            "int2",
            "int4",
            "int8",
            "hugeint",
            "utinyint",
            "usmallint",
            "uinteger",
            "ubigint",
            "long",
        ];
        names.contains(&self.base().as_str()) || matches!(self.base().as_str(), "smallserial" | "serial" | "bigserial")
    }

    fn is_numeric(&self) -> bool {
        matches!(self.base().as_str(), "numeric" | "decimal")
    }

    fn data_type(&self) -> String {
        match (self.char_size, self.numeric_precision, self.numeric_scale) {
            (Some(size), _, _) if self.is_string() => format!("character varying({size})"),
            (_, Some(precision), Some(scale)) if self.is_numeric() => format!("{}({precision},{scale})", self.dtype),
            _ => self.dtype.clone(),
        }
    }
}

impl fmt::Debug for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Column {} ({})>", self.name, self.data_type())
    }
}

impl Object for Column {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let number = |n: Option<i64>| n.map_or(Value::from(()), Value::from);
        Some(match key.as_str()? {
            "name" | "column" => Value::from(self.name.as_str()),
            "quoted" => Value::from(quoted(&self.name)),
            "dtype" => Value::from(self.dtype.as_str()),
            "data_type" => Value::from(self.data_type()),
            "char_size" => number(self.char_size),
            "numeric_precision" => number(self.numeric_precision),
            "numeric_scale" => number(self.numeric_scale),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["name", "dtype"])
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let mut call = Arguments::of(args)?;
        Ok(match method {
            "is_string" => Value::from(self.is_string()),
            "is_float" => Value::from(self.is_float()),
            "is_integer" => Value::from(self.is_integer()),
            "is_numeric" => Value::from(self.is_numeric()),
            "is_number" => Value::from(self.is_float() || self.is_integer() || self.is_numeric()),
            "string_size" => {
                if !self.is_string() {
                    return Err(failed(format!("string_size(): column '{}' of type {} is not a string", self.name, self.dtype)));
                }
                Value::from(self.char_size.unwrap_or(256))
            }
            "can_expand_to" => {
                let other = call.need(0, "other_column", "can_expand_to")?;
                let other = other.downcast_object_ref::<Column>().ok_or_else(|| failed("can_expand_to() needs a column"))?;
                Value::from(self.is_string() && other.is_string() && other.char_size.unwrap_or(256) > self.char_size.unwrap_or(256))
            }
            "literal" => Value::from(format!("{}::{}", call.text(0, "value", "literal")?, self.data_type())),
            _ => return column_class(method, &mut call),
        })
    }

    fn custom_cmp(self: &Arc<Self>, other: &minijinja::value::DynObject) -> Option<std::cmp::Ordering> {
        let other = other.downcast_ref::<Column>()?;
        Some((&self.name, &self.dtype).cmp(&(&other.name, &other.dtype)))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

fn make_column(call: &mut Arguments) -> Result<Value, Error> {
    let mut column = Column::new(&call.text(0, "column", "Column")?, &call.text(1, "dtype", "Column")?);
    let mut number = |position, name| call.take(position, name).and_then(|v| v.as_i64());
    column.char_size = number(2, "char_size");
    column.numeric_precision = number(3, "numeric_precision");
    column.numeric_scale = number(4, "numeric_scale");
    Ok(Value::from_object(column))
}

/// dbt's labels of types for the adapter's own names.
pub fn translate_type(name: &str) -> String {
    match name.to_uppercase().as_str() {
        "STRING" => "TEXT".to_string(),
        _ => name.to_string(),
    }
}

fn column_class(method: &str, call: &mut Arguments) -> Result<Value, Error> {
    Ok(match method {
        "create" => {
            let column = Column::new(&call.text(0, "name", "create")?, &translate_type(&call.text(1, "label_or_dtype", "create")?));
            Value::from_object(column)
        }
        "translate_type" => Value::from(translate_type(&call.text(0, "dtype", "translate_type")?)),
        "string_type" => Value::from(match call.take(0, "size").and_then(|v| v.as_i64()) {
            Some(size) => format!("character varying({size})"),
            None => "character varying".to_string(),
        }),
        "numeric_type" => {
            let dtype = call.text(0, "dtype", "numeric_type")?;
            let precision = call.take(1, "precision").and_then(|v| v.as_i64());
            let scale = call.take(2, "scale").and_then(|v| v.as_i64());
            Value::from(match (precision, scale) {
                (Some(precision), Some(scale)) => format!("{dtype}({precision},{scale})"),
                _ => dtype,
            })
        }
        _ => return Err(Error::from(ErrorKind::UnknownMethod)),
    })
}

/// `api.Relation` and `api.Column`: the classes.
#[derive(Debug)]
pub enum Class {
    Relation,
    Column,
}

impl Object for Class {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        constant(key.as_str()?)
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        match **self {
            Class::Column => make_column(&mut Arguments::of(args)?),
            Class::Relation => create_relation(&mut Arguments::of(args)?),
        }
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let mut call = Arguments::of(args)?;
        match (&**self, method) {
            (Class::Relation, "create") => create_relation(&mut call),
            (Class::Column, method) => column_class(method, &mut call),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

fn create_relation(call: &mut Arguments) -> Result<Value, Error> {
    let mut text = |position: usize, name: &str| {
        call.take(position, name).filter(|v| !v.is_none() && !v.is_undefined()).map(|v| v.to_string()).unwrap_or_default()
    };
    let relation = Relation::new(&text(0, "database"), &text(1, "schema"), &text(2, "identifier"), &text(3, "type"));
    Ok(Value::from_object(relation))
}
