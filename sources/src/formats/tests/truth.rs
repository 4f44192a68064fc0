//! Ten real gardens, compared with what agora-server makes of them. Every difference is listed here with its
//! reason.

use super::{
    super::{FileFacts, Place, read, wanted, wikilinks},
    agora_view,
    peer::{self, AliasAware, AsIs, Justified, Pairs, Side, unjustified},
    targets,
};
use regex::Regex;
use springline_model::{LinkPath, NodeName, Record, Timestamp, record::attr};
use std::{collections::BTreeSet, path::Path};

#[test]
fn ten_gardens_are_what_the_peer_makes_of_them() {
    compare("");
}

#[test]
fn and_so_they_were_100_commits_before() {
    compare("minus100.");
}

fn compare(prefix: &str) {
    let Some(data) = peer::data() else { return };
    let tree = tempfile::tempdir().unwrap();
    peer::check_out(&data, tree.path(), !prefix.is_empty());
    let records = read_all(tree.path());
    let as_is: AsIs = peer::truth(&data, &format!("{prefix}as-is.json.gz"));
    let alias_aware: AliasAware = peer::truth(&data, &format!("{prefix}alias-aware.json.gz"));
    let mut left = subnodes(&records, &as_is);
    let wikilinks = back_links(&records, |record| targets(record, LinkPath::WIKILINK));
    left.extend(unjustified("back links", &wikilinks, &alias_aware.pairs(), &[]));
    left.extend(unjustified(
        "the peer's back links",
        &back_links(&records, agora_view),
        &as_is.pairs(),
        &peer::of_back_links(),
    ));
    let pushes = cut(as_is.actions(|node| &node.push));
    left.extend(unjustified("pushes", &actions(&records, LinkPath::PUSH), &pushes, &of_pushes(&records)));
    let pulls = cut(as_is.actions(|node| &node.pull));
    left.extend(unjustified("pulls", &actions(&records, LinkPath::PULL), &pulls, &[]));
    let (ours, peers) = (actions(&records, LinkPath::GO), as_is.actions(|node| &node.go));
    left.extend(unjustified("go", &ours, &peers, &of_go(&ours, &peers)));
    left.extend(unjustified("journals", &journals(&records), &as_is.journals, &of_journals()));
    assert!(left.is_empty(), "{} differences:\n{}", left.len(), left.join("\n"));
}

fn read_all(tree: &Path) -> Vec<Record> {
    let paths = peer::files(tree).into_iter().filter(|path| wanted(path).is_some());
    let records = paths.map(|path| {
        let (place, relative) = Place::parse(&path);
        let facts = FileFacts { place, relative, at: Timestamp(0), commit: None, committer: None };
        let record = read(&facts, &std::fs::read(tree.join(&path)).unwrap()).unwrap();
        // This one has an address of more than 4 KiB.
        let is_whole = !record.attrs.contains_key(attr::PARTIAL);
        assert!(is_whole || path == "garden/flancian/tabs.md", "{path}: {:?}", record.attrs);
        record
    });
    records.collect()
}

fn node(record: &Record) -> String {
    record.node.as_ref().unwrap().as_str().to_owned()
}

/// (target, source) over all records; a node is no back link of its own.
fn back_links<'a>(records: &'a [Record], links: impl Fn(&'a Record) -> Vec<&'a str>) -> Pairs {
    let all = records
        .iter()
        .flat_map(|record| links(record).into_iter().map(move |link| (link.to_owned(), node(record))));
    all.filter(|(target, source)| target != source).collect()
}

/// (node, target) over all records.
fn actions(records: &[Record], path: &str) -> Pairs {
    let all = records.iter().flat_map(|record| {
        targets(record, path).into_iter().map(move |target| (node(record), target.to_owned()))
    });
    all.collect()
}

/// (day, path), for each journal.
fn journals(records: &[Record]) -> Pairs {
    let all = records.iter().filter_map(|record| {
        Some((record.node.as_ref()?.journal_day()?.date(), record.attrs[attr::PATH].clone()))
    });
    all.collect()
}

/// The names that the peer's would be without labels and fragments, as ours are.
fn cut(pairs: Pairs) -> Pairs {
    let cut = |name: &str| match wikilinks::parts(name).target {
        whole if whole.len() == name.len() => name.to_owned(),
        cut => NodeName::canonical(cut).as_str().to_owned(),
    };
    pairs.into_iter().map(|(node, target)| (node, cut(&target))).collect()
}

/// The same files, with the same node, user and kind.
fn subnodes(records: &[Record], as_is: &AsIs) -> Vec<String> {
    let ours = records.iter().map(|record| {
        let user = record.author.rest().to_owned();
        (record.attrs[attr::PATH].clone(), node(record), user, record.kind == "image")
    });
    let peers = as_is.subnodes.iter().filter(|(path, _)| {
        // A directory of that name, which the peer takes for a file.
        *path != "garden/flancia.org"
    });
    let peers = peers.map(|(path, subnode)| {
        (path.clone(), subnode.node.clone(), subnode.user.clone(), subnode.mediatype.starts_with("image/"))
    });
    let (ours, peers): (BTreeSet<_>, BTreeSet<_>) = (ours.collect(), peers.collect());
    println!("subnodes: ours {}, the peer's {}", ours.len(), peers.len());
    ours.symmetric_difference(&peers).map(|subnode| format!("subnode {subnode:?}")).collect()
}

