//! The methods of Python's str, list, dict and set that templates call.

use std::sync::Arc;

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

use crate::value::{self, failed, items, list, tuple, Arguments, Dict, List};

fn unknown() -> Error {
    Error::from(ErrorKind::UnknownMethod)
}

fn index(position: i64, length: usize) -> usize {
    let position = if position < 0 { position + length as i64 } else { position };
    position.clamp(0, length as i64) as usize
}

pub fn of_list(this: &Arc<List>, method: &str, args: &[Value]) -> Result<Value, Error> {
    let mut call = Arguments::of(args)?;
    let none = Value::from(());
    Ok(match method {
        "append" => {
            let item = call.need(0, "object", "append")?;
            this.items().push(value::own(item));
            none
        }
        "extend" => {
            let more = items(&call.need(0, "iterable", "extend")?)?;
            this.items().extend(more);
            none
        }
        "insert" => {
            let at = call.need(0, "index", "insert")?.as_i64().ok_or_else(|| failed("insert() needs a number"))?;
            let item = call.need(1, "object", "insert")?;
            let mut list = this.items();
            let at = index(at, list.len());
            list.insert(at, item);
            none
        }
        "pop" => {
            let at = call.take(0, "index").and_then(|v| v.as_i64()).unwrap_or(-1);
            let mut list = this.items();
            let length = list.len() as i64;
            let at = if at < 0 { at + length } else { at };
            if at < 0 || at >= length {
                return Err(failed(if length == 0 { "pop from empty list" } else { "pop index out of range" }));
            }
            list.remove(at as usize)
        }
        "remove" => {
            let item = call.need(0, "value", "remove")?;
            let mut list = this.items();
            let at = list
                .iter()
                .position(|other| *other == item)
                .ok_or_else(|| failed(format!("list.remove({item:?}): it is not in the list")))?;
            list.remove(at);
            none
        }
        "clear" => {
            this.items().clear();
            none
        }
        "reverse" => {
            this.items().reverse();
            none
        }
        "sort" => {
            let reverse = call.named.get("reverse").is_some_and(|v| v.is_true());
            let mut list = this.items();
            list.sort();
            if reverse {
                list.reverse();
            }
            none
        }
        "copy" => list(this.items().clone()),
        // set's methods: sets are lists without repeats here
        "add" => {
            let item = call.need(0, "elem", "add")?;
            let mut list = this.items();
            if !list.contains(&item) {
                list.push(item);
            }
            none
        }
        "discard" => {
            let item = call.need(0, "elem", "discard")?;
            this.items().retain(|other| *other != item);
            none
        }
        _ => {
            let snapshot = this.items().clone();
            return of_sequence(&snapshot, method, &mut call);
        }
    })
}

fn of_sequence(snapshot: &[Value], method: &str, call: &mut Arguments) -> Result<Value, Error> {
    Ok(match method {
        "index" => {
            let item = call.need(0, "value", "index")?;
            let at = snapshot.iter().position(|other| *other == item).ok_or_else(|| failed(format!("{item:?} is not in list")))?;
            Value::from(at)
        }
        "count" => {
            let item = call.need(0, "value", "count")?;
            Value::from(snapshot.iter().filter(|other| **other == item).count())
        }
        "union" | "intersection" | "difference" | "symmetric_difference" | "issubset" | "issuperset" | "isdisjoint" => {
            let other = items(&call.need(0, "others", method)?)?;
            let inside = |set: &[Value], item: &Value| set.contains(item);
            let mut result = Vec::new();
            let mut push = |item: &Value| {
                if !result.contains(item) {
                    result.push(item.clone());
                }
            };
            match method {
                "union" => snapshot.iter().chain(&other).for_each(&mut push),
                "intersection" => snapshot.iter().filter(|i| inside(&other, i)).for_each(&mut push),
                "difference" => snapshot.iter().filter(|i| !inside(&other, i)).for_each(&mut push),
                "symmetric_difference" => {
                    snapshot.iter().filter(|i| !inside(&other, i)).for_each(&mut push);
                    other.iter().filter(|i| !inside(snapshot, i)).for_each(&mut push);
                }
                "issubset" => return Ok(Value::from(snapshot.iter().all(|i| inside(&other, i)))),
                "issuperset" => return Ok(Value::from(other.iter().all(|i| inside(snapshot, i)))),
                _ => return Ok(Value::from(!snapshot.iter().any(|i| inside(&other, i)))),
            }
            list(result)
        }
        _ => return Err(unknown()),
    })
}

