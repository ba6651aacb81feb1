//! `modules.re`: Python's regular expressions, without look-around and back-references.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind, State};
use regex_lite::{Captures, Regex, RegexBuilder};

use crate::functions::{members, native};
use crate::value::{failed, list, tuple, Arguments};

const IGNORE_CASE: i64 = 2;
const MULTI_LINE: i64 = 8;
const DOT_ALL: i64 = 16;
const VERBOSE: i64 = 64;

/// A compiled expression, as re.compile() gives it.
#[derive(Debug)]
struct Pattern {
    text: String,
    flags: i64,
}

fn compile(pattern: &Value, flags: i64, anchors: (&str, &str)) -> Result<Regex, Error> {
    let (text, flags) = match pattern.downcast_object_ref::<Pattern>() {
        Some(compiled) => (compiled.text.clone(), compiled.flags | flags),
        None => (pattern.to_string(), flags),
    };
    let anchored = if anchors == ("", "") { text.clone() } else { format!("{}(?:{text}){}", anchors.0, anchors.1) };
    RegexBuilder::new(&anchored)
        .case_insensitive(flags & IGNORE_CASE != 0)
        .multi_line(flags & MULTI_LINE != 0)
        .dot_matches_new_line(flags & DOT_ALL != 0)
        .ignore_whitespace(flags & VERBOSE != 0)
        .build()
        .map_err(|e| {
            failed(format!("the regular expression '{text}' is not understood (look-around and back-references are not supported): {e}"))
        })
}

/// What a match found.
#[derive(Debug)]
struct Match {
    groups: Vec<Option<String>>,
    names: Vec<(String, usize)>,
    start: usize,
    end: usize,
}

impl Match {
    fn of(regex: &Regex, captures: &Captures, text: &str) -> Match {
        let whole = captures.get(0).expect("a match has a group 0");
        Match {
            groups: (0..captures.len()).map(|i| captures.get(i).map(|m| m.as_str().to_string())).collect(),
            names: regex.capture_names().enumerate().filter_map(|(i, n)| Some((n?.to_string(), i))).collect(),
            start: text[..whole.start()].chars().count(),
            end: text[..whole.end()].chars().count(),
        }
    }
    fn group(&self, key: &Value) -> Result<Value, Error> {
        let index = match key.as_str() {
            Some(name) => self.names.iter().find(|(n, _)| n == name).map(|(_, i)| *i),
            None => key.as_usize(),
        };
        match index.and_then(|i| self.groups.get(i)) {
            Some(group) => Ok(group.as_deref().map_or(Value::from(()), Value::from)),
            None => Err(failed(format!("the match has no group {key:?}"))),
        }
    }
    fn texts(&self) -> Vec<Value> {
        self.groups[1..].iter().map(|g| g.as_deref().map_or(Value::from(()), Value::from)).collect()
    }
}

impl Object for Match {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.group(key).ok()
    }
    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        Ok(match (method, args) {
            ("group", []) => self.group(&Value::from(0))?,
            ("group", [one]) => self.group(one)?,
            ("group", many) => tuple(many.iter().map(|k| self.group(k)).collect::<Result<_, _>>()?),
            ("groups", _) => tuple(self.texts()),
            ("groupdict", _) => crate::value::dict(
                self.names.iter().map(|(n, i)| (Value::from(n.as_str()), self.group(&Value::from(*i)).unwrap_or_default())).collect(),
            ),
            ("start", _) => Value::from(self.start),
            ("end", _) => Value::from(self.end),
            ("span", _) => tuple(vec![Value::from(self.start), Value::from(self.end)]),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }
}

/// Python's replacement text: \1, \g<name>, \\.
fn expand(template: &str, captures: &Captures) -> String {
    let mut out = String::new();
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some(d) if d.is_ascii_digit() => {
                let mut index = d.to_digit(10).unwrap() as usize;
                if let Some(next) = chars.peek().and_then(|c| c.to_digit(10)) {
                    index = index * 10 + next as usize;
                    chars.next();
                }
                out.push_str(captures.get(index).map_or("", |m| m.as_str()));
            }
            Some('g') if chars.peek() == Some(&'<') => {
                chars.next();
                let name: String = chars.by_ref().take_while(|c| *c != '>').collect();
                let found = name.parse::<usize>().map_or_else(|_| captures.name(&name), |index| captures.get(index));
                out.push_str(found.map_or("", |m| m.as_str()));
            }
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some(other) => out.push(other),
            None => out.push('\\'),
        }
    }
    out
}

