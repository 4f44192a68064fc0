//! What of a record matters to clusters.

use super::ClustersConfig;
use crate::{Visible, clip::shorten};
use serde::{Deserialize, Serialize};
use springline_model::{
    Record, SourceId, Space, TextId, Timestamp, Uri, UriId,
    record::is_kind,
    text::{Lexical, Sparse},
};
use std::{collections::BTreeMap, sync::Arc};

/// The longest title, in bytes.
const TITLE_BYTES: usize = 80;

/// The longest summary, in bytes.
const SUMMARY_BYTES: usize = 300;

/// The kind of record that belongs to its project's space without being asked.
const FEEDBACK: &str = "feedback.item";

/// A record in a space.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) space: Space,
    /// What it is sorted by in its text.
    pub(super) at: Timestamp,
    pub(super) id: UriId,
    pub(super) uri: Uri,
    pub(super) source: SourceId,
    pub(super) title: Box<str>,
    pub(super) summary: Box<str>,
    pub(super) text: TextId,
    pub(super) vector: Sparse,
}

impl Item {
    /// The record in each space that it belongs to; in none if there is nothing to see of it.
    pub(super) fn of(visible: &Visible, config: &ClustersConfig, lexical: &mut Lexical) -> Vec<Arc<Self>> {
        let record = &*visible.record;
        let spaces = spaces(record, &config.spaces);
        if spaces.is_empty() {
            return Vec::new();
        }
        let vector = lexical.vector(&record.title, &record.text);
        if vector.is_empty() {
            return Vec::new();
        }
        let text = vector.id();
        let title = if record.title.trim().is_empty() { &record.text } else { &record.title };
        let title = title.trim().lines().next().unwrap_or_default();
        let item = |space: Space| Self {
            space,
            at: record.at,
            id: record.uri.id(),
            uri: record.uri.clone(),
            source: visible.source.clone(),
            title: line(title, TITLE_BYTES),
            summary: line(&record.text, SUMMARY_BYTES),
            text,
            vector: vector.clone(),
        };
        spaces.into_iter().map(item).map(Arc::new).collect()
    }
}

/// The spaces of a record, each once.
fn spaces(record: &Record, configured: &BTreeMap<String, Vec<String>>) -> Vec<Space> {
    let project = Some(&record.uri).filter(|_| record.kind == FEEDBACK).and_then(Space::of_feedback);
    let named = configured.iter().filter(|(_, kinds)| kinds.iter().any(|kind| is_kind(kind, &record.kind)));
    let named =
        named.map(|(name, _)| Space::new(name.as_str())).filter(|space| Some(space) != project.as_ref());
    let named: Vec<Space> = named.collect();
    project.into_iter().chain(named).collect()
}

/// The beginning of a text as one line. Looks at no more of it than could be needed.
fn line(text: &str, bytes: usize) -> Box<str> {
    let head = crate::clip::clip(text, 4 * bytes);
    let words: Vec<&str> = head.split_whitespace().collect();
    shorten(&words.join(" "), bytes).into()
}
