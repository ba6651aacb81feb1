//! dbt's Jinja for shoplake: minijinja with what dbt adds, behind a small C ABI (jinja.h). Values cross as JSON.

mod adapter;
mod config;
mod datetime;
mod filters;
mod functions;
mod itertools;
mod methods;
mod operators;
mod project;
mod regular;
mod relation;
mod session;
mod source;
mod table;
mod value;
mod yaml;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::ffi::c_void;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use minijinja::value::Value;
use minijinja::Error;
use serde_json::{json, Value as Json};

use project::{Project, Scope};
use relation::Relation;
use session::{describe, Found, Host, Session};

/// Bytes that the caller frees with shoplake_jinja_free_text().
#[repr(C)]
pub struct Text {
    data: *mut u8,
    size: usize,
}

fn text(json: &Json) -> Text {
    let bytes = json.to_string().into_bytes().into_boxed_slice();
    let size = bytes.len();
    Text { data: Box::into_raw(bytes).cast::<u8>(), size }
}

fn syntax_error(path: &str, line: usize, message: &str) -> Json {
    let stack = [json!({"macro": null, "path": path, "line": line})];
    json!({"error": {"is_syntax": true, "message": message, "advice": "", "stack": stack}})
}

fn internal_error(message: String) -> Json {
    json!({"error": {"is_internal": true, "message": message, "advice": "", "stack": []}})
}

/// # Safety
/// `data` points at `size` readable bytes, or `size` is 0.
unsafe fn bytes<'a>(data: *const u8, size: usize) -> &'a [u8] {
    if size == 0 {
        &[]
    } else {
        std::slice::from_raw_parts(data, size)
    }
}

fn guarded(work: impl FnOnce() -> Json) -> Text {
    let answer = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let what = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()));
        internal_error(what.unwrap_or_else(|| "panic".to_string()))
    });
    text(&answer)
}

/// Compiles the macros. The answer is {"macros": […]} and `*project` is set, or {"error": …} and it is null.
///
/// # Safety
/// `request` points at `size` bytes of JSON; `project` may be written.
#[no_mangle]
pub unsafe extern "C" fn shoplake_jinja_create(request: *const u8, size: usize, project: *mut *const Project) -> Text {
    *project = std::ptr::null();
    let request = bytes(request, size);
    guarded(|| {
        let request: Json = match serde_json::from_slice(request) {
            Ok(request) => request,
            Err(error) => return internal_error(error.to_string()),
        };
        let field = |file: &Json, key: &str| file.get(key).and_then(Json::as_str).unwrap_or_default().to_string();
        let files: Vec<(String, String, String)> = request["files"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
            .iter()
            .map(|file| (field(file, "package"), field(file, "path"), field(file, "text")))
            .collect();
        match Project::load(&request["options"], &files) {
            Ok(loaded) => {
                let answer = json!({"macros": loaded.infos});
                unsafe { *project = Arc::into_raw(Arc::new(loaded)) };
                answer
            }
            Err(error) => syntax_error(&error.path, error.line, &error.message),
        }
    })
}

/// # Safety
/// `project` comes from shoplake_jinja_create() and is used no more.
#[no_mangle]
pub unsafe extern "C" fn shoplake_jinja_destroy(project: *const Project) {
    if !project.is_null() {
        drop(Arc::from_raw(project));
    }
}

/// # Safety
/// `value` comes from this library and is used no more.
#[no_mangle]
pub unsafe extern "C" fn shoplake_jinja_free_text(value: Text) {
    if !value.data.is_null() {
        drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(value.data, value.size)));
    }
}

/// The host's answer to a question, set from inside of its callback.
///
/// # Safety
/// `answer` is the callback's last argument; `data` points at `size` bytes.
#[no_mangle]
pub unsafe extern "C" fn shoplake_jinja_answer(answer: *mut Vec<u8>, data: *const u8, size: usize) {
    (*answer).clear();
    (*answer).extend_from_slice(bytes(data, size));
}

/// Does what the request says: {"do": "render" | "call" | "yaml", …}.
///
/// # Safety
/// `project` comes from shoplake_jinja_create(); `request` points at `size` bytes; `call` may be called with `context` until
/// this function returns, on this thread.
#[no_mangle]
pub unsafe extern "C" fn shoplake_jinja_run(
    project: *const Project,
    request: *const u8,
    size: usize,
    context: *mut c_void,
    call: extern "C" fn(*mut c_void, *const u8, usize, *const u8, usize, *mut Vec<u8>),
) -> Text {
    let request = bytes(request, size);
    Arc::increment_strong_count(project);
    let project = Arc::from_raw(project);
    guarded(|| match serde_json::from_slice::<Json>(request) {
        Ok(request) => answer(project, Host { context, call }, &request),
        Err(error) => internal_error(error.to_string()),
    })
}

