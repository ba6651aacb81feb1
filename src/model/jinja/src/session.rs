//! One rendering: what the node sees, what it has asked for, and the way to the host. A rendering stays on one thread, which
//! holds its session while it lasts.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::value::Value;
use minijinja::{Error, ErrorKind};
use serde_json::{json, Map, Value as Json};

use crate::project::Project;
use crate::relation::Relation;
use crate::value::{self, failed};

/// Macros may call each other this deep.
pub const MACRO_DEPTH_MAX: usize = 100;

/// The caller's side: one function for all questions. The answer is put by shoplake_jinja_answer().
#[derive(Clone, Copy)]
pub struct Host {
    pub context: *mut c_void,
    pub call: extern "C" fn(*mut c_void, *const u8, usize, *const u8, usize, *mut Vec<u8>),
}

/// What a rendering found.
#[derive(Default)]
pub struct Found {
    pub config: IndexMap<String, Json>,
    pub refs: Vec<Json>,
    pub sources: Vec<Json>,
    pub macros: Vec<String>,
}

pub struct Session {
    pub project: Arc<Project>,
    pub host: Host,
    pub package: String,
    pub unique_id: String,
    pub execute: bool,
    pub is_parsing: bool,
    pub is_incremental: bool,
    pub config: Map<String, Json>,
    pub names: HashMap<String, Value>,
    /// The node as in the manifest; asked for when a template first uses it.
    pub model: OnceCell<Value>,
    /// True for values of YAML files, whose filters as_number … convert.
    pub is_yaml: bool,
    pub found: RefCell<Found>,
    pub results: RefCell<HashMap<String, Value>>,
    pub returned: RefCell<Option<Value>>,
    /// The host's own error behind the one that unwinds.
    pub host_error: RefCell<Option<Json>>,
    pub depth: Cell<usize>,
}

thread_local! {
    static CURRENT: Cell<*const Session> = const { Cell::new(std::ptr::null()) };
}

/// Makes `session` this thread's while `work` runs.
pub fn run<R>(session: &Session, work: impl FnOnce() -> R) -> R {
    struct Restore(*const Session);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.with(|current| current.set(self.0));
        }
    }
    let _restore = Restore(CURRENT.with(|current| current.replace(session)));
    work()
}

/// This thread's session.
pub fn with<R>(work: impl FnOnce(&Session) -> Result<R, Error>) -> Result<R, Error> {
    match get() {
        Some(session) => work(session),
        None => Err(failed("this can only be used while a node is rendered")),
    }
}

pub fn get<'a>() -> Option<&'a Session> {
    let session = CURRENT.with(Cell::get);
    // SAFETY: run() keeps the session alive as long as it is current, and nothing that outlives a call keeps the reference.
    unsafe { session.as_ref() }
}

pub fn log(message: &str, to_terminal: bool) -> Result<(), Error> {
    with(|session| session.ask("log", &json!({"message": message, "to_terminal": to_terminal})).map(|_| ()))
}

impl Session {
    pub fn ask(&self, name: &str, arguments: &Json) -> Result<Json, Error> {
        let text = arguments.to_string();
        let mut answer: Vec<u8> = Vec::new();
        (self.host.call)(self.host.context, name.as_ptr(), name.len(), text.as_ptr(), text.len(), &mut answer);
        let mut parsed: Json =
            serde_json::from_slice(&answer).map_err(|e| failed(format!("{name}: the host's answer is not JSON: {e}")))?;
        if let Some(error) = parsed.get("error") {
            let message = error.get("message").and_then(Json::as_str).unwrap_or("failed").to_string();
            *self.host_error.borrow_mut() = Some(error.clone());
            return Err(failed(message));
        }
        Ok(parsed.get_mut("value").map(Json::take).unwrap_or(Json::Null))
    }

    pub fn ask_relation(&self, name: &str, arguments: &Json) -> Result<Option<Relation>, Error> {
        Ok(Relation::from_json(&self.ask(name, arguments)?))
    }

    /// A name as a template of this node sees it; `package` is that of the macro that asks.
    pub fn lookup(&self, name: &str, package: Option<&str>) -> Option<Value> {
        if name.starts_with("__") {
            return self.project.natives.get(name).cloned();
        }
        if let Some(value) = self.names.get(name) {
            return Some(value.clone());
        }
        if let Some(found) = self.project.find_macro(name, &self.package, package) {
            return Some(Value::from_dyn_object(found));
        }
        if let Some(namespace) = self.project.namespace(name) {
            return Some(namespace);
        }
        match name {
            "execute" => return Some(Value::from(self.execute)),
            "model" => {
                return Some(
                    self.model.get_or_init(|| self.ask("model", &Json::Null).map_or(Value::UNDEFINED, |m| value::from_json(&m))).clone(),
                )
            }
            _ => {}
        }
        self.project.natives.get(name).cloned()
    }

