//! Turns dbt's Jinja into the Jinja that minijinja reads, without moving a line.
//!
//! What changes: list and dict literals become mutable values, `{% do %}` takes any expression, `{% set %}` keeps what it is
//! given, `'…' % x` formats, Python's string escapes are decoded, and dbt's own tags (`snapshot`, `docs`) disappear. Macro files
//! are cut into one piece for each macro: `macro`, `test`/`data_test` and `materialization` blocks.

/// A mistake in the text: where and what.
#[derive(Debug)]
pub struct SyntaxError {
    pub line: usize,
    pub message: String,
}

/// One macro of a macro file.
#[derive(Debug)]
pub struct MacroSource {
    pub name: String,
    pub arguments: Vec<Argument>,
    /// The whole block as written.
    pub original: String,
    /// What minijinja compiles; its lines are those of the file.
    pub template: String,
    pub uses_varargs: bool,
    pub uses_kwargs: bool,
}

#[derive(Debug, Clone)]
pub struct Argument {
    pub name: String,
    pub has_default: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Comment,
    Expression,
    Block,
}

#[derive(Debug, Clone, Copy)]
struct Segment<'a> {
    kind: Kind,
    start: usize,
    end: usize,
    /// Between the delimiters, without the whitespace marks.
    inner: &'a str,
    left_mark: &'a str,
    right_mark: &'a str,
    tag: &'a str,
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|b| **b == b'\n').count() + 1
}

fn is_name_start(c: u8) -> bool {
    c == b'_' || c.is_ascii_alphabetic() || c >= 0x80
}

fn is_name(c: u8) -> bool {
    is_name_start(c) || c.is_ascii_digit()
}

/// The end of the string literal that starts at `start`.
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let quote = bytes[start];
    let mut i = start + 1;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += 2,
            c if c == quote => return Some(i + 1),
            _ => i += 1,
        }
    }
    None
}

/// The offset of the closing delimiter (`%}` or `}}`) of the tag whose inside begins at `start`.
fn tag_end(bytes: &[u8], start: usize, first: u8) -> Option<usize> {
    let mut depth = 0usize;
    let mut i = start;
    while i < bytes.len() {
        let c = bytes[i];
        match c {
            b'\'' | b'"' => {
                i = string_end(bytes, i)?;
                continue;
            }
            b'{' | b'(' | b'[' => depth += 1,
            b'}' if first == b'}' && depth == 0 && bytes.get(i + 1) == Some(&b'}') => return Some(i),
            b'%' if first == b'%' && bytes.get(i + 1) == Some(&b'}') => return Some(i),
            b'}' | b')' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        i += 1;
    }
    None
}

fn find(bytes: &[u8], from: usize, needle: &[u8]) -> Option<usize> {
    (from..bytes.len().saturating_sub(needle.len() - 1)).find(|&i| &bytes[i..i + needle.len()] == needle)
}

fn segments(text: &str) -> Result<Vec<Segment<'_>>, SyntaxError> {
    let bytes = text.as_bytes();
    let mut result = Vec::new();
    let mut text_start = 0;
    let mut i = 0;
    let error = |at: usize, message: &str| SyntaxError { line: line_of(text, at), message: message.to_string() };
    while i + 1 < bytes.len() {
        if bytes[i] != b'{' || !matches!(bytes[i + 1], b'{' | b'%' | b'#') {
            i += 1;
            continue;
        }
        if text_start < i {
            result.push(plain(text, text_start, i));
        }
        if bytes[i + 1] == b'#' {
            let end = find(bytes, i + 2, b"#}").ok_or_else(|| error(i, "this comment has no end: '#}' is missing"))? + 2;
            result.push(Segment { kind: Kind::Comment, ..plain(text, i, end) });
            i = end;
            text_start = end;
            continue;
        }
        let is_block = bytes[i + 1] == b'%';
        let close = if is_block { b'%' } else { b'}' };
        let mut inner_start = i + 2;
        let left_mark = match bytes.get(inner_start) {
            Some(b'-') => "-",
            Some(b'+') if is_block => "+",
            _ => "",
        };
        inner_start += left_mark.len();
        let close_at = tag_end(bytes, inner_start, close).ok_or_else(|| {
            error(i, if is_block { "this tag has no end: '%}' is missing" } else { "this expression has no end: '}}' is missing" })
        })?;
        let mut inner_end = close_at;
        let right_mark = match inner_end.checked_sub(1).filter(|e| *e >= inner_start).map(|e| bytes[e]) {
            Some(b'-') => "-",
            Some(b'+') if is_block => "+",
            _ => "",
        };
        inner_end -= right_mark.len();
        let inner = &text[inner_start..inner_end];
        let end = close_at + 2;
        let tag = if is_block { first_word(inner) } else { "" };
        let kind = if is_block { Kind::Block } else { Kind::Expression };
        result.push(Segment { kind, start: i, end, inner, left_mark, right_mark, tag });
        i = end;
        text_start = end;
        if tag == "raw" {
            let closing = raw_end(bytes, end).ok_or_else(|| error(result[result.len() - 1].start, "this raw block has no {% endraw %}"))?;
            if closing.0 > end {
                result.push(plain(text, end, closing.0));
            }
            result.push(Segment { kind: Kind::Block, tag: "endraw", ..plain(text, closing.0, closing.1) });
            i = closing.1;
            text_start = i;
        }
    }
    if text_start < text.len() {
        result.push(plain(text, text_start, text.len()));
    }
    Ok(result)
}

