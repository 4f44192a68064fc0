//! Events on a store that fails, under a writer that dies: a reader of any manifest finds a stretch of each log, each
//! event once and whole; and after the purge nothing of what was deleted, but all of the rest.

use super::*;
use crate::{
    events::{EventPage, Gone, Told, owner},
    parquet::{EventsFeed, JournalProgress, LogProgress, Subject},
};
use springline_model::{
    AccountStatus, Event as What, EventBody, Hosting, Quarantined, Record, Rev, SourceId,
};
use std::sync::OnceLock;

const ACCOUNTS: usize = 4;

/// Something that happens to one of a few accounts.
#[derive(Clone, Debug)]
enum Deed {
    Put(u8, u64),
    Delete(u8, u64),
    Refuse(u8),
    Forbid(u64, bool),
    Host(u64, bool),
}

fn authority(account: usize) -> Uri {
    Uri::from(format!("at://did:plc:{account}/"))
}

fn event(account: usize, deed: &Deed) -> What {
    let uri = |key: &u8| Uri::from(format!("at://did:plc:{account}/app.bsky.feed.post/{key}"));
    let authority = authority(account);
    let body = match deed {
        Deed::Put(key, rev) => EventBody::Put {
            rev: Rev(*rev),
            record: Arc::new(Record {
                uri: uri(key),
                kind: "app.bsky.feed.post".into(),
                author: Uri::from(format!("did:plc:{account}")),
                node: None,
                title: String::new(),
                text: format!("what {account} says in {key} as of {rev}"),
                langs: vec![],
                tags: vec![],
                at: Timestamp(7),
                links: vec![],
                attrs: BTreeMap::new(),
            }),
        },
        Deed::Delete(key, rev) => EventBody::Delete { rev: Rev(*rev), uri: uri(key) },
        Deed::Refuse(key) => EventBody::Quarantine(Box::new(Quarantined {
            uri: uri(key),
            source: SourceId::new("s"),
            origin: "o".into(),
            reason: "too odd".into(),
            at: Timestamp(8),
            bytes: 1,
            sample: vec![1],
        })),
        Deed::Forbid(rev, is) => EventBody::Account {
            rev: Rev(*rev),
            authority,
            status: if *is { AccountStatus::Forbidden } else { AccountStatus::Active },
        },
        Deed::Host(rev, is) => EventBody::Hosting {
            rev: Rev(*rev),
            authority,
            status: if *is { Hosting::Deleted } else { Hosting::Active },
        },
    };
    What { source: SourceId::new("s"), observed: Timestamp(9), body }
}

/// Two logs, and how far they were written.
#[derive(Default)]
struct Logs {
    told: [Vec<Told>; 2],
    epoch: u64,
}

const NAMES: [&str; 2] = ["t/0", "t/1"];

impl Logs {
    fn epoch(&mut self, deeds: &[(usize, Deed)], hours: i64) {
        static BEGIN: OnceLock<Timestamp> = OnceLock::new();
        let begin = BEGIN.get_or_init(|| Timestamp(1_700_000_000_000));
        self.epoch += 1;
        let clock = Timestamp(begin.0 + i64::try_from(self.epoch).unwrap() * hours * 3_600_000);
        for (n, (account, deed)) in (1..).zip(deeds) {
            let log = account % 2;
            let clock = self.told[log].last().map_or(clock, |last| last.clock.max(clock));
            self.told[log].push(Told {
                log: NAMES[log].into(),
                at: At { epoch: Epoch(self.epoch), n },
                clock,
                event: event(*account, deed),
            });
        }
    }

    /// Who is gone as of the last event, as a ledger would know.
    fn gone(&self) -> Gone {
        let mut gone = Gone::default();
        for told in self.told.iter().flatten() {
            gone.takes(&told.event.body, &owner(&told.event.body));
        }
        gone
    }

