//! Datasets on a store that fails, tears uploads and forgets its answers, under a writer that dies: what a reader of any
//! manifest finds is the view as of its position, and each change once.

mod events;
mod faulty;
mod s3;

use super::{DatasetManifest, Form, ParquetFeed, ParquetSinkConfig, file, file::KEY, place::Place};
use crate::{
    follow::{Feed as _, Item, Op, Progress},
    views::At,
};
use arrow_array::{RecordBatch, cast::AsArray as _, types::UInt64Type};
use faulty::{Fault, Faulty};
use object_store::{ObjectMeta, ObjectStore as _, ObjectStoreExt as _, memory::InMemory, path::Path as Key};
use parking_lot::Mutex;
use proptest::prelude::*;
use springline_model::{
    Epoch, NodeName, Row as _, Table, Timestamp, Uri,
    rows::{AuthorRow, NodeRow},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::runtime::Runtime;

const TABLES: [Table; 2] = [Table::Nodes, Table::Authors];

/// The rows' keys, and what tells one version of a row from another.
type Rows = BTreeMap<(Table, Vec<u8>), u64>;

/// A row of a table: its key, and a value of this version.
fn row(table: Table, key: u16, version: u64) -> (Vec<u8>, Vec<u8>) {
    let name = format!("k{key:05}");
    if table == Table::Nodes {
        let node = NodeName::from_canonical(&name);
        let row = NodeRow { node, subnodes: version, authors: 1, links: 2, linkers: 3 };
        (row.key_bytes(), row.value_bytes())
    } else {
        let row = AuthorRow { author: Uri::user(&name), records: version, links: 1, bytes: 1 };
        (row.key_bytes(), row.value_bytes())
    }
}

fn version(table: Table, batch: &RecordBatch, row: usize) -> u64 {
    let name = if table == Table::Nodes { "subnodes" } else { "records" };
    batch.column_by_name(name).unwrap().as_primitive::<UInt64Type>().value(row)
}

/// The view's log, and the view at each of its positions.
struct View {
    log: Vec<Item>,
    rows: Rows,
    at: At,
    clock: Timestamp,
    history: BTreeMap<At, Rows>,
}

impl View {
    fn new() -> Self {
        let history = BTreeMap::from([(At::default(), Rows::new())]);
        // Long ago, so that every day is over.
        let clock = Timestamp(1_700_000_000_000);
        Self { log: Vec::new(), rows: Rows::new(), at: At::default(), clock, history }
    }

    fn epoch(&mut self, cells: &BTreeMap<(usize, u16), Option<u8>>, hours: i64) {
        self.clock = Timestamp(self.clock.0 + hours * 3_600_000);
        self.at = At { epoch: self.at.epoch.next(), n: 0 };
        for ((table, key), version) in cells {
            let table = TABLES[*table];
            let value = |version: u64| row(table, *key, version).1;
            let (key, _) = row(table, *key, 0);
            let before = self.rows.get(&(table, key.clone())).copied();
            let after = version.map(u64::from);
            if before == after {
                continue;
            }
            let op = match (before, after) {
                (None, _) => Op::Create,
                (_, None) => Op::Delete,
                _ => Op::Update,
            };
            self.at.n += 1;
            let (before, clock) = (before.map(value), self.clock);
            self.log.push(Item {
                op,
                at: self.at,
                clock,
                table,
                key: key.clone(),
                before,
                after: after.map(value),
            });
            match after {
                Some(after) => self.rows.insert((table, key), after),
                None => self.rows.remove(&(table, key)),
            };
        }
        self.history.insert(self.at, self.rows.clone());
    }

    /// What a sink is told that has nothing.
    fn beginning(&self) -> Vec<Item> {
        let at = At { epoch: self.at.epoch, n: 0 };
        let item =
            |op, table, key, after| Item { op, at, clock: self.clock, table, key, before: None, after };
        let truncate = TABLES.map(|table| item(Op::Truncate, table, Vec::new(), None));
        let rows = self.rows.iter().map(|((table, key), version)| {
            let number = |key: &[u8]| {
                let text = String::from_utf8_lossy(key);
                let digits: String = text.chars().filter(char::is_ascii_digit).collect();
                digits.parse().unwrap()
            };
            item(Op::Read, *table, key.clone(), Some(row(*table, number(key), *version).1))
        });
        truncate.into_iter().chain(rows).collect()
    }
}

/// A reader that knows nothing but the documentation.
struct Read {
    rows: Rows,
    manifest: DatasetManifest,
}

fn object(runtime: &Runtime, store: &InMemory, path: &str) -> Option<Vec<u8>> {
    runtime.block_on(async { Some(store.get(&Key::from(path)).await.ok()?.bytes().await.unwrap().to_vec()) })
}

fn read(get: &dyn Fn(&str) -> Option<Vec<u8>>, path: &str) -> Option<Read> {
    let manifest: DatasetManifest = serde_json::from_slice(&get(path)?).ok()?;
    manifest.progress.as_ref()?;
    let mut rows = Rows::new();
    let mut last: BTreeMap<(Table, Vec<u8>), (At, bool)> = BTreeMap::new();
    let mut met = BTreeSet::new();
    for (name, table) in &manifest.tables {
        let of = TABLES.into_iter().find(|table| table.name() == name).unwrap();
        let mut count = 0;
        assert!(!table.files.is_empty());
        for file in &table.files {
            let bytes = get(&file.path).unwrap_or_else(|| panic!("{} is not there", file.path));
            assert_eq!(bytes.len() as u64, file.bytes);
            let mut of_file = 0;
            for batch in file::read(&file.path, bytes, None).unwrap() {
                let batch = batch.unwrap();
                let keys = file::binary(&file.path, &batch, KEY).unwrap();
                of_file += batch.num_rows() as u64;
                for row in 0..batch.num_rows() {
                    let key = (of, keys.value(row).to_vec());
                    let version = version(of, &batch, row);
                    if manifest.form == Form::Snapshot {
                        assert!(rows.insert(key, version).is_none(), "a row is there twice");
                        continue;
                    }
                    let op = batch.column_by_name("_op").unwrap().as_string::<i32>().value(row).to_owned();
                    let epoch =
                        batch.column_by_name("_epoch").unwrap().as_primitive::<UInt64Type>().value(row);
                    let n = batch.column_by_name("_n").unwrap();
                    let n = n.as_primitive::<arrow_array::types::UInt32Type>().value(row);
                    let at = At { epoch: Epoch(epoch), n };
                    assert!(met.insert((key.clone(), at)), "{at} came twice");
                    assert!(last.get(&key).is_none_or(|(before, _)| *before < at), "out of order");
                    last.insert(key.clone(), (at, op == "d"));
                    match op.as_str() {
                        "d" => drop(rows.remove(&key)),
                        _ => drop(rows.insert(key, version)),
                    }
                }
            }
            assert_eq!(of_file, file.rows);
            count += of_file;
        }
        assert_eq!(count, table.rows);
    }
    Some(Read { rows, manifest })
}

impl Read {
    /// It is the view as of its position; its generation.
    fn same(&self, view: &View) -> u64 {
        assert!(self.manifest.complete);
        let at = self.manifest.progress.as_ref().unwrap().at;
        assert_eq!(self.rows, view.history[&at], "{:?} as of {at}", self.manifest.form);
        self.manifest.generation
    }
}

#[derive(Clone, Debug)]
enum Event {
    Epoch(BTreeMap<(usize, u16), Option<u8>>, i64),
    Send,
    Commit,
    Tend,
    Die,
    Reset,
    Faults(Vec<Fault>),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let cell = ((0..2_usize, 0..60_u16), proptest::option::weighted(0.6, any::<u8>()));
    let fault = prop_oneof![
        3 => Just(Fault::None), 1 => Just(Fault::Fails), 1 => Just(Fault::Tears), 1 => Just(Fault::Unheard)
    ];
    let event = prop_oneof![
        6 => (proptest::collection::btree_map(cell.0, cell.1, 0..40), 0..9_i64)
            .prop_map(|(cells, hours)| Event::Epoch(cells, hours)),
        3 => Just(Event::Send),
        6 => Just(Event::Commit),
        4 => Just(Event::Tend),
        1 => Just(Event::Die),
        1 => Just(Event::Reset),
        2 => proptest::collection::vec(fault, 1..6).prop_map(Event::Faults),
    ];
    proptest::collection::vec(event, 1..60)
}

fn config(form: Form, secs: u32) -> ParquetSinkConfig {
    let form = if form == Form::Changelog { "changelog" } else { "snapshot" };
    let text = serde_json::json!({
        "view": "catalog", "to": "unused", "form": form, "roll_bytes": 1024, "file_bytes": 2048,
        "purge_secs": secs * 4, "grace_secs": secs,
    });
    serde_json::from_value(text).unwrap()
}

/// A writer, as the runner would drive it.
struct Writer {
    /// Where to, if not where the settings say.
    store: Option<Arc<Faulty>>,
    config: ParquetSinkConfig,
    feed: Option<(ParquetFeed, Progress)>,
    sent: Progress,
}

impl Writer {
    fn begin(&mut self, view: &View, is_reset: bool) -> Result<(), crate::follow::FeedError> {
        if self.feed.is_some() && !is_reset {
            return Ok(());
        }
        let feed = ParquetFeed::new("lake", &self.config, &TABLES).unwrap();
        let mut feed = match &self.store {
            Some(store) => feed.at(Place::over(store.clone())),
            None => feed,
        };
        let known = feed.begin()?.filter(|_| !is_reset);
        let progress = match known {
            Some(progress) => progress,
            None => {
                feed.send(view.beginning())?;
                Progress { log: 1, at: view.at, horizon: None }
            }
        };
        self.sent = progress.clone();
        self.feed = Some((feed, progress));
        Ok(())
    }

    fn send(&mut self, view: &View) -> Result<(), crate::follow::FeedError> {
        let Some((feed, _)) = &mut self.feed else { return Ok(()) };
        feed.send(view.log.iter().filter(|item| item.at > self.sent.at).cloned().collect())?;
        self.sent.at = view.at;
        Ok(())
    }

    fn handle(&mut self, view: &View, event: &Event) -> Result<(), crate::follow::FeedError> {
        self.begin(view, matches!(event, Event::Reset))?;
        match event {
            Event::Send => self.send(view),
            Event::Commit | Event::Reset => {
                self.send(view)?;
                let Some((feed, progress)) = &mut self.feed else { return Ok(()) };
                feed.commit(&self.sent)?;
                *progress = self.sent.clone();
                Ok(())
            }
            Event::Tend => {
                let Some((feed, _)) = &mut self.feed else { return Ok(()) };
                feed.tend().map(drop)
            }
            _ => Ok(()),
        }
    }
}

fn live(runtime: &Runtime, events: &[Event], form: Form, secs: u32) {
    let store = Arc::new(Faulty { inner: InMemory::new(), faults: Mutex::default() });
    let sent = Progress { log: 1, at: At::default(), horizon: None };
    let mut writer = Writer { store: Some(store.clone()), config: config(form, secs), feed: None, sent };
    let mut view = View::new();
    let mut newest = 0;
    let check = |view: &View, path: &str| {
        let read = read(&|path| object(runtime, &store.inner, path), path);
        read.map_or(0, |read| read.same(view))
    };
    let _entered = runtime.enter();
    for event in events {
        match event {
            Event::Epoch(cells, hours) => view.epoch(cells, *hours),
            Event::Die => writer.feed = None,
            Event::Faults(faults) => store.faults.lock().extend(faults),
            event => {
                if writer.handle(&view, event).is_err() {
                    writer.feed = None;
                }
            }
        }
        let generation = check(&view, "manifest.json");
        assert!(generation == 0 || generation >= newest, "the manifest went back");
        newest = newest.max(generation);
    }
    store.faults.lock().clear();
    writer.feed = None;
    writer.handle(&view, &Event::Commit).unwrap();
    check(&view, "manifest.json");
    if secs > 0 {
        // Older ones read as well, as long as their files stay.
        for number in newest.saturating_sub(5)..newest {
            check(&view, &format!("_springline/manifest-{number:020}.json"));
        }
        return;
    }
    for _ in 0..300 {
        if writer.feed.as_mut().unwrap().0.tend().unwrap() > Duration::ZERO {
            break;
        }
        check(&view, "manifest.json");
    }
    // What was deleted is nowhere, whoever may have left a file.
    check(&view, "manifest.json");
    let expired = writer.feed.as_mut().unwrap().0.tend().unwrap();
    assert!(expired > Duration::ZERO);
    let files = store.inner.list(Some(&Key::from("table=nodes")));
    let files: Vec<ObjectMeta> = runtime.block_on(futures_util::TryStreamExt::try_collect(files)).unwrap();
    for meta in files {
        let path = meta.location.to_string();
        let bytes = object(runtime, &store.inner, &path).unwrap();
        for batch in file::read(&path, bytes, None).unwrap() {
            let batch = batch.unwrap();
            for key in file::binary(&path, &batch, KEY).unwrap().iter().flatten() {
                assert!(
                    view.rows.contains_key(&(Table::Nodes, key.to_vec())),
                    "{path} holds what was deleted"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn any_manifest_reads_as_the_view(events in events(), is_changelog: bool, keeps: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let form = if is_changelog { Form::Changelog } else { Form::Snapshot };
        live(&runtime, &events, form, if keeps { 1000 } else { 0 });
    }
}

#[test]
fn files_are_put_together_and_days_end() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let store = Arc::new(Faulty { inner: InMemory::new(), faults: Mutex::default() });
    let mut config = ParquetSinkConfig { file_bytes: 1 << 20, ..config(Form::Changelog, 1000) };
    let sent = Progress { log: 1, at: At::default(), horizon: None };
    let mut writer =
        Writer { store: Some(store.clone()), config: config.clone(), feed: None, sent: sent.clone() };
    let mut view = View::new();
    for round in 0..40 {
        view.epoch(&BTreeMap::from([((0, round), Some(1))]), 6);
        writer.handle(&view, &Event::Commit).unwrap();
    }
    let get = |path: &str| object(&runtime, &store.inner, path);
    let manifest = || read(&get, "manifest.json").unwrap().manifest;
    assert!(manifest().tables["nodes"].files.len() > 30);
    while writer.feed.as_mut().unwrap().0.tend().unwrap().is_zero() {}
    let files = manifest().tables["nodes"].files.clone();
    let dates: BTreeSet<_> = files.iter().map(|file| file.date.clone().unwrap()).collect();
    assert_eq!((dates.len(), files.len()), (10, 10), "{files:?}");

    config.retain_days = Some(1);
    let mut writer = Writer { store: Some(store.clone()), config, feed: None, sent };
    writer.handle(&view, &Event::Commit).unwrap();
    while writer.feed.as_mut().unwrap().0.tend().unwrap().is_zero() {}
    assert_eq!(manifest().tables["nodes"].files, files[9..]);
}

#[test]
fn a_folder_is_cleared_of_what_a_dead_writer_left() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let mut config = config(Form::Snapshot, 0);
    config.to = dir.path().to_string_lossy().into_owned();
    let root = dir.path().join("view=catalog");
    let mut view = View::new();
    view.epoch(&(0..100).map(|key| ((0, key), Some(1))).collect(), 0);
    let mut first = ParquetFeed::new("lake", &config, &TABLES).unwrap();
    assert_eq!(first.begin().unwrap(), None);
    first.send(view.beginning()).unwrap();
    let progress = Progress { log: 1, at: view.at, horizon: None };
    first.commit(&progress).unwrap();
    let files = || -> Vec<_> {
        let found = std::fs::read_dir(root.join("table=nodes")).unwrap();
        found.map(|entry| entry.unwrap().file_name()).collect()
    };
    let whole = files();
    assert!(!whole.is_empty());
    for left in ["0000000009-0001.parquet", "0000000009-0002.parquet#1"] {
        std::fs::write(root.join("table=nodes").join(left), "PAR1").unwrap();
    }
    let mut second = ParquetFeed::new("lake", &config, &TABLES).unwrap();
    assert_eq!(second.begin().unwrap(), Some(progress.clone()));
    assert_eq!(files(), whole);
    // The first one is kept out.
    let error = first.commit(&progress).unwrap_err().to_string();
    assert!(error.contains("somebody else"), "{error}");
    second.commit(&progress).unwrap();
    // Another sink's dataset is left alone.
    let other = ParquetFeed::new("other", &config, &TABLES).unwrap().begin().unwrap_err().to_string();
    assert!(other.contains("`lake`"), "{other}");
}
