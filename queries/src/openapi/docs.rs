//! `/docs`: the description as one page of HTML, made on the server, with nothing loaded from anywhere else.

use super::{ABOUT, fields, id, in_path, is_required, problems};
use crate::{problem::Kind, routes::Operation};
use maud::{DOCTYPE, Markup, html};
use serde_json::{Map, Value};

/// The page's style.
pub(super) const STYLE: &str = include_str!("docs.css");

pub(super) fn page(operations: &[Operation], schemas: &Map<String, Value>) -> String {
    let mut tags: Vec<&str> = Vec::new();
    for operation in operations {
        if !tags.contains(&operation.tag) {
            tags.push(operation.tag);
        }
    }
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Springline API" }
                link rel="stylesheet" href="/docs/style.css";
            }
            body {
                header {
                    h1 { "Springline API" }
                    @for paragraph in ABOUT.split("\n\n") { p { (prose(paragraph)) } }
                    p { a href="/openapi.json" { "openapi.json" } " · version " (env!("CARGO_PKG_VERSION")) }
                }
                nav {
                    @for tag in &tags {
                        h2 { (tag) }
                        ul {
                            @for operation in operations.iter().filter(|operation| operation.tag == *tag) {
                                li { a href={ "#" (id(operation)) } {
                                    code { (operation.method) " " (operation.template()) }
                                } }
                            }
                        }
                    }
                    h2 { "More" }
                    ul { li { a href="#problems" { "Problems" } } li { a href="#schemas" { "Schemas" } } }
                }
                main {
                    @for tag in &tags {
                        h2 { (tag) }
                        @for operation in operations.iter().filter(|operation| operation.tag == *tag) {
                            (section(operation))
                        }
                    }
                    h2 id="problems" { "Problems" }
                    @for kind in Kind::ALL {
                        section id=(kind.slug()) {
                            h3 { code { (kind.status().as_u16()) " " (kind.slug()) } " " (kind.title()) }
                            p { (prose(kind.explanation().trim())) }
                        }
                    }
                    h2 id="schemas" { "Schemas" }
                    @for (name, schema) in schemas {
                        section id={ "schema-" (name) } { h3 { (name) } (object(schema)) }
                    }
                }
            }
        }
    };
    page.into_string()
}

fn section(operation: &Operation) -> Markup {
    html! {
        section id=(id(operation)) {
            h3 { code { (operation.method) " " (operation.template()) } }
            p { strong { (prose(&operation.summary)) } }
            @for paragraph in operation.description.split("\n\n").filter(|text| !text.is_empty()) {
                p { (prose(paragraph)) }
            }
            @if fields(operation).next().is_some() {
                table {
                    tr { th { "Parameter" } th { "Type" } th { "Meaning" } }
                    @for (name, schema) in fields(operation) {
                        tr {
                            td {
                                code { (name) }
                                @if in_path(operation, name) { " (path)" }
                                @else if is_required(operation.parameters.as_ref(), name) { " (required)" }
                            }
                            td { (kind(schema)) }
                            td { (prose(schema["description"].as_str().unwrap_or(""))) }
                        }
                    }
                }
            }
            @if let Some(body) = &operation.body { p { "Body (JSON):" } (object(body.as_value())) }
            p {
                @for (status, media, schema) in &operation.answers {
                    code { (status.as_u16()) } " " (media)
                    @if let Some(schema) = schema { " " (kind(schema.as_value())) }
                    "; "
                }
                "problems: "
                @for kind in problems(operation).into_values().flatten() {
                    a href={ "#" (kind.slug()) } { (kind.slug()) } " "
                }
            }
        }
    }
}

/// An object's fields, or what else the schema says.
fn object(schema: &Value) -> Markup {
    let fields = schema["properties"].as_object();
    html! {
        @if let Some(text) = schema["description"].as_str() { p { (prose(text)) } }
        @if let Some(fields) = fields {
            table {
                tr { th { "Field" } th { "Type" } th { "Meaning" } }
                @for (name, field) in fields {
                    tr {
                        td { code { (name) } }
                        td { (kind(field)) }
                        td { (prose(field["description"].as_str().unwrap_or(""))) }
                    }
                }
            }
        } @else { p { (kind(schema)) } }
    }
}

/// A type in a few words, with a link to a schema that has a name.
fn kind(schema: &Value) -> Markup {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return html! { a href={ "#schema-" (name) } { (name) } };
    }
    if let Some(options) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        return html! { @for (index, option) in options.iter().enumerate() {
            @if index > 0 { " | " } (kind(option))
        } };
    }
    if let Some(constant) = schema.get("const") {
        return html! { code { (constant.to_string()) } };
    }
    if let Some(values) = schema["enum"].as_array() {
        return html! { @for (index, value) in values.iter().enumerate() {
            @if index > 0 { " | " } code { (value.to_string()) }
        } };
    }
    let name = match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "any".to_owned(),
    };
    html! {
        (name)
        @if let Some(items) = schema.get("items") { " of " (kind(items)) }
        @if let (Some(least), Some(most)) = (schema.get("minimum"), schema.get("maximum")) {
            " " (least.to_string()) "–" (most.to_string())
        }
        @if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
            ", default " code { (default.to_string()) }
        }
    }
}

/// A doc comment: text with `code` and intra-doc links, which lose their brackets.
fn prose(text: &str) -> Markup {
    html! { @for (index, part) in text.split('`').enumerate() {
        @if index % 2 == 1 { code { (part) } } @else { (part) }
    } }
}
