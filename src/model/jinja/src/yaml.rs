//! Values as YAML texts, for toyaml().

use serde_json::Value as Json;

/// YAML as PyYAML's safe_dump(…, sort_keys) writes it: blocks, sequences not indented.
pub fn write_yaml(json: &Json, sort_keys: bool, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match json {
        Json::Object(object) if !object.is_empty() => {
            let mut pairs: Vec<_> = object.iter().collect();
            if sort_keys {
                pairs.sort_by(|a, b| a.0.cmp(b.0));
            }
            for (index, (key, value)) in pairs.into_iter().enumerate() {
                if index > 0 {
                    out.push_str(&pad);
                }
                out.push_str(&yaml_text(key));
                match value {
                    Json::Object(inner) if !inner.is_empty() => {
                        out.push_str(&format!(":\n{pad}  "));
                        write_yaml(value, sort_keys, indent + 2, out);
                    }
                    Json::Array(inner) if !inner.is_empty() => {
                        out.push_str(&format!(":\n{pad}"));
                        write_yaml(value, sort_keys, indent, out);
                    }
                    _ => {
                        out.push_str(": ");
                        write_yaml(value, sort_keys, indent, out);
                    }
                }
            }
        }
        Json::Array(values) if !values.is_empty() => {
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push_str(&pad);
                }
                out.push_str("- ");
                write_yaml(value, sort_keys, indent + 2, out);
            }
        }
        Json::Object(_) => out.push_str("{}\n"),
        Json::Array(_) => out.push_str("[]\n"),
        Json::String(text) => out.push_str(&format!("{}\n", yaml_text(text))),
        other => out.push_str(&format!("{other}\n")),
    }
}

/// A text as a YAML scalar: plain where it reads as the same text, else quoted.
fn yaml_text(text: &str) -> String {
    let special = ["", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n"].contains(&text.to_lowercase().as_str());
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && text.chars().all(|c| c.is_ascii_hexdigit() || "+-._xo:TZ ".contains(c));
    let plain = !special
        && !numeric
        && text.trim() == text
        && !text.starts_with(|c: char| "!&*-?|>%@`\"'#,[]{}:=".contains(c))
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with(':')
        && !text.chars().any(char::is_control);
    if plain {
        text.to_string()
    } else if text.chars().any(char::is_control) {
        serde_json::Value::from(text).to_string()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}
