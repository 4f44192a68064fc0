//! Kill the process anywhere: no epoch lost, none applied twice, the views what they would have been.

use crate::dice::Dice;
use springline_tests::{Garden, Springline, fingerprints};
use std::{fs, time::Duration};
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