    pub fn record_config(&self, name: &str, given: Json) {
        let key = match name {
            "pre_hook" => "pre-hook",
            "post_hook" => "post-hook",
            other => other,
        };
        let as_list = |value: Json| match value {
            Json::Array(items) => items,
            Json::Null => Vec::new(),
            other => vec![other],
        };
        let mut found = self.found.borrow_mut();
        let merged = match (key, found.config.shift_remove(key)) {
            ("tags" | "pre-hook" | "post-hook", Some(before)) => {
                let mut all = as_list(before);
                for item in as_list(given) {
                    if key != "tags" || !all.contains(&item) {
                        all.push(item);
                    }
                }
                Json::Array(all)
            }
            ("tags", None) => Json::Array(as_list(given)),
            ("meta" | "column_types" | "quoting" | "grants", Some(Json::Object(mut before))) => match given {
                Json::Object(more) => {
                    before.extend(more);
                    Json::Object(before)
                }
                other => other,
            },
            (_, _) => given,
        };
        found.config.insert(key.to_string(), merged);
    }

    /// config.get(): what the node has, and while parsing what it has said so far.
    pub fn config_value(&self, name: &str) -> Option<Json> {
        let dashed = name.replace('_', "-");
        let found = self.found.borrow();
        [name, dashed.as_str()]
            .iter()
            .find_map(|key| self.config.get(*key).or_else(|| found.config.get(*key)).filter(|v| !v.is_null()).cloned())
    }

    pub fn record_macro(&self, unique_id: &str) {
        let mut found = self.found.borrow_mut();
        if !found.macros.iter().any(|known| known == unique_id) {
            found.macros.push(unique_id.to_string());
        }
    }

    pub fn found_json(&self) -> Json {
        let found = self.found.borrow();
        let config: Map<String, Json> = found.config.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        json!({"config": config, "refs": found.refs, "sources": found.sources, "macros": found.macros})
    }

    pub fn var(&self, name: &str) -> Option<Json> {
        let vars = &self.project.vars;
        let scoped = |package: &str| vars.get(package).and_then(Json::as_object).and_then(|scope| scope.get(name)).cloned();
        scoped(&self.package).or_else(|| vars.get(name).cloned())
    }
}

/// An error as the caller gets it: the innermost place, the message, and the macros on the way.
pub fn describe(error: &Error, project: &Project, session: Option<&Session>) -> Json {
    let mut chain: Vec<&Error> = vec![error];
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(inner) = inner.downcast_ref::<Error>() {
            chain.push(inner);
        }
        source = inner.source();
    }
    let inner = chain[chain.len() - 1];
    let place = |e: &Error| {
        e.name().map(|name| {
            let path = project.paths.get(name).map_or(name, String::as_str);
            (name.to_string(), path.to_string(), e.line().unwrap_or(0))
        })
    };
    let mut stack: Vec<Json> = Vec::new();
    for link in chain.iter().rev() {
        if let Some((name, path, line)) = place(link) {
            let macro_name = project.paths.contains_key(&name).then(|| name.strip_prefix("macro.").unwrap_or(&name).to_string());
            stack.push(json!({"macro": macro_name, "path": path, "line": line}));
        }
    }
    let detail = inner.detail().map_or_else(|| inner.kind().to_string(), String::from);
    let (message, advice) = match inner.kind() {
        ErrorKind::UnknownFunction => {
            let name = detail.strip_suffix(" is unknown").unwrap_or(&detail);
            (
                format!("'{name}' is undefined: there is no macro or function of that name"),
                "Check the spelling, or add the package or macro file that has it.".to_string(),
            )
        }
        ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::SyntaxError | ErrorKind::InvalidOperation => (detail, String::new()),
        ErrorKind::UndefinedError if inner.detail().is_none() => ("an undefined value is used".to_string(), String::new()),
        ErrorKind::UndefinedError => (detail, String::new()),
        _ => (detail, String::new()),
    };
    let host = session.and_then(|s| s.host_error.borrow_mut().take());
    json!({
        "is_syntax": inner.kind() == ErrorKind::SyntaxError,
        "message": message,
        "advice": advice,
        "stack": stack,
        "host": host,
    })
}

pub fn stand_in(schema: &str, name: &str) -> Value {
    Value::from_object(Relation::new("", schema, name, ""))
}

pub fn json_names(value: &Json) -> HashMap<String, Value> {
    value.as_object().map_or_else(HashMap::new, |object| object.iter().map(|(k, v)| (k.clone(), value::from_json(v))).collect())
}