pub fn of_dict(this: &Arc<Dict>, method: &str, args: &[Value]) -> Result<Value, Error> {
    let mut call = Arguments::of(args)?;
    let none = Value::from(());
    Ok(match method {
        "update" => {
            let mut more = match call.positional.first() {
                Some(other) if other.kind() == ValueKind::Map => value::entries(other)?,
                Some(pairs) => {
                    let mut map = value::Map::new();
                    for pair in items(pairs)? {
                        map.insert(pair.get_item_by_index(0)?, pair.get_item_by_index(1)?);
                    }
                    map
                }
                None => value::Map::new(),
            };
            for (key, item) in call.named {
                more.insert(Value::from(key), item);
            }
            this.entries().extend(more);
            none
        }
        "pop" => {
            let key = call.need(0, "key", "pop")?;
            let found = this.entries().shift_remove(&key);
            match found.or_else(|| call.take(1, "default")) {
                Some(item) => item,
                None => return Err(failed(format!("the dict has no key {key:?}"))),
            }
        }
        "setdefault" => {
            let key = call.need(0, "key", "setdefault")?;
            let default = call.take(1, "default").unwrap_or(none);
            this.entries().entry(key).or_insert(value::own(default)).clone()
        }
        "clear" => {
            this.entries().clear();
            none
        }
        "popitem" => match this.entries().pop() {
            Some((key, item)) => tuple(vec![key, item]),
            None => return Err(failed("popitem(): the dict is empty")),
        },
        _ => {
            let snapshot = this.entries().clone();
            return of_mapping(&snapshot, method, &mut call);
        }
    })
}

fn of_mapping(snapshot: &value::Map, method: &str, call: &mut Arguments) -> Result<Value, Error> {
    Ok(match method {
        "get" => {
            let key = call.need(0, "key", "get")?;
            match snapshot.get(&key) {
                Some(item) => item.clone(),
                None => call.take(1, "default").unwrap_or(Value::from(())),
            }
        }
        "keys" => list(snapshot.keys().cloned().collect()),
        "values" => list(snapshot.values().cloned().collect()),
        "items" => list(snapshot.iter().map(|(key, item)| tuple(vec![key.clone(), item.clone()])).collect()),
        "copy" => value::dict(snapshot.clone()),
        _ => return Err(unknown()),
    })
}

/// Called by minijinja for every method that an object does not have itself.
pub fn of_any(_: &mut State, this: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let mut call = Arguments::of(args)?;
    match this.kind() {
        ValueKind::String => of_string(this.as_str().unwrap_or_default(), method, &mut call),
        ValueKind::Seq | ValueKind::Iterable => of_sequence(&items(this)?, method, &mut call),
        ValueKind::Map if matches!(method, "get" | "keys" | "values" | "items" | "copy") => {
            of_mapping(&value::entries(this)?, method, &mut call)
        }
        ValueKind::Number => match method {
            "is_integer" => Ok(Value::from(f64::try_from(this.clone()).is_ok_and(|v| v.fract() == 0.0))),
            "bit_length" => Ok(Value::from(64 - this.as_i64().unwrap_or(0).unsigned_abs().leading_zeros())),
            _ => Err(unknown()),
        },
        ValueKind::Undefined => {
            Err(Error::new(ErrorKind::UndefinedError, format!("the value whose method '{method}' is called is undefined")))
        }
        ValueKind::None => Err(Error::new(ErrorKind::UnknownMethod, format!("'None' has no attribute '{method}'"))),
        _ => Err(unknown()),
    }
}

