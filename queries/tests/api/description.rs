//! `/openapi.json` and `/docs` say what the server does, all of it and nothing else.

use crate::support::{Site, TOKEN};
use serde_json::Value;
use springline_queries::ServerConfig;
use std::collections::BTreeSet;

/// A server with all routes that there can be.
async fn whole() -> Site {
    Site::with(|config| config.compat = true).await
}

async fn spec(site: &Site) -> Value {
    site.get("/openapi.json").await.json()
}

/// Every `$ref` in a document.
fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_described() {
    let site = whole().await;
    let spec = spec(&site).await;
    let config = ServerConfig { compat: true, ..ServerConfig::default() };
    for operation in springline_queries::all_routes(&config).operations() {
        let method = operation.method.as_str().to_lowercase();
        let described = &spec["paths"][operation.template()][&method];
        assert!(
            described["summary"].as_str().is_some_and(|text| text.len() > 5),
            "{method} {}",
            operation.path
        );
        assert!(described["responses"].as_object().is_some_and(|answers| answers.len() > 1), "{described}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_described_is_served() {
    let site = whole().await;
    let spec = spec(&site).await;
    let mut ids = BTreeSet::new();
    for (path, methods) in spec["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(
                ids.insert(operation["operationId"].as_str().unwrap().to_owned()),
                "{path}: the id is taken"
            );
            let mut address = path.clone();
            for parameter in operation["parameters"].as_array().unwrap() {
                assert!(
                    parameter["description"].as_str().is_some_and(|text| !text.is_empty()),
                    "{path} {parameter}"
                );
                if parameter["in"] == "path" {
                    let name = format!("{{{}}}", parameter["name"].as_str().unwrap());
                    assert!(address.contains(&name), "{path}");
                    address = address.replace(&name, "x");
                }
            }
            assert!(!address.contains('{'), "{path} has a parameter that is not described");
            let request = site.request(&method.to_uppercase(), &address).bearer_auth(TOKEN);
            let got = site.send(request).await;
            assert!(
                !got.text.contains("/docs#no-such-route\"") && got.status != 405,
                "{method} {path}: {}",
                got.status
            );
            assert!(got.status < 500, "{method} {path}: {} {}", got.status, got.text);
            let described = &operation["responses"][got.status.to_string()];
            assert!(!described.is_null(), "{method} {path} gave {}, which is not described", got.status);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_sound() {
    let site = whole().await;
    let spec = spec(&site).await;
    assert_eq!(spec["openapi"], "3.1.0");
    let mut found = BTreeSet::new();
    references(&spec, &mut found);
    assert!(found.len() > 10);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(spec.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let text = spec.to_string();
    assert!(!text.contains("$defs"));
    for name in spec["components"]["schemas"].as_object().unwrap().keys() {
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)), "{name}");
    }
    let cursor = &spec["paths"]["/v1/latest"]["get"]["parameters"];
    let limit = cursor.as_array().unwrap().iter().find(|parameter| parameter["name"] == "limit").unwrap();
    assert_eq!((&limit["schema"]["maximum"], &limit["required"]), (&500.into(), &false.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_needs_nothing_from_elsewhere() {
    let site = Site::start().await;
    let page = site.get("/docs").await;
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    assert!(page.text.contains("/v1/backlinks") && page.text.contains("id=\"malformed-cursor\""));
    assert!(!page.text.contains("<script") && !page.text.contains("src="));
    for part in page.text.split("href=\"").skip(1) {
        assert!(part.starts_with('#') || part.starts_with('/'), "{}", &part[..40]);
        if let Some(id) = part.strip_prefix('#').and_then(|rest| rest.split('"').next()) {
            assert!(page.text.contains(&format!("id=\"{id}\"")), "#{id} leads nowhere");
        }
    }
    assert_eq!(site.get("/docs/style.css").await.header("content-type"), "text/css; charset=utf-8");
}
