use super::{
    super::{
        blocks::BlockError,
        car::{Car, Hashes, Limits, write},
        data,
        mst::MstError,
        repo::{Repo, RepoError},
    },
    recorded, recorded_bytes,
};
use std::collections::BTreeSet;

/// Records, their bytes, collections.
fn read(path: &str) -> Option<(u64, usize, usize)> {
    let bytes = recorded_bytes(path)?;
    let repo = Repo::from_bytes(&bytes, &Limits::REPO).unwrap();
    let file = Repo::from_file(std::fs::File::open(recorded(path)?).unwrap(), Limits::REPO).unwrap();
    assert_eq!(
        (repo.root(), repo.did(), repo.rev(), repo.data()),
        (file.root(), file.did(), file.rev(), file.data())
    );
    let (mut records, mut of_file) = (repo.records(), file.records());
    let (mut count, mut size, mut collections) = (0, 0, BTreeSet::new());
    while let Some(record) = records.next().unwrap() {
        let same = of_file.next().unwrap().unwrap();
        assert_eq!((record.path, record.cid, &record.block), (same.path, same.cid, &same.block));
        let (collection, rkey) = record.names().unwrap();
        assert_eq!(format!("{collection}/{rkey}"), record.path);
        let value = data::record(&record.block).unwrap();
        assert_eq!(data::encode(&value).unwrap(), *record.block);
        collections.insert(collection.to_owned());
        count += 1;
        size += record.block.len();
    }
    assert!(of_file.next().unwrap().is_none());
    assert_eq!((repo.check(), file.check()), (Ok(count), Ok(count)));
    Some((count, size, collections.len()))
}

#[test]
fn whole_repositories_are_read_record_by_record() {
    for (name, records, bytes, collections) in [
        ("cars/empty.car", 0, 0, 0),
        ("cars/tiny.car", 8, 2_071, 0),
        ("cars/little.car", 278, 246_960, 24),
        ("cars/midsize.car", 11_585, 3_741_393, 58),
        ("cars/rsky-valid_repo.car", 6, 0, 0),
    ] {
        let Some(found) = read(name) else { return };
        assert_eq!(found.0, records, "{name}");
        assert!(bytes == 0 || found.1 == bytes, "{name}: {}", found.1);
        assert!(collections == 0 || found.2 == collections, "{name}: {}", found.2);
    }
}

#[test]
fn an_export_is_what_other_programs_say_that_it_is() {
    let (Some(bytes), Some(list), Some(facts)) = (
        recorded_bytes("jetstream-corpus/repo.car"),
        recorded_bytes("jetstream-corpus/car_expected_records.tsv"),
        recorded_bytes("jetstream-corpus/car_expected_commit.txt"),
    ) else {
        return;
    };
    let repo = Repo::from_bytes(&bytes, &Limits::REPO).unwrap();
    let mut walk = repo.paths();
    let mut lines = String::new();
    while let Some((path, cid)) = walk.next().unwrap() {
        lines += &format!("{path}\t{cid}\n");
        let (found, block) = repo.get(path).unwrap().unwrap();
        assert!(found == cid && cid.is_of(&block));
    }
    assert_eq!(lines, std::str::from_utf8(&list).unwrap());
    let facts = std::str::from_utf8(&facts).unwrap();
    for (name, value) in [
        ("DID", repo.did().to_owned()),
        ("Data CID", repo.data().to_string()),
        ("Revision", repo.rev().unwrap().to_string()),
    ] {
        assert!(facts.lines().any(|line| line == format!("{name}: {value}")), "{name}");
    }
    assert_eq!(repo.get("app.bsky.feed.like/none"), Ok(None));
}

#[test]
fn a_slice_proves_what_is_there_and_what_isnt() {
    let like = |rkey: &str| format!("app.bsky.feed.like/{rkey}");
    for (name, key) in
        [("one", "3mcg72x6bi32z"), ("node-first-key", "3lohfzs6qea24"), ("node-after", "3mcqqwzsc7x26")]
    {
        let Some(bytes) = recorded_bytes(&format!("cars/slice-{name}.car")) else { return };
        let repo = Repo::from_bytes(&bytes, &Limits::REPO).unwrap();
        let (cid, block) = repo.get(&like(key)).unwrap().unwrap();
        assert!(cid.is_of(&block) && data::record(&block).is_ok());
        // The rest isn't there, and that is said.
        assert!(matches!(repo.check(), Err(RepoError::Block(_) | RepoError::Mst(MstError::Block(_)))));
    }
    let Some(bytes) = recorded_bytes("cars/slice-proving-absence.car") else { return };
    let repo = Repo::from_bytes(&bytes, &Limits::REPO).unwrap();
    assert_eq!(repo.get(&like("3lohfzs6qea23")), Ok(None));
    assert!(repo.get(&like("3mcg72x6bi32z")).is_err(), "not proved either way");
}

#[test]
fn a_repository_without_any_one_of_its_blocks_is_incomplete() {
    let Some(bytes) = recorded_bytes("cars/tiny.car") else { return };
    let car = Car::read(&bytes, &Limits::REPO, Hashes::Check).unwrap();
    let root = car.root().unwrap();
    for (left_out, _) in car.blocks.iter() {
        let rest: Vec<_> = car.blocks.iter().filter(|(cid, _)| *cid != left_out).collect();
        let bytes = write(&root, rest.iter().copied());
        let missing = Repo::from_bytes(&bytes, &Limits::REPO).and_then(|repo| repo.check());
        let expected = BlockError::Missing(*left_out);
        let of_tree = RepoError::Mst(MstError::Block(expected));
        assert!(missing == Err(expected.into()) || missing == Err(of_tree), "{missing:?}");
        // In any order it is whole.
        let reversed: Vec<_> = car.blocks.iter().collect::<Vec<_>>().into_iter().rev().collect();
        let bytes = write(&root, reversed);
        assert_eq!(Repo::from_bytes(&bytes, &Limits::REPO).unwrap().check(), Ok(8));
    }
}

#[test]
fn a_file_that_changes_is_noticed() {
    let Some(bytes) = recorded_bytes("cars/tiny.car") else { return };
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&path, &bytes).unwrap();
    let repo = Repo::from_file(std::fs::File::open(&path).unwrap(), Limits::REPO).unwrap();
    assert_eq!(repo.check(), Ok(8));
    let last = bytes.len() - 1;
    std::fs::write(&path, [&bytes[..last], &[bytes[last] ^ 1]].concat()).unwrap();
    assert!(matches!(repo.check(), Err(RepoError::Block(BlockError::Hash(_)) | RepoError::Mst(_))));
    std::fs::write(&path, b"").unwrap();
    assert!(repo.check().is_err());
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    let Some(bytes) = recorded_bytes("cars/midsize.car") else { return };
    let Some(path) = recorded("cars/midsize.car") else { return };
    let time = |name: &str, read: &dyn Fn() -> u64| {
        let start = std::time::Instant::now();
        let records: u64 = (0..10).map(|_| read()).sum();
        println!("{name}: {:.0} records/s", records as f64 / start.elapsed().as_secs_f64());
    };
    time("memory", &|| Repo::from_bytes(&bytes, &Limits::REPO).unwrap().check().unwrap());
    time("file", &|| {
        Repo::from_file(std::fs::File::open(&path).unwrap(), Limits::REPO).unwrap().check().unwrap()
    });
}
