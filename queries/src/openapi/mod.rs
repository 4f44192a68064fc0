//! The API's own description: OpenAPI 3.1 at `/openapi.json`, and the same for people at `/docs`.
//!
//! Both are made once, from the table of routes ([`Routes`]): a route that is served is described, and what is
//! described is served. OpenAPI 3.1 takes JSON Schema 2020-12 as it is, which is what the types derive.

mod docs;

use crate::{
    auth::Access,
    problem::{self, Kind},
    routes::{Operation, Routes},
};
use axum::{
    Extension,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::Schema;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, sync::Arc};

const ABOUT: &str = "\
Live views over gardens and other sources. Every answer names the epoch that it is complete as of, in the header \
`Springline-Epoch` and in JSON as `epoch`; `Springline-Stale` is set while the process is still catching up with \
its journal. Reads carry a weak `ETag`: send it back as `If-None-Match` to be told 304 while nothing has changed. \
Lists come in pages: pass a page's `next` as `cursor` to go on; a cursor stays right while items come and go. \
Errors are `application/problem+json` (RFC 9457).

Identities are URIs as people read them: `garden://flancian/agora.md`, `node:digital garden`, `user:flancian`, \
`tag:todo`, `https://example.org/`, `did:plc:…`, `at://did:plc:…/app.bsky.feed.post/3k…`. Wherever a DID can stand a \
handle can, too. Percent-encode them in paths and query strings. Under `/xrpc` errors are `{error, message}`.";

/// The description in both forms.
pub struct Spec {
    json: String,
    html: String,
}

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Description");
    let json = (StatusCode::OK, "application/json", None);
    routes.plain(
        Method::GET,
        "/openapi.json",
        "This API, as OpenAPI 3.1",
        json,
        |spec, request: Request| async move { fixed(spec, &request, "application/json", |spec| &spec.json) },
    );
    let html = (StatusCode::OK, "text/html", None);
    routes.plain(Method::GET, "/docs", "This API, for people", html, |spec, request: Request| async move {
        fixed(spec, &request, "text/html; charset=utf-8", |spec| &spec.html)
    });
    let css = (StatusCode::OK, "text/css", None);
    routes.plain(Method::GET, "/docs/style.css", "The style of /docs", css, || async {
        ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], docs::STYLE)
    });
}

/// A text that never changes while the process lives.
fn fixed(
    Extension(spec): Extension<Arc<Spec>>,
    request: &Request,
    media: &'static str,
    text: fn(&Spec) -> &String,
) -> Response {
    let text = text(&spec);
    let tag = format!("W/\"{}\"", &blake3::hash(text.as_bytes()).to_hex()[..16]);
    let known = request.headers().get(header::IF_NONE_MATCH);
    let mut response = match known.is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, media)], text.clone()).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    );
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

impl Spec {
    /// Of all the routes.
    #[must_use]
    pub fn of(routes: &mut Routes) -> Self {
        let schemas = routes.schemas.take_definitions(true);
        let html = docs::page(routes.operations(), &schemas);
        let document = document(routes.operations(), schemas);
        // Maps with text keys always serialise.
        let json = serde_json::to_string_pretty(&document).unwrap_or_default();
        Self { json, html }
    }
}

fn document(operations: &[Operation], schemas: Map<String, Value>) -> Value {
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let mut tags: Vec<&str> = Vec::new();
    for operation in operations {
        if !tags.contains(&operation.tag) {
            tags.push(operation.tag);
        }
        let method = operation.method.as_str().to_ascii_lowercase();
        paths.entry(operation.template()).or_default().insert(method, describe(operation));
    }
    let tags: Vec<Value> = tags.into_iter().map(|name| json!({ "name": name })).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Springline",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": {
                "type": "http", "scheme": "bearer",
                "description": "Needed by every route that writes; by every route but health when the server can \
                                be reached from other machines.",
            } },
        },
    })
}