fn strip_set(call: &mut Arguments) -> Option<Vec<char>> {
    call.take(0, "chars").filter(|v| !v.is_none()).map(|v| v.to_string().chars().collect())
}

fn affix(call: &mut Arguments, method: &str) -> Result<Vec<String>, Error> {
    let value = call.need(0, "prefix", method)?;
    Ok(if value.is_tuple() { items(&value)?.iter().map(ToString::to_string).collect() } else { vec![value.to_string()] })
}

/// str.split(): runs of blanks without a separator.
fn split(text: &str, separator: Option<&str>, limit: i64, from_right: bool) -> Vec<String> {
    let limit = usize::try_from(limit).ok();
    match (separator, from_right) {
        (Some(separator), false) => match limit {
            Some(n) => text.splitn(n + 1, separator).map(String::from).collect(),
            None => text.split(separator).map(String::from).collect(),
        },
        (Some(separator), true) => {
            let mut parts: Vec<String> = match limit {
                Some(n) => text.rsplitn(n + 1, separator).map(String::from).collect(),
                None => text.rsplit(separator).map(String::from).collect(),
            };
            parts.reverse();
            parts
        }
        (None, _) => {
            let words: Vec<&str> = text.split_whitespace().collect();
            match limit {
                Some(n) if words.len() > n + 1 && !from_right => {
                    let mut parts: Vec<String> = words[..n].iter().map(|w| w.to_string()).collect();
                    let rest = words[n].as_ptr() as usize - text.as_ptr() as usize;
                    parts.push(text[rest..].trim_end().to_string());
                    parts
                }
                _ => words.into_iter().map(String::from).collect(),
            }
        }
    }
}

fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars.flat_map(char::to_lowercase)).collect(),
        None => String::new(),
    }
}

pub fn title(text: &str) -> String {
    let mut inside = false;
    text.chars()
        .flat_map(|c| {
            let mapped: Vec<char> = if inside { c.to_lowercase().collect() } else { c.to_uppercase().collect() };
            inside = c.is_alphabetic();
            mapped
        })
        .collect()
}

/// str.center(): of an odd number of blanks the left side gets the odd one where the width is odd, as in CPython.
pub fn center(text: &str, width: usize, fill: char) -> String {
    let missing = width.saturating_sub(text.chars().count());
    let left = missing / 2 + (missing & width & 1);
    let run = |n: usize| fill.to_string().repeat(n);
    format!("{}{text}{}", run(left), run(missing - left))
}

fn pad(text: &str, call: &mut Arguments, method: &str) -> Result<String, Error> {
    let width = call.need(0, "width", method)?.as_usize().unwrap_or(0);
    let fill = call.take(1, "fillchar").and_then(|v| v.to_string().chars().next()).unwrap_or(' ');
    let run = fill.to_string().repeat(width.saturating_sub(text.chars().count()));
    Ok(match method {
        "ljust" => format!("{text}{run}"),
        "rjust" => format!("{run}{text}"),
        _ => center(text, width, fill),
    })
}

