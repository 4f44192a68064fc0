//! `fixtures/agora-behaviour.json`: what agora-server 5e62e6a3 does, recorded from a running server.

use super::{super::Place, agora_view, note, targets};
use serde::Deserialize;
use springline_model::{LinkPath, NodeName};

#[derive(Deserialize)]
struct Behaviour {
    canonical_wikilink: Vec<Canonical>,
    paths: Vec<Path>,
    content: Vec<Content>,
}

#[derive(Deserialize)]
struct Canonical {
    r#in: String,
    canonical: String,
    slug: String,
    is_journal: bool,
}

#[derive(Deserialize)]
struct Path {
    path: String,
    uri: String,
    user: String,
    node: String,
    garden_relative: String,
}

#[derive(Deserialize)]
struct Content {
    content: String,
    forward_links: Vec<String>,
    pull_nodes: Vec<String>,
    push_nodes: Vec<String>,
    go: Vec<String>,
    meet: Vec<String>,
}

fn behaviour() -> Behaviour {
    serde_json::from_str(include_str!("../fixtures/agora-behaviour.json")).unwrap()
}

#[test]
fn names_are_canonical() {
    let cases = behaviour().canonical_wikilink;
    assert!(cases.len() > 100);
    for case in cases {
        let name = NodeName::canonical(&case.r#in);
        assert_eq!(name.as_str(), case.canonical, "{}", case.r#in);
        assert_eq!(name.slug(), case.slug, "{}", case.r#in);
        // The peer takes whatever starts like a date for a journal; we only days that exist.
        let day = name.journal_day().map(springline_model::Timestamp::date);
        assert!(day.is_none() || case.is_journal, "{}", case.r#in);
        assert!(day.is_none_or(|day| day == case.canonical), "{}", case.r#in);
    }
}

#[test]
fn paths_name_places() {
    for case in behaviour().paths {
        let (place, relative) = Place::parse(&case.path);
        assert_eq!(place.agora_path(relative), case.uri);
        assert_eq!(place.author().as_str(), format!("user:{}", case.user));
        assert_eq!(NodeName::of_path(relative).as_str(), case.node);
        // The peer cuts every `garden/x/` out of a path, so that two files can have one; we cut the first.
        if case.path != "garden/bob/a/garden/carol/x.md" {
            assert_eq!(relative, case.garden_relative);
        }
    }
    assert_eq!(Place::parse("garden/foo.md"), (Place::Root, "garden/foo.md"));
    assert_eq!(Place::parse("garden//foo.md").0, Place::Root);
    let (place, relative) = Place::parse("stoa/x.org/a b.md");
    assert_eq!(place.uri(relative).as_str(), "stoa://x.org/a b.md");
    assert_eq!(place.authority().as_str(), "stoa://x.org/");
    assert_eq!(Place::Root.uri("README.md").as_str(), "agora://agora/README.md");
}

#[test]
fn contents_link_as_in_the_agora() {
    for case in behaviour().content {
        let record = note("foo.md", &case.content);
        // The third of a month, which the peer doesn't know.
        let expected = case.forward_links.iter().map(|link| match link.as_str() {
            "january 3rd 2022" => "2022-01-03",
            link => link,
        });
        assert_eq!(agora_view(&record), expected.collect::<Vec<_>>(), "{}", case.content);
        assert_eq!(targets(&record, LinkPath::PULL), case.pull_nodes, "{}", case.content);
        assert_eq!(targets(&record, LinkPath::PUSH), case.push_nodes, "{}", case.content);
        // A node that leads on stands beside the address that it leads to.
        let addresses = |path| {
            let all = targets(&record, path).into_iter();
            all.filter(|target| target.contains("://")).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(addresses(LinkPath::GO), case.go, "{}", case.content);
        assert_eq!(addresses(LinkPath::MEET), case.meet, "{}", case.content);
    }
}
