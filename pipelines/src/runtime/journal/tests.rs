use super::*;
use proptest::prelude::*;
use springline_model::{
    Advance, EpochCommit, Event, EventBody, Partition, Position, Rev, SourceId, Timestamp, Uri,
};
use std::{fs, path::Path};

fn event(number: u64) -> Event {
    Event {
        source: SourceId::new("test"),
        observed: Timestamp(number.cast_signed()),
        body: EventBody::Delete { rev: Rev(number), uri: Uri::from(format!("garden://g/{number}.md")) },
    }
}

fn epoch(number: u64, events: u64) -> (EpochCommit, Vec<Vec<u8>>) {
    let events: Vec<Event> = (0..events).map(|n| event(number * 100 + n)).collect();
    let chunks = events
        .chunks(3)
        .map(|chunk| chunk.iter().flat_map(|event| postcard::to_stdvec(event).unwrap()).collect());
    let commit = EpochCommit {
        epoch: Epoch(number),
        at: Timestamp(1_000 + number.cast_signed()),
        execution: 7,
        advances: vec![Advance {
            partition: Partition { source: SourceId::new("test"), name: "p".into() },
            from: None,
            to: Position(number.to_string()),
        }],
        events: events.len() as u64,
    };
    (commit, chunks.collect())
}

fn fill(dir: &Path, sizes: &[u64], options: JournalOptions) -> Journal {
    let mut journal = Journal::open(dir, options).unwrap();
    for (index, size) in sizes.iter().enumerate() {
        let (commit, chunks) = epoch(index as u64 + 1, *size);
        journal.append(&commit, &chunks).unwrap();
    }
    journal
}

fn read(journal: &Journal, from: u64) -> Vec<(u64, usize)> {
    let epochs = journal.replay(Epoch(from)).unwrap().map(Result::unwrap);
    epochs.map(|record| (record.commit.epoch.0, record.events.len())).collect()
}

const SMALL: JournalOptions = JournalOptions { segment_bytes: 300, sync: false };

#[test]
fn reads_back_what_was_appended_over_segments() {
    let dir = tempfile::tempdir().unwrap();
    let sizes = [2, 0, 7, 1, 30];
    let journal = fill(dir.path(), &sizes, SMALL);
    assert!(journal.segments().len() > 1);
    drop(journal);
    let journal = Journal::open(dir.path(), SMALL).unwrap();
    assert_eq!((journal.first(), journal.last(), journal.cut_bytes()), (Epoch(1), Epoch(5), 0));
    assert_eq!(read(&journal, 1), [(1, 2), (2, 0), (3, 7), (4, 1), (5, 30)]);
    assert_eq!(read(&journal, 4), [(4, 1), (5, 30)]);
    assert_eq!(read(&journal, 6), []);
    let first = journal.replay(Epoch(3)).unwrap().next().unwrap().unwrap();
    assert_eq!(first.commit, epoch(3, 7).0);
    assert_eq!(first.events[6], event(306));
}

#[test]
fn refuses_an_epoch_out_of_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = fill(dir.path(), &[1], SMALL);
    let (commit, chunks) = epoch(3, 1);
    assert!(matches!(journal.append(&commit, &chunks), Err(JournalError::Order { .. })));
}

