//! The same views whatever the way: workers, engines, a rebuild from the journal; and exports that
//! others read.

use springline_tests::{Garden, Springline, fingerprints, python};
use std::fs;
use tempfile::TempDir;

/// A tree with every kind of thing, the same at each call.
fn tree(garden: &Garden) {
    for author in 0..4u32 {
        for number in 0..40u32 {
            let (a, b) = (number * 7 % 40, number * 3 % 23);
            let text = format!(
                "---\ntags: [t{}]\n---\n# Note {number}\n\nlinks to [[note {a}]], `[[note {b}|label]]` and #tag{b}\n\
                 - [[push]] [[note {b}]] pushed by {author}\n- [[pull]] [[note {a}]]\n- [[@user{}]]\n",
                number % 5,
                (author + 1) % 4,
            );
            garden.write(&format!("garden/user{author}/note {number}.md"), text);
        }
        garden.write(&format!("garden/user{author}/2022-01-0{}.md", author + 1), "a day with [[note 1]]\n");
    }
}

#[test]
fn workers_engines_and_rebuilds_give_the_same_views() {
    let dir = TempDir::new().unwrap();
    let garden = Garden::new(&dir.path().join("agora"));
    tree(&garden);
    let notes = |springline: Springline| springline.with("clusters.spaces.notes.kinds", "[\"note\"]");
    let new = |name: &str| notes(Springline::new(&dir.path().join(name)));
    let one = new("one");
    one.index(garden.path());
    let expected = fingerprints(&one);
    for workers in [2, 4] {
        let many = new(&format!("workers-{workers}"))
            .with("runtime.workers", &workers)
            .with("runtime.epoch_events", &50);
        many.index(garden.path());
        assert_eq!(fingerprints(&many), expected, "{workers} workers");
    }
    let fjall = new("fjall").with("store.engine", "fjall");
    fjall.index(garden.path());
    assert_eq!(fingerprints(&fjall), expected, "fjall");

    fs::remove_dir_all(dir.path().join("one/store")).unwrap();
    one.index(garden.path());
    assert_eq!(fingerprints(&one), expected, "rebuilt from the journal");
    assert!(
        !one.run(&["views", "rebuild"]).lines().any(|line| !line.contains("0 added, 0 removed, 0 changed"))
    );
}

#[test]
fn what_is_defined_otherwise_is_made_anew() {
    let dir = TempDir::new().unwrap();
    let garden = Garden::new(&dir.path().join("agora"));
    tree(&garden);
    let plain = |name: &str| Springline::new(&dir.path().join(name));
    let otherwise = |name: &str| {
        plain(name).with("clusters.spaces.notes.kinds", "[\"note\"]").with("rankings.half_life_hours", &2)
    };
    plain("one").index(garden.path());
    let before = fingerprints(&plain("one"));
    let one = otherwise("one");
    assert!(!one.output(&["views", "verify"]).status.success(), "its rows are of other definitions");
    garden.write("garden/user1/more.md", "more of [[note 1]], and of #tag2\n");
    one.index(garden.path());
    let after = fingerprints(&one);
    assert_ne!(before["clusters"], after["clusters"]);
    assert_ne!(before["rankings"], after["rankings"]);
    let fresh = otherwise("fresh");
    fresh.index(garden.path());
    assert_eq!(after, fingerprints(&fresh));
}

#[test]
fn exports_are_whole_and_read_by_others() {
    let dir = TempDir::new().unwrap();
    let garden = Garden::new(&dir.path().join("agora"));
    tree(&garden);
    let springline =
        Springline::new(&dir.path().join("data")).with("clusters.spaces.notes.kinds", "[\"note\"]");
    garden.write("garden/user0/gone.md", "a wombat was here\n");
    springline.index(garden.path());
    garden.delete("garden/user0/gone.md");
    springline.index(garden.path());
    let out = dir.path().join("out");
    springline.run(&["export", "--out", &out.to_string_lossy()]);
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["tables"]["records"]["rows"], 164);
    let script = "
import sys, duckdb, polars, pyarrow.dataset as dataset
out = sys.argv[1]
sql = duckdb.connect().execute
joined = sql(f\"\"\"
  select count(*) from read_parquet('{out}/backlinks/**/*.parquet', hive_partitioning = true) b
  join read_parquet('{out}/nodes/*.parquet') n on b.target = 'node:' || n.node
  where b.path = 'wikilink' \"\"\").fetchall()[0][0]
links = sql(f\"select sum(links) from read_parquet('{out}/nodes/*.parquet')\").fetchall()[0][0]
assert joined == links > 0, (joined, links)
kind = sql(f'select typeof(\"at\") from \"{out}/latest/*.parquet\" limit 1').fetchall()[0][0]
assert kind.startswith('TIMESTAMP'), kind
words = f\"read_parquet('{out}/search/**/*.parquet', hive_partitioning = true)\"
found = lambda term: sql(f\"select count(*), sum(body) from {words} where field = 'word' and term = '{term}'\").fetchall()[0]
assert found('pushed') == (160, 160), found('pushed')
assert found('wombat') == (0, None), found('wombat')
read = sql(f\"select count(distinct s.uri) from {words} s join '{out}/records/**/*.parquet' r on s.uri = r.uri\").fetchall()
assert read == [(164,)], read
assert polars.read_parquet(f'{out}/records/**/*.parquet').height == 164
assert dataset.dataset(f'{out}/records', partitioning='hive').count_rows() == 164
";
    let _ = python(script, &[&out]);
}

#[test]
fn other_settings_make_other_rows() {
    let dir = TempDir::new().unwrap();
    let garden = Garden::new(&dir.path().join("agora"));
    tree(&garden);
    let new = |name: &str| Springline::new(&dir.path().join(name));
    let spaces = |springline: Springline| springline.with("clusters.spaces.notes.kinds", "[\"note\"]");
    new("changed").index(garden.path());
    // The space is new, its records are not; then one of them changes.
    garden.write("garden/user0/note 1.md", "said anew\n");
    let changed = spaces(new("changed"));
    changed.index(garden.path());
    let afresh = spaces(new("afresh"));
    afresh.index(garden.path());
    assert_eq!(fingerprints(&changed), fingerprints(&afresh));
    assert!(changed.run(&["views", "verify"]).contains("clusters"));
}
