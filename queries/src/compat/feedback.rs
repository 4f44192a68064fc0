//! Feedback items, and how many there are.

use super::{
    known_project,
    paging::{self, Limit, Offset, whole},
};
use crate::{
    answer::Reading,
    problem::Problem,
    v1::{
        feedback::{find, named},
        ingest::Source,
        list,
        shape::Time,
        stats::totals,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use springline_model::{
    FeedbackSource, FeedbackStatus, ItemName, Project, Record, Timestamp, Uri,
    feedback::attr,
    key::KeyWriter,
    rows::{ClusterLevel, ClusterOrder, ClusterRankRow, FeedbackMeta, FeedbackRow, ProjectFeedbackRow},
    text::display,
};
use springline_sinks::{Scan, Snapshot};
use std::collections::BTreeMap;

/// The most bytes of an item's text that a list shows.
pub(super) const LISTED_TEXT_BYTES: usize = 4_000;
/// The most clusters of a project that are counted.
const MAX_COUNTED: usize = 10_000;

/// Feedback, the newest first.
///
/// Lists show the first 4,000 bytes of a text, `/feedback/{id}` all of it.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ListParams {
    /// Only of this project.
    project_id: Option<String>,
    /// Only what was given there.
    source: Option<Source>,
    /// The most items.
    #[serde(default = "whole")]
    limit: Limit,
    /// How many are passed over.
    #[serde(default)]
    offset: Offset,
}

/// One feedback item, whole.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ItemParams {
    /// Its id; or what `/v1/feedback` calls it.
    id: String,
}

/// How much feedback there is, by source, and how many clusters.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct StatsParams {
    /// Only of this project.
    project_id: Option<String>,
}

/// A feedback item.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct FeedbackItem {
    /// Its id: opaque, fit for a path.
    id: String,
    /// Of which project.
    project_id: String,
    /// Where it was given.
    source: &'static str,
    /// What it is called there.
    external_id: String,
    /// Its title, without characters that mislead.
    title: String,
    /// Its text, likewise.
    body: String,
    /// Its text, as given.
    raw_text: String,
    /// Whatever else is known: `author`, `url`, `subreddit`, `tags`, `edited`, ….
    metadata: Map<String, Value>,
    /// When it was said.
    created_at: Time,
    /// The repository that it is about.
    repo: Option<String>,
    /// The number of its issue.
    github_issue_number: Option<u64>,
    /// The address of its issue.
    github_issue_url: Option<String>,
    /// `open` or `closed`.
    status: &'static str,
}

/// A page of feedback.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct FeedbackList {
    /// The items.
    items: Vec<FeedbackItem>,
    /// How many there are in all.
    total: u64,
    /// The most items that were asked for.
    limit: usize,
    /// How many were passed over.
    offset: u16,
}

/// How much there is.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Stats {
    /// Items.
    total_feedback: u64,
    /// Items by source.
    by_source: BTreeMap<&'static str, u64>,
    /// Clusters; of a project at most 10,000 are counted.
    total_clusters: usize,
}

/// The id of an item, fit for a path.
pub(super) fn id_of(uri: &Uri) -> String {
    URL_SAFE_NO_PAD.encode(uri.as_str())
}

/// The item of an id.
fn name_of(id: &str) -> Result<ItemName, Problem> {
    let uri = URL_SAFE_NO_PAD.decode(id).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match uri.and_then(|uri| ItemName::parse(&Uri::new(uri))) {
        Some(name) => Ok(name),
        None => named(id).map_err(|problem| Problem::parameter("id", problem.detail())),
    }
}

impl FeedbackItem {
    /// Of a record, if that is a feedback item; with so much of its text.
    pub(super) fn of(record: &Record, bytes: usize) -> Option<Self> {
        let meta = FeedbackMeta::of(record)?;
        let ItemName { project, source, external } = ItemName::parse(&record.uri)?;
        let text = &record.text[..record.text.floor_char_boundary(bytes)];
        let own = [attr::STATUS, attr::REPO, attr::ISSUE, attr::ISSUE_URL, attr::DELIVERIES];
        let rest = record.attrs.iter().filter(|(name, _)| !own.contains(&name.as_str()));
        let mut metadata: Map<String, Value> =
            rest.map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        metadata.insert("author".into(), record.author.as_str().into());
        metadata.insert("tags".into(), record.tags.clone().into());
        Some(Self {
            id: id_of(&record.uri),
            project_id: project.to_string(),
            source: source.name(),
            external_id: external,
            title: display::shown(&record.title).into_owned(),
            body: display::shown(text).into_owned(),
            raw_text: text.to_owned(),
            metadata,
            created_at: Time(record.at),
            repo: meta.repo,
            github_issue_number: meta.issue,
            github_issue_url: record.attrs.get(attr::ISSUE_URL).cloned(),
            status: FeedbackStatus::of(record).name(),
        })
    }

