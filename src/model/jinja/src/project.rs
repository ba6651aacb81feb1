//! A project's macros, compiled once: who finds which macro under what name, and how a macro is called.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, OnceLock};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{DynObject, Enumerator, Object, Value};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior};
use serde_json::{json, Value as Json};

use crate::session::{self, MACRO_DEPTH_MAX};
use crate::source::{self, MacroSource};
use crate::value::{self, failed, tuple, Arguments};
use crate::{filters, functions, methods};

/// The package of the macros that shoplake brings; named as dbt's own.
pub const DBT: &str = "dbt";

pub struct Project {
    pub environment: Environment<'static>,
    pub name: String,
    pub adapter: String,
    pub vars: serde_json::Map<String, Json>,
    pub target: Json,
    pub dispatch: serde_json::Map<String, Json>,
    pub env: HashMap<String, String>,
    /// Functions and constants that are the same for all nodes.
    pub natives: HashMap<&'static str, Value>,
    /// Package → macro → object.
    packages: HashMap<String, HashMap<String, DynObject>>,
    /// Template name → file, for messages.
    pub paths: HashMap<String, String>,
    pub infos: Vec<Json>,
}

/// A mistake in a macro file.
pub struct LoadError {
    pub path: String,
    pub line: usize,
    pub message: String,
}

type Builtin = Vec<(String, Arc<MacroSource>)>;

/// The built-in macros, read once in the life of the process: the files are always the same.
fn builtin_macros(files: &[(String, String, String)]) -> Result<&'static Builtin, LoadError> {
    static BUILTIN: OnceLock<Builtin> = OnceLock::new();
    if let Some(known) = BUILTIN.get() {
        return Ok(known);
    }
    let mut read = Vec::new();
    for (_, path, text) in files.iter().filter(|file| file.0 == DBT) {
        let found = source::macros(text).map_err(|e| LoadError { path: path.clone(), line: e.line, message: e.message })?;
        read.extend(found.into_iter().map(|found| (path.clone(), Arc::new(found))));
    }
    Ok(BUILTIN.get_or_init(|| read))
}

pub fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build().expect("the syntax is valid");
    environment.set_syntax(syntax);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_unknown_method_callback(methods::of_any);
    environment.set_recursion_limit(450);
    // Errors then name the value that is undefined.
    environment.set_debug(true);
    environment.set_formatter(|out, state, value| match value::python_float(value) {
        Some(text) => Ok(out.write_str(&text)?),
        None => minijinja::escape_formatter(out, state, value),
    });
    filters::add(&mut environment);
    environment
}

impl Project {
    pub fn load(options: &Json, files: &[(String, String, String)]) -> Result<Project, LoadError> {
        let text = |key: &str| options.get(key).and_then(Json::as_str).unwrap_or_default().to_string();
        let object = |key: &str| options.get(key).and_then(Json::as_object).cloned().unwrap_or_default();
        let mut project = Project {
            environment: environment(),
            name: text("project_name"),
            adapter: text("adapter"),
            vars: object("vars"),
            target: Json::Object(object("target")),
            dispatch: object("dispatch"),
            env: object("env").into_iter().filter_map(|(k, v)| Some((k, v.as_str()?.to_string()))).collect(),
            natives: functions::natives(options),
            packages: HashMap::new(),
            paths: HashMap::new(),
            infos: Vec::new(),
        };
        // What shoplake brings is compiled when it is first used; what a project brings is compiled now, so that mistakes show.
        let builtin = builtin_macros(files)?;
        let sources: HashMap<String, &'static str> =
            builtin.iter().map(|(_, m)| (format!("macro.{DBT}.{}", m.name), m.template.as_str())).collect();
        project.environment.set_loader(move |name| Ok(sources.get(name).copied()));
        for (path, found) in builtin {
            project.add_macro(DBT, path, found, false)?;
        }
        for (package, path, text) in files.iter().filter(|file| file.0 != DBT) {
            let found = source::macros(text).map_err(|e| LoadError { path: path.clone(), line: e.line, message: e.message })?;
            for found in found {
                project.add_macro(package, path, &Arc::new(found), true)?;
            }
        }
        Ok(project)
    }

    fn add_macro(&mut self, package: &str, path: &str, found: &Arc<MacroSource>, compile: bool) -> Result<(), LoadError> {
        let unique_id = format!("macro.{package}.{}", found.name);
        let template_name = if self.paths.contains_key(&unique_id) { format!("{unique_id}@{path}") } else { unique_id.clone() };
        if compile {
            self.environment.add_template_owned(template_name.clone(), found.template.clone()).map_err(|e| LoadError {
                path: path.to_string(),
                line: e.line().unwrap_or(1),
                message: e.detail().map_or_else(|| e.kind().to_string(), String::from),
            })?;
        }
        self.paths.insert(template_name.clone(), path.to_string());
        self.infos.push(json!({
            "unique_id": unique_id,
            "package": package,
            "name": found.name,
            "path": path,
            "original_text": found.original,
            "arguments": found.arguments.iter().map(|a| a.name.clone()).collect::<Vec<_>>(),
        }));
        let object = Macro { unique_id, package: package.to_string(), template_name, source: found.clone() };
        self.packages.entry(package.to_string()).or_default().insert(found.name.clone(), DynObject::new(Arc::new(object)));
        Ok(())
    }

