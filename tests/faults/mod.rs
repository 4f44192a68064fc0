//! Kill the process anywhere: no epoch lost, none applied twice, the views what they would have been.

use crate::dice::Dice;
use springline_tests::{Garden, Server, Springline, eventually, fingerprints};
use std::{fs, sync::Mutex, time::Duration};
use tempfile::TempDir;

fn change(garden: &Garden, dice: &mut Dice) {
    for _ in 0..30 {
        let note = format!("garden/user{}/note {}.md", dice.roll(3), dice.roll(60));
        if dice.roll(5) == 0 && garden.path().join(&note).exists() {
            garden.delete(&note);
        } else {
            let text =
                format!("# {note}\n\n[[note {}]] #t{} word{}\n", dice.roll(60), dice.roll(9), dice.roll(500));
            garden.write(&note, text);
        }
    }
}

fn killed_again_and_again(engine: &str, kills: u64) {
    let dir = TempDir::new().unwrap();
    let garden = Garden::new(&dir.path().join("agora"));
    fs::create_dir_all(garden.path()).unwrap();
    // Small epochs, so that a kill finds many of them under way.
    let survivor = Springline::new(&dir.path().join("data"))
        .with("store.engine", engine)
        .with("runtime.epoch_events", &4);
    let mut dice = Dice::new(0x5EED);
    for _ in 0..kills {
        let server = survivor.serve(garden.path());
        change(&garden, &mut dice);
        std::thread::sleep(Duration::from_millis(dice.roll(400)));
        server.kill();
    }
    survivor.index(garden.path());
    let fresh = Springline::new(&dir.path().join("fresh"));
    fresh.index(garden.path());
    assert_eq!(fingerprints(&survivor), fingerprints(&fresh));
    let journal = survivor.run(&["inspect", "journal"]);
    assert!(journal.contains("no damage"), "{journal}");
}

#[test]
fn killed_with_sled() {
    killed_again_and_again("sled", 25);
}

#[test]
fn killed_with_fjall() {
    killed_again_and_again("fjall", 25);
}

#[test]
fn damage_before_the_tail_is_refused_with_file_and_offset() {
    let dir = TempDir::new().unwrap();
    let garden = Garden::new(&dir.path().join("agora"));
    for number in 0..40 {
        garden.write(&format!("garden/a/{number}.md"), format!("[[{number}]]"));
    }
    let springline = Springline::new(&dir.path().join("data")).with("runtime.epoch_events", &5);
    springline.index(garden.path());
    garden.write("garden/a/more.md", "more");
    springline.index(garden.path());
    let segment = dir.path().join("data/journal/00000000000000000001.seg");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[200] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let refused = springline.output(&["views", "list"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert!(said.contains("00000000000000000001.seg") && said.contains("damaged at byte"), "{said}");
}

#[test]
fn a_data_folder_in_use_is_refused_by_name() {
    let dir = TempDir::new().unwrap();
    let garden = Garden::new(&dir.path().join("agora"));
    garden.write("garden/a/a.md", "a");
    let springline = Springline::new(&dir.path().join("data"));
    let server = springline.serve(garden.path());
    let refused = springline.output(&["views", "list"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("in use by process"));
    server.stop();
}

/// Enough that a signal finds it indexing.
fn much(garden: &Garden) {
    for number in 0..3_000 {
        let text = format!("# {number}\n\n[[note {}]] and #t{}\n", number * 7 % 3_000, number % 50);
        garden.write(&format!("garden/a/note {number}.md"), text);
    }
}

/// What is left by servers that were asked to end while they indexed is what an undisturbed one has.
fn ended_while_indexing(epoch_events: u32, end: impl Fn(Server)) {
    let dir = TempDir::new().unwrap();
    let garden = Garden::new(&dir.path().join("agora"));
    much(&garden);
    let springline = Springline::new(&dir.path().join("data")).with("runtime.epoch_events", &epoch_events);
    for pause in [1, 40, 80, 120, 160, 200, 300] {
        let server = springline.serve(garden.path());
        std::thread::sleep(Duration::from_millis(pause));
        end(server);
    }
    springline.index(garden.path());
    let fresh = Springline::new(&dir.path().join("fresh"));
    fresh.index(garden.path());
    assert_eq!(fingerprints(&springline), fingerprints(&fresh));
}

#[test]
fn a_signal_ends_it_in_order_while_it_indexes() {
    ended_while_indexing(100, Server::stop);
}

#[test]
fn a_second_signal_ends_it_at_once_and_nothing_is_lost() {
    let codes = Mutex::new(Vec::new());
    // Epochs that take their time.
    ended_while_indexing(4_096, |server| {
        server.terminate();
        // Two at the same moment would be one.
        std::thread::sleep(Duration::from_millis(120));
        server.terminate();
        codes.lock().unwrap().push(server.ended().code());
    });
    let codes = codes.into_inner().unwrap();
    assert!(codes.contains(&Some(130)), "none was still at it when the second came: {codes:?}");
}

#[test]
fn signals_of_the_same_moment_are_one() {
    ended_while_indexing(100, |server| {
        server.terminate();
        server.terminate();
        assert_eq!(server.ended().code(), Some(0));
    });
}

#[test]
fn a_snapshot_takes_the_place_of_the_journal_behind_it() {
    let dir = TempDir::new().unwrap();
    let garden = Garden::new(&dir.path().join("agora"));
    let mut dice = Dice::new(0x5EED);
    (0..6).for_each(|_| change(&garden, &mut dice));
    let springline = Springline::new(&dir.path().join("data"))
        .with("runtime.epoch_events", &4)
        .with("journal.segment_bytes", &4_096)
        .with("journal.snapshot_after_bytes", &8_192);
    let first = dir.path().join("data/journal/00000000000000000001.seg");
    let server = springline.serve(garden.path());
    server.ready();
    eventually("the journal is trimmed", Duration::from_secs(60), || (!first.exists()).then_some(()));
    (0..3).for_each(|_| change(&garden, &mut dice));
    server.stop();
    // What was written behind the snapshot is in the journal only; without a store both are needed.
    for rebuilt in [false, true] {
        if rebuilt {
            fs::remove_dir_all(dir.path().join("data/store")).unwrap();
        }
        springline.index(garden.path());
        let fresh = Springline::new(&dir.path().join(format!("fresh {rebuilt}")));
        fresh.index(garden.path());
        assert_eq!(fingerprints(&springline), fingerprints(&fresh), "store deleted: {rebuilt}");
    }
    assert!(springline.run(&["views", "rebuild"]).contains("0 added, 0 removed, 0 changed"));
}
