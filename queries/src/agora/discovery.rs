//! How other servers find out what this one is: nodeinfo and webfinger, for reading only (nothing is federated).

use crate::{
    answer::{Document, Json, Reading},
    params::Nothing,
    problem::Problem,
    web::{links, read},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use springline_model::{
    Table,
    rows::{AuthorRow, SourceRow},
};
use springline_sinks::Scan;

/// The media type of webfinger's answers.
pub(super) const JRD: &str = "application/jrd+json";

/// Nodes and people counted; more are not.
const MAX_COUNTED: usize = 20_000;

/// Where this server describes itself.
#[expect(clippy::unnecessary_wraps, reason = "the table of routes wants views")]
pub(super) fn nodeinfo_links(reading: &Reading<'_>, _: Nothing) -> Result<Json<Value>, Problem> {
    let href = format!("{}/nodeinfo/2.0", reading.base_url);
    Ok(Json(json!({ "links": [{ "rel": "http://nodeinfo.diaspora.software/ns/schema/2.0", "href": href }] })))
}

/// This server, as other servers like to know it.
pub(super) fn nodeinfo(reading: &Reading<'_>, _: Nothing) -> Result<Json<Value>, Problem> {
    let sources: Vec<SourceRow> = read::first(reading, Vec::new(), 1_000)?;
    let authors: Vec<AuthorRow> = read::first(reading, Vec::new(), MAX_COUNTED)?;
    let scan = Scan { prefix: Vec::new(), after: None, reverse: false, limit: MAX_COUNTED };
    let nodes = reading.snapshot.scan_raw(Table::Nodes, &scan)?.len();
    let records: u64 = sources.iter().map(|source| source.records).sum();
    let links: u64 = sources.iter().map(|source| source.links).sum();
    Ok(Json(json!({
        "version": "2.0",
        "software": { "name": "springline", "version": env!("CARGO_PKG_VERSION") },
        "protocols": [],
        "services": { "inbound": [], "outbound": [] },
        "openRegistrations": false,
        "usage": { "users": { "total": authors.len() }, "localPosts": records, "localComments": 0 },
        "metadata": {
            "nodeName": "Springline",
            "nodeDescription": "The notes of an Agora's gardens, and what links them.",
            "nodeCount": nodes,
            "linkCount": links,
        },
    })))
}

/// Somebody's page, by `acct:name@host`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct WebfingerParams {
    /// `acct:alice@example.org`.
    resource: String,
}

/// Somebody's page, by `acct:name@host`.
pub(super) fn webfinger(reading: &Reading<'_>, params: WebfingerParams) -> Result<Document, Problem> {
    let account = params.resource.strip_prefix("acct:").unwrap_or(&params.resource);
    let Some((name, _host)) = account.rsplit_once('@').filter(|(name, _)| !name.is_empty()) else {
        return Err(Problem::parameter("resource", "is no account, as acct:alice@example.org is"));
    };
    let author = links::author_named(name);
    if reading.snapshot.get::<AuthorRow>(&read::key(&[author.as_str()]))?.is_none() {
        return Err(Problem::not_found("nobody by this name wrote anything that is here"));
    }
    let (base, page) = (reading.base_url, links::author(&author));
    let answer = json!({
        "subject": format!("acct:{account}"),
        "links": [
            { "rel": "http://webfinger.net/rel/profile-page", "type": "text/html", "href": format!("{base}{page}") },
            { "rel": "alternate", "type": "application/rss+xml", "href": format!("{base}/feed{page}") },
        ],
    });
    Ok(Document::new(JRD, answer.to_string()))
}
