//! One record, whole.

use super::{
    names,
    shape::{Place, Time},
};
use crate::{
    answer::Reading,
    problem::{Kind, Problem},
    routes::Routes,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{Link, LinkPath, NodeName, Uri, rows::RecordRow};
use springline_sinks::Snapshot;
use std::collections::BTreeMap;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Records");
    routes.view("/v1/records", record).may(Kind::NotFound);
    routes.view("/v1/records/{*uri}", record).may(Kind::NotFound);
}

/// A record as its source has it: text, links, attributes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RecordParams {
    /// Its identity: `garden://flancian/agora.md`, `at://alice.example/app.bsky.feed.post/3k…`.
    uri: String,
}

/// One thing that somebody said.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RecordPage {
    /// The epoch that the answer is complete as of.
    pub epoch: u64,
    /// Its identity.
    #[schemars(with = "String")]
    pub uri: Uri,
    /// What it is: `note`, `image`, ….
    pub kind: String,
    /// Who said it.
    #[schemars(with = "String")]
    pub author: Uri,
    /// The node that it is a subnode of.
    #[schemars(with = "Option<String>")]
    pub node: Option<NodeName>,
    /// Its title.
    pub title: String,
    /// When it was said or last changed, by its source's clock.
    pub at: Time,
    /// Languages of the text, ISO 639-1, the most likely first.
    pub langs: Vec<String>,
    /// Its tags, without `#`.
    pub tags: Vec<String>,
    /// What only its source knows.
    pub attrs: BTreeMap<String, String>,
    /// Which source brought it.
    pub source: String,
    /// The version's number, as text because it may not fit a JavaScript number.
    pub rev: String,
    /// What it links to, in the order of the text.
    pub links: Vec<RecordLink>,
    /// The text as written.
    pub text: String,
}

/// A link of a record.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RecordLink {
    /// Where it stands: `wikilink`, `url`, ….
    #[schemars(with = "String")]
    pub path: LinkPath,
    /// In prose, code or a comment.
    pub context: Place,
    /// What it points at.
    #[schemars(with = "String")]
    pub target: Uri,
    /// The first byte of the link in the text.
    pub start: u32,
    /// One behind its last byte.
    pub end: u32,
    /// The text shown in place of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The heading or block behind `#`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fragment: Option<String>,
}

impl From<&Link> for RecordLink {
    fn from(link: &Link) -> Self {
        let Link { path, context, target, span, label, fragment } = link.clone();
        Self { path, context: context.into(), target, start: span.start, end: span.end, label, fragment }
    }
}

fn record(reading: &Reading<'_>, params: RecordParams) -> Result<RecordPage, Problem> {
    let uri = names::uri(reading.snapshot, "uri", &params.uri)?;
    let row = visible(reading.snapshot, &uri)?.ok_or_else(|| {
        let asked = names::shown(uri.as_str());
        Problem::not_found(format!("there is no record `{asked}` (or not any more)"))
    })?;
    let (rev, source, record) = (row.rev.0.to_string(), row.source.to_string(), row.record);
    Ok(RecordPage {
        epoch: reading.snapshot.epoch().0,
        links: record.links.iter().map(RecordLink::from).collect(),
        uri: record.uri.clone(),
        kind: record.kind.clone(),
        author: record.author.clone(),
        node: record.node.clone(),
        title: record.title.clone(),
        at: Time(record.at),
        langs: record.langs.clone(),
        tags: record.tags.clone(),
        attrs: record.attrs.clone(),
        text: record.text.clone(),
        source,
        rev,
    })
}

/// A record that may be seen. The ledger keeps hidden ones too: nothing may show a record without asking here, or
/// without having it from a view.
///
/// # Errors
/// The store can't be read.
pub fn visible(snapshot: &Snapshot<'_>, uri: &Uri) -> Result<Option<RecordRow>, Problem> {
    let mut rows: Vec<RecordRow> = snapshot.record(uri)?.into_iter().collect();
    snapshot.retain_visible(&mut rows)?;
    Ok(rows.pop())
}
