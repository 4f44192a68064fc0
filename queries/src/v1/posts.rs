//! A post, as feeds and threads show it.

use super::{
    counts::{self, PARENT, RecordCounts},
    list,
    shape::Time,
};
use crate::{answer::Reading, problem::Problem};
use schemars::JsonSchema;
use serde::Serialize;
use springline_model::{Record, Uri, record::attr, rows::LabelRow, text::display};
use springline_sinks::{Scan, Snapshot};

/// The most labels on one subject that are looked at.
const MAX_LABELS: usize = 200;
/// The most of a text that is shown: more than any post can have.
const MAX_TEXT_BYTES: usize = 16 * 1024;

/// A record that says something, with who says it and what is done to it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Post {
    /// Its identity.
    #[schemars(with = "String")]
    pub uri: Uri,
    /// The version of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cid: Option<String>,
    /// What it is: `app.bsky.feed.post`, ….
    pub kind: String,
    /// Who said it.
    #[schemars(with = "String")]
    pub author: Uri,
    /// Their handle, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// When it was said, by itself, but not later than it was seen.
    pub at: Time,
    /// Its title, if it has one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// Its text, without characters that mislead (`/v1/records` has it exactly); at most 16 KiB.
    pub text: String,
    /// There is more text: `/v1/records` has it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// The media type of what it shows: of its first picture, or of its video.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<String>,
    /// What describes its pictures, as its author has written it, one paragraph each; as the text is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alt: Option<String>,
    /// Its languages, ISO 639-1.
    pub langs: Vec<String>,
    /// Its tags, without `#`.
    pub tags: Vec<String>,
    /// What it answers to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub answers: Option<Uri>,
    /// What is done to it.
    pub counts: RecordCounts,
    /// Labels in force on it.
    pub labels: Vec<LabelShown>,
    /// Why it stands in a feed, if not because its author said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// Why a post stands in the feed of somebody else.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Reason {
    /// What they did.
    pub kind: ReasonKind,
    /// Who.
    #[schemars(with = "String")]
    pub by: Uri,
    /// Their handle, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// When, by the record's own time, but not later than it was seen.
    pub at: Time,
    /// The record that says so.
    #[schemars(with = "String")]
    pub uri: Uri,
}

/// What puts a post into the feed of somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum ReasonKind {
    /// They passed it on.
    Repost,
}

impl Reason {
    /// Of a record that passes another one on.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn of_repost(reading: &Reading<'_>, repost: &Record) -> Result<Self, Problem> {
        Ok(Self {
            kind: ReasonKind::Repost,
            handle: reading.handle(&repost.author)?,
            by: repost.author.clone(),
            at: Time(repost.at),
            uri: repost.uri.clone(),
        })
    }
}

/// What somebody says of an account or a record without owning it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LabelShown {
    /// Who says it.
    #[schemars(with = "String")]
    pub src: Uri,
    /// What is said.
    pub val: String,
    /// Since when.
    pub at: Time,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

impl Post {
    /// Of a record that may be seen.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn of(reading: &Reading<'_>, record: &Record) -> Result<Self, Problem> {
        let snapshot = reading.snapshot;
        let cid = record.attrs.get(attr::CID).cloned();
        Ok(Self {
            handle: reading.handle(&record.author)?,
            counts: reading.beside(counts::of_record(snapshot, &record.uri))?,
            labels: labels(snapshot, &record.uri, cid.as_deref())?,
            answers: parent(record).cloned(),
            uri: record.uri.clone(),
            cid,
            kind: record.kind.clone(),
            author: record.author.clone(),
            at: Time(record.at),
            title: readable(&record.title, MAX_TEXT_BYTES),
            text: readable(&record.text, MAX_TEXT_BYTES),
            cut: record.text.len() > MAX_TEXT_BYTES,
            media: record.attrs.get(attr::MEDIA).cloned(),
            alt: record.attrs.get(attr::ALT).map(|alt| readable(alt, MAX_TEXT_BYTES)),
            langs: record.langs.clone(),
            tags: record.tags.clone(),
            reason: None,
        })
    }
}

/// The beginning of a stranger's text, fit to be shown.
#[must_use]
pub fn readable(text: &str, most: usize) -> String {
    display::shown(clip(text, most)).into_owned()
}

/// The beginning of a text, of whole characters.
#[must_use]
pub fn clip(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// What a record answers to.
#[must_use]
pub fn parent(record: &Record) -> Option<&Uri> {
    record.links.iter().find(|link| link.path.as_str() == PARENT).map(|link| &link.target)
}

/// The labels in force on a subject; of a record those on all of its versions and on this one.
///
/// # Errors
/// The store can't be read.
pub fn labels(snapshot: &Snapshot<'_>, subject: &Uri, cid: Option<&str>) -> Result<Vec<LabelShown>, Problem> {
    let scan = Scan { prefix: list::key(&[subject.as_str()]), limit: MAX_LABELS, ..Scan::default() };
    let labels = snapshot.scan(&scan)?.into_iter().map(|LabelRow(label)| label);
    let counts = labels.filter(|label| {
        label.is_in_force() && label.cid.as_deref().is_none_or(|version| Some(version) == cid)
    });
    let shown = counts.map(|label| LabelShown {
        src: label.src,
        val: label.val,
        at: Time(label.cts),
        until: label.exp.map(Time),
    });
    Ok(shown.collect())
}