#[test]
fn trims_what_a_snapshot_covers_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = fill(dir.path(), &[9, 9, 9, 9], SMALL);
    journal.trim(Epoch(2), Epoch(9)).unwrap();
    assert_eq!(read(&journal, 3), [(3, 9), (4, 9)]);
    assert!(matches!(journal.replay(Epoch(1)), Err(JournalError::Trimmed { .. })));
    journal.trim(Epoch(4), Epoch(9)).unwrap();
    assert_eq!((journal.first(), journal.last()), (Epoch(5), Epoch(4)));
    drop(journal);
    let mut journal = Journal::open(dir.path(), SMALL).unwrap();
    assert_eq!((journal.first(), journal.last()), (Epoch(5), Epoch(4)));
    let (commit, chunks) = epoch(5, 1);
    journal.append(&commit, &chunks).unwrap();
    assert_eq!(read(&journal, 5), [(5, 1)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A crash leaves any prefix of what was written behind the last synced epoch.
    #[test]
    fn a_torn_tail_is_cut_to_the_last_whole_epoch(sizes in prop::collection::vec(0u64..12, 1..6), cut in 0.0f64..1.0) {
        let dir = tempfile::tempdir().unwrap();
        let big = JournalOptions { segment_bytes: 1 << 30, sync: false };
        let journal = fill(dir.path(), &sizes, big);
        let path = journal.segments()[0].path.clone();
        drop(journal);
        let bytes = fs::read(&path).unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a test's dice")]
        let keep = (bytes.len() as f64 * cut) as usize;
        let whole = super::segment::scan(&path, &bytes, Epoch(1)).unwrap().epochs;
        let expected = whole.iter().filter(|located| located.end <= keep).count() as u64;
        fs::write(&path, &bytes[..keep]).unwrap();
        let mut journal = Journal::open(dir.path(), big).unwrap();
        prop_assert_eq!(journal.last(), Epoch(expected));
        let (commit, chunks) = epoch(expected + 1, 2);
        journal.append(&commit, &chunks).unwrap();
        prop_assert_eq!(read(&journal, 1).len() as u64, expected + 1);
    }

    /// Any byte changed before the tail: refused with the file, or (in the very last frame) cut; never read as if
    /// nothing had happened.
    #[test]
    fn a_flipped_byte_is_never_believed(sizes in prop::collection::vec(0u64..12, 2..6), at in 0.0f64..1.0, flip in 1u8..) {
        let dir = tempfile::tempdir().unwrap();
        let big = JournalOptions { segment_bytes: 1 << 30, sync: false };
        let journal = fill(dir.path(), &sizes, big);
        let path = journal.segments()[0].path.clone();
        let before: Vec<_> = journal.replay(Epoch(1)).unwrap().map(Result::unwrap).collect();
        drop(journal);
        let mut bytes = fs::read(&path).unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a test's dice")]
        let at = (bytes.len() as f64 * at) as usize;
        let last_epoch_begins = super::segment::scan(&path, &bytes, Epoch(1)).unwrap().epochs.last().unwrap().start;
        bytes[at] ^= flip;
        fs::write(&path, &bytes).unwrap();
        match Journal::open(dir.path(), big) {
            Err(JournalError::Damaged { path: named, .. }) => prop_assert_eq!(named, path),
            Err(JournalError::Version { .. }) => prop_assert!((4..6).contains(&at)),
            Err(other) => prop_assert!(false, "{}", other),
            Ok(journal) => {
                let after: Vec<_> = journal.replay(Epoch(1)).unwrap().map(Result::unwrap).collect();
                prop_assert!(after.len() < before.len());
                prop_assert!(before.starts_with(&after));
                prop_assert!(at >= last_epoch_begins);
            }
        }
    }
}

/// What version 1 wrote stays readable.
#[test]
fn golden_version_1() {
    let dir = tempfile::tempdir().unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/journal-v1.seg");
    if std::env::var_os("SPRINGLINE_WRITE_GOLDEN").is_some() {
        let journal =
            fill(dir.path(), &[2, 0, 1], JournalOptions { sync: false, ..JournalOptions::default() });
        fs::create_dir_all(golden.parent().unwrap()).unwrap();
        fs::copy(&journal.segments()[0].path, &golden).unwrap();
    }
    fs::copy(&golden, dir.path().join("00000000000000000001.seg")).unwrap();
    let journal = Journal::open(dir.path(), SMALL).unwrap();
    let records: Vec<_> = journal.replay(Epoch(1)).unwrap().map(Result::unwrap).collect();
    assert_eq!(
        records.iter().map(|r| r.commit.clone()).collect::<Vec<_>>(),
        [(1, 2), (2, 0), (3, 1)].map(|(e, n)| epoch(e, n).0)
    );
    assert_eq!(records[0].events, [event(100), event(101)]);
}

#[test]
fn what_is_needed_is_not_trimmed() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = fill(dir.path(), &[9, 9, 9, 9], SMALL);
    let first = journal.first();
    journal.trim(Epoch(4), Epoch(1)).unwrap();
    assert_eq!(journal.first(), first);
    journal.trim(Epoch(4), Epoch(3)).unwrap();
    assert_eq!(read(&journal, 3), [(3, 9), (4, 9)]);
    journal.trim(Epoch(4), Epoch(9)).unwrap();
    assert_eq!(journal.first(), Epoch(5));
}

proptest! {
    /// Whoever reads behind the writer gets what a replay gives, wherever it begins, and never more than it asked for.
    #[test]
    fn a_tail_reads_what_is_appended(
        sizes in proptest::collection::vec(0..12_u64, 1..12),
        begin in 1..12_u64,
        segment_bytes in 100..4000_u64,
        asks in proptest::collection::vec(0..4_u64, 12),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path(), JournalOptions { segment_bytes, sync: false }).unwrap();
        let (mut tail, mut given) = (Tail::new(dir.path(), Epoch(begin)), Vec::new());
        for (index, size) in (1..).zip(&sizes) {
            let (commit, chunks) = epoch(index, *size);
            journal.append(&commit, &chunks).unwrap();
            let last = Epoch(index.saturating_sub(asks[usize::try_from(index).unwrap() % 12]));
            while let Some(record) = tail.next(last).unwrap() {
                prop_assert!(record.commit.epoch <= last);
                given.push(record);
            }
        }
        while let Some(record) = tail.next(journal.last()).unwrap() {
            given.push(record);
        }
        let all: Vec<EpochRecord> = journal.replay(Epoch(1)).unwrap().map(Result::unwrap).collect();
        let expected: Vec<EpochRecord> =
            all.into_iter().filter(|record| record.commit.epoch.0 >= begin).collect();
        prop_assert_eq!(given, expected);
    }
}

#[test]
fn a_tail_says_what_was_trimmed() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = fill(dir.path(), &[9, 9, 9, 9], SMALL);
    let mut open = Tail::new(dir.path(), Epoch(1));
    assert_eq!(open.next(Epoch(4)).unwrap().unwrap().commit.epoch, Epoch(1));
    journal.trim(Epoch(4), Epoch(9)).unwrap();
    let gone =
        |tail: &mut Tail| matches!(tail.next(Epoch(4)), Err(JournalError::Trimmed { first: Epoch(5), .. }));
    assert!(gone(&mut open) && gone(&mut Tail::new(dir.path(), Epoch(2))));
    let (commit, chunks) = epoch(5, 2);
    journal.append(&commit, &chunks).unwrap();
    let mut behind = Tail::new(dir.path(), Epoch(5));
    assert_eq!(behind.next(Epoch(5)).unwrap().unwrap().events.len(), 2);
    assert!(behind.next(Epoch(5)).unwrap().is_none());
    // What should be there and is not is damage.
    assert!(matches!(behind.next(Epoch(6)), Err(JournalError::Damaged { .. })));
}