    pub fn macro_of(&self, package: &str, name: &str) -> Option<DynObject> {
        self.packages.get(package)?.get(name).cloned()
    }

    /// dbt's order: the node's own package, the project, the package of the macro that asks, what is built in.
    pub fn find_macro(&self, name: &str, node_package: &str, macro_package: Option<&str>) -> Option<DynObject> {
        let node_package = Some(node_package).filter(|p| *p != self.name && !p.is_empty());
        [node_package, Some(self.name.as_str()), macro_package, Some(DBT)]
            .into_iter()
            .flatten()
            .find_map(|package| self.macro_of(package, name))
    }

    pub fn namespace(&self, package: &str) -> Option<Value> {
        (package == DBT || self.packages.contains_key(package)).then(|| Value::from_object(Namespace(package.to_string())))
    }

    /// The names that adapter.dispatch() puts before a macro's name, nearest first.
    pub fn adapter_prefixes(&self) -> Vec<&str> {
        let mut prefixes = vec![self.adapter.as_str()];
        match self.adapter.as_str() {
            "redshift" => prefixes.push("postgres"),
            "databricks" => prefixes.push("spark"),
            _ => {}
        }
        prefixes.push("default");
        prefixes
    }

    pub fn dispatch(&self, name: &str, namespace: Option<&str>, node_package: &str) -> Result<DynObject, Error> {
        let mut packages: Vec<String> = Vec::new();
        match namespace {
            Some(namespace) => match self.dispatch.get(namespace).and_then(Json::as_array) {
                Some(order) => packages.extend(order.iter().filter_map(Json::as_str).map(String::from)),
                None => packages.extend([self.name.clone(), namespace.to_string()]),
            },
            None => packages.extend([node_package.to_string(), self.name.clone(), DBT.to_string()]),
        }
        let prefixes = self.adapter_prefixes();
        for package in &packages {
            for prefix in &prefixes {
                if let Some(found) = self.macro_of(package, &format!("{prefix}__{name}")) {
                    return Ok(found);
                }
            }
        }
        let searched: Vec<String> =
            packages.iter().flat_map(|package| prefixes.iter().map(move |prefix| format!("'{package}.{prefix}__{name}'"))).collect();
        Err(failed(format!("adapter.dispatch: there is no macro '{name}' for {}; searched for {}", self.adapter, searched.join(", "))))
    }
}

/// A package's macros as templates see them: dbt_utils.star(…).
#[derive(Debug)]
struct Namespace(String);

impl Object for Namespace {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        let session = session::get()?;
        match session.project.macro_of(&self.0, name) {
            Some(found) => Some(Value::from_dyn_object(found)),
            None if self.0 == DBT => session.project.natives.get(name).cloned(),
            None => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names = session::get().and_then(|s| s.project.packages.get(&self.0)).map(|macros| macros.keys().map(Value::from).collect());
        Enumerator::Values(names.unwrap_or_default())
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match self.get_value(&Value::from(method)) {
            Some(found) => found.call(state, args),
            None => Err(Error::new(ErrorKind::InvalidOperation, format!("package '{}' has no macro '{method}'", self.0))),
        }
    }
}

/// The outermost names of a template or macro: its arguments, then all that the session knows.
pub struct Scope {
    pub names: HashMap<String, Value>,
    pub package: Option<String>,
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<context>")
    }
}

impl Scope {
    fn find(self: &Arc<Self>, name: &str) -> Option<Value> {
        if let Some(value) = self.names.get(name) {
            return Some(value.clone());
        }
        if name == "context" {
            return Some(Value::from_object(ContextView(self.clone())));
        }
        session::get()?.lookup(name, self.package.as_deref())
    }
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.find(key.as_str()?)
    }
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.find(key)
    }
}

/// `context`: every name, by subscript or get().
#[derive(Debug)]
struct ContextView(Arc<Scope>);

impl Object for ContextView {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.find(key.as_str()?)
    }
    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        if method == "get" {
            let mut call = Arguments::of(args)?;
            let key = call.text(0, "key", "get")?;
            return Ok(self.0.find(&key).unwrap_or_else(|| call.take(1, "default").unwrap_or(Value::from(()))));
        }
        match self.0.find(method) {
            Some(found) => found.call(state, args),
            None => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// The block of a `{% call %}`. minijinja binds it to the state of the template that wrote it; the macro that it is given to
/// renders in a state of its own, so the call goes back to the first one, which is suspended meanwhile.
struct Caller {
    block: Value,
    state: AtomicPtr<()>,
    is_alive: AtomicBool,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<caller>")
    }
}

