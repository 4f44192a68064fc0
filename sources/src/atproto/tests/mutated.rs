//! Real frames and CARs, damaged at random: whatever comes, it is refused or read, and nothing panics.

use super::{
    super::{
        car::{Car, CarReader, Hashes, Limits},
        commit::Commit,
        data,
        frame::Frame,
        json,
        mst::{Layers, Node},
        repo::Repo,
        verify::{Checks, Mode, verify, verify_sync},
    },
    recorded::{self, NOW},
    recorded_bytes,
};
use proptest::{collection, prelude::*, sample::Index, test_runner::TestRunner};

/// One damage, of those that decoders are known to fall for.
#[derive(Clone, Debug)]
enum Damage {
    Byte(Index, u8),
    Cut(Index),
    Remove(Index, usize),
    Repeat(Index, usize),
    Insert(Index, Vec<u8>),
}

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    // Heads of containers and texts with lengths that aren't there.
    let bombs = prop::sample::select(vec![
        vec![0x9b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
        vec![0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0x7a, 0xff, 0xff, 0xff, 0xff],
        vec![0x9f],
        vec![0x81; 100],
        vec![0xff; 10],
    ]);
    let one = prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        1 => any::<Index>().prop_map(Damage::Cut),
        1 => (any::<Index>(), 1..50_usize).prop_map(|(at, length)| Damage::Remove(at, length)),
        1 => (any::<Index>(), 1..50_usize).prop_map(|(at, length)| Damage::Repeat(at, length)),
        1 => (any::<Index>(), bombs).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
    ];
    collection::vec(one, 1..4)
}

fn apply(bytes: &mut Vec<u8>, damage: &[Damage]) {
    for damage in damage {
        if bytes.is_empty() {
            return;
        }
        let within = |at: &Index, length: usize| {
            let start = at.index(bytes.len());
            start..(start + length).min(bytes.len())
        };
        match damage {
            Damage::Byte(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Damage::Remove(at, length) => drop(bytes.drain(within(at, *length))),
            Damage::Repeat(at, length) => {
                let range = within(at, *length);
                let part = bytes[range.clone()].to_vec();
                bytes.splice(range.start..range.start, part);
            }
            Damage::Insert(at, part) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, part.iter().copied());
            }
        }
    }
}

/// Everything that reads blocks, on every block.
fn read_blocks(car: &Car<'_>) {
    for (_, block) in car.blocks.iter() {
        let _ = (Node::read(block, Layers::Check), Commit::read(block));
        if let Ok(record) = data::decode(block) {
            assert_eq!(data::encode(&record).unwrap(), block);
            let text = serde_json::to_string(&json::AsJson(&record)).unwrap();
            // A map that looks like a link has no other form in JSON.
            let _ = json::from_json_text(&text);
        }
    }
}

fn read_frame(bytes: &[u8]) {
    let frame = Frame::read(bytes);
    for mode in [Mode::None, Mode::Hash] {
        let checks = Checks { mode, key: None, now: NOW, legacy: true };
        match &frame {
            Ok(Frame::Commit(commit)) => {
                let _ = verify(commit, &checks);
                if let Ok(car) = Car::read(commit.blocks, &Limits::COMMIT, Hashes::Trust) {
                    read_blocks(&car);
                }
            }
            Ok(Frame::Sync(sync)) => drop(verify_sync(sync, &checks)),
            _ => {}
        }
    }
}

fn read_car(bytes: &[u8]) {
    if let Ok(car) = Car::read(bytes, &Limits::REPO, Hashes::Trust) {
        read_blocks(&car);
        if let Ok(repo) = Repo::open(car.roots[0], car.blocks) {
            let _ = (repo.check(), repo.get("app.bsky.actor.profile/self"));
        }
    }
    if let Ok(mut reader) = CarReader::new(bytes, Limits::REPO, Hashes::Check) {
        while let Ok(Some(_)) = reader.next_block() {}
    }
}

fn run(seeds: &[Vec<u8>], cases: u32, read: fn(&[u8])) {
    for seed in seeds {
        read(seed);
    }
    let mut runner =
        TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) });
    let strategy = (any::<Index>(), damage());
    let ran = runner.run(&strategy, |(seed, damage)| {
        let mut bytes = seeds[seed.index(seeds.len())].clone();
        apply(&mut bytes, &damage);
        read(&bytes);
        Ok(())
    });
    ran.unwrap();
}

#[test]
fn damaged_frames_are_survived() {
    let Some(frames) = recorded::frames() else { return };
    run(&frames, 3_000, read_frame);
}

#[test]
fn damaged_repositories_are_survived() {
    let names = ["empty", "tiny", "rsky-valid_repo", "slice-one", "slice-node-after"];
    let seeds: Option<Vec<_>> =
        names.iter().map(|name| recorded_bytes(&format!("cars/{name}.car"))).collect();
    let Some(seeds) = seeds else { return };
    run(&seeds, 3_000, read_car);
}