fn of_string(text: &str, method: &str, call: &mut Arguments) -> Result<Value, Error> {
    let is = |test: fn(char) -> bool| !text.is_empty() && text.chars().all(test);
    Ok(match method {
        "upper" => Value::from(text.to_uppercase()),
        "lower" | "casefold" => Value::from(text.to_lowercase()),
        "title" => Value::from(title(text)),
        "capitalize" => Value::from(capitalize(text)),
        "swapcase" => Value::from(
            text.chars()
                .flat_map(|c| if c.is_uppercase() { c.to_lowercase().collect::<Vec<_>>() } else { c.to_uppercase().collect() })
                .collect::<String>(),
        ),
        "strip" | "lstrip" | "rstrip" => {
            let set = strip_set(call);
            let matches = |c: char| set.as_ref().map_or(c.is_whitespace(), |set| set.contains(&c));
            Value::from(match method {
                "strip" => text.trim_matches(matches),
                "lstrip" => text.trim_start_matches(matches),
                _ => text.trim_end_matches(matches),
            })
        }
        "split" | "rsplit" => {
            let separator = call.take(0, "sep").filter(|v| !v.is_none()).map(|v| v.to_string());
            if separator.as_deref() == Some("") {
                return Err(failed("split(): the separator is empty"));
            }
            let limit = call.take(1, "maxsplit").and_then(|v| v.as_i64()).unwrap_or(-1);
            list(split(text, separator.as_deref(), limit, method == "rsplit").into_iter().map(Value::from).collect())
        }
        "splitlines" => list(text.lines().map(Value::from).collect()),
        "partition" | "rpartition" => {
            let separator = call.text(0, "sep", method)?;
            let found = if method == "partition" { text.split_once(&separator) } else { text.rsplit_once(&separator) };
            let parts = match found {
                Some((left, right)) => [left, &separator, right],
                None if method == "partition" => [text, "", ""],
                None => ["", "", text],
            };
            tuple(parts.iter().map(|p| Value::from(*p)).collect())
        }
        "replace" => {
            let (old, new) = (call.text(0, "old", method)?, call.text(1, "new", method)?);
            match call.take(2, "count").and_then(|v| v.as_usize()) {
                Some(count) => Value::from(text.replacen(&old, &new, count)),
                None => Value::from(text.replace(&old, &new)),
            }
        }
        "startswith" => Value::from(affix(call, method)?.iter().any(|p| text.starts_with(p.as_str()))),
        "endswith" => Value::from(affix(call, method)?.iter().any(|p| text.ends_with(p.as_str()))),
        "removeprefix" => Value::from(text.strip_prefix(call.text(0, "prefix", method)?.as_str()).unwrap_or(text)),
        "removesuffix" => Value::from(text.strip_suffix(call.text(0, "suffix", method)?.as_str()).unwrap_or(text)),
        "join" => {
            let parts = items(&call.need(0, "iterable", method)?)?;
            for (at, part) in parts.iter().enumerate() {
                if part.kind() != ValueKind::String {
                    return Err(failed(format!("sequence item {at}: expected str instance, {} found", part.kind())));
                }
            }
            Value::from(parts.iter().filter_map(|p| p.as_str()).collect::<Vec<_>>().join(text))
        }
        "format" => Value::from(format_braces(text, call)?),
        "format_map" => {
            let map = value::entries(&call.need(0, "mapping", method)?)?;
            let named = map.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
            Value::from(format_braces(text, &mut Arguments { positional: Vec::new(), named })?)
        }
        "find" | "index" | "rfind" | "rindex" => {
            let needle = call.text(0, "sub", method)?;
            let at = if method.starts_with('r') { text.rfind(&needle) } else { text.find(&needle) };
            match at {
                Some(at) => Value::from(text[..at].chars().count()),
                None if method.ends_with("find") => Value::from(-1),
                None => return Err(failed("substring not found")),
            }
        }
        "count" => Value::from(text.matches(call.text(0, "sub", method)?.as_str()).count()),
        "isdigit" | "isdecimal" | "isnumeric" => Value::from(is(char::is_numeric)),
        "isalpha" => Value::from(is(char::is_alphabetic)),
        "isalnum" => Value::from(is(char::is_alphanumeric)),
        "isspace" => Value::from(is(char::is_whitespace)),
        "isascii" => Value::from(text.is_ascii()),
        "isupper" => Value::from(text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase)),
        "islower" => Value::from(text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase)),
        "istitle" => Value::from(!text.is_empty() && title(text) == text),
        "isidentifier" => Value::from(is(|c| c == '_' || c.is_alphanumeric()) && !text.starts_with(|c: char| c.is_numeric())),
        "zfill" => {
            let width = call.need(0, "width", method)?.as_usize().unwrap_or(0);
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+'])));
            let missing = width.saturating_sub(text.chars().count());
            Value::from(format!("{sign}{}{digits}", "0".repeat(missing)))
        }
        "ljust" | "rjust" | "center" => Value::from(pad(text, call, method)?),
        "expandtabs" => Value::from(text.replace('\t', "        ")),
        "encode" => Value::from(text),
        _ => return Err(unknown()),
    })
}