fn regular(method: &str, mut call: Arguments) -> Result<Value, Error> {
    let pattern = call.need(0, "pattern", method)?;
    let flags_at = match method {
        "sub" | "subn" => 4,
        "split" => 3,
        "compile" => 1,
        _ => 2,
    };
    let flags = call.take(flags_at, "flags").and_then(|v| v.as_i64()).unwrap_or(0);
    let text_at = if method == "sub" || method == "subn" { 2 } else { 1 };
    if method == "compile" {
        compile(&pattern, flags, ("", ""))?;
        return Ok(Value::from_object(Pattern { text: pattern.to_string(), flags }));
    }
    if method == "escape" {
        return Ok(Value::from(regex_lite::escape(&pattern.to_string())));
    }
    let text = call.text(text_at, "string", method)?;
    let anchors = match method {
        "match" => (r"\A", ""),
        "fullmatch" => (r"\A", r"\z"),
        _ => ("", ""),
    };
    let regex = compile(&pattern, flags, anchors)?;
    let matches = || regex.captures_iter(&text);
    Ok(match method {
        "match" | "fullmatch" | "search" => {
            regex.captures(&text).map_or(Value::from(()), |c| Value::from_object(Match::of(&regex, &c, &text)))
        }
        "finditer" => list(matches().map(|c| Value::from_object(Match::of(&regex, &c, &text))).collect()),
        "findall" => list(
            matches()
                .map(|c| {
                    let texts: Vec<Value> = (1..c.len()).map(|i| Value::from(c.get(i).map_or("", |m| m.as_str()))).collect();
                    match texts.len() {
                        0 => Value::from(c.get(0).map_or("", |m| m.as_str())),
                        1 => texts[0].clone(),
                        _ => tuple(texts),
                    }
                })
                .collect(),
        ),
        "split" => {
            let limit = call.take(2, "maxsplit").and_then(|v| v.as_usize()).filter(|n| *n > 0).unwrap_or(usize::MAX);
            let mut parts = Vec::new();
            let mut at = 0;
            for c in matches().take(limit) {
                let whole = c.get(0).expect("a match has a group 0");
                parts.push(Value::from(&text[at..whole.start()]));
                parts.extend((1..c.len()).map(|i| c.get(i).map_or(Value::from(()), |m| Value::from(m.as_str()))));
                at = whole.end();
            }
            parts.push(Value::from(&text[at..]));
            list(parts)
        }
        _ => {
            let template = call.text(1, "repl", method)?;
            let limit = call.take(3, "count").and_then(|v| v.as_usize()).filter(|n| *n > 0).unwrap_or(usize::MAX);
            let mut out = String::new();
            let (mut at, mut count) = (0, 0);
            for c in matches().take(limit) {
                let whole = c.get(0).expect("a match has a group 0");
                out.push_str(&text[at..whole.start()]);
                out.push_str(&expand(&template, &c));
                at = whole.end();
                count += 1;
            }
            out.push_str(&text[at..]);
            if method == "subn" {
                tuple(vec![Value::from(out), Value::from(count)])
            } else {
                Value::from(out)
            }
        }
    })
}

impl Object for Pattern {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str()? == "pattern").then(|| Value::from(self.text.as_str()))
    }
    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        if !matches!(method, "match" | "fullmatch" | "search" | "finditer" | "findall" | "split" | "sub" | "subn") {
            return Err(Error::from(ErrorKind::UnknownMethod));
        }
        let mut call = Arguments::of(args)?;
        call.positional.insert(0, Value::from_dyn_object(self.clone()));
        regular(method, call)
    }
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "re.compile({:?})", Value::from(self.text.as_str()))
    }
}

macro_rules! named_functions {
    ($function:path; $($name:literal),*) => {
        HashMap::from([$(($name, native($name, |_, call| $function($name, call)))),*])
    };
}

/// The members of `modules.re`.
pub fn module() -> Value {
    let mut names =
        named_functions!(regular; "match", "fullmatch", "search", "finditer", "findall", "split", "sub", "subn", "compile", "escape");
    let flags = [("I", "IGNORECASE", IGNORE_CASE), ("M", "MULTILINE", MULTI_LINE), ("S", "DOTALL", DOT_ALL), ("X", "VERBOSE", VERBOSE)];
    for (short, long, flag) in flags {
        names.insert(short, Value::from(flag));
        names.insert(long, Value::from(flag));
    }
    members("re", names)
}
