//! Ten recorded gardens, beside what another implementation (agora-server) computed from them.
//!
//! Backlinks must be the same pair for pair, but for differences that are listed with their reasons. Its searches work
//! otherwise than ours; the sets of hits are compared, and what may differ is said at [`compare_searches`].

#[allow(dead_code, reason = "shared with the tests of the readers, which use all of it")]
#[path = "../../sources/src/formats/tests/peer.rs"]
mod truth;

use serde::Deserialize;
use serde_json::Value;
use springline_tests::{Server, Springline, encode, fingerprints, python, ten_gardens};
use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::Path,
};
use tempfile::TempDir;
use truth::{AliasAware, AsIs, Pairs, unjustified};

#[test]
fn ten_gardens_are_what_the_peer_computed() {
    let Some(data) = truth::data() else { return };
    let dir = TempDir::new().unwrap();
    let agora = dir.path().join("agora");
    ten_gardens(data.parent().unwrap(), &agora);
    let springline = Springline::new(&dir.path().join("data"));
    springline.index(&agora);
    let _ = fingerprints(&springline);

    let server = springline.serve(&agora);
    server.ready();
    let as_is: AsIs = truth::truth(&data, "as-is.json.gz");
    let alias_aware: AliasAware = truth::truth(&data, "alias-aware.json.gz");
    if let Some((ours, as_the_peer)) = exported(&springline, dir.path(), server) {
        let mut left = unjustified("back links", &ours, &alias_aware.pairs(), &[]);
        left.extend(unjustified("as the peer reads", &as_the_peer, &as_is.pairs(), &truth::of_back_links()));
        assert!(left.is_empty(), "{} differences:\n{}", left.len(), left.join("\n"));
        let server = springline.serve(&agora);
        server.ready();
        // The API says what the export says.
        for (how, pairs) in [("path=wikilink", &ours), ("links=agora", &as_the_peer)] {
            // What is written [[ ]] has no name to ask for.
            let targets: BTreeSet<&String> = pairs.iter().map(|(target, _)| target).collect();
            for target in targets.iter().filter(|target| !target.trim().is_empty()).step_by(150) {
                let of_target = pairs.iter().filter(|(other, _)| other == *target);
                let expected: BTreeSet<String> = of_target.map(|(_, source)| source.clone()).collect();
                assert_eq!(backlinks(&server, target, how), expected, "{target} {how}");
            }
        }
        server.stop();
    }
    let server = springline.serve(&agora);
    server.ready();
    compare_searches(&server, &truth::truth(&data, "as-is.json.gz"));
    server.stop();
}

/// (target, source) of all links between nodes, as what they mean and as the peer reads them; without those of a node
/// to itself, which the peer leaves out.
fn exported(springline: &Springline, dir: &Path, server: Server) -> Option<(Pairs, Pairs)> {
    server.stop();
    let out = dir.join("out");
    springline.run(&["export", "--view", "backlinks", "--out", &out.to_string_lossy()]);
    let script = "
import sys, json, duckdb
sql = '''select distinct target[6:], node from read_parquet(?, hive_partitioning = true)
  where target[:5] = 'node:' and target[6:] <> node and '''
files = sys.argv[1] + '/backlinks/**/*.parquet'
ask = lambda condition: duckdb.connect().execute(sql + condition, [files]).fetchall()
true = ask('''path = 'wikilink' ''')
agora = ask('''(path = 'agora' or (path = 'wikilink' and label is null))''')
json.dump([true, agora], sys.stdout)
";
    Some(serde_json::from_slice(&python(script, &[&out])?).unwrap())
}

/// The nodes that link to a node, but for itself.
fn backlinks(server: &Server, node: &str, how: &str) -> BTreeSet<String> {
    let route = format!("/v1/backlinks?target={}&{how}", encode(&format!("node:{node}")));
    let source = |item: &Value| item["node"].as_str().map(str::to_owned);
    all(server, &route).iter().filter_map(source).filter(|source| source != node).collect()
}

/// The items of all pages.
fn all(server: &Server, route: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = server.get(&format!("{route}&limit=500{cursor}"));
        assert_eq!(answer.status, 200, "{route}: {}", answer.text());
        let mut page = answer.json();
        items.append(page["items"].as_array_mut().expect("a page has items"));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={}", encode(next)),
            None => return items,
        }
    }
}

/// The peer's hits, by query.
#[derive(Deserialize)]
struct Searches {
    search: BTreeMap<String, Hits>,
}

/// Paths in the Agora's tree, by mode.
#[derive(Deserialize)]
struct Hits {
    broad: BTreeSet<String>,
    exact: BTreeSet<String>,
    /// Its scan of all texts for the query's characters.
    fs: BTreeSet<String>,
}

/// Queries with more hits than this are left out, unless `SPRINGLINE_TEST_GARDENS=all`: their pages take minutes.
const MANY: usize = 2_000;

/// - `broad`, `substring`: what only the peer finds has a word of the query in its path, which the peer searches too and
///   we don't (its garden's name, its folders). Its stems are also wider: `community` finds `communication` there.
/// - `substring`: what we find, it finds.
/// - `exact`: it finds other forms of the words, too (`backlinks` for `backlink`); we mean exactly the words.
/// - Chinese words, and `philosopher` for `philosophy`, we find and it doesn't. Beyond those, few are ours alone.
fn compare_searches(server: &Server, peer: &Searches) {
    let most =
        if env::var("SPRINGLINE_TEST_GARDENS").is_ok_and(|which| which == "all") { usize::MAX } else { MANY };
    let mut wrong = Vec::new();
    for (query, theirs) in peer.search.iter().filter(|(_, theirs)| theirs.broad.len() < most) {
        for (mode, theirs) in [("broad", &theirs.broad), ("exact", &theirs.exact), ("substring", &theirs.fs)]
        {
            let route = format!("/v1/search?q={}&mode={mode}", encode(query));
            let path = |item: &Value| item["uri"].as_str().map(|uri| uri.replace("://", "/"));
            let ours: BTreeSet<String> = all(server, &route).iter().filter_map(path).collect();
            let (more, both) = (ours.difference(theirs).count(), ours.intersection(theirs).count());
            let in_path = |path: &str| {
                let path = path.to_lowercase();
                query.split_whitespace().any(|word| path.contains(&word.to_lowercase()))
            };
            let missing: Vec<&String> = theirs.difference(&ours).filter(|path| !in_path(path)).collect();
            let line = format!(
                "{mode:<10} {query:<28} both {both:>5} ours {:>5} theirs {:>5}, not by its path {}",
                ours.len(),
                theirs.len(),
                missing.len()
            );
            println!("{line}");
            let stemmed = mode == "exact" || query == "community";
            let known = ["中文", "philosophy"].contains(&query.as_str());
            let few = match mode {
                "broad" => known || more * 10 <= both,
                "exact" => true,
                _ => more == 0,
            };
            if !few || !(stemmed || missing.is_empty()) {
                wrong.push(line);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