    /// Some that follow what was had.
    fn page(&self, had: &JournalProgress, most: usize) -> EventPage {
        let mut page = EventPage { epoch: Epoch(self.epoch), ..EventPage::default() };
        for (name, told) in NAMES.iter().zip(&self.told) {
            let from: usize = had.get(*name).map_or(0, |had| had.at.parse().unwrap());
            let to = told.len().min(from.saturating_add(most));
            if from == to {
                continue;
            }
            page.events.extend_from_slice(&told[from..to]);
            page.has_more |= to < told.len();
            let clock = told[to - 1].clock;
            page.progress.insert((*name).to_owned(), LogProgress { begins: 0, at: to.to_string(), clock });
        }
        page
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    log: String,
    at: At,
    op: String,
    name: String,
    text: Option<String>,
    reason: Option<String>,
}

fn rows(get: &dyn Fn(&str) -> Option<Vec<u8>>, path: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let bytes = get(path).unwrap_or_else(|| panic!("{path} is not there"));
    for batch in file::read(path, bytes, None).unwrap() {
        let batch = batch.unwrap();
        let text = |name: &str, row: usize| {
            let column = batch.column_by_name(name).unwrap().as_string::<i32>();
            arrow_array::Array::is_valid(column, row).then(|| column.value(row).to_owned())
        };
        for row in 0..batch.num_rows() {
            let epoch = batch.column_by_name("_epoch").unwrap().as_primitive::<UInt64Type>().value(row);
            let n = batch.column_by_name("_n").unwrap();
            let n = n.as_primitive::<arrow_array::types::UInt32Type>().value(row);
            found.push(Found {
                log: text("log", row).unwrap(),
                at: At { epoch: Epoch(epoch), n },
                op: text("_op", row).unwrap(),
                name: text("event", row).unwrap(),
                text: text("record", row).or_else(|| text("detail", row)),
                reason: text("reason", row),
            });
        }
    }
    found
}

fn manifest(get: &dyn Fn(&str) -> Option<Vec<u8>>) -> Option<DatasetManifest> {
    // One that is torn is seen by its readers.
    serde_json::from_slice(&get("manifest.json")?).ok()
}

/// All rows of the newest manifest.
fn all(get: &dyn Fn(&str) -> Option<Vec<u8>>) -> (Vec<Found>, JournalProgress) {
    let Some(manifest) = manifest(get) else { return (vec![], JournalProgress::new()) };
    let files = manifest.tables.get("events").map(|table| table.files.clone()).unwrap_or_default();
    let found: Vec<Found> = files.iter().flat_map(|file| rows(get, &file.path)).collect();
    assert_eq!(files.iter().map(|file| file.rows).sum::<u64>(), found.len() as u64);
    (found, manifest.journal.unwrap_or_default())
}

/// What an event is found as, if its account was never gone.
fn whole(told: &Told) -> Found {
    let text = match &told.event.body {
        EventBody::Put { record, .. } => serde_json::to_string(record),
        body => serde_json::to_string(body),
    };
    let reason = matches!(told.event.body, EventBody::Quarantine(_)).then(|| "too odd".to_owned());
    Found {
        log: told.log.to_string(),
        at: told.at,
        op: if ends(told) { "d" } else { "c" }.into(),
        name: told.event.body.name().into(),
        text: Some(text.unwrap()),
        reason,
    }
}

fn ends(told: &Told) -> bool {
    matches!(
        told.event.body,
        EventBody::Delete { .. }
            | EventBody::Account { status: AccountStatus::Forbidden, .. }
            | EventBody::Hosting { status: Hosting::Deleted, .. }
    )
}

fn about(body: &EventBody) -> (Option<&Uri>, Option<u64>) {
    match body {
        EventBody::Put { rev, record } => (Some(&record.uri), Some(rev.0)),
        EventBody::Delete { rev, uri } => (Some(uri), Some(rev.0)),
        EventBody::Quarantine(row) => (Some(&row.uri), None),
        _ => (None, None),
    }
}

impl Logs {
    /// Accounts that were gone at any time.
    fn ever_gone(&self) -> BTreeSet<String> {
        let of_accounts = self.told.iter().flatten().filter(|told| about(&told.event.body).0.is_none());
        of_accounts.filter(|told| ends(told)).map(|told| owner(&told.event.body).into_owned()).collect()
    }