fn plain(text: &str, start: usize, end: usize) -> Segment<'_> {
    Segment { kind: Kind::Text, start, end, inner: &text[start..end], left_mark: "", right_mark: "", tag: "" }
}

fn first_word(inner: &str) -> &str {
    let trimmed = inner.trim_start();
    let end = trimmed.bytes().position(|c| !is_name(c)).unwrap_or(trimmed.len());
    &trimmed[..end]
}

/// Start and end of the `{% endraw %}` after `from`.
fn raw_end(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut i = from;
    while let Some(start) = find(bytes, i, b"{%") {
        let end = find(bytes, start, b"%}")? + 2;
        let inner = std::str::from_utf8(&bytes[start + 2..end - 2]).ok()?;
        if inner.trim_matches(|c: char| c == '-' || c == '+' || c.is_whitespace()) == "endraw" {
            return Some((start, end));
        }
        i = start + 2;
    }
    None
}

const OPERATOR_WORDS: [&str; 10] = ["in", "not", "and", "or", "is", "if", "else", "recursive", "with", "ignore"];

/// Decodes the literal as Python does and writes it as minijinja reads it. Unknown escapes keep their backslash.
fn push_string(out: &mut String, literal: &str) {
    let quote = literal.as_bytes()[0] as char;
    let mut chars = literal[1..literal.len() - 1].chars().peekable();
    out.push(quote);
    let push = |out: &mut String, c: char| match c {
        '\\' => out.push_str("\\\\"),
        c if c == quote => {
            out.push('\\');
            out.push(c);
        }
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        c => out.push(c),
    };
    while let Some(c) = chars.next() {
        if c != '\\' {
            push(out, c);
            continue;
        }
        let code = |chars: &mut std::iter::Peekable<std::str::Chars>, digits: usize| {
            let mut value = 0;
            for _ in 0..digits {
                match chars.peek().and_then(|d| d.to_digit(16)) {
                    Some(digit) => value = value * 16 + digit,
                    None => break,
                }
                chars.next();
            }
            char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER)
        };
        match chars.next() {
            None => push(out, '\\'),
            Some('n') => out.push_str("\\n"),
            Some('t') => push(out, '\t'),
            Some('r') => push(out, '\r'),
            Some('a') => push(out, '\u{7}'),
            Some('b') => push(out, '\u{8}'),
            Some('f') => push(out, '\u{c}'),
            Some('v') => push(out, '\u{b}'),
            Some('\n') => out.push_str(""),
            Some(c @ ('\\' | '\'' | '"')) => push(out, c),
            Some('x') => push(out, code(&mut chars, 2)),
            Some('u') => push(out, code(&mut chars, 4)),
            Some('U') => push(out, code(&mut chars, 8)),
            Some(d @ '0'..='7') => {
                let mut value = d.to_digit(8).unwrap();
                for _ in 0..2 {
                    match chars.peek().and_then(|d| d.to_digit(8)) {
                        Some(digit) => value = value * 8 + digit,
                        None => break,
                    }
                    chars.next();
                }
                push(out, char::from_u32(value).unwrap_or('?'));
            }
            Some(other) => {
                push(out, '\\');
                push(out, other);
            }
        }
    }
    out.push(quote);
}