/// One field of a format string: {name!r:spec}.
fn format_braces(text: &str, call: &mut Arguments) -> Result<String, Error> {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    let mut next = 0;
    while let Some(c) = chars.next() {
        match c {
            '{' if chars.peek() == Some(&'{') => {
                chars.next();
                out.push('{');
            }
            '}' if chars.peek() == Some(&'}') => {
                chars.next();
                out.push('}');
            }
            '{' => {
                let mut field = String::new();
                loop {
                    match chars.next() {
                        Some('}') => break,
                        Some(c) => field.push(c),
                        None => return Err(failed("format(): expected '}' before end of string")),
                    }
                }
                let (field, spec) = field.split_once(':').map_or((field.as_str(), ""), |(f, s)| (f, s));
                let (field, conversion) = field.split_once('!').map_or((field, ""), |(f, c)| (f, c));
                let mut path = field.split(['.', '[']);
                let head = path.next().unwrap_or_default();
                let mut value = if head.is_empty() {
                    next += 1;
                    call.positional.get(next - 1).cloned()
                } else if let Ok(position) = head.parse::<usize>() {
                    call.positional.get(position).cloned()
                } else {
                    call.named.get(head).cloned()
                }
                .ok_or_else(|| failed(format!("format(): no argument for '{{{field}}}'")))?;
                for part in path {
                    let key = part.trim_end_matches(']');
                    value = match key.parse::<usize>() {
                        Ok(position) => value.get_item_by_index(position)?,
                        Err(_) => value.get_attr(key)?,
                    };
                }
                let value = if conversion == "r" { Value::from(format!("{value:?}")) } else { value };
                out.push_str(&apply_spec(&value, spec)?);
            }
            '}' => return Err(failed("format(): single '}' encountered in format string")),
            c => out.push(c),
        }
    }
    Ok(out)
}

