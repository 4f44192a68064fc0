//! Whatever the order between accounts, whatever comes twice, wherever it is cut: the views are the same.

use super::{
    is_thorough,
    world::{framed, replay, replayer, views},
};
use crate::dice::Dice;
use proptest::{collection, prelude::*};
use springline_sources::atproto::writer::Write;
use springline_tests::atproto::{Account, did, like, post};
use std::{fs, path::Path};
use tempfile::TempDir;

/// What an account does.
#[derive(Clone, Copy, Debug)]
enum Act {
    Post(u8),
    Like(u8, u8),
    Change(u8),
    Delete(u8),
    Leave,
    Return,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => any::<u8>().prop_map(Act::Post),
        4 => any::<(u8, u8)>().prop_map(|(whose, what)| Act::Like(whose, what)),
        2 => any::<u8>().prop_map(Act::Change),
        2 => any::<u8>().prop_map(Act::Delete),
        1 => Just(Act::Leave),
        1 => Just(Act::Return),
    ]
}

/// The frames of an account, in their order.
fn frames(number: u64, acts: &[Act]) -> Vec<Vec<u8>> {
    let mut account = Account::new(number);
    let mut paths: Vec<String> = Vec::new();
    let mut frames = Vec::new();
    for (act, seq) in acts.iter().zip(1..) {
        let pick =
            |paths: &[String], which: u8| (!paths.is_empty()).then(|| usize::from(which) % paths.len());
        match *act {
            Act::Post(text) => {
                let path = format!("app.bsky.feed.post/{seq:03}");
                let text = post(&format!("words {text} [[node {}]]", text % 9));
                frames.push(account.create(&path, &text, seq));
                paths.push(path);
            }
            Act::Like(whose, what) => {
                let path = format!("app.bsky.feed.like/{seq:03}");
                let subject =
                    format!("at://{}/app.bsky.feed.post/{:03}", did(u64::from(whose % 4)), what % 20);
                frames.push(account.create(&path, &like(&subject), seq));
                paths.push(path);
            }
            Act::Change(which) => {
                if let Some(at) = pick(&paths, which) {
                    let text = post(&format!("changed {which} [[node {}]]", which % 9));
                    frames.push(account.frame(&[Write::Update(&paths[at], &text)], seq));
                }
            }
            Act::Delete(which) => {
                if let Some(at) = pick(&paths, which) {
                    frames.push(account.frame(&[Write::Delete(&paths.remove(at))], seq));
                }
            }
            Act::Leave => frames.push(account.status(false, Some("deactivated"), seq)),
            Act::Return => frames.push(account.status(true, None, seq)),
        }
    }
    frames
}

/// One delivery: each account's frames in order, with steps back, mixed with those of the others.
fn delivery(accounts: &[Vec<Vec<u8>>], dice: &mut Dice) -> Vec<Vec<u8>> {
    let mut queues: Vec<std::collections::VecDeque<Vec<u8>>> = Vec::new();
    for frames in accounts {
        let mut queue = std::collections::VecDeque::new();
        let mut at = 0;
        while at < frames.len() {
            queue.push_back(frames[at].clone());
            at += 1;
            if dice.roll(6) == 0 {
                at -= dice.roll(at as u64 + 1).min(4) as usize;
            }
        }
        queues.push(queue);
    }
    let mut all = Vec::new();
    while queues.iter().any(|queue| !queue.is_empty()) {
        let at = dice.roll(queues.len() as u64) as usize;
        for _ in 0..=dice.roll(3) {
            all.extend(queues[at].pop_front());
        }
    }
    all
}

fn delivered(
    dir: &Path,
    name: &str,
    files: &[&[Vec<u8>]],
    workers: u64,
    epoch_events: u64,
) -> Vec<(String, String)> {
    let folder = dir.join(format!("{name}-files"));
    fs::create_dir_all(&folder).unwrap();
    for (number, frames) in files.iter().enumerate() {
        fs::write(folder.join(format!("{number:03}.frames")), framed(*frames)).unwrap();
    }
    let springline = replayer(&dir.join(name))
        .with("runtime.workers", &workers)
        .with("runtime.epoch_events", &epoch_events);
    replay(&springline, "hash", &[&folder]);
    views(&springline).into_iter().collect()
}

#[test]
fn every_delivery_gives_the_same_views() {
    let cases = if is_thorough() { 40 } else { 3 };
    let config = ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 20,
        ..ProptestConfig::with_cases(cases)
    };
    let strategy = (collection::vec(collection::vec(act(), 5..30), 2..5), any::<u64>());
    proptest!(config, |((accounts, seed) in strategy)| {
        let dir = TempDir::new().unwrap();
        let accounts: Vec<_> = accounts.iter().zip(0..).map(|(acts, number)| frames(number, acts)).collect();
        let plain: Vec<Vec<u8>> = accounts.concat();
        let wanted = delivered(dir.path(), "plain", &[&plain], 1, 4096);
        let mut dice = Dice::new(seed);
        for number in 0..2 {
            let mixed = delivery(&accounts, &mut dice);
            let cut = dice.roll(mixed.len() as u64 + 1) as usize;
            let (workers, epoch_events) = (1 + dice.roll(2), 1 + dice.roll(20));
            let (one, two) = mixed.split_at(cut);
            let name = format!("mixed-{number}");
            let found = delivered(dir.path(), &name, &[one, two], workers, epoch_events);
            prop_assert_eq!(&found, &wanted, "{} workers, {} events an epoch", workers, epoch_events);
        }
    });
}