/// The end of the operand (name, literal, parenthesis, with all that follows by `.`, `(` or `[`) that begins at `start`.
fn operand_end(source: &str, start: usize) -> usize {
    let bytes = source.as_bytes();
    let mut i = start;
    let group = |from: usize| {
        let mut depth = 0usize;
        let mut j = from;
        while j < bytes.len() {
            match bytes[j] {
                b'\'' | b'"' => {
                    j = string_end(bytes, j).unwrap_or(bytes.len());
                    continue;
                }
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => {
                    depth -= 1;
                    if depth == 0 {
                        return j + 1;
                    }
                }
                _ => {}
            }
            j += 1;
        }
        bytes.len()
    };
    match bytes.get(i) {
        Some(b'(' | b'[' | b'{') => i = group(i),
        Some(b'\'' | b'"') => i = string_end(bytes, i).unwrap_or(bytes.len()),
        Some(c) if is_name(*c) => {
            while i < bytes.len() && is_name(bytes[i]) {
                i += 1;
            }
        }
        _ => return start,
    }
    loop {
        match bytes.get(i) {
            Some(b'(' | b'[') => i = group(i),
            Some(b'.') => {
                i += 1;
                while i < bytes.len() && is_name(bytes[i]) {
                    i += 1;
                }
            }
            _ => return i,
        }
    }
}

/// Start and end of what follows the `%` at `percent`; nothing if nothing follows.
fn percent_operand(source: &str, percent: usize) -> Option<(usize, usize)> {
    let rest = &source[percent + 1..];
    let start = source.len() - rest.trim_start().len();
    let end = operand_end(source, start);
    (end > start).then_some((start, end))
}

/// Rewrites the inside of one tag or expression.
fn rewrite_expression(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = String::with_capacity(source.len() + 16);
    let mut closers: Vec<&str> = Vec::new();
    // The sum that is being read, for each bracket that is open.
    let mut sums = vec![Sum::default()];
    let mut after_operand = false;
    let mut after_dot = false;
    let mut at_start = true;
    let mut last_word_is = false;
    let mut string_at: Option<usize> = None;
    let mut i = 0;
    while i < bytes.len() {
        let c = bytes[i];
        if c.is_ascii_whitespace() {
            out.push(c as char);
            i += 1;
            continue;
        }
        let last_string = string_at.take();
        if !after_operand && !sums.is_empty() && sums[sums.len() - 1].operator.is_none() && at_start {
            let last = sums.len() - 1;
            sums[last].start = out.len();
        }
        at_start = false;
        match c {
            b'\'' | b'"' => {
                let end = string_end(bytes, i).unwrap_or(bytes.len());
                // Texts that follow each other are one.
                string_at = last_string.filter(|_| after_operand).or(Some(out.len()));
                push_string(&mut out, &source[i..end]);
                i = end;
                after_operand = true;
            }
            c if is_name_start(c) => {
                let start = i;
                while i < bytes.len() && is_name(bytes[i]) {
                    i += 1;
                }
                let word = &source[start..i];
                after_operand = after_dot || !OPERATOR_WORDS.contains(&word);
                // "is" binds tighter than a sum; "not" after it belongs to it.
                if !after_operand && word != "is" && !(word == "not" && last_word_is) {
                    end_sum(&mut out, &mut sums);
                    at_start = true;
                }
                last_word_is = word == "is" && !after_dot;
                out.push_str(word);
                after_dot = false;
                continue;
            }
            b'0'..=b'9' => {
                let is_decimal = !matches!(bytes.get(i + 1), Some(b'x' | b'X' | b'o' | b'O' | b'b' | b'B'));
                let digit_at = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
                while i < bytes.len() {
                    let ends_exponent =
                        is_decimal && matches!(bytes[i], b'+' | b'-') && matches!(bytes[i - 1], b'e' | b'E') && digit_at(i + 1);
                    if !(is_name(bytes[i]) || ends_exponent || (bytes[i] == b'.' && digit_at(i + 1))) {
                        break;
                    }
                    if bytes[i] != b'_' {
                        out.push(bytes[i] as char);
                    }
                    i += 1;
                }
                after_operand = true;
            }
            b'[' => {
                let subscript = after_operand;
                out.push_str(if subscript { "[" } else { "__list([" });
                closers.push(if subscript { "]" } else { "])" });
                sums.push(Sum { start: out.len(), operator: None });
                at_start = true;
                i += 1;
                after_operand = false;
            }
            b'{' => {
                out.push_str("__dict({");
                closers.push("})");
                sums.push(Sum { start: out.len(), operator: None });
                at_start = true;
                i += 1;
                after_operand = false;
            }
            b'(' => {
                out.push('(');
                closers.push(")");
                sums.push(Sum { start: out.len(), operator: None });
                at_start = true;
                i += 1;
                after_operand = false;
            }
            b')' | b']' | b'}' => {
                end_sum(&mut out, &mut sums);
                if sums.len() > 1 {
                    sums.pop();
                }
                match closers.pop() {
                    Some(close) => out.push_str(close),
                    None => out.push(c as char),
                }
                i += 1;
                after_operand = true;
            }
            b'%' if last_string.is_some() && percent_operand(source, i).is_some() => {
                let literal_at = last_string.unwrap_or_default();
                let (operand, end) = percent_operand(source, i).unwrap_or_default();
                let literal = out.split_off(literal_at);
                out.push_str("__percent(");
                out.push_str(&literal);
                out.push_str(", ");
                out.push_str(&source[i + 1..operand]);
                out.push_str(&rewrite_expression(&source[operand..end]));
                out.push(')');
                i = end;
                after_operand = true;
            }
            b'+' | b'-' if after_operand => {
                end_sum(&mut out, &mut sums);
                let sum = sums.last_mut().expect("there is always an outermost sum");
                out.insert_str(sum.start, if c == b'+' { "__add(" } else { "__sub(" });
                out.push(',');
                sum.operator = Some((out.len(), c as char));
                i += 1;
                after_operand = false;
            }
            _ => {
                let width = source[i..].chars().next().map_or(1, char::len_utf8);
                if matches!(c, b',' | b'=' | b'<' | b'>' | b'!' | b':') {
                    end_sum(&mut out, &mut sums);
                    at_start = true;
                }
                out.push_str(&source[i..i + width]);
                i += width;
                after_operand = false;
            }
        }
        last_word_is = false;
        after_dot = c == b'.';
    }
    end_sum(&mut out, &mut sums);
    out
}

