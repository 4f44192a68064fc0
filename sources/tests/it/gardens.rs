//! Real gardens, from the bundles in the folder that `SPRINGLINE_TEST_DATA` names (its `gardens/bundles`).

use crate::support::{Host, Ledger, difference};
use springline_sources::{
    SourceConfig,
    git::{GardenConfig, GitConfig},
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

fn bundles() -> Option<Vec<(String, PathBuf)>> {
    let Some(folder) = std::env::var_os("SPRINGLINE_TEST_DATA") else {
        println!("skipped: SPRINGLINE_TEST_DATA is not set");
        return None;
    };
    let mut bundles: Vec<(String, PathBuf)> = fs::read_dir(Path::new(&folder).join("gardens/bundles"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let target = path.file_stem().unwrap().to_str().unwrap().replacen('_', "/", 1);
            (target, path)
        })
        .collect();
    bundles.sort();
    Some(bundles)
}

fn garden(target: &str, url: &Path) -> GardenConfig {
    let (target, url) = (target.to_owned(), url.to_str().unwrap().to_owned());
    GardenConfig { target, url, branch: Some("main".into()), path_prefixes: Vec::new() }
}

fn config(gardens: Vec<GardenConfig>) -> SourceConfig {
    SourceConfig::Git(GitConfig { gardens, poll_secs: 0, allow_file: true, ..GitConfig::default() })
}

/// Seconds of processor time that this process has used; its children not.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_gardens_are_indexed() {
    let Some(bundles) = bundles() else { return };
    let data = tempfile::tempdir().unwrap();
    let gardens = bundles.iter().map(|(target, path)| garden(target, path)).collect();
    let ledger = Ledger::default();
    let (start, used) = (Instant::now(), cpu());
    let host = Host::start(&config(gardens), &ledger, data.path());
    let report = host.pull().await;
    let (took, used) = (start.elapsed(), cpu() - used);
    assert!(report.partitions.iter().all(|pulled| pulled.error.is_none()), "{report:?}");
    println!(
        "{} records in {took:?}, {used:.2} s of processor time, {} MiB at most",
        ledger.records().len(),
        peak_mib()
    );
    // The peer counts 12,745: a folder by the name of `flancia.org` is a note to it.
    assert_eq!(ledger.records().len(), 12_744);
    assert!(ledger.reasons().is_empty());
    host.stop().await;
}

/// Followed commit by commit through the last hundred, a garden is what a fresh index of its tip gives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn following_is_the_same_as_starting_fresh() {
    let Some(bundles) = bundles() else { return };
    let bundles: BTreeMap<String, PathBuf> = bundles.into_iter().collect();
    for target in ["garden/foam-docs", "garden/logseq-docs", "garden/silverbullet"] {
        let dir = tempfile::tempdir().unwrap();
        let upstream = dir.path().join("upstream.git");
        let git = |arguments: &[&str]| {
            let output = Command::new("git").args(arguments).current_dir(dir.path()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let at = upstream.to_str().unwrap();
        git(&[
            "-c",
            "init.defaultBranch=main",
            "clone",
            "--quiet",
            "--bare",
            "--branch",
            "main",
            bundles[target].to_str().unwrap(),
            at,
        ]);
        let commits = git(&["--git-dir", at, "rev-list", "--first-parent", "--max-count=100", "main"]);
        let commits: Vec<&str> = commits.lines().collect();
        let config = config(vec![garden(target, &upstream)]);
        let ledger = Ledger::default();
        let mut host: Option<Host> = None;
        // Every seventh, so that steps of one and of many commits are both among them.
        for (number, commit) in
            commits.iter().rev().enumerate().filter(|(n, _)| n % 7 < 2 || n + 1 == commits.len())
        {
            git(&["--git-dir", at, "update-ref", "refs/heads/main", commit]);
            if number % 3 == 0
                && let Some(host) = host.take()
            {
                host.stop().await;
            }
            let host = host.get_or_insert_with(|| Host::start(&config, &ledger, &dir.path().join("clones")));
            assert_eq!(host.pull().await.partitions[0].error, None);
        }
        host.unwrap().stop().await;
        let fresh = Ledger::default();
        let host = Host::start(&config, &fresh, &dir.path().join("fresh"));
        host.pull().await;
        host.stop().await;
        assert!(!fresh.records().is_empty());
        assert_eq!(difference(&ledger.records(), &fresh.records()), "", "{target}");
        assert_eq!(ledger.position(target), fresh.position(target));
    }
}