/// Python's format specification: [[fill]align][sign][0][width][,][.precision][type].
fn apply_spec(value: &Value, spec: &str) -> Result<String, Error> {
    if spec.is_empty() {
        return Ok(value.to_string());
    }
    let chars: Vec<char> = spec.chars().collect();
    let mut i = 0;
    let (mut fill, mut align) = (' ', None);
    if chars.len() > 1 && matches!(chars[1], '<' | '>' | '^' | '=') {
        (fill, align, i) = (chars[0], Some(chars[1]), 2);
    } else if matches!(chars[0], '<' | '>' | '^' | '=') {
        (align, i) = (Some(chars[0]), 1);
    }
    let mut sign = '-';
    if let Some(c @ ('+' | '-' | ' ')) = chars.get(i) {
        (sign, i) = (*c, i + 1);
    }
    if chars.get(i) == Some(&'#') {
        i += 1;
    }
    if chars.get(i) == Some(&'0') {
        (fill, i) = ('0', i + 1);
        align = align.or(Some('='));
    }
    let number = |i: &mut usize| {
        let start = *i;
        while chars.get(*i).is_some_and(char::is_ascii_digit) {
            *i += 1;
        }
        chars[start..*i].iter().collect::<String>().parse::<usize>().ok()
    };
    let width = number(&mut i).unwrap_or(0);
    let mut separator = None;
    if let Some(c @ (',' | '_')) = chars.get(i) {
        (separator, i) = (Some(*c), i + 1);
    }
    let mut precision = None;
    if chars.get(i) == Some(&'.') {
        i += 1;
        precision = number(&mut i);
    }
    let kind = chars.get(i).copied().unwrap_or(if value.is_number() { 'g' } else { 's' });
    let numeric = value.is_number();
    let mut text = match kind {
        's' | 'g' if !numeric => precision.map_or_else(|| value.to_string(), |p| value.to_string().chars().take(p).collect()),
        's' | 'g' | 'd' | 'n' if precision.is_none() => value.to_string(),
        'x' => format!("{:x}", value.as_i64().unwrap_or(0)),
        'X' => format!("{:X}", value.as_i64().unwrap_or(0)),
        'b' => format!("{:b}", value.as_i64().unwrap_or(0)),
        'o' => format!("{:o}", value.as_i64().unwrap_or(0)),
        'f' | 'F' | '%' | 'e' | 'g' => {
            let float = f64::try_from(value.clone()).map_err(|_| failed(format!("unknown format code '{kind}' for {}", value.kind())))?;
            match kind {
                '%' => format!("{:.*}%", precision.unwrap_or(6), float * 100.0),
                'e' => format!("{:.*e}", precision.unwrap_or(6), float),
                'g' => float.to_string(),
                _ => format!("{:.*}", precision.unwrap_or(6), float),
            }
        }
        other => return Err(failed(format!("unknown format code '{other}'"))),
    };
    if let Some(separator) = separator {
        let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
        let (lead, digits) = whole.split_at(usize::from(whole.starts_with('-')));
        let mut grouped = String::new();
        for (n, c) in digits.chars().enumerate() {
            if n > 0 && (digits.len() - n) % 3 == 0 {
                grouped.push(separator);
            }
            grouped.push(c);
        }
        text = format!("{lead}{grouped}{rest}");
    }
    if numeric && sign != '-' && !text.starts_with('-') {
        text.insert(0, sign);
    }
    let missing = width.saturating_sub(text.chars().count());
    let run = |n: usize| fill.to_string().repeat(n);
    Ok(match align.unwrap_or(if numeric { '>' } else { '<' }) {
        '<' => text + &run(missing),
        '^' => format!("{}{text}{}", run(missing / 2), run(missing - missing / 2)),
        '=' => {
            let (lead, digits) = text.split_at(usize::from(text.starts_with(['-', '+', ' '])));
            format!("{lead}{}{digits}", run(missing))
        }
        _ => run(missing) + &text,
    })
}

/// Python's `'…' % values`.
pub fn percent(text: &str, values: &Value) -> Result<String, Error> {
    let positional = if values.is_tuple() { items(values)? } else { vec![values.clone()] };
    let mut out = String::new();
    let mut next = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if chars.peek() == Some(&'%') {
            chars.next();
            out.push('%');
            continue;
        }
        let mut value = None;
        if chars.peek() == Some(&'(') {
            chars.next();
            let key: String = chars.by_ref().take_while(|c| *c != ')').collect();
            value = Some(values.get_attr(&key)?);
        }
        let mut flags = String::new();
        while let Some(c) = chars.peek().filter(|c| "-+ #0123456789.".contains(**c)) {
            flags.push(*c);
            chars.next();
        }
        let kind = chars.next().ok_or_else(|| failed("incomplete format"))?;
        let value = match value {
            Some(value) => value,
            None => {
                next += 1;
                positional.get(next - 1).cloned().ok_or_else(|| failed("not enough arguments for format string"))?
            }
        };
        let left = flags.contains('-');
        let flags = flags.replace('-', "");
        let spec = match kind {
            's' | 'r' => format!("{}{}{flags}s", ' ', if left { '<' } else { '>' }),
            'd' | 'i' => format!("{}{flags}d", if left { " <" } else { "" }),
            'f' | 'F' | 'e' | 'g' | 'x' | 'X' | 'o' => format!("{}{flags}{kind}", if left { " <" } else { "" }),
            other => return Err(failed(format!("unsupported format character '{other}'"))),
        };
        let value = match kind {
            'r' => Value::from(format!("{value:?}")),
            's' => Value::from(value.to_string()),
            'd' | 'i' => Value::from(f64::try_from(value.clone()).map_err(|_| failed("%d needs a number"))?.trunc() as i64),
            _ => value,
        };
        out.push_str(&apply_spec(&value, &spec)?);
    }
    Ok(out)
}
