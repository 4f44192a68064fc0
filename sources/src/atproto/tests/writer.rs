use super::{
    super::{
        Cid,
        car::Limits,
        frame::Frame,
        key::{Curve, SigningKey},
        mst::MstError,
        repo::Repo,
        syntax::Did,
        verify::{Checks, Mode, Verified, verify, verify_sync},
        writer::*,
    },
    recorded::NOW,
};
use proptest::{collection, prelude::*};
use std::collections::BTreeMap;

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(if number == 2 { Curve::K256 } else { Curve::P256 }, &[number; 32]).unwrap()
}

fn writer() -> RepoWriter {
    RepoWriter::new(Did::new("did:plc:44ybard66vv44zksje25o7dz").unwrap(), key(2), NOW - 1_000_000).unwrap()
}

fn held<T>(writer: &RepoWriter, frame: &[u8], look: impl FnOnce(&Verified<'_>) -> T) -> T {
    let key = writer.public();
    let checks = Checks { mode: Mode::Full, key: Some(&key), now: NOW, legacy: false };
    let Ok(Frame::Commit(commit)) = Frame::read(frame) else { panic!("no commit") };
    look(&verify(&commit, &checks).unwrap())
}

/// All records of its export.
fn export(writer: &RepoWriter) -> BTreeMap<String, Vec<u8>> {
    let bytes = writer.car();
    let repo = Repo::from_bytes(&bytes, &Limits::REPO).unwrap();
    repo.verify(writer.did(), &writer.public()).unwrap();
    assert_eq!((repo.rev(), repo.data()), (Some(writer.rev()), writer.data()));
    let mut records = repo.records();
    let mut all = BTreeMap::new();
    while let Some(record) = records.next().unwrap() {
        all.insert(record.path.to_owned(), record.block.into_owned());
    }
    all
}

#[test]
fn a_write_that_cant_be_done_does_nothing() {
    let mut writer = writer();
    let record = b"\xa0";
    writer.apply(&[Write::Create("a.b.c/self", record)], NOW).unwrap();
    let before = (writer.rev(), writer.data());
    for (writes, error) in [
        (
            vec![Write::Create("a.b.c/x", record), Write::Create("a.b.c/self", record)],
            MstError::Exists.into(),
        ),
        (vec![Write::Create("a.b.c/x", record), Write::Delete("a.b.c/y")], MstError::NotFound.into()),
        (vec![Write::Update("a.b.c/y", record)], MstError::NotFound.into()),
        (vec![Write::Create("a.b.c/x", record), Write::Delete("a.b.c/x")], WriteError::SamePath),
        (vec![Write::Create("a/x", record)], WriteError::Path),
        (vec![Write::Create("a.b.c/x", &[0; 1_000_001])], WriteError::TooLarge),
        (vec![Write::Delete("a.b.c/x"); 201], WriteError::TooMany),
    ] {
        assert_eq!(writer.apply(&writes, NOW).unwrap_err(), error);
    }
    assert_eq!((writer.rev(), writer.data()), before);
    assert_eq!(export(&writer).len(), 1);
}

#[test]
fn a_repository_says_where_it_stands() {
    let mut writer = writer();
    writer.apply(&[Write::Create("a.b.c/self", b"\xa0")], NOW).unwrap();
    // An empty commit is one as well, and the rev rises at the same time.
    let empty = writer.apply(&[], NOW).unwrap();
    assert!(empty.rev > empty.since && empty.data == empty.prev_data);
    held(&writer, &empty.frame(1, "now"), |held| assert!(held.inverted && held.ops.is_empty()));
    writer.rotate(key(3));
    let rotated = writer.apply(&[Write::Delete("a.b.c/self")], NOW).unwrap();
    held(&writer, &rotated.frame(2, "now"), |held| assert_eq!(held.prev_data, Some(rotated.prev_data)));
    let frame = writer.sync(3, "now");
    let Ok(Frame::Sync(sync)) = Frame::read(&frame) else { panic!("no sync") };
    let key = writer.public();
    let checks = Checks { mode: Mode::Full, key: Some(&key), now: NOW, legacy: false };
    let held = verify_sync(&sync, &checks).unwrap();
    assert_eq!((held.rev, held.data), (writer.rev(), writer.data()));
}

#[test]
fn the_first_commit_comes_after_an_empty_tree() {
    let mut writer = writer();
    let first =
        writer.apply(&[Write::Create("a.b.c/x", b"\xa0"), Write::Create("a.b.c/y", b"\xa0")], NOW).unwrap();
    let second = writer.apply(&[Write::Create("a.b.c/z", b"\xa0")], NOW).unwrap();
    let key = writer.public();
    let checks = Checks { mode: Mode::Full, key: Some(&key), now: NOW, legacy: false };
    for (written, holds) in [(first, true), (second, false)] {
        let bytes = written.frame(1, "now");
        let Ok(Frame::Commit(mut commit)) = Frame::read(&bytes) else { panic!("no commit") };
        (commit.since, commit.prev_data) = (None, None);
        assert_eq!(verify(&commit, &checks).is_ok(), holds);
        commit.since = Some("3mptbypluud2a");
        assert_eq!(verify(&commit, &checks).unwrap_err().name(), "no_prev_data");
        // Before that was sent, it is only seen that the records are there.
        let held = verify(&commit, &Checks { legacy: true, ..checks }).unwrap();
        assert!(!held.inverted && held.ops.len() == commit.ops.len());
        commit.ops[0].path = "a.b.c/other";
        assert!(verify(&commit, &Checks { legacy: true, ..checks }).is_err());
    }
}

#[derive(Clone, Debug)]
struct Step(u8, u8);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_commit_holds_and_follows_the_one_before(
        steps in collection::vec(collection::vec((0..60_u8, 0..4_u8).prop_map(|(a, b)| Step(a, b)), 0..12), 0..15),
    ) {
        let mut writer = writer();
        let mut model: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut last = (writer.rev(), writer.data());
        for (number, steps) in steps.into_iter().enumerate() {
            let mut writes: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
            for Step(path, value) in steps {
                let path = format!("a.b.c{}/{path}", path % 3);
                writes.insert(path, (value > 0).then(|| vec![0xa1, 0x61, b'a', value]));
            }
            writes.retain(|path, record| record.is_some() || model.contains_key(path));
            let list: Vec<_> = writes.iter().map(|(path, record)| match record {
                None => Write::Delete(path),
                Some(record) if model.contains_key(path) => Write::Update(path, record),
                Some(record) => Write::Create(path, record),
            }).collect();
            let written = writer.apply(&list, NOW - 1_000 + number as u64).unwrap();
            held(&writer, &written.frame(1 + number as i64, "now"), |held| {
                assert!(held.inverted && held.dropped.is_empty());
                assert_eq!((held.since.unwrap(), held.prev_data.unwrap()), last);
                assert_eq!((held.rev, held.data), (writer.rev(), writer.data()));
                for op in &held.ops {
                    assert_eq!(op.record, writes[op.path].as_deref());
                    assert_eq!(op.prev, model.get(op.path).map(|record| Cid::of_cbor(record)));
                }
                assert_eq!(held.ops.len(), writes.len());
            });
            last = (writer.rev(), writer.data());
            for (path, record) in writes {
                match record {
                    Some(record) => model.insert(path, record),
                    None => model.remove(&path),
                };
            }
            prop_assert_eq!(&export(&writer), &model);
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    let mut writer = writer();
    let start = std::time::Instant::now();
    let mut bytes = 0;
    for number in 0..20_000_u32 {
        let path = format!("app.bsky.feed.like/{number:08}");
        let record = [&b"\xa1\x61a\x1a"[..], &number.to_be_bytes(), &[]].concat();
        bytes += writer
            .apply(&[Write::Create(&path, &record)], NOW + u64::from(number))
            .unwrap()
            .frame(1, "")
            .len();
    }
    let rate = 20_000.0 / start.elapsed().as_secs_f64();
    println!("{rate:.0} commits/s, {} bytes a frame", bytes / 20_000);
}
