//! Small worlds in which everything collides: few authors, nodes and notes, many links between them.

use crate::Visible;
use proptest::{collection::vec, prelude::*, sample::select};
use springline_model::{
    Context, Link, LinkPath, NodeName, Record, SourceId, Span, Timestamp, Uri, record::attr,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// One change of what is visible.
#[derive(Clone, Debug)]
pub enum Edit {
    /// The record is now this.
    Put(Visible),
    /// The record is gone.
    Delete(Uri),
}

/// Makes a record with few words.
#[derive(Clone, Debug)]
pub struct TestRecord(Record);

impl TestRecord {
    /// A note by `user:<author>`, `garden://<author>/<stem>.md`, of the node of the stem, at time 0.
    #[must_use]
    pub fn note(author: &str, stem: &str) -> Self {
        Self(Record {
            uri: Uri::new(format!("garden://{author}/{stem}.md")),
            kind: "note".to_owned(),
            author: Uri::user(author),
            node: Some(NodeName::from_canonical(stem)),
            title: stem.to_owned(),
            text: String::new(),
            langs: Vec::new(),
            tags: Vec::new(),
            at: Timestamp::default(),
            links: Vec::new(),
            attrs: BTreeMap::new(),
        })
    }

    /// With this text.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.0.text = text.to_owned();
        self
    }

    /// At this time.
    #[must_use]
    pub const fn at(mut self, at: Timestamp) -> Self {
        self.0.at = at;
        self
    }

    /// With one more link in prose, over the whole text.
    #[must_use]
    pub fn link(mut self, path: &str, target: &str) -> Self {
        let end = u32::try_from(self.0.text.len()).unwrap_or(u32::MAX);
        self.0.links.push(Link {
            path: path.into(),
            context: Context::Prose,
            target: target.into(),
            span: Span { start: 0, end },
            label: None,
            fragment: None,
        });
        self
    }

    /// With whatever else.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Record)) -> Self {
        change(&mut self.0);
        self
    }

    /// The record as the source `gardens` tells it.
    #[must_use]
    pub fn visible(self) -> Visible {
        Visible { source: SourceId::new("gardens"), record: Arc::new(self.0) }
    }
}

const AUTHORS: &[&str] = &["ada", "bob", "cyd"];
const STEMS: &[&str] = &["garden", "foo bar", "2022-01-01", "中文", "1970-01-03"];
const TEXT: &str =
    "first line with [[foo bar]]\n- an item with [[中文]]: pushed\n  - its child\n\nlast #todo line";

fn target() -> impl Strategy<Value = &'static str> {
    select(vec![
        "node:garden",
        "node:foo bar",
        "node:中文",
        "node:only linked",
        "user:ada",
        "user:nobody",
        "tag:todo",
        "https://example.org/",
        "garden://ada/garden.md",
    ])
}

fn path() -> impl Strategy<Value = &'static str> {
    select(vec![
        LinkPath::WIKILINK,
        LinkPath::WIKILINK,
        LinkPath::PUSH,
        LinkPath::MENTION,
        LinkPath::URL,
        LinkPath::AGORA,
        LinkPath::HASHTAG,
    ])
}

/// Spans may lie across characters, be upside down or outside: views must bear what a broken source gives.
fn span() -> impl Strategy<Value = Span> {
    let at = 0..=u32::try_from(TEXT.len()).unwrap_or(u32::MAX) + 2;
    (at.clone(), at).prop_map(|(start, end)| Span { start, end })
}

prop_compose! {
    fn link()(path in path(), target in target(), span in span(),
              context in select(vec![Context::Prose, Context::Prose, Context::Code, Context::Comment]),
              label in select(vec![None, Some("shown".to_owned())]),
              fragment in select(vec![None, Some("heading".to_owned())])) -> Link {
        Link { path: path.into(), context, target: target.into(), span, label, fragment }
    }
}

prop_compose! {
    fn put()(author in select(AUTHORS), stem in select(STEMS), moved in prop::bool::weighted(0.1),
             image in prop::bool::weighted(0.2), lone in prop::bool::weighted(0.2), empty in prop::bool::weighted(0.1),
             source in select(vec!["gardens", "folder"]), day in 0..6_i64, bytes in prop::option::of(0..100_u32),
             links in vec(link(), 0..8)) -> Visible {
        let note = TestRecord::note(author, stem).at(Timestamp(day * 86_400_000 / 2)).with(|record| {
            if !empty { TEXT.clone_into(&mut record.text); }
            if moved { record.author = Uri::user("cyd"); }
            if image { "image".clone_into(&mut record.kind); }
            if lone { record.node = None; }
            record.attrs.extend(bytes.map(|bytes| (attr::BYTES.to_owned(), bytes.to_string())));
            record.links = links;
        });
        Visible { source: SourceId::new(source), ..note.visible() }
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    let uri = (select(AUTHORS), select(STEMS))
        .prop_map(|(author, stem)| Edit::Delete(Uri::new(format!("garden://{author}/{stem}.md"))));
    prop_oneof![3 => put().prop_map(Edit::Put), 1 => uri]
}

/// Up to eight ticks of up to eight edits of up to fifteen records.
pub fn histories() -> impl Strategy<Value = Vec<Vec<Edit>>> {
    vec(vec(edit(), 0..8), 1..8)
}

/// What a history changes in each tick (as the ledger would tell it), and what is visible after each.
#[must_use]
pub fn replay(history: &[Vec<Edit>]) -> (Vec<Vec<(Visible, isize)>>, Vec<BTreeSet<Visible>>) {
    let mut records: BTreeMap<Uri, Visible> = BTreeMap::new();
    let (mut changes, mut states) = (Vec::new(), Vec::new());
    let mut before = BTreeSet::new();
    for tick in history {
        for edit in tick {
            match edit {
                Edit::Put(visible) => drop(records.insert(visible.record.uri.clone(), visible.clone())),
                Edit::Delete(uri) => drop(records.remove(uri)),
            }
        }
        let after: BTreeSet<Visible> = records.values().cloned().collect();
        let gone = before.difference(&after).map(|visible| (visible.clone(), -1));
        let come = after.difference(&before).map(|visible| (visible.clone(), 1));
        changes.push(gone.chain(come).collect());
        states.push(after.clone());
        before = after;
    }
    (changes, states)
}
