//! Small worlds: few words, so that they meet.

use crate::search::query::Mode;
use proptest::{collection::vec, prelude::*, sample::select};
use springline_model::{Context, Link, NodeName, Record, Span, Timestamp, Uri, record::attr};
use std::collections::BTreeMap;

/// Something that happens to an index.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Documents change: by number, to what they are now, or away.
    Epoch(Vec<(u8, Option<Record>)>),
    Reopen,
    Compact,
    Remember,
    Clear,
}

/// A note by `user:ann`, `garden://ann/<name>.md`.
pub(super) fn record(name: &str, title: &str, text: &str, day: i64) -> Record {
    let path = format!("{name}.md");
    Record {
        uri: Uri::new(format!("garden://ann/{path}")),
        kind: "note".into(),
        author: Uri::user("ann"),
        node: Some(NodeName::from_canonical(name)),
        title: title.into(),
        text: text.into(),
        langs: vec!["en".into()],
        tags: Vec::new(),
        at: Timestamp(day * 86_400_000 + 1 - 86_400_000),
        links: Vec::new(),
        attrs: BTreeMap::from([(attr::RELATIVE.into(), path)]),
    }
}

fn word() -> impl Strategy<Value = &'static str> {
    select(vec![
        "connect",
        "connecting",
        "connected",
        "garden",
        "gardens",
        "digital",
        "a",
        "a",
        "b",
        "c",
        "naïve",
        "naive",
        "中文",
        "中文字",
        "文",
        "книга",
        "книги",
        "maison",
        "maisons",
        "x1",
        "Foo-Bar",
        "don't",
    ])
}

fn text(words: usize) -> impl Strategy<Value = String> {
    vec((word(), select(vec![" ", " ", " ", "-", ", ", "", "\n"])), 0..words)
        .prop_map(|parts| parts.into_iter().flat_map(|(word, gap)| [word, gap]).collect())
}

fn change() -> impl Strategy<Value = (u8, Option<Record>)> {
    let note = (
        text(3),
        text(12),
        select(vec!["en", "ru", "fr", "zz"]),
        1..6_i64,
        select(vec!["todo", "draft", "x y"]),
    );
    (0_u8..24, proptest::option::weighted(0.75, note)).prop_map(|(number, note)| {
        let note = note.map(|(title, text, lang, day, tag)| {
            let mut note = record(&format!("j/n{number}"), &title, &text, day);
            note.langs = vec![lang.to_owned()];
            note.tags = vec![tag.to_owned()];
            note.author = Uri::user(if number % 3 == 0 { "ann" } else { "bob" });
            let link = |path: &str, target: String| Link {
                path: path.into(),
                context: Context::Prose,
                target: target.into(),
                span: Span::default(),
                label: None,
                fragment: None,
            };
            note.links = vec![
                link("url", format!("https://www.Example{}.org/P{day}/", number % 2)),
                link("mention", format!("user:u{}", number % 4)),
            ];
            note
        });
        (number, note)
    })
}

pub(super) fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => vec(change(), 0..4).prop_map(Act::Epoch),
        2 => vec(change(), 5..30).prop_map(Act::Epoch),
        1 => Just(Act::Reopen),
        1 => Just(Act::Compact),
        1 => Just(Act::Remember),
    ];
    let rarely = prop_oneof![30 => act, 1 => Just(Act::Clear)];
    vec(rarely, 1..24)
}

fn ranked() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => word().prop_map(ToOwned::to_owned),
        2 => (word(), word()).prop_map(|(a, b)| format!("\"{a} {b}\"")),
        1 => (word(), word(), word()).prop_map(|(a, b, c)| format!("{a}-{b}_{c}")),
        2 => select(vec!["c*", "gar*", "n*", "中*", "кни*", "connecting*", "j*", "n1*"]).prop_map(ToOwned::to_owned),
        1 => word().prop_map(|word| format!("title:{word}")),
        1 => (word(), word()).prop_map(|(a, b)| format!("title:\"{a} {b}\"")),
        1 => select(vec![
            "author:ann", "author:user:bob", "author:b*", "tag:todo", "tag:\"x y\"", "tag:#dra*", "kind:note", "lang:fr",
            "node:j/n3", "node:\"j/n1\"*", "source:Gardens", "since:1970-01-03", "until:1970-01-03", "since:1970",
            "until:1970-01", "since:1970-01-02T00:00:00Z", "title:c*", "\"j n3\"",
            "domain:example1.org", "domain:www.example0.org", "domain:https://example1.org/p", "domain:ex*",
            "url:https://www.example0.org/p2", "url:HTTPS://www.example1.org/P3/", "mentions:@u1", "mentions:user:u2",
        ]).prop_map(ToOwned::to_owned),
    ];
    leaf.prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            3 => vec(inner.clone(), 2..4).prop_map(|parts| parts.join(" ")),
            2 => vec(inner.clone(), 2..3).prop_map(|parts| format!("({})", parts.join(" OR "))),
            1 => inner.clone().prop_map(|part| format!("-({part})")),
            1 => inner.prop_map(|part| format!("NOT {part}")),
        ]
    })
}

pub(super) fn queries() -> impl Strategy<Value = Vec<(Mode, String)>> {
    let ranked = ranked().prop_map(|text| (Mode::Ranked, text));
    let other = (select(vec![Mode::Broad, Mode::Exact, Mode::Substring]), text(4));
    let piece =
        select(vec!["onnec", "t", "-", "文字", "字", "ï", "o-b", "n't", ", ", "книг", "d, n", "文", "\nx"]);
    let piece = piece.prop_map(|text| (Mode::Substring, text.to_owned()));
    vec(prop_oneof![4 => ranked, 3 => other, 1 => piece], 1..12)
}