fn of_pushes(records: &[Record]) -> Vec<Justified<'static>> {
    // The peer takes everything from the first link of a line up to the first `]]!` or `]]:` for the target.
    let pattern = Regex::new(r"(\[\[.*?\]\])[!:]").unwrap();
    let mut before = Pairs::new();
    for record in records {
        for taken in record.text.lines().filter_map(|line| pattern.find(line)) {
            let marks = wikilinks::scan(taken.as_str(), &mut super::super::links::Links::new());
            let targets = marks
                .iter()
                .rev()
                .skip(1)
                .filter_map(|mark| wikilinks::node_of(&taken.as_str()[mark.inner.clone()]));
            before.extend(targets.map(|target| (node(record), target.as_str().to_owned())));
        }
    }
    vec![
        Justified::new(
            "the peer pushes to every link of the line before the one that is marked",
            move |side, node, target| {
                side == Side::Peer && before.contains(&(node.to_owned(), target.to_owned()))
            },
        ),
        Justified::new(
            "the peer looks a node like `g ` up as `g` and loses what it pushes",
            |side, node, _| side == Side::Ours && node.ends_with(' '),
        ),
        Justified::pairs(
            "written `[[[x](y \"[[x]]\")]]:`, which ends with its first `]]` and so isn't marked",
            Side::Peer,
            vec![
                (
                    "octopus intelligence",
                    "[cephalopod cognition](https //anagora org/cephalopod 20cognition \"[[cephalopod cognition",
                ),
                (
                    "octopus intelligence",
                    "[octopus intelligence](https //anagora org/octopus 20intelligence \"[[octopus intelligence",
                ),
                (
                    "octopus intelligence",
                    "[octopus vulgaris](https //anagora org/octopus 20vulgaris \"[[octopus vulgaris",
                ),
            ],
        ),
    ]
}

/// Where the peer has it that a node leads to words, and how those start.
const WORDS: [(&str, &str); 24] = [
    ("2021-06-29", "https://as button"),
    ("2021-10-22", "https://would require server side?"),
    ("2021-10-22", "if available"),
    ("2022-01-23", "https://links"),
    ("2022-01-23", "https://only; time"),
    ("2022-01-28", "https://#playlist"),
    ("2022-03-26", "https://should be optional"),
    ("2022-05-27", "https://in a node"),
    ("agora go links integration", "with it and make it available"),
    ("agora pkg chapter", "https://by placing said links"),
    ("agora pkg chapter", "https://in RFC section?"),
    ("agora pkg chapter", "https://links"),
    ("agora pkg chapter", "in RFC section?"),
    ("agora pkg chapter", "is a hint left in some medium"),
    ("agora plan", "https://in anagora.org/node/go."),
    ("agora plan", "https://target URL."),
    ("daniel schmachtenberger", "https://"),
    ("flancia meet", "https://is getting widely used"),
    ("giving what we can", "https://The Giving Pledge"),
    ("go run", "url should work"),
    ("hack firefox", "https://about:debugging#"),
    ("nixos", "https://"),
    ("report_agora_commons_a", "https://in RFC section?"),
    ("wittgenstein plays chess with marcel duchamp", "https://https:/"),
];

fn of_go<'a>(ours: &'a Pairs, peers: &'a Pairs) -> Vec<Justified<'a>> {
    // Where a node leads on, the peer leaves out the scheme.
    let short = |text: &str| {
        let pattern = Regex::new(r#"[a-z]{2,}://[^\s<>"]*[^\s<>".*]"#).unwrap();
        pattern.find(text).map_or_else(|| format!("https://{text}"), |found| found.as_str().to_owned())
    };
    let shortened: Pairs = peers.iter().map(|(node, text)| (node.clone(), short(text))).collect();
    vec![
        Justified::new("we name the node that leads on, too", |side, _, target| {
            side == Side::Ours && !target.contains("://")
        }),
        Justified::new("our address ends where it ends", move |side, node, target| {
            side == Side::Ours && shortened.contains(&(node.to_owned(), target.to_owned()))
        }),
        Justified::new("the peer's goes on to the end of the line", move |side, node, text| {
            side == Side::Peer && ours.contains(&(node.to_owned(), short(text)))
        }),
        Justified::new("the peer takes words for an address", |side, node, text| {
            side == Side::Peer && WORDS.iter().any(|(at, words)| *at == node && text.starts_with(words))
        }),
        Justified::pairs(
            "written `[[[wp]] https…`, which the peer's other pattern takes for `[[wp]]`",
            Side::Peer,
            vec![("albin zollinger", "https://en.wikipedia.org/wiki/Albin_Zollinger")],
        ),
    ]
}

fn of_journals() -> Vec<Justified<'static>> {
    vec![Justified::new("the peer lists only stems that are written like `2022-01-01`", |side, day, path| {
        side == Side::Ours && springline_model::node::stem(path) != day
    })]
}