/// Where a sum begins in what is written; and, while its call is open, where its right operand begins and its operator.
#[derive(Default)]
struct Sum {
    start: usize,
    operator: Option<(usize, char)>,
}

/// Closes the call that stands for a sum, if the innermost bracket has one.
fn end_sum(out: &mut String, sums: &mut [Sum]) {
    if let Some((operand, operator)) = sums.last_mut().and_then(|sum| sum.operator.take()) {
        if out[operand..].trim().is_empty() {
            // Nothing is added: the parser says so at the operator.
            out.push(operator);
        }
        // Blanks that follow stay outside.
        let end = out.trim_end().len();
        out.insert(end, ')');
    }
}

/// The offset of the `=` of an assignment, outside of brackets.
fn assignment(source: &str) -> Option<usize> {
    let bytes = source.as_bytes();
    let mut depth = 0usize;
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'\'' | b'"' => {
                i = string_end(bytes, i)?;
                continue;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'|' if depth == 0 => return None,
            b'=' if depth == 0 => {
                let compares = bytes.get(i + 1) == Some(&b'=') || (i > 0 && matches!(bytes[i - 1], b'!' | b'<' | b'>' | b'='));
                return (!compares).then_some(i);
            }
            _ => {}
        }
        i += 1;
    }
    None
}

fn rewrite_block(segment: &Segment) -> String {
    let inner = segment.inner;
    let lead = &inner[..inner.len() - inner.trim_start().len()];
    let mut rest = &inner.trim_start()[segment.tag.len()..];
    if matches!(segment.tag, "if" | "elif" | "else" | "for" | "call" | "filter" | "with" | "set") {
        // Jinja lets a colon end the head of a block.
        rest = rest.trim_end().strip_suffix(':').unwrap_or(rest);
    }
    let body = match segment.tag {
        "set" => match assignment(rest) {
            Some(at) => format!("{lead}set{}= __own(({}))", &rest[..at], rewrite_expression(&rest[at + 1..])),
            None => format!("{lead}set{}", rewrite_expression(rest)),
        },
        "do" => format!("{lead}set __do = ({})", rewrite_expression(rest)),
        "snapshot" => format!("{lead}if true{}", newlines(rest)),
        "endsnapshot" => format!("{lead}endif{}", newlines(rest)),
        "endtest" | "enddata_test" | "endmaterialization" => format!("{lead}endmacro "),
        "endmacro" | "endfor" | "endif" | "endset" | "endcall" | "endfilter" | "endwith" => {
            // Jinja takes a name after the word that ends a block.
            format!("{lead}{}{} ", segment.tag, newlines(rest))
        }
        tag => format!("{lead}{tag}{}", rewrite_expression(rest)),
    };
    format!("{{%{}{}{}%}}", segment.left_mark, body, segment.right_mark)
}

