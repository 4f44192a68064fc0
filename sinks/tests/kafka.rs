//! The change feed over a broker: what a reader of committed messages folds is what the view holds, over restarts of
//! both, over a predecessor that is still at it, and over another writer that claims the feed's name.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]
#![allow(missing_docs, unreachable_pub, dead_code, reason = "what tests share is more than these need")]

#[path = "../../tests/support/broker.rs"]
mod broker;
#[path = "../../tests/support/proxy.rs"]
mod proxy;
#[path = "../../tests/support/topic.rs"]
mod topic;

use broker::Broker;
use proxy::{Network, Proxy};
use springline_model::{
    Epoch, EpochCommit, KafkaClient, NodeName, Row as _, Table, Timestamp, View, rows::NodeRow,
};
use springline_sinks::{
    Engine, Scan, StoreConfig,
    follow::{Feed as _, Item, Op, Runner, SinkConfig, SinkState},
    parquet::json_row,
    views::{At, Changes, Follow, Views},
};
use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;
use topic::{Rows, folded};

/// Asks again and again until the answer is there.
fn eventually<T>(what: &str, at_most: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < at_most, "{what}: not within {at_most:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

const PARTITIONS: i32 = 3;

fn config() -> SinkConfig {
    let config = serde_json::json!({
        "kind": "kafka", "view": "catalog", "tables": ["nodes"], "topic": "views.{table}", "partitions": PARTITIONS,
        "replication": 1, "transaction_timeout_secs": 20,
    });
    serde_json::from_value(config).unwrap()
}

fn client(broker: &Broker) -> KafkaClient {
    KafkaClient { brokers: vec![broker.address()], ..KafkaClient::default() }
}

/// A process' life.
struct Life {
    views: Views,
    runner: Runner,
    stop: CancellationToken,
    thread: std::thread::JoinHandle<()>,
}

impl Life {
    fn begin(dir: &Path, broker: &Broker) -> Self {
        let views = Views::open(&StoreConfig::of(Engine::Sled), dir).unwrap();
        let followers = BTreeMap::from([("nodes".into(), View::Catalog)]);
        views.follow(&Follow { followers, ..Follow::default() }).unwrap();
        let runner = Runner::new(&views, "nodes", "kafka", View::Catalog, vec![Table::Nodes]);
        let (stop, feed) = (CancellationToken::new(), config().feed("nodes", &client(broker)).unwrap());
        let (running, stopped, runtime) = (runner.clone(), stop.clone(), tokio::runtime::Handle::current());
        let thread = std::thread::spawn(move || {
            let _runtime = runtime.enter();
            running.run(feed, &stopped);
        });
        Self { views, runner, stop, thread }
    }

    fn end(self) {
        self.stop.cancel();
        self.thread.join().unwrap();
    }

    /// An epoch that changes some nodes.
    fn change(&self, from: u64, count: u64) {
        let epoch = self.views.applied().next();
        let mut changes = Changes::default();
        let row = |number: u64, subnodes| {
            let node = NodeName::from_canonical(&format!("node {number:05}"));
            NodeRow { node, subnodes, authors: 0, links: 0, linkers: 0 }
        };
        for number in from..from + count {
            let key = row(number, 0).key_bytes();
            let old = self.views.reader().read(|snapshot| snapshot.get::<NodeRow>(&key)).unwrap();
            old.iter().for_each(|old| changes.push(old, -1));
            if old.is_none() || !(number + epoch.0).is_multiple_of(3) {
                changes.push(&row(number, epoch.0), 1);
            }
        }
        let at = Timestamp(epoch.0.cast_signed());
        let commit = EpochCommit { epoch, at, execution: 0, advances: vec![], events: 1 };
        self.views.apply(&commit, changes).unwrap();
    }

    fn until_told(&self) {
        eventually("the feed", Duration::from_secs(120), || {
            let (status, newest) = (self.runner.status(), self.views.log(View::Catalog).unwrap().newest);
            (status.state == SinkState::Following && status.at == newest.to_string()).then_some(())
        });
    }

    fn check(&self, broker: &Broker) -> usize {
        self.until_told();
        let scan = Scan { limit: usize::MAX, ..Scan::default() };
        let rows = self.views.reader().read(|snapshot| snapshot.scan_raw(Table::Nodes, &scan)).unwrap();
        let (told, met) = folded(broker, "views.nodes", PARTITIONS);
        let values = |rows: Rows| {
            let mut rows: Vec<String> = rows.into_values().map(|row| row.to_string()).collect();
            rows.sort();
            rows
        };
        let mut expected: Vec<String> = rows
            .iter()
            .map(|(key, value)| {
                serde_json::Value::from(json_row(Table::Nodes, key, value).unwrap()).to_string()
            })
            .collect();
        expected.sort();
        assert_eq!(values(told), expected);
        assert!(met.values().all(|times| *times == 1), "{met:?}");
        met.len()
    }
}

/// A process that goes on although another has begun: it claims the name, and has not committed what it sent.
fn zombie(broker: &Broker) -> Box<dyn springline_sinks::follow::Feed> {
    let mut feed = config().feed("nodes", &client(broker)).unwrap();
    feed.begin().unwrap();
    let node = NodeName::from_canonical("never");
    let row = NodeRow { node, subnodes: 0, authors: 0, links: 0, linkers: 0 };
    let item = Item {
        op: Op::Create,
        at: At { epoch: Epoch(9_999), n: 1 },
        clock: Timestamp(0),
        table: Table::Nodes,
        key: row.key_bytes(),
        before: None,
        after: Some(row.value_bytes()),
    };
    feed.send(vec![item]).unwrap();
    feed
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut broker) = Broker::start(&dir.path().join("broker")) else { return };
    let run = move || {
        let mut life = Life::begin(dir.path(), &broker);
        life.change(0, 2500);
        life.until_told();
        for round in 0..4 {
            for step in 0..10 {
                life.change(step * 7 + round, 20);
            }
            match round {
                0 => {
                    life.end();
                    life = Life::begin(dir.path(), &broker);
                }
                1 => {
                    // Not in a transaction: started anew the tests' broker says that one counts which it has given up.
                    life.check(&broker);
                    broker.stop();
                    life.change(0, 50);
                    eventually("it tells that it fails", Duration::from_secs(120), || {
                        (life.runner.status().state == SinkState::Failing).then_some(())
                    });
                    broker.start_again();
                }
                2 => {
                    let mut zombie = zombie(&broker);
                    life.change(0, 50);
                    life.check(&broker);
                    let progress = springline_sinks::follow::Progress {
                        log: 0,
                        at: At { epoch: Epoch(9_999), n: 1 },
                        horizon: None,
                    };
                    assert!(zombie.commit(&progress).is_err(), "it was kept out");
                }
                _ => {}
            }
            let met = life.check(&broker);
            println!("round {round}: {met} changes told");
        }
        life.runner.reset().unwrap();
        life.change(0, 10);
        eventually("it begins again", Duration::from_secs(60), || {
            (!life.views.followers()["nodes"].is_reset).then_some(())
        });
        life.check(&broker);
        life.end();
    };
    tokio::task::spawn_blocking(run).await.unwrap();
}