fn answer(project: Arc<Project>, host: Host, request: &Json) -> Json {
    let string = |key: &str| request.get(key).and_then(Json::as_str).unwrap_or_default().to_string();
    let flag = |key: &str| request.get(key).and_then(Json::as_bool).unwrap_or(false);
    let mut names: HashMap<String, Value> = HashMap::new();
    if let Some(this) = request.get("this").and_then(Relation::from_json) {
        names.insert("this".to_string(), Value::from_object(this));
    }
    if let Some(extra) = request.get("extra") {
        names.extend(session::json_names(extra));
    }
    let package = string("package");
    let session = Session {
        package: if package.is_empty() { project.name.clone() } else { package },
        host,
        unique_id: string("unique_id"),
        execute: flag("execute"),
        is_parsing: flag("parsing"),
        is_incremental: flag("is_incremental"),
        config: request.get("config").and_then(Json::as_object).cloned().unwrap_or_default(),
        names,
        model: OnceCell::new(),
        is_yaml: request["do"] == "yaml",
        found: RefCell::new(Found::default()),
        results: RefCell::new(HashMap::new()),
        returned: RefCell::new(None),
        host_error: RefCell::new(None),
        depth: Cell::new(0),
        project: project.clone(),
    };
    let done = session::run(&session, || match request["do"].as_str() {
        Some("call") => call_macro(&session, request),
        Some("yaml") => render_yaml(&session, &request["value"]),
        _ => render(&session, &string("path"), &string("text")).map(Json::String),
    });
    match done {
        Ok(value) => json!({"value": value, "found": session.found_json()}),
        Err(Failure::Engine(error)) => json!({"error": describe(&error, &project, Some(&session))}),
        Err(Failure::Syntax { path, line, message }) => syntax_error(&path, line, &message),
    }
}

fn scope() -> Value {
    Value::from_object(Scope { names: HashMap::new(), package: None })
}

fn render(session: &Session, path: &str, text: &str) -> Result<String, Failure> {
    let name = if path.is_empty() { "text" } else { path };
    let rewritten = source::rewrite(text).map_err(|e| Failure::Syntax { path: name.to_string(), line: e.line, message: e.message })?;
    let template = session.project.environment.template_from_named_str(name, &rewritten)?;
    Ok(template.render(scope())?)
}

/// Why there is no answer: the engine's error, or a mistake that we found before it.
enum Failure {
    Engine(Error),
    Syntax { path: String, line: usize, message: String },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Engine(error)
    }
}

fn call_macro(session: &Session, request: &Json) -> Result<Json, Failure> {
    let name = request["name"].as_str().unwrap_or_default();
    let found = match name.split_once('.') {
        Some((package, name)) => session.project.macro_of(package, name),
        None => session.project.find_macro(name, &session.package, None),
    };
    let found = found.ok_or_else(|| value::failed(format!("there is no macro '{name}'")))?;
    let object = found.downcast::<project::Macro>().ok_or_else(|| value::failed("not a macro"))?;
    let call = value::Arguments {
        positional: request["positional"].as_array().map(Vec::as_slice).unwrap_or_default().iter().map(value::from_json).collect(),
        named: request["named"].as_object().map(|o| o.iter().map(|(k, v)| (k.clone(), value::from_json(v))).collect()).unwrap_or_default(),
    };
    Ok(value::to_json(&object.invoke(&session.project.environment, call)?))
}

fn ends_with_native_filter(expression: &str) -> bool {
    let last = expression.rsplit('|').next().unwrap_or_default().trim();
    expression.contains('|') && matches!(last, "as_bool" | "as_number" | "as_native")
}

fn render_yaml(session: &Session, yaml: &Json) -> Result<Json, Failure> {
    Ok(match yaml {
        // Everything is a text, as in dbt, unless the last filter says otherwise.
        Json::String(text) if source::has_jinja(text) => match source::single_expression(text) {
            Some(expression) if ends_with_native_filter(&expression) => {
                let compiled = session.project.environment.compile_expression_owned(expression)?;
                value::to_json(&compiled.eval(scope())?)
            }
            _ => Json::String(render(session, "", text)?),
        },
        Json::Array(items) => Json::Array(items.iter().map(|item| render_yaml(session, item)).collect::<Result<_, _>>()?),
        Json::Object(object) => {
            Json::Object(object.iter().map(|(key, item)| Ok((key.clone(), render_yaml(session, item)?))).collect::<Result<_, Failure>>()?)
        }
        other => other.clone(),
    })
}