fn newlines(text: &str) -> String {
    text.chars().filter(|c| *c == '\n').collect()
}

fn rewrite_segments(text: &str, list: &[Segment]) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut i = 0;
    while i < list.len() {
        let segment = &list[i];
        match segment.kind {
            Kind::Text | Kind::Comment => out.push_str(&text[segment.start..segment.end]),
            Kind::Expression => {
                out.push_str("{{");
                out.push_str(segment.left_mark);
                let inner = rewrite_expression(segment.inner);
                if inner.starts_with(['-', '+']) {
                    out.push(' ');
                }
                out.push_str(&inner);
                if inner.ends_with(['-', '}']) {
                    out.push(' ');
                }
                out.push_str(segment.right_mark);
                out.push_str("}}");
            }
            Kind::Block => match segment.tag {
                "raw" | "endraw" => out.push_str(&text[segment.start..segment.end]),
                "docs" => {
                    let end = list[i..].iter().position(|s| s.kind == Kind::Block && s.tag == "enddocs").map_or(list.len() - 1, |n| i + n);
                    out.push_str("{#");
                    out.push_str(&newlines(&text[segment.start..list[end].end]));
                    out.push_str("#}");
                    i = end;
                }
                _ => out.push_str(&rewrite_block(segment)),
            },
        }
        i += 1;
    }
    out
}

/// A node's text (model, test, snapshot, hook) as minijinja reads it.
pub fn rewrite(text: &str) -> Result<String, SyntaxError> {
    let list = segments(text)?;
    let mut out = rewrite_segments(text, &list);
    // Jinja drops one newline at the end of a template.
    if out.ends_with('\n') {
        out.pop();
        if out.ends_with('\r') {
            out.pop();
        }
    }
    Ok(out)
}

/// The inside of a text that is one expression and nothing else, rewritten.
pub fn single_expression(text: &str) -> Option<String> {
    match segments(text.trim()).ok()?.as_slice() {
        [only] if only.kind == Kind::Expression => Some(rewrite_expression(only.inner)),
        _ => None,
    }
}

/// True if the text has anything for Jinja to do.
pub fn has_jinja(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

fn split_arguments(source: &str) -> Vec<&str> {
    let bytes = source.as_bytes();
    let mut result = Vec::new();
    let mut depth = 0usize;
    let mut start = 0;
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'\'' | b'"' => {
                i = string_end(bytes, i).unwrap_or(bytes.len());
                continue;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                result.push(&source[start..i]);
                start = i + 1;
            }
            _ => {}
        }
        i += 1;
    }
    if !source[start..].trim().is_empty() {
        result.push(&source[start..]);
    }
    result
}

/// True if `word` stands in the text as a whole word.
fn mentions(text: &str, word: &str) -> bool {
    let bytes = text.as_bytes();
    text.match_indices(word).any(|(at, _)| (at == 0 || !is_name(bytes[at - 1])) && bytes.get(at + word.len()).is_none_or(|c| !is_name(*c)))
}