fn describe(operation: &Operation) -> Value {
    let mut answers = Map::new();
    for (status, media, schema) in &operation.answers {
        let content = schema.as_ref().map_or(json!({}), |schema| json!({ "schema": schema }));
        let headers = json!({ "Springline-Epoch": {
            "description": "The epoch that the answer is complete as of.",
            "schema": { "type": "integer" },
        } });
        let answer = json!({
            "description": status.canonical_reason().unwrap_or("An answer"),
            "headers": headers,
            "content": { *media: content },
        });
        answers.insert(status.as_str().to_owned(), answer);
    }
    for (status, kinds) in problems(operation) {
        let detail: Vec<String> =
            kinds.iter().map(|kind| format!("`{}`: {}", kind.slug(), kind.title())).collect();
        let (media, schema) = match problem::is_xrpc(operation.path) {
            true => ("application/json", "XrpcError"),
            false => (problem::MEDIA, "Problem"),
        };
        let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
        let problem = json!({ "description": detail.join("; "), "content": { media: { "schema": schema } } });
        answers.entry(status.as_str()).or_insert(problem);
    }
    let mut described = json!({
        "operationId": id(operation),
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": parameters(operation),
        "responses": answers,
        "security": security(operation),
    });
    if !operation.description.is_empty() {
        described["description"] = operation.description.clone().into();
    }
    if let Some(body) = &operation.body {
        described["requestBody"] = json!({ "content": { "application/json": { "schema": body } } });
    }
    described
}

fn id(operation: &Operation) -> String {
    let method = operation.method.as_str().to_ascii_lowercase();
    let words = operation.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(method, |id, word| format!("{id}_{word}"))
}

fn security(operation: &Operation) -> Value {
    match Access::needed(&operation.method, operation.path) {
        Access::Open => json!([{}]),
        Access::Read => json!([{}, { "token": [] }]),
        Access::Write | Access::Report | Access::Peer => json!([{ "token": [] }]),
    }
}

/// The problems that an operation can give, by status.
fn problems(operation: &Operation) -> BTreeMap<StatusCode, Vec<Kind>> {
    let mut kinds = operation.problems.clone();
    if operation.parameters.is_some() {
        kinds.push(Kind::MalformedQuery);
    }
    if field(operation, "cursor").is_some() {
        kinds.push(Kind::MalformedCursor);
    }
    match Access::needed(&operation.method, operation.path) {
        Access::Open => {}
        Access::Read | Access::Write | Access::Report | Access::Peer => {
            kinds.extend([Kind::Unauthorized, Kind::Forbidden]);
        }
    }
    kinds.extend([Kind::Timeout, Kind::Internal]);
    let mut problems: BTreeMap<StatusCode, Vec<Kind>> = BTreeMap::new();
    for kind in kinds {
        let same = problems.entry(kind.status()).or_default();
        if !same.contains(&kind) {
            same.push(kind);
        }
    }
    problems
}

fn field<'a>(operation: &'a Operation, name: &str) -> Option<&'a Value> {
    fields(operation).find(|(field, _)| *field == name).map(|(_, schema)| schema)
}

/// The parameters' schemas by name.
fn fields(operation: &Operation) -> impl Iterator<Item = (&String, &Value)> {
    let properties = operation.parameters.as_ref().and_then(|schema| schema.get("properties"));
    properties.and_then(Value::as_object).into_iter().flatten()
}

fn is_required(schema: Option<&Schema>, name: &str) -> bool {
    let required = schema.and_then(|schema| schema.get("required")).and_then(Value::as_array);
    required.is_some_and(|names| names.iter().any(|required| required == name))
}

fn in_path(operation: &Operation, name: &str) -> bool {
    operation.template().contains(&format!("{{{name}}}"))
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let parameters = fields(operation).map(|(name, schema)| {
        let mut schema = schema.clone();
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let in_path = in_path(operation, name);
        json!({
            "name": name,
            "in": if in_path { "path" } else { "query" },
            "required": in_path || is_required(operation.parameters.as_ref(), name),
            "description": description.unwrap_or_default(),
            "schema": schema,
        })
    });
    parameters.collect()
}
