//! What links here: a row a link, and how many there are.
//!
//! ```text
//!  records ─┬─► each link of each record ─────────────────────────────► backlinks         no state
//!           └─► each (target, kind, path) of each record, exchanged by
//!               target ─► sums: links, records, distinct authors ─────► backlink_counts   ids only
//! ```
//!
//! The visible records are a set with one record a URI (the ledger sees to that). So the number of distinct
//! records that link to a target is a plain sum over records; only distinct authors need to be remembered.
//!
//! Invariants: `links` of a count is the number of backlink rows of its target, kind and path.
//!
//! Limits: a snippet is at most [`SNIPPET_BYTES`] long, a line of it [`LINE_BYTES`], a title or label
//! 512; so the rows of a record take a bounded multiple of the number of its links. The
//! counts hold about 64 bytes a distinct (target, kind, path), about 15 more for each further author of it, both over
//! the hash table's filling of 1/2 to 7/8: below 100 bytes a live link where two links share a target.

use crate::{
    Records, Rows,
    clip::{TITLE_BYTES, clip, line_around, shorten},
    distinct::{Distinct, Numbers},
    groups::{Groups, groups},
};
use serde::{Deserialize, Serialize};
use springline_model::{
    Link, LinkPath, Record, Span, UriId,
    rows::{BacklinkCountRow, BacklinkRow, LinkerRow},
    text::display::shown,
};
use std::{borrow::Cow, collections::HashSet, sync::Arc};

/// The longest snippet: what is pushed, as a whole where it fits.
pub const SNIPPET_BYTES: usize = 2_048;

/// The longest line that is quoted around a link. Paragraphs are often a line each, and every link in one would
/// quote it all again.
pub const LINE_BYTES: usize = 512;

/// A row for every link of every record.
#[must_use]
pub fn backlinks<'s>(records: Records<'s>) -> Rows<'s, BacklinkRow> {
    records.flat_map(|visible| {
        let record = visible.record;
        (0..record.links.len()).map(move |index| row(&record, index))
    })
}

fn row(record: &Record, index: usize) -> BacklinkRow {
    let link = &record.links[index];
    BacklinkRow {
        target: link.target.clone(),
        kind: record.kind.clone(),
        path: link.path.clone(),
        at: record.at,
        source: record.uri.clone(),
        ordinal: u32::try_from(index).unwrap_or(u32::MAX),
        context: link.context,
        author: record.author.clone(),
        node: record.node.clone(),
        title: clip(&record.title, TITLE_BYTES).to_owned(),
        label: label(link),
        snippet: snippet(&record.text, link),
    }
}

/// What is shown in place of the target; if there is only a fragment, that with its `#`.
fn label(link: &Link) -> Option<String> {
    match (&link.label, &link.fragment) {
        (Some(label), _) => Some(clip(label, TITLE_BYTES).to_owned()),
        (None, Some(fragment)) => Some(format!("#{}", clip(fragment, TITLE_BYTES))),
        (None, None) => None,
    }
}

fn snippet(text: &str, link: &Link) -> String {
    if link.path.as_str() == LinkPath::PUSH {
        return shorten(link.span.of(text).trim(), SNIPPET_BYTES);
    }
    let Span { start, end } = link.span;
    let line = line_around(text, start as usize..end as usize, LINE_BYTES);
    match shown(&line) {
        Cow::Borrowed(_) => line,
        Cow::Owned(shown) => shown,
    }
}

/// A row for every target, kind and path of every record of a repository, by author.
#[must_use]
pub fn linkers<'s>(records: Records<'s>) -> Rows<'s, LinkerRow> {
    let of_repositories = records.filter(|visible| visible.record.uri.scheme() == "at");
    of_repositories.flat_map(|visible| linker_rows(&visible.record))
}

fn linker_rows(record: &Record) -> Vec<LinkerRow> {
    let mut links: Vec<(UriId, &LinkPath)> =
        record.links.iter().map(|link| (link.target.id(), &link.path)).collect();
    links.sort_unstable();
    links.dedup();
    let row = |(target, path): (UriId, &LinkPath)| LinkerRow {
        target,
        kind: record.kind.clone(),
        path: path.clone(),
        author: record.author.clone(),
        at: record.at,
        source: record.uri.clone(),
    };
    links.into_iter().map(row).collect()
}

/// How much links to each target, by the linking records' kind and the links' path.
#[must_use]
pub fn backlink_counts<'s>(records: Records<'s>) -> Rows<'s, BacklinkCountRow> {
    groups(records.flat_map(|visible| parts(&visible.record)), "BacklinkCounts", Counts::default())
}

/// What one record adds to one target's counts: the group's name first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Part {
    target: UriId,
    class: Class,
    author: UriId,
    links: u64,
}

/// A record's kind and a link's path: few, and shared by many groups.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
struct Class {
    kind: Arc<str>,
    path: LinkPath,
}

fn parts(record: &Record) -> Vec<Part> {
    if record.links.is_empty() {
        return Vec::new();
    }
    let (kind, author) = (Arc::<str>::from(record.kind.as_str()), record.author.id());
    let mut links: Vec<&Link> = record.links.iter().collect();
    links.sort_unstable_by(|a, b| (&a.target, &a.path).cmp(&(&b.target, &b.path)));
    let same = |a: &&Link, b: &&Link| (&a.target, &a.path) == (&b.target, &b.path);
    let part = |links: &[&Link]| Part {
        target: links[0].target.id(),
        class: Class { kind: kind.clone(), path: links[0].path.clone() },
        author,
        links: links.len() as u64,
    };
    links.chunk_by(same).map(part).collect()
}

