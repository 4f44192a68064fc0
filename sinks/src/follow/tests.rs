//! A sink that fails, forgets its answers, and is told by a process that dies and comes back: what it has is always the
//! rows up to the horizon as of an epoch, and it has each position once.

use super::{Feed, FeedError, Item, Op, Progress, Runner, SinkState};
use crate::{
    Engine, Scan, StoreConfig,
    views::{At, Change, Changes, Follow, Views, followed_tables},
};
use parking_lot::Mutex;
use proptest::prelude::*;
use springline_model::{Epoch, EpochCommit, Table, Timestamp, View};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// What a sink keeps, whoever writes to it.
#[derive(Default)]
struct Kept {
    rows: Rows,
    progress: Option<Progress>,
    positions: BTreeSet<At>,
    commits: usize,
    /// How the next calls end.
    faults: Vec<Fault>,
    /// How long what it was sent may wait.
    patience: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Begin,
    Send,
    /// It is not kept.
    Lost,
    /// It is kept, and the answer is lost.
    Unheard,
}

struct Memory {
    kept: Arc<Mutex<Kept>>,
    sent: Vec<Item>,
}

fn failed<T>() -> Result<T, FeedError> {
    Err("a fault".into())
}

impl Feed for Memory {
    fn begin(&mut self) -> Result<Option<Progress>, FeedError> {
        self.sent.clear();
        let mut kept = self.kept.lock();
        if kept.faults.pop_if(|fault| *fault == Fault::Begin).is_some() {
            failed()
        } else {
            Ok(kept.progress.clone())
        }
    }

    fn send(&mut self, items: Vec<Item>) -> Result<(), FeedError> {
        if self.kept.lock().faults.pop_if(|fault| *fault == Fault::Send).is_some() {
            return failed();
        }
        self.sent.extend(items);
        Ok(())
    }

    fn commit(&mut self, progress: &Progress) -> Result<(), FeedError> {
        let mut kept = self.kept.lock();
        let fault = kept.faults.pop().unwrap_or(Fault::None);
        if fault == Fault::Lost {
            return failed();
        }
        for item in self.sent.drain(..) {
            kept.take(item);
        }
        kept.progress = Some(progress.clone());
        kept.commits += 1;
        if fault == Fault::Unheard { failed() } else { Ok(()) }
    }

    fn due(&self, waited: Duration) -> Duration {
        self.kept.lock().patience.saturating_sub(waited)
    }
}

impl Kept {
    fn take(&mut self, Item { op, at, table, key, before, after, .. }: Item) {
        match op {
            Op::Truncate => self.rows.retain(|(other, _), _| *other != table),
            Op::Read => assert!(self.rows.insert((table, key), after.unwrap()).is_none(), "told twice"),
            Op::Create | Op::Update | Op::Delete => {
                assert!(self.positions.insert(at), "{at} came twice");
                let was = match after {
                    Some(after) => self.rows.insert((table, key), after),
                    None => self.rows.remove(&(table, key)),
                };
                assert_eq!(was, before);
            }
        }
    }
}

fn stored(views: &Views, tables: &[Table]) -> Rows {
    views.reader().read(|snapshot| {
        let scan = Scan { limit: usize::MAX, ..Scan::default() };
        let rows = |table: &Table| {
            let rows = snapshot.scan_raw(*table, &scan).unwrap();
            let table = *table;
            rows.into_iter().map(move |(key, value)| ((table, key), value))
        };
        tables.iter().flat_map(rows).collect()
    })
}

fn change(views: &Views, oracle: &mut Rows, cells: &[(usize, u16, Option<u8>)]) {
    let tables: Vec<Table> = followed_tables(View::Catalog).take(3).collect();
    let mut changes = Changes::default();
    let mut after = oracle.clone();
    for (table, key, value) in cells {
        let key = (tables[*table], key.to_be_bytes().to_vec());
        match value {
            Some(value) => drop(after.insert(key, vec![*value; 30])),
            None => drop(after.remove(&key)),
        }
    }
    let (old, new): (BTreeSet<_>, BTreeSet<_>) = (oracle.iter().collect(), after.iter().collect());
    for (rows, diff) in [(old.difference(&new), -1), (new.difference(&old), 1)] {
        for ((table, key), value) in rows {
            let change = Change { key: key.clone(), value: (*value).clone(), diff };
            changes.tables.entry(*table).or_default().push(change);
        }
    }
    let epoch = views.applied().next();
    let commit = EpochCommit { epoch, at: Timestamp(0), execution: 0, advances: vec![], events: 1 };
    views.apply(&commit, changes).unwrap();
    *oracle = after;
}

fn follow() -> Follow {
    Follow { followers: BTreeMap::from([("sink".into(), View::Catalog)]), ..Follow::default() }
}

/// A process' life: the runner on a thread of its own.
struct Life {
    runner: Runner,
    stop: CancellationToken,
    thread: tokio::task::JoinHandle<()>,
}

impl Life {
    fn begin(views: &Views, kept: &Arc<Mutex<Kept>>, tables: &[Table]) -> Self {
        let runner = Runner::new(views, "sink", "memory", View::Catalog, tables.to_vec());
        let (stop, feed) = (CancellationToken::new(), Memory { kept: kept.clone(), sent: vec![] });
        let (running, stopped) = (runner.clone(), stop.clone());
        let thread = tokio::task::spawn_blocking(move || running.run(feed, &stopped));
        Self { runner, stop, thread }
    }

    async fn end(self) {
        self.stop.cancel();
        self.thread.await.unwrap();
    }