    /// Whether a purge has to take an event, as a naive reader of the whole log would have it; or may take it: a stale
    /// put, behind the delete of its record.
    fn must_go(&self, told: &Told) -> bool {
        self.goes(told, |other| told.at <= other.at)
    }

    fn may_go(&self, told: &Told) -> bool {
        self.goes(told, |_| true)
    }

    fn goes(&self, told: &Told, is_seen: impl Fn(&Told) -> bool) -> bool {
        let ((uri, rev), of) = (about(&told.event.body), owner(&told.event.body));
        let account = |other: &Told| {
            about(&other.event.body).0.is_none()
                && ends(other)
                && owner(&other.event.body) == of
                && other.at >= told.at
        };
        let record = |other: &Told| {
            let (other_uri, other_rev) = about(&other.event.body);
            ends(other)
                && is_seen(other)
                && uri.is_some()
                && other_uri == uri
                && match (rev, other_rev) {
                    (Some(rev), Some(last)) => rev <= last,
                    _ => told.at <= other.at,
                }
        };
        let log = &self.told[NAMES.iter().position(|name| **name == *told.log).unwrap()];
        log.iter().any(|other| account(other) || record(other))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Epoch(Vec<(usize, Deed)>, i64),
    Send(usize),
    Commit,
    Tend,
    Die,
    Reset,
    Faults(Vec<Fault>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let deed = prop_oneof![
        8 => (0..6_u8, 0..9_u64).prop_map(|(key, rev)| Deed::Put(key, rev)),
        3 => (0..6_u8, 0..9_u64).prop_map(|(key, rev)| Deed::Delete(key, rev)),
        1 => (0..6_u8).prop_map(Deed::Refuse),
        1 => (0..6_u64, any::<bool>()).prop_map(|(rev, is)| Deed::Forbid(rev, is)),
        1 => (0..6_u64, any::<bool>()).prop_map(|(rev, is)| Deed::Host(rev, is)),
    ];
    let fault = prop_oneof![
        3 => Just(Fault::None), 1 => Just(Fault::Fails), 1 => Just(Fault::Tears), 1 => Just(Fault::Unheard)
    ];
    let step = prop_oneof![
        8 => (proptest::collection::vec((0..ACCOUNTS, deed), 0..20), 0..30_i64)
            .prop_map(|(deeds, hours)| Step::Epoch(deeds, hours)),
        4 => (1..30_usize).prop_map(Step::Send),
        6 => Just(Step::Commit),
        4 => Just(Step::Tend),
        1 => Just(Step::Die),
        1 => Just(Step::Reset),
        2 => proptest::collection::vec(fault, 1..6).prop_map(Step::Faults),
    ];
    proptest::collection::vec(step, 1..50)
}

struct Teller {
    store: Arc<Faulty>,
    config: ParquetSinkConfig,
    feed: Option<(EventsFeed, Gone, JournalProgress)>,
}

impl Teller {
    fn handle(&mut self, logs: &Logs, step: &Step) -> Result<(), crate::follow::FeedError> {
        let is_reset = matches!(step, Step::Reset);
        if is_reset || self.feed.is_none() {
            let feed = EventsFeed::new("lake", &self.config).unwrap();
            let mut feed = feed.at(Place::over(self.store.clone()));
            let begun = feed.begin(is_reset)?;
            self.feed = Some((feed, logs.gone(), begun.journal));
        }
        let Some((feed, gone, had)) = &mut self.feed else { return Ok(()) };
        let mut send = |most: usize| {
            let page = logs.page(had, most);
            had.extend(page.progress.clone());
            feed.send(page, gone)
        };
        match step {
            Step::Send(most) => send(*most),
            Step::Commit | Step::Reset => {
                send(usize::MAX)?;
                feed.commit()
            }
            Step::Tend => feed.tend().map(drop),
            _ => Ok(()),
        }
    }
}

fn live(runtime: &Runtime, steps: &[Step], secs: u32) {
    let store = Arc::new(Faulty { inner: InMemory::new(), faults: Mutex::default() });
    // The events are of long ago.
    let purge_secs = if secs > 0 { u32::MAX } else { 0 };
    let config = ParquetSinkConfig { view: Subject::Events, purge_secs, ..config(Form::Changelog, secs) };
    let mut teller = Teller { store: store.clone(), config, feed: None };
    let (mut logs, get) = (Logs::default(), |path: &str| object(runtime, &store.inner, path));
    let check = |logs: &Logs| {
        let (found, progress) = all(&get);
        let gone = logs.ever_gone();
        for (name, told) in NAMES.iter().zip(&logs.told) {
            let to: usize = progress.get(*name).map_or(0, |progress| progress.at.parse().unwrap());
            let of_log: Vec<&Found> = found.iter().filter(|found| found.log == *name).collect();
            let order: Vec<At> = of_log.iter().map(|found| found.at).collect();
            assert!(order.is_sorted_by(|a, b| a < b), "each once, in order: {order:?}");
            let mut of_log = of_log.into_iter().peekable();
            for told in &told[..to] {
                let expected = whole(told);
                let is_gone = gone.contains(&*owner(&told.event.body));
                match of_log.next_if(|found| found.at == told.at) {
                    Some(found) if is_gone && found.op == "d" => {
                        assert!(found.text.is_none() || *found == expected);
                    }
                    Some(found) => assert_eq!(*found, expected),
                    None => assert!(secs == 0 && (is_gone || logs.may_go(told)), "{told:?} is missing"),
                }
            }
            assert_eq!(of_log.next(), None, "behind what was read");
        }
    };
    let _entered = runtime.enter();
    for step in steps {
        match step {
            Step::Epoch(deeds, hours) => logs.epoch(deeds, *hours),
            Step::Die => teller.feed = None,
            Step::Faults(faults) => store.faults.lock().extend(faults),
            step => {
                if teller.handle(&logs, step).is_err() {
                    teller.feed = None;
                }
            }
        }
        check(&logs);
    }
    store.faults.lock().clear();
    teller.feed = None;
    teller.handle(&logs, &Step::Commit).unwrap();
    check(&logs);
    if secs > 0 {
        let (found, _) = all(&get);
        assert_eq!(found.len(), logs.told.iter().map(Vec::len).sum::<usize>(), "all of it is there");
        return;
    }
    for _ in 0..400 {
        if teller.feed.as_mut().unwrap().0.tend().unwrap() > Duration::ZERO {
            break;
        }
        check(&logs);
    }
    // What has to go is nowhere, whoever may have left a file.
    let files = store.inner.list(Some(&Key::from("table=events")));
    let files: Vec<ObjectMeta> = runtime.block_on(futures_util::TryStreamExt::try_collect(files)).unwrap();
    let places: BTreeMap<(&str, At), &Told> =
        logs.told.iter().flatten().map(|told| ((&*told.log, told.at), told)).collect();
    for meta in files {
        for found in rows(&get, meta.location.as_ref()) {
            let told = places[&(found.log.as_str(), found.at)];
            assert!(!logs.must_go(told), "{found:?} is still in {}", meta.location);
            assert_eq!(found.op, "c");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn any_manifest_reads_as_the_logs(steps in steps(), keeps: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        live(&runtime, &steps, if keeps { 1000 } else { 0 });
    }
}

#[test]
fn what_is_asked_of_events_makes_sense() {
    let refused = |text: &str| {
        let config: ParquetSinkConfig = serde_json::from_str(text).unwrap();
        EventsFeed::new("lake", &config).err()
    };
    assert_eq!(refused(r#"{"view":"events","to":"x","tables":["events"]}"#), None);
    assert!(refused(r#"{"view":"events","to":"x","form":"snapshot"}"#).unwrap().contains("changelog"));
    assert!(refused(r#"{"view":"events","to":"x","tables":["nodes"]}"#).unwrap().contains("`events`"));
    let unknown = serde_json::from_str::<ParquetSinkConfig>(r#"{"view":"all","to":"x"}"#).unwrap_err();
    assert!(unknown.to_string().contains("no view `all`"));
    let config: ParquetSinkConfig = serde_json::from_str(r#"{"view":"events","to":"x"}"#).unwrap();
    assert!(EventsFeed::new("../x", &config).is_err());
}
