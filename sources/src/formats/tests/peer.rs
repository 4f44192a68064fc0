//! What agora-server makes of ten real gardens, and how to compare with it.
//!
//! The data is not in the repository: `SPRINGLINE_TEST_DATA` names the folder that has `gardens/bundles` and
//! `gardens/truth`. This file knows nothing of the reader, so that a test of the whole system can use it too
//! (`#[path = "…/sources/src/formats/tests/peer.rs"] mod peer;`).

use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

/// (target, source): canonical names of nodes.
pub(crate) type Pairs = BTreeSet<(String, String)>;

/// `truth/alias-aware.json.gz`: links cut at `|` and `#`.
#[derive(Deserialize)]
pub(crate) struct AliasAware {
    /// By target.
    pub back_links: BTreeMap<String, Vec<String>>,
}

/// `truth/as-is.json.gz`: what agora-server itself says.
#[derive(Deserialize)]
pub(crate) struct AsIs {
    /// By path in the Agora's tree.
    pub subnodes: BTreeMap<String, Subnode>,
    /// Nodes that have subnodes.
    pub nodes: BTreeMap<String, Node>,
    /// Nodes that are only linked to.
    pub empty_nodes_back_links: BTreeMap<String, Vec<String>>,
    /// (day, path).
    pub journals: Pairs,
}

/// A file.
#[derive(Deserialize)]
pub(crate) struct Subnode {
    pub node: String,
    pub user: String,
    pub mediatype: String,
}

/// A node.
#[derive(Deserialize)]
pub(crate) struct Node {
    pub back_links: Vec<String>,
    pub push: Vec<String>,
    pub pull: Vec<String>,
    pub go: Vec<String>,
}

/// The folder with the data; without it says so and gives nothing.
pub(crate) fn data() -> Option<PathBuf> {
    let data = std::env::var_os("SPRINGLINE_TEST_DATA").map(|data| PathBuf::from(data).join("gardens"));
    if data.is_none() {
        println!("skipped: SPRINGLINE_TEST_DATA is not set");
    }
    data
}

/// Reads one of the truth files.
pub(crate) fn truth<T: serde::de::DeserializeOwned>(data: &Path, name: &str) -> T {
    let file = std::fs::File::open(data.join("truth").join(name)).unwrap();
    serde_json::from_reader(std::io::BufReader::new(flate2::read::GzDecoder::new(file))).unwrap()
}

/// Where a garden stood when the `minus100` truth was made.
#[derive(Deserialize)]
struct Revision {
    at: String,
}

/// Checks the gardens out, as an Agora's tree: at the tips of their bundles, or as the `minus100` truth has
/// them.
pub(crate) fn check_out(data: &Path, tree: &Path, minus100: bool) {
    let revisions = std::fs::read(data.join("truth/minus100.revs.json")).unwrap();
    let revisions: BTreeMap<String, Revision> = serde_json::from_slice(&revisions).unwrap();
    for bundle in std::fs::read_dir(data.join("bundles")).unwrap() {
        let bundle = bundle.unwrap().path();
        let place = bundle.file_stem().unwrap().to_str().unwrap().replacen('_', "/", 1);
        let garden = tree.join(&place);
        let git = |args: &[&str], paths: &[&Path]| {
            let git =
                Command::new("git").args(["-c", "core.hooksPath=/dev/null"]).args(args).args(paths).status();
            assert!(git.unwrap().success(), "{place}: {args:?}");
        };
        git(&["-c", "init.defaultBranch=main", "clone", "--quiet", "--branch", "main"], &[&bundle, &garden]);
        if minus100 {
            git(&["-C", garden.to_str().unwrap(), "checkout", "--quiet", &revisions[&place].at], &[]);
        }
    }
}

/// The files of a tree that are in no dot-folder, as paths in it, sorted.
pub(crate) fn files(tree: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![tree.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with('.') {
                continue;
            } else if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(tree).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

impl AliasAware {
    /// All back links. A node is none of its own.
    pub(crate) fn pairs(&self) -> Pairs {
        pairs(&self.back_links)
    }
}

impl AsIs {
    /// All back links.
    pub(crate) fn pairs(&self) -> Pairs {
        let full = self.nodes.iter().map(|(target, node)| (target, &node.back_links));
        pairs(full.chain(&self.empty_nodes_back_links))
    }

    /// (node, what it pushes to, pulls or leads to).
    pub(crate) fn actions(&self, action: impl Fn(&Node) -> &Vec<String>) -> Pairs {
        pairs(self.nodes.iter().map(|(node, all)| (node, action(all))))
    }
}

fn pairs<'a>(all: impl IntoIterator<Item = (&'a String, &'a Vec<String>)>) -> Pairs {
    all.into_iter()
        .flat_map(|(one, others)| others.iter().map(move |other| (one.clone(), other.clone())))
        .collect()
}

/// Differences that are as they should be.
pub(crate) struct Justified<'a> {
    pub why: &'static str,
    /// Whether a pair that only one side has is one of these.
    pub is: Box<dyn Fn(Side, &str, &str) -> bool + 'a>,
}

/// Which side has a pair that the other hasn't.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// What we say.
    Ours,
    /// What the peer says.
    Peer,
}

impl<'a> Justified<'a> {
    pub(crate) fn new(why: &'static str, is: impl Fn(Side, &str, &str) -> bool + 'a) -> Self {
        Self { why, is: Box::new(is) }
    }

    /// These pairs alone.
    pub(crate) fn pairs(why: &'static str, side: Side, pairs: Vec<(&'static str, &'static str)>) -> Self {
        Self::new(why, move |at, one, other| at == side && pairs.contains(&(one, other)))
    }
}

/// Where its back links differ from ours (read as it reads them), and why.
pub(crate) fn of_back_links() -> Vec<Justified<'static>> {
    const SOURCES: [&str; 5] =
        ["internal links", "interne links", "внутренние ссылки", "روابط داخلية", "内部リンク"];
    let of = |target: &'static str| SOURCES.map(|source| (target, source)).to_vec();
    vec![
        Justified::new(
            "the peer looks a node like `g ` up as `g` and loses what links from it",
            |side, _, source| side == Side::Ours && source.ends_with(' '),
        ),
        Justified::pairs(
            "the peer's date parser reads `2023-01-01#^37066d` as a day in 1925",
            Side::Peer,
            of("1925-05-29"),
        ),
        Justified::pairs("and this is what we leave it at", Side::Ours, of("2023-01-01#^37066d")),
    ]
}

/// Compares, prints how often each justification was needed, and gives the differences that none covers.
pub(crate) fn unjustified(
    what: &str,
    ours: &Pairs,
    peers: &Pairs,
    justified: &[Justified<'_>],
) -> Vec<String> {
    let mut counts = vec![0; justified.len()];
    let mut left = Vec::new();
    let only_ours = ours.difference(peers).map(|pair| (Side::Ours, pair));
    for (side, (one, other)) in peers.difference(ours).map(|pair| (Side::Peer, pair)).chain(only_ours) {
        match justified.iter().position(|justified| (justified.is)(side, one, other)) {
            Some(index) => counts[index] += 1,
            None => left.push(format!("{what}: only {side:?}: {one:?} {other:?}")),
        }
    }
    println!(
        "{what}: ours {}, the peer's {}, both {}, differences left {}",
        ours.len(),
        peers.len(),
        ours.intersection(peers).count(),
        left.len()
    );
    for (justified, count) in justified.iter().zip(counts) {
        println!("{count:>8} {}", justified.why);
    }
    left
}