    async fn until(&self, is: impl Fn() -> bool) {
        for _ in 0..2000 {
            if is() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{:?}", self.runner.status());
    }
}

#[derive(Clone, Debug)]
enum Event {
    Epoch(Vec<(usize, u16, Option<u8>)>),
    Rest,
    Restart,
    Reset,
    Faults(Vec<Fault>),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let cell = (0..3_usize, 0..3000_u16, proptest::option::weighted(0.7, any::<u8>()));
    let fault = prop_oneof![Just(Fault::Begin), Just(Fault::Send), Just(Fault::Lost), Just(Fault::Unheard)];
    let event = prop_oneof![
        6 => proptest::collection::vec(cell, 0..80).prop_map(Event::Epoch),
        2 => Just(Event::Rest),
        2 => Just(Event::Restart),
        1 => Just(Event::Reset),
        2 => proptest::collection::vec(fault, 1..3).prop_map(Event::Faults),
    ];
    proptest::collection::vec(event, 1..20)
}

async fn live(events: Vec<Event>, some_tables: bool, patience: Duration) {
    let views = Views::open(&StoreConfig::of(Engine::Memory), Path::new("")).unwrap();
    let all: Vec<Table> = followed_tables(View::Catalog).take(3).collect();
    let tables = if some_tables { vec![all[0], all[2]] } else { all };
    let kept = Kept { patience, ..Kept::default() };
    let (mut oracle, kept) = (Rows::new(), Arc::new(Mutex::new(kept)));
    // So many that the rows are told in several steps.
    let many: Vec<_> = (0..2500).map(|key| (0, key, Some(1))).collect();
    change(&views, &mut oracle, &many);
    views.follow(&follow()).unwrap();
    let mut life = Life::begin(&views, &kept, &tables);
    for event in events {
        match event {
            Event::Epoch(cells) => change(&views, &mut oracle, &cells),
            Event::Rest => tokio::time::sleep(Duration::from_millis(2)).await,
            Event::Faults(faults) => kept.lock().faults.extend(faults),
            Event::Reset => {
                life.runner.reset().unwrap();
            }
            Event::Restart => {
                life.end().await;
                views.follow(&follow()).unwrap();
                life = Life::begin(&views, &kept, &tables);
            }
        }
        // Whatever is kept is whole.
        let kept = kept.lock();
        if let Some(Progress { at, horizon: None, .. }) = &kept.progress
            && views.log(View::Catalog).is_some_and(|head| head.newest == *at)
        {
            assert_eq!(kept.rows, stored(&views, &tables));
        }
    }
    let is_done = || {
        let status = life.runner.status();
        let newest = views.log(View::Catalog).unwrap().newest;
        let kept = kept.lock();
        let has_all = |progress: &Progress| progress.horizon.is_none() && progress.at == newest;
        let cursor = &views.followers()["sink"];
        !cursor.is_reset
            && cursor.at == newest
            && status.state == SinkState::Following
            && kept.progress.as_ref().is_some_and(has_all)
    };
    kept.lock().faults.clear();
    // It need not wait any longer.
    life.runner.pause(false).unwrap();
    life.until(is_done).await;
    assert_eq!(kept.lock().rows, stored(&views, &tables));
    let expected: Rows = oracle.into_iter().filter(|((table, _), _)| tables.contains(table)).collect();
    assert_eq!(kept.lock().rows, expected);
    life.end().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn each_change_is_told_once(events in events(), some_tables: bool, patience in 0..20_u64) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(live(events, some_tables, Duration::from_millis(patience)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_can_not_go_on_is_lost_until_it_is_reset() {
    let views = Views::open(&StoreConfig::of(Engine::Memory), Path::new("")).unwrap();
    let (mut oracle, kept) = (Rows::new(), Arc::new(Mutex::new(Kept::default())));
    let tables: Vec<Table> = followed_tables(View::Catalog).take(3).collect();
    views.follow(&follow()).unwrap();
    change(&views, &mut oracle, &[(0, 1, Some(1))]);
    let life = Life::begin(&views, &kept, &tables);
    life.until(|| life.runner.status().state == SinkState::Following).await;

    life.runner.pause(true).unwrap();
    change(&views, &mut oracle, &[(0, 1, Some(2)), (0, 2, Some(2))]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!((life.runner.status().state, kept.lock().rows.len()), (SinkState::Paused, 1));
    life.runner.pause(false).unwrap();
    life.until(|| kept.lock().rows == oracle).await;
    life.end().await;

    // It has had what the store never knew of.
    let progress = kept.lock().progress.clone().unwrap();
    let ahead = Progress { at: At { epoch: Epoch(9), n: 1 }, ..progress };
    kept.lock().progress = Some(ahead);
    let life = Life::begin(&views, &kept, &tables);
    life.until(|| life.runner.status().state == SinkState::Lost).await;
    assert!(life.runner.status().reason.unwrap().contains("9.1"));
    change(&views, &mut oracle, &[(1, 7, Some(2)), (0, 2, None)]);
    kept.lock().positions.clear();
    life.runner.reset().unwrap();
    life.until(|| life.runner.status().state == SinkState::Following && kept.lock().rows == oracle).await;
    life.end().await;
}

#[test]
fn progress_reads_back() {
    let at = At { epoch: Epoch(57), n: 3 };
    let horizon = |key| Some(super::Horizon { table: Table::Nodes, key });
    for horizon in [None, horizon(None), horizon(Some(vec![0, 255]))] {
        let progress = Progress { log: u64::MAX, at, horizon };
        let text = serde_json::to_string(&progress).unwrap();
        assert_eq!(serde_json::from_str::<Progress>(&text).unwrap(), progress, "{text}");
    }
    assert!(serde_json::from_str::<Progress>(r#"{"log":"x","epoch":1,"n":1}"#).is_err());
}
