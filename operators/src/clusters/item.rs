//! What of a record matters to clusters.

use super::{ClustersConfig, Representation, point::Point};
use crate::{Visible, clip::shorten};
use serde::{Deserialize, Serialize};
use springline_model::{
    ClusterId, ItemName, Record, SourceId, Space, TextId, Timestamp, Uri, UriId, Vector,
    record::{attr, is_kind},
    rows::{ClusterItemRow, ClusterNameRow},
    text::Lexical,
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
    /// Its words, and what it means if that counts.
    pub(super) point: Point,
}

impl Item {
    /// The record in each space that it belongs to; in none if there is nothing to see of it.
    pub(super) fn of(visible: &Visible, config: &ClustersConfig, lexical: &mut Lexical) -> Vec<Arc<Self>> {
        let record = &*visible.record;
        let spaces = spaces(record, &config.spaces);
        if spaces.is_empty() {
            return Vec::new();
        }
        let words = lexical.vector(&record.title, &record.text);
        if words.is_empty() {
            return Vec::new();
        }
        let text = words.id();
        let meaning = match config.representation {
            Representation::Lexical => None,
            Representation::Semantic => {
                record.attrs.get(attr::VECTOR).and_then(|vector| Vector::parse(vector))
            }
        };
        let point = Point { words, meaning };
        let title = if record.title.trim().is_empty() { &record.text } else { &record.title };
        let title = title.trim().lines().next().unwrap_or_default();
        // Of feedback it is where it was given that matters, not who told us.
        let given = ItemName::parse(&record.uri).map(|name| SourceId::new(name.source.name()));
        let source = given.unwrap_or_else(|| visible.source.clone());
        let item = |space: Space| Self {
            space,
            at: record.at,
            id: record.uri.id(),
            uri: record.uri.clone(),
            source: source.clone(),
            title: line(title, TITLE_BYTES),
            summary: line(&record.text, SUMMARY_BYTES),
            text,
            point: point.clone(),
        };
        spaces.into_iter().map(item).map(Arc::new).collect()
    }

    /// Where it stands among those of its text.
    pub(super) fn row(&self) -> ClusterItemRow {
        ClusterItemRow {
            space: self.space.clone(),
            text: self.text,
            at: self.at,
            uri: self.uri.clone(),
            source: self.source.as_str().to_owned(),
            title: self.title.to_string(),
        }
    }

    /// What its name stands for.
    pub(super) fn name_row(&self) -> ClusterNameRow {
        ClusterNameRow {
            id: ClusterId::from_member(self.id),
            space: self.space.clone(),
            uri: self.uri.clone(),
            text: self.text,
        }
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
