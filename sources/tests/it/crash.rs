//! The process dies in the middle of sending, and the upstream goes on meanwhile.

use crate::support::{Chance, Host, HostOptions, Ledger, Upstream, difference, git_config};
use springline_sources::{SourceConfig, files::FilesConfig};
use std::{fs, path::Path};

/// More notes than one batch holds; how many of them change is up to chance.
fn write_many(write: impl Fn(&str, String), chance: &mut Chance) {
    let share = 1 + chance.below(3);
    let salt = chance.next();
    for n in (0..700).filter(|n| n % share == 0) {
        write(&format!("{}/{n}.md", n % 5), format!("{salt} [[{n}]]"));
    }
}

/// Runs a source until it is killed, or until it has sent all that there was.
async fn run_until_killed(config: &SourceConfig, ledger: &Ledger, data: &Path, chance: &mut Chance) {
    let options = HostOptions {
        capacity: 1 + chance.below(3),
        dies_at: Some(chance.below(4)),
        ..HostOptions::default()
    };
    let host = Host::start_with(config, ledger, data, options);
    loop {
        if host.is_dead() {
            return host.bury().await;
        }
        if host.status().state == springline_sources::SourceState::Live {
            return host.stop().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

async fn git(seed: u64) {
    let (upstream, data) = (Upstream::new(), tempfile::tempdir().unwrap());
    let (ledger, mut chance) = (Ledger::default(), Chance::new(seed));
    let config = SourceConfig::Git(git_config(upstream.path().to_str().unwrap()));
    for _ in 0..6 {
        write_many(|name, text| upstream.write(name, text), &mut chance);
        upstream.commit();
        run_until_killed(&config, &ledger, data.path(), &mut chance).await;
        if chance.once_in(2) {
            upstream.try_git(["reset", "--quiet", "--hard", &format!("HEAD~{}", 1 + chance.below(2))], &[]);
        }
        if chance.once_in(3) {
            run_until_killed(&config, &ledger, data.path(), &mut chance).await;
        }
        if chance.once_in(4) {
            fs::remove_dir_all(data.path()).unwrap();
        }
        if chance.once_in(3) {
            let host = Host::start(&config, &ledger, data.path());
            assert_eq!(host.pull().await.partitions[0].error, None);
            assert_eq!(difference(&ledger.records(), &upstream.records()), "", "seed {seed}");
            host.stop().await;
        }
    }
    let host = Host::start(&config, &ledger, data.path());
    host.pull().await;
    assert_eq!(difference(&ledger.records(), &upstream.records()), "", "seed {seed}");
    host.stop().await;
}

async fn files(seed: u64) {
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ledger, mut chance) = (Ledger::default(), Chance::new(seed));
    let config = FilesConfig { rescan_secs: 0, ..FilesConfig::garden(dir.path(), "me") };
    let config = SourceConfig::Files(config);
    for _ in 0..4 {
        let write = |name: &str, text: String| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write_many(write, &mut chance);
        drop(fs::remove_dir_all(dir.path().join(chance.below(5).to_string())));
        run_until_killed(&config, &ledger, data.path(), &mut chance).await;
    }
    let host = Host::start(&config, &ledger, data.path());
    host.live().await;
    let wanted = crate::support::my_folder(dir.path());
    assert_eq!(difference(&ledger.records(), &wanted), "", "seed {seed}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn git_goes_on_where_it_was() {
    for seed in 0..4 {
        git(seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_go_on_where_they_were() {
    for seed in 0..3 {
        files(seed).await;
    }
}