    /// Of what a view names, as lists show it.
    pub(super) fn listed<'a>(
        snapshot: &Snapshot<'_>,
        uris: impl IntoIterator<Item = &'a Uri>,
    ) -> Result<Vec<Self>, Problem> {
        let mut items = Vec::new();
        for uri in uris {
            // It may be seen: it comes from a view.
            let row = snapshot.record(uri)?;
            items.extend(row.and_then(|row| Self::of(&row.record, LISTED_TEXT_BYTES)));
        }
        Ok(items)
    }
}

/// How many items there are of each source.
fn by_source(
    snapshot: &Snapshot<'_>,
    project: Option<&Project>,
) -> Result<BTreeMap<&'static str, u64>, Problem> {
    let mut sums: BTreeMap<&'static str, u64> =
        FeedbackSource::ALL.iter().map(|source| (source.name(), 0)).collect();
    for row in totals(snapshot, project)? {
        *sums.entry(row.source.name()).or_default() += row.items;
    }
    Ok(sums)
}

pub(super) fn list(reading: &Reading<'_>, params: ListParams) -> Result<FeedbackList, Problem> {
    let ListParams { project_id, source, limit, offset } = params;
    let project = known_project(reading.state, project_id.as_deref())?;
    let source = source.map(FeedbackSource::from);
    let sums = by_source(reading.snapshot, project.as_ref())?;
    let total = match source {
        Some(source) => sums.get(source.name()).copied().unwrap_or_default(),
        None => sums.values().sum(),
    };
    let is_wanted = |item: &FeedbackMeta| source.is_none_or(|source| source == item.source);
    let place = (offset, limit);
    let metas: Vec<FeedbackMeta> = match project {
        Some(project) => {
            let prefix = list::key(&[project.as_str()]);
            let rows = paging::page(reading.snapshot, &prefix, place, total, |row: &ProjectFeedbackRow| {
                is_wanted(&row.0)
            })?;
            rows.into_iter().map(|row| row.0).collect()
        }
        None => {
            let rows =
                paging::page(reading.snapshot, &[], place, total, |row: &FeedbackRow| is_wanted(&row.0))?;
            rows.into_iter().map(|row| row.0).collect()
        }
    };
    let items = FeedbackItem::listed(reading.snapshot, metas.iter().map(|item| &item.uri))?;
    Ok(FeedbackList { items, total, limit: limit.get(), offset: offset.get() })
}

pub(super) fn one(reading: &Reading<'_>, params: ItemParams) -> Result<FeedbackItem, Problem> {
    let name = name_of(&params.id)?;
    let row = find(reading.snapshot, &name)?;
    FeedbackItem::of(&row.record, usize::MAX)
        .ok_or_else(|| Problem::not_found("what goes by this name is no feedback"))
}

pub(super) fn stats(reading: &Reading<'_>, params: StatsParams) -> Result<Stats, Problem> {
    let project = known_project(reading.state, params.project_id.as_deref())?;
    let by_source = by_source(reading.snapshot, project.as_ref())?;
    let projects = project.map_or_else(|| reading.state.control.projects(), |project| vec![project]);
    let mut total_clusters = 0;
    for project in projects {
        let scan = Scan { prefix: newest_clusters(&project), limit: MAX_COUNTED, ..Scan::default() };
        total_clusters += reading.snapshot.scan::<ClusterRankRow>(&scan)?.len();
    }
    Ok(Stats { total_feedback: by_source.values().sum(), by_source, total_clusters })
}

/// What the keys of a project's clusters begin with, in the order of their newest items.
pub(super) fn newest_clusters(project: &Project) -> Vec<u8> {
    let mut key = KeyWriter::new();
    key.text(project.as_str()).byte(ClusterLevel::Cluster as u8).byte(ClusterOrder::LastSeen as u8);
    key.into_bytes()
}

/// The later of two times.
pub(super) fn later(a: Timestamp, b: Option<Timestamp>) -> Time {
    Time(b.map_or(a, |b| a.max(b)))
}