impl Object for Caller {
    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        if !self.is_alive.load(Ordering::Acquire) {
            return Err(failed("caller() was kept and called after its macro had ended"));
        }
        let state = self.state.load(Ordering::Acquire).cast::<State<'static, 'static>>();
        // SAFETY: with_caller() took the pointer from a `&mut State` that it holds until it clears is_alive, on this thread;
        // the frames that own the state are suspended below this call and touch it only after it returns.
        self.block.call(unsafe { &mut *state }, args)
    }
}

/// Runs `work` with `block` callable from other states than `state`.
pub fn with_caller<R>(state: &mut State<'_, '_>, block: Value, work: impl FnOnce(Value) -> R) -> R {
    struct End(Arc<Caller>);
    impl Drop for End {
        fn drop(&mut self) {
            self.0.is_alive.store(false, Ordering::Release);
        }
    }
    let pointer: *mut State<'_, '_> = state;
    let caller = Arc::new(Caller { block, state: AtomicPtr::new(pointer.cast()), is_alive: AtomicBool::new(true) });
    let _end = End(caller.clone());
    work(Value::from_dyn_object(caller))
}

/// A macro: called with values, answers with what it returns, else its text.
pub struct Macro {
    pub unique_id: String,
    pub package: String,
    template_name: String,
    source: Arc<MacroSource>,
}

impl fmt::Debug for Macro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Macro {}>", self.unique_id)
    }
}

impl Macro {
    fn bind(&self, call: Arguments) -> Result<HashMap<String, Value>, Error> {
        let name = &self.source.name;
        let mut positional = call.positional.into_iter();
        let mut named = call.named;
        let mut names = HashMap::with_capacity(self.source.arguments.len() + 2);
        for argument in &self.source.arguments {
            let given = match positional.next() {
                Some(_) if named.contains_key(&argument.name) => {
                    return Err(failed(format!("macro '{name}' got two values for its argument '{}'", argument.name)));
                }
                Some(value) => Some(value),
                None => named.shift_remove(&argument.name),
            };
            if argument.has_default {
                names.insert(format!("__default_{}", argument.name), Value::from(given.is_none()));
            }
            names.insert(argument.name.clone(), given.map_or(Value::UNDEFINED, value::own));
        }
        if let Some(caller) = named.shift_remove("caller") {
            names.insert("caller".to_string(), caller);
        }
        let rest: Vec<Value> = positional.collect();
        if self.source.uses_varargs {
            names.insert("varargs".to_string(), tuple(rest));
        } else if !rest.is_empty() {
            return Err(failed(format!("macro '{name}' takes not more than {} argument(s)", self.source.arguments.len())));
        }
        if self.source.uses_kwargs {
            names.insert("kwargs".to_string(), value::dict(named.into_iter().map(|(k, v)| (Value::from(k), v)).collect()));
        } else if let Some(unknown) = named.keys().next() {
            return Err(failed(format!("macro '{name}' takes no keyword argument '{unknown}'")));
        }
        Ok(names)
    }

    pub fn invoke(&self, environment: &Environment, call: Arguments) -> Result<Value, Error> {
        session::with(|session| {
            if session.depth.get() >= MACRO_DEPTH_MAX {
                return Err(failed(format!(
                    "macro '{}' is called {MACRO_DEPTH_MAX} macros deep: does it call itself without an end?",
                    self.source.name
                )));
            }
            session.record_macro(&self.unique_id);
            let names = self.bind(call)?;
            let scope = Scope { names, package: Some(self.package.clone()) };
            let template = environment.get_template(&self.template_name)?;
            session.depth.set(session.depth.get() + 1);
            let rendered = template.render(Value::from_object(scope));
            session.depth.set(session.depth.get() - 1);
            match rendered {
                Ok(text) => Ok(Value::from(text)),
                Err(error) => match session.returned.borrow_mut().take() {
                    Some(value) => Ok(value),
                    None => Err(Error::new(error.kind(), self.unique_id.clone()).with_source(error)),
                },
            }
        })
    }
}

impl Object for Macro {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "name" => Value::from(self.source.name.as_str()),
            "unique_id" => Value::from(self.unique_id.as_str()),
            "arguments" => value::list(self.source.arguments.iter().map(|a| Value::from(a.name.as_str())).collect()),
            _ => return None,
        })
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let mut call = Arguments::of(args)?;
        let environment = state.env();
        match call.named.shift_remove("caller") {
            Some(block) => with_caller(state, block, |caller| {
                call.named.insert("caller".to_string(), caller);
                self.invoke(environment, call)
            }),
            None => self.invoke(environment, call),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
