//! Whole notes, as agora-server's JSON has them.

use super::{Capped, bare};
use crate::{
    answer::Reading,
    page::Listing,
    problem::Problem,
    web::{
        links,
        read::{self, Notes},
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    LinkPath, Record, Row,
    node::stem,
    record::attr,
    rows::{AuthorNoteRow, JournalRow, NoteMeta},
};
use springline_sinks::Scan;

/// Notes in one answer.
pub(crate) const MAX_NOTES: usize = 200;
/// Notes looked at for the journals among them.
const MAX_EXAMINED: usize = 5_000;

/// A note.
#[derive(Debug, Serialize)]
pub(super) struct Subnode {
    basename: String,
    canonical_wikilink: String,
    content: String,
    datetime: String,
    /// Where the garden's owner edits it: in the owner's configuration, which the index does not have.
    edit: Option<String>,
    edit_path: String,
    forward_links: Vec<String>,
    garden_relative: String,
    git_mtime: Option<f64>,
    mediatype: String,
    mtime: f64,
    node: String,
    /// agora-server has a path on its disk here; this is the path in the Agora's tree.
    path: String,
    support: bool,
    r#type: &'static str,
    uri: String,
    url: String,
    user: String,
    user_config: UserConfig,
    web: Option<String>,
    wikilink: String,
}

/// What agora-server knows of a garden.
#[derive(Debug, Serialize)]
struct UserConfig {
    edit: Option<String>,
    target: String,
    url: Option<String>,
    web: Option<String>,
}

impl Subnode {
    fn of(record: &Record) -> Self {
        let path = links::note_path(&record.uri);
        let node = record.node.as_ref().map_or("", |node| node.as_str()).to_owned();
        let relative = record.attrs.get(attr::RELATIVE).cloned().unwrap_or_else(|| path.clone());
        let image = record.kind == "image";
        let media =
            if image { record.attrs.get(attr::MEDIA).map_or("image", String::as_str) } else { "text/plain" };
        let forward = record.links.iter().filter(|link| link.path.as_str() == LinkPath::WIKILINK);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of our era are far below 2^53")]
        let mtime = record.at.0 as f64 / 1000.0;
        Self {
            basename: path.rsplit('/').next().unwrap_or_default().to_owned(),
            canonical_wikilink: node.clone(),
            content: record.text.clone(),
            datetime: record.at.to_rfc3339().replace('Z', "+00:00"),
            edit: None,
            edit_path: relative.clone(),
            forward_links: forward
                .filter_map(|link| link.target.as_node())
                .map(|name| name.as_str().to_owned())
                .collect(),
            garden_relative: relative,
            git_mtime: record.attrs.contains_key(attr::COMMIT).then_some(mtime),
            mediatype: media.to_owned(),
            mtime,
            node,
            path: path.clone(),
            support: false,
            r#type: if image { "image" } else { "text" },
            url: links::subnode(&record.uri),
            user: links::author_name(&record.author).to_owned(),
            user_config: UserConfig {
                edit: None,
                target: path.splitn(3, '/').take(2).collect::<Vec<_>>().join("/"),
                url: None,
                web: None,
            },
            web: None,
            wikilink: stem(&path).to_owned(),
            uri: path,
        }
    }
}

/// Journals with their texts, the last day first.
///
/// At most 200 notes and a mebibyte of text; `Link: rel="next"` leads on.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct JournalsParams {
    /// Where the answer before ended.
    cursor: Option<String>,
}

/// Journals with their texts, the last day first.
pub(super) fn journals(reading: &Reading<'_>, params: JournalsParams) -> Result<Capped<Subnode>, Problem> {
    let after = Listing::Journals.resume(&["agora"], params.cursor.as_deref())?;
    let scan = Scan { prefix: Vec::new(), after, reverse: false, limit: MAX_NOTES };
    let rows: Vec<JournalRow> = reading.snapshot.scan(&scan)?;
    let scope = ["agora"];
    capped(
        reading,
        rows,
        MAX_NOTES,
        |row| Some(row.note.clone()),
        |key| format!("/journals.json?cursor={}", Listing::Journals.cursor(&scope, key)),
    )
}

/// Somebody's journals with their texts, those last changed first.
///
/// At most 200 notes and a mebibyte of text; `Link: rel="next"` leads on.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct JournalParams {
    /// The user's name, with or without `.json` behind it.
    user: String,
    /// Where the answer before ended.
    cursor: Option<String>,
}

/// Somebody's journals with their texts.
pub(super) fn journal(reading: &Reading<'_>, params: JournalParams) -> Result<Capped<Subnode>, Problem> {
    let author = links::author_named(bare(&params.user));
    let scope = [author.as_str(), "agora"];
    let after = Listing::AuthorNotes.resume(&scope, params.cursor.as_deref())?;
    let scan = Scan { prefix: read::key(&[author.as_str()]), after, reverse: false, limit: MAX_EXAMINED };
    let rows: Vec<AuthorNoteRow> = reading.snapshot.scan(&scan)?;
    let is_journal = |note: &NoteMeta| note.node.as_ref().is_some_and(|node| node.journal_day().is_some());
    capped(
        reading,
        rows,
        MAX_EXAMINED,
        |row| Some(row.note.clone()).filter(is_journal),
        |key| {
            let cursor = Listing::AuthorNotes.cursor(&scope, key);
            format!("/journal/{}.json?cursor={cursor}", links::segment(bare(&params.user)))
        },
    )
}

/// The notes of rows as far as they fit; `next` of the key of the last row looked at, if there are more.
fn capped<R: Row>(
    reading: &Reading<'_>,
    rows: Vec<R>,
    full: usize,
    note: impl Fn(&R) -> Option<NoteMeta>,
    next: impl Fn(&[u8]) -> String,
) -> Result<Capped<Subnode>, Problem> {
    let (mut list, mut bytes, mut last, mut cut) = (Vec::new(), 0, None, rows.len() == full);
    for row in rows {
        if let Some(note) = note(&row) {
            if list.len() == MAX_NOTES || (bytes + note.bytes > read::MAX_NOTE_BYTES && bytes > 0) {
                cut = true;
                break;
            }
            bytes += note.bytes;
            list.push(note);
        }
        last = Some(row.key_bytes());
    }
    let items = Notes::read(reading, list)?.records.iter().map(|record| Subnode::of(record)).collect();
    Ok(Capped { items, next: last.filter(|_| cut).map(|key| next(&key)) })
}