fn macro_source(text: &str, list: &[Segment], open: usize, close: usize) -> Result<MacroSource, SyntaxError> {
    let head = &list[open];
    let line = line_of(text, head.start);
    let fail = |message: String| SyntaxError { line, message };
    let rest = head.inner.trim_start()[head.tag.len()..].trim();
    let rest = rest.strip_suffix(':').map_or(rest, str::trim_end);
    let (name, arguments) = if head.tag == "materialization" {
        let parts = split_arguments(rest);
        let base = parts.first().map(|p| p.trim()).unwrap_or_default();
        let adapter = parts
            .iter()
            .filter_map(|p| p.split_once('='))
            .find(|(key, _)| key.trim() == "adapter")
            .map_or("default", |(_, value)| value.trim().trim_matches(['\'', '"']));
        (format!("materialization_{base}_{adapter}"), Vec::new())
    } else {
        let paren = rest.find('(').ok_or_else(|| fail(format!("{{% {} %}} needs a name and arguments in parentheses", head.tag)))?;
        if !rest.ends_with(')') {
            return Err(fail(format!("the arguments of {{% {} {} %}} have no closing parenthesis", head.tag, rest[..paren].trim())));
        }
        let prefix = if head.tag == "macro" { "" } else { "test_" };
        (format!("{prefix}{}", rest[..paren].trim()), split_arguments(&rest[paren + 1..rest.len() - 1]))
    };
    let bare = name.trim();
    if bare.is_empty() || !bare.bytes().all(is_name) || bare.as_bytes()[0].is_ascii_digit() {
        return Err(fail(format!("'{bare}' is not a macro's name")));
    }

    let mut parsed = Vec::new();
    // The lines before the body, as a comment, so that messages name the file's lines; then the defaults.
    let mut template = String::new();
    template.push_str("{#");
    template.push_str(&"\n".repeat(line - 1));
    template.push_str("#}");
    let mut default_sets = String::new();
    for argument in arguments {
        let (name, default) = match assignment(argument) {
            Some(at) => (argument[..at].trim(), Some(&argument[at + 1..])),
            None => (argument.trim(), None),
        };
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(fail(format!("'{name}' is not an argument's name in macro '{bare}'")));
        }
        if let Some(default) = default {
            default_sets.push_str(&format!(
                "{{% if __default_{name} %}}{{% set {name} = __own(({})) %}}{{% endif %}}",
                rewrite_expression(&default.replace('\n', " "))
            ));
        }
        parsed.push(Argument { name: name.to_string(), has_default: default.is_some() });
    }
    template.push_str(&default_sets);
    template.push_str("{#");
    template.push_str(&newlines(&text[head.start..head.end]));
    template.push_str("#}");

    let tail = &list[close];
    let mut body = rewrite_segments(text, &list[open + 1..close]);
    if head.right_mark == "-" && list.get(open + 1).is_some_and(|s| s.kind == Kind::Text) && open + 1 < close {
        let kept = body.trim_start();
        let cut = newlines(&body[..body.len() - kept.len()]);
        body = format!("{{#{cut}#}}{kept}");
    }
    if tail.left_mark == "-" && close > open + 1 && list[close - 1].kind == Kind::Text {
        body.truncate(body.trim_end().len());
    }
    template.push_str(&body);
    let inside = &text[head.end..tail.start];
    Ok(MacroSource {
        uses_varargs: mentions(inside, "varargs"),
        uses_kwargs: mentions(inside, "kwargs"),
        name: bare.to_string(),
        arguments: parsed,
        original: text[head.start..tail.end].to_string(),
        template,
    })
}

fn end_tag(tag: &str) -> Option<&'static str> {
    Some(match tag {
        "macro" => "endmacro",
        "test" => "endtest",
        "data_test" => "enddata_test",
        "materialization" => "endmaterialization",
        "snapshot" => "endsnapshot",
        "docs" => "enddocs",
        _ => return None,
    })
}

/// All macros of a macro file. What stands between them is not looked at, as in dbt.
pub fn macros(text: &str) -> Result<Vec<MacroSource>, SyntaxError> {
    let list = segments(text)?;
    let mut result = Vec::new();
    let mut i = 0;
    while i < list.len() {
        let segment = &list[i];
        let Some(end) = (segment.kind == Kind::Block).then(|| end_tag(segment.tag)).flatten() else {
            i += 1;
            continue;
        };
        let mut depth = 0;
        let close = (i..list.len()).find(|&j| {
            if list[j].kind == Kind::Block {
                if list[j].tag == segment.tag {
                    depth += 1;
                } else if list[j].tag == end {
                    depth -= 1;
                }
            }
            depth == 0
        });
        let close = close.ok_or_else(|| SyntaxError {
            line: line_of(text, segment.start),
            message: format!("{{% {} %}} has no {{% {end} %}}", segment.inner.trim()),
        })?;
        if !matches!(segment.tag, "snapshot" | "docs") {
            result.push(macro_source(text, &list, i, close)?);
        }
        i = close + 1;
    }
    Ok(result)
}
