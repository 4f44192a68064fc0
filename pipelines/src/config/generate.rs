//! The reference and the example, made from the types and their doc comments.

use super::Config;
use crate::agents::AgentConfig;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// The JSON Schema of the configuration: editors complete and check `springline.toml` with it.
#[must_use]
pub fn schema() -> Value {
    schemars::schema_for!(Config).to_value()
}

/// An example `springline.toml`: every key with what it means, commented out at its default, and one source and one
/// sink of each kind.
#[must_use]
pub fn example() -> String {
    let schema = schema();
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    let mut out = String::from(
        "# Springline's configuration. Each key stands commented out with its default.\n\
         # SPRINGLINE__SECTION__KEY in the environment and flags win over this file.\n",
    );
    let root = Walk { definitions: schema.get("$defs").cloned().unwrap_or_default() };
    root.table(&mut out, "", &schema, &defaults);
    root.kinds(&mut out, "SourceConfig", "sources", "type");
    root.kinds(&mut out, "SinkConfig", "sinks", "kind");
    root.agent(&mut out);
    out
}

struct Walk {
    definitions: Value,
}

impl Walk {
    /// Follows `$ref`.
    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let name = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
        name.and_then(|name| self.definitions.get(name)).unwrap_or(schema)
    }

    fn table(&self, out: &mut String, path: &str, schema: &Value, defaults: &Value) {
        let schema = self.resolve(schema);
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        let mut tables = Vec::new();
        for (key, property) in properties {
            let default = defaults.get(key).unwrap_or(&Value::Null);
            if default.is_object() {
                if !["sources", "sinks", "agents"].contains(&key.as_str()) {
                    tables.push((key, property, default));
                }
                continue;
            }
            out.push('\n');
            entry(out, key, property, Some(default));
        }
        for (key, property, default) in tables {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            out.push('\n');
            comment(out, property);
            let _ = writeln!(out, "[{path}]");
            self.table(out, &path, property, default);
        }
    }

    /// A commented-out agent.
    fn agent(&self, out: &mut String) {
        let defaults = serde_json::to_value(AgentConfig::default()).unwrap_or_default();
        let Some(schema) = self.definitions.get("AgentConfig") else { return };
        out.push('\n');
        comment(out, schema);
        out.push_str("# [agents.my-agent]\n");
        for (key, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            entry(out, key, property, defaults.get(key));
        }
    }

    /// One commented-out table of each kind that there is of something: of a source, of a sink. `tag` says which.
    fn kinds(&self, out: &mut String, definition: &str, section: &str, tag: &str) {
        let Some(kinds) = self.definitions.get(definition).and_then(|kind| kind.get("oneOf")) else {
            return;
        };
        for kind in kinds.as_array().into_iter().flatten() {
            let kind_schema = self.resolve(kind);
            let empty = Map::new();
            let mut properties =
                kind_schema.get("properties").and_then(Value::as_object).unwrap_or(&empty).clone();
            if let Some(inner) =
                kind.get("$ref").and_then(|_| self.resolve(kind).get("properties")).and_then(Value::as_object)
            {
                properties.extend(inner.clone());
            }
            let Some(name) = kind
                .pointer(&format!("/properties/{tag}/const"))
                .or_else(|| properties.get(tag).and_then(|kind| kind.get("const")))
                .and_then(Value::as_str)
            else {
                continue;
            };
            out.push('\n');
            comment(out, kind);
            let _ = writeln!(out, "# [{section}.my-{name}]\n# {tag} = \"{name}\"");
            for (key, property) in properties.iter().filter(|(key, _)| *key != tag) {
                entry(out, key, property, property.get("default"));
            }
        }
    }
}

/// A commented-out key at its default.
fn entry(out: &mut String, key: &str, schema: &Value, default: Option<&Value>) {
    comment(out, schema);
    let _ = match default {
        None | Some(Value::Null) => writeln!(out, "# {key} ="),
        Some(value) => writeln!(out, "# {key} = {}", inline(value)),
    };
}

fn comment(out: &mut String, schema: &Value) {
    let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    for line in text.lines() {
        let _ = writeln!(out, "# {line}").map(|()| ());
    }
}

/// A JSON value as TOML would write it inline.
fn inline(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let entries = entries.iter().filter(|(_, value)| !value.is_null());
            let entries = entries.map(|(key, value)| format!("{key} = {}", inline(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
