//! Feeds: RSS 2.0, an item a note, the newest first, with the note as safe HTML.
//!
//! An item's `guid` is the note's path in the Agora's tree, as agora-server's is, so a reader that changes over
//! knows what it has seen.

use crate::{
    answer::{Answer, Document, Reading},
    params::Nothing,
    problem::Problem,
    web::{
        links,
        read::{self, Notes},
        render::{self, Format, Ids},
    },
};
use rss::{
    Channel, ChannelBuilder, Guid, Image, Item, ItemBuilder,
    extension::{atom, dublincore::DublinCoreExtension},
};
use schemars::JsonSchema;
use serde::Deserialize;
use springline_model::{
    NodeName, Record, Timestamp,
    rows::{AuthorNoteRow, AuthorRow, JournalRow, LatestRow, NoteMeta},
};
use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

/// The media type of RSS.
pub(super) const MEDIA: &str = "application/rss+xml; charset=utf-8";

/// Items of one feed.
const MAX_ITEMS: usize = 50;
/// Notes looked at to find them.
const MAX_EXAMINED: usize = 1_000;

/// A feed read and not yet written.
pub(super) struct Feed {
    title: String,
    /// The page that shows the same.
    page: String,
    /// The feed itself.
    this: String,
    base: String,
    built: Timestamp,
    records: Vec<Arc<Record>>,
}

impl Feed {
    fn read(
        reading: &Reading<'_>,
        title: String,
        page: &str,
        this: &str,
        mut notes: Vec<NoteMeta>,
    ) -> Result<Self, Problem> {
        notes.retain(|note| note.kind != "image");
        notes.truncate(MAX_ITEMS);
        let base = reading.base_url.to_owned();
        let (page, this) = (format!("{base}{page}"), format!("{base}{this}"));
        let records = Notes::read(reading, notes)?.records;
        Ok(Self { title, page, this, base, built: reading.snapshot.clock(), records })
    }

    fn channel(self) -> Channel {
        let self_link = atom::Link { href: self.this, rel: "self".into(), ..atom::Link::default() };
        let image = Image {
            url: format!("{}/favicon.ico", self.base),
            title: xml(&self.title),
            link: self.page.clone(),
            ..Image::default()
        };
        let items: Vec<Item> = self.records.iter().map(|record| item(&self.base, record)).collect();
        ChannelBuilder::default()
            .title(xml(&self.title))
            .link(self.page)
            .description("Notes from the gardens of an Agora, as Springline has them.")
            .language("en".to_owned())
            .generator("Springline".to_owned())
            .docs("https://www.rssboard.org/rss-specification".to_owned())
            .last_build_date(rfc2822(self.built))
            .image(image)
            .atom_ext(Some(atom::AtomExtension { links: vec![self_link] }))
            .namespaces(BTreeMap::from([
                ("atom".to_owned(), "http://www.w3.org/2005/Atom".to_owned()),
                ("content".to_owned(), "http://purl.org/rss/1.0/modules/content/".to_owned()),
                ("dc".to_owned(), "http://purl.org/dc/elements/1.1/".to_owned()),
            ]))
            .items(items)
            .build()
    }
}

impl Answer for Feed {
    fn document(self) -> Result<Document, Problem> {
        Ok(Document::new(MEDIA, self.channel().to_string()))
    }
}

fn item(base: &str, record: &Record) -> Item {
    let who = links::author_name(&record.author);
    let node = record.node.as_ref().map_or("", NodeName::as_str);
    let page = match &record.node {
        Some(node) if !node.as_str().is_empty() => links::author_node(&record.author, node),
        _ => links::subnode(&record.uri),
    };
    let rendered =
        render::note(Format::of(record), &record.text, render::MAX_SOURCE_BYTES, &mut Ids::default());
    // A reader shows the note on a page of its own: what leads inside must name this host.
    let html = rendered.html.0.replace("href=\"/", &format!("href=\"{base}/"));
    let creator = DublinCoreExtension { creators: vec![xml(who)], ..DublinCoreExtension::default() };
    ItemBuilder::default()
        .title(xml(&record.title))
        .link(format!("{base}{page}"))
        .description(xml(&format!("A post by user @{who} in node [[{node}]].")))
        .content(xml(&html))
        .guid(Guid { value: xml(&links::note_path(&record.uri)), permalink: false })
        .pub_date(rfc2822(record.at))
        .dublin_core_ext(Some(creator))
        .build()
}