#[derive(Default)]
struct Counts {
    authors: Numbers,
    /// One copy of each class, which the groups share.
    classes: HashSet<Arc<Class>>,
    /// How many classes there may be before those that no group holds any more are swept out.
    sweep_at: usize,
}

#[derive(Default)]
struct Target {
    links: u64,
    records: u64,
    authors: Distinct,
}

impl Counts {
    fn shared(&mut self, class: &Class) -> Arc<Class> {
        if let Some(class) = self.classes.get(class) {
            return class.clone();
        }
        if self.classes.len() >= self.sweep_at {
            self.classes.retain(|class| Arc::strong_count(class) > 1);
            self.sweep_at = self.classes.len() * 2 + 64;
        }
        let class = Arc::new(class.clone());
        self.classes.insert(class.clone());
        class
    }
}

impl Groups for Counts {
    type Part = Part;
    type Key = (UriId, Arc<Class>);
    type State = Target;
    type Sums = [u64; 3];
    type Row = BacklinkCountRow;

    fn route(part: &Part) -> u64 {
        part.target.route()
    }

    fn same(a: &Part, b: &Part) -> bool {
        (a.target, &a.class) == (b.target, &b.class)
    }

    fn key(&mut self, part: &Part) -> Self::Key {
        (part.target, self.shared(&part.class))
    }

    fn add(&mut self, target: &mut Target, part: &Part, diff: isize) {
        let times = diff as i64;
        target.links = target.links.wrapping_add_signed(times.wrapping_mul(part.links.cast_signed()));
        target.records = target.records.wrapping_add_signed(times);
        target.authors.change(&mut self.authors, part.author, diff);
    }

    fn sums(target: &Target) -> [u64; 3] {
        [target.links, target.records, target.authors.len()]
    }

    fn row(&self, (target, class): &Self::Key, [links, records, authors]: [u64; 3]) -> BacklinkCountRow {
        let (kind, path) = (class.kind.to_string(), class.path.clone());
        BacklinkCountRow { target: *target, kind, path, links, records, authors }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Visible,
        testing::{TestRecord, check, histories},
    };
    use proptest::prelude::*;
    use springline_model::Uri;
    use std::collections::{BTreeMap, BTreeSet};

    fn all_links(state: &BTreeSet<Visible>) -> BTreeSet<BacklinkRow> {
        let records = state.iter().map(|visible| &visible.record);
        records.flat_map(|record| (0..record.links.len()).map(|index| row(record, index))).collect()
    }

    fn counted(state: &BTreeSet<Visible>) -> BTreeSet<BacklinkCountRow> {
        let mut targets: BTreeMap<(Uri, String, LinkPath), Vec<(Uri, Uri)>> = BTreeMap::new();
        for record in state.iter().map(|visible| &visible.record) {
            for link in &record.links {
                let key = (link.target.clone(), record.kind.clone(), link.path.clone());
                targets.entry(key).or_default().push((record.uri.clone(), record.author.clone()));
            }
        }
        let distinct = |uris: Vec<&Uri>| uris.into_iter().collect::<BTreeSet<_>>().len() as u64;
        let count =
            |((target, kind, path), links): ((Uri, String, LinkPath), Vec<(Uri, Uri)>)| BacklinkCountRow {
                target: target.id(),
                kind,
                path,
                links: links.len() as u64,
                records: distinct(links.iter().map(|link| &link.0).collect()),
                authors: distinct(links.iter().map(|link| &link.1).collect()),
            };
        targets.into_iter().map(count).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn equals_the_oracle(history in histories()) {
            check(&history, backlinks, all_links);
            check(&history, backlink_counts, counted);
        }
    }

    #[test]
    fn quotes_the_line_and_the_whole_push() {
        let text = "one\n- two [[x]] three\n  - four\nfive";
        let start = text.find("[[x]]").unwrap();
        let note = TestRecord::note("ada", "a").text(text).link("wikilink", "node:x").link("push", "node:x");
        let note = note.with(|record| {
            record.links[0].span = Span { start: start as u32, end: start as u32 + 5 };
            record.links[0].fragment = Some("part".into());
            record.links[1].span = Span { start: 4, end: text.find("\nfive").unwrap() as u32 };
            record.title = "é".repeat(5_000);
        });
        let record = note.visible().record;
        let (link, push) = (row(&record, 0), row(&record, 1));
        assert_eq!(link.snippet, "- two [[x]] three");
        assert_eq!(push.snippet, "- two [[x]] three\n  - four");
        assert_eq!((link.label.as_deref(), push.label.as_deref()), (Some("#part"), None));
        assert!(link.title.len() <= TITLE_BYTES);

        let item = "item ".repeat(2 * LINE_BYTES / 5);
        let long = TestRecord::note("ada", "a").text(&item).link("push", "node:x").link("wikilink", "node:x");
        let record = long.visible().record;
        assert_eq!(row(&record, 0).snippet, item.trim());
        assert!(row(&record, 1).snippet.len() < LINE_BYTES + 10);
    }
}