/// Text without what XML can't hold, escaped or not.
fn xml(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '\0'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}'))
        .collect()
}

/// `Sat, 21 Nov 2026 09:06:26 +0000`.
fn rfc2822(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// The notes of a node, newest first.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NodeParams {
    /// The node's name or slug.
    node: String,
}

/// The notes of a node, newest first.
pub(super) fn node(reading: &Reading<'_>, params: NodeParams) -> Result<Feed, Problem> {
    let (name, row) = read::node(reading, &params.node)?;
    if row.is_none() {
        return Err(Problem::not_found("there is no such node"));
    }
    let mut notes = read::subnodes(reading, &name, MAX_EXAMINED)?;
    notes.sort_by_key(|note| Reverse(note.at));
    let title = format!("Agora feed for node [[{name}]]");
    Feed::read(reading, title, &links::node(&name), &format!("/feed/{}", links::slug(&name)), notes)
}

/// What somebody wrote, newest first.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct UserParams {
    /// The user's name.
    user: String,
}

/// What somebody wrote, newest first.
pub(super) fn user(reading: &Reading<'_>, params: UserParams) -> Result<Feed, Problem> {
    let (page, notes) = notes_by(reading, &params.user)?;
    let title = format!("Agora feed for user @{}", params.user);
    Feed::read(reading, title, &page, &format!("/feed{page}"), notes)
}

/// Somebody's journals, newest first.
pub(super) fn user_journals(reading: &Reading<'_>, params: UserParams) -> Result<Feed, Problem> {
    let (page, mut notes) = notes_by(reading, &params.user)?;
    notes.retain(|note| note.node.as_ref().is_some_and(|node| node.journal_day().is_some()));
    let title = format!("Agora feed for journals of user @{}", params.user);
    Feed::read(reading, title, &page, &format!("/feed/journals{page}"), notes)
}

/// Somebody's page and notes.
fn notes_by(reading: &Reading<'_>, user: &str) -> Result<(String, Vec<NoteMeta>), Problem> {
    let author = links::author_named(user);
    let key = read::key(&[author.as_str()]);
    if reading.snapshot.get::<AuthorRow>(&key)?.is_none() {
        return Err(Problem::not_found("nobody by this name wrote anything that is here"));
    }
    let rows: Vec<AuthorNoteRow> = read::first(reading, key, MAX_EXAMINED)?;
    Ok((links::author(&author), rows.into_iter().filter_map(AuthorNoteRow::said).collect()))
}

/// The newest notes of all.
pub(super) fn latest(reading: &Reading<'_>, _: Nothing) -> Result<Feed, Problem> {
    let rows: Vec<LatestRow> = read::first(reading, Vec::new(), MAX_EXAMINED)?;
    let notes = rows.into_iter().map(|row| row.note).collect();
    Feed::read(reading, "Agora feed for latest updates".into(), "/latest", "/feed/latest", notes)
}

/// The journals of the last days.
pub(super) fn journals(reading: &Reading<'_>, _: Nothing) -> Result<Feed, Problem> {
    let rows: Vec<JournalRow> = read::first(reading, Vec::new(), MAX_EXAMINED)?;
    let notes = rows.into_iter().map(|row| row.note).collect();
    Feed::read(reading, "Agora feed for journals".into(), "/journals", "/feed/journals", notes)
}
