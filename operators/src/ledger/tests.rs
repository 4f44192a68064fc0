//! The ledger against books that a person would keep, with a store that lags behind at random.

mod cuts;
mod jobs;
mod network;
mod world;

use super::*;
use crate::testing::{TestRecord, Tick, drive};
use proptest::{collection::vec, prelude::*, sample::select};
use springline_model::{
    AccountStatus, EventBody, Quarantined, Rev, SourceId, Timestamp, Uri,
    rows::{AccountRow, QuarantineRow, RecordRow},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex},
};

/// Everything that the ledger says, as one collection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    Visible(Visible),
    Row(LedgerRow),
}

/// A store that shows ticks some lookups after they are complete.
#[derive(Default)]
struct Shelf {
    shown: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    tick: Option<u64>,
    waiting: VecDeque<(u64, Vec<(Word, isize)>)>,
    /// After how many lookups the next tick is shown; taken in turn, for ever.
    lags: VecDeque<u8>,
}

impl Shelf {
    fn say(&mut self, words: Vec<(Word, isize)>) {
        let (gone, come): (Vec<_>, Vec<_>) = words.into_iter().partition(|(_, diff)| *diff < 0);
        for (word, diff) in gone.into_iter().chain(come) {
            let Word::Row(row) = word else { continue };
            let (key, value) = row.pair();
            match diff {
                1 => drop(self.shown.insert((row.table(), key), value)),
                _ => drop(self.shown.remove(&(row.table(), key))),
            }
        }
    }
}

#[derive(Clone, Default)]
struct Store(Arc<Mutex<Shelf>>);

impl Store {
    fn lagging(lags: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Shelf { lags: lags.into(), ..Shelf::default() })))
    }

    /// One more lookup has passed, before or after `read` as it falls.
    fn look<T>(&self, read: impl FnOnce(&Shelf) -> T) -> T {
        let mut shelf = self.0.lock().unwrap();
        if let Some(lag) = shelf.lags.pop_front() {
            if lag > 0 {
                shelf.lags.push_front(lag - 1);
            } else {
                shelf.lags.push_back(3);
                if let Some((tick, words)) = shelf.waiting.pop_front() {
                    shelf.say(words);
                    shelf.tick = Some(tick);
                }
            }
        }
        read(&shelf)
    }
}

impl Committed for Store {
    fn tick(&self) -> Option<u64> {
        self.look(|shelf| shelf.tick)
    }
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, LookupError> {
        Ok(self.look(|shelf| shelf.shown.get(&(table, key.to_vec())).cloned()))
    }
    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), LookupError> {
        let rows = self.look(|shelf| {
            let rows = shelf.shown.range((table, prefix.to_vec())..);
            let rows = rows.take_while(|((of, key), _)| *of == table && key.starts_with(prefix));
            rows.map(|((_, key), value)| (key.clone(), value.clone())).collect::<Vec<_>>()
        });
        rows.iter().for_each(|(key, value)| visit(key, value));
        Ok(())
    }
}

/// Runs the ledger; gives what it has said in all after each tick.
fn run(workers: usize, in_flight: u64, ticks: &[Vec<Event>], store: &Store) -> Vec<BTreeSet<Word>> {
    let said: Arc<Mutex<Vec<Vec<(Word, isize)>>>> = Arc::default();
    let (committed, waiting, saying) = (store.clone(), store.clone(), said.clone());
    drive(
        workers,
        in_flight,
        ticks.iter().map(|items| Tick { clock: Timestamp::default(), items: items.clone() }).collect(),
        move |events, _clock| {
            let ledger = ledger(events, Rc::new(committed.clone()));
            ledger.visible.map(Word::Visible).concat(ledger.rows.map(Word::Row))
        },
        move |tick, words| {
            waiting.0.lock().unwrap().waiting.push_back((tick, words.clone()));
            saying.lock().unwrap().push(words);
        },
    );
    let mut all: BTreeMap<Word, isize> = BTreeMap::new();
    let mut states = Vec::new();
    for words in said.lock().unwrap().drain(..) {
        let mut net: BTreeMap<&Word, isize> = BTreeMap::new();
        words.iter().for_each(|(word, diff)| *net.entry(word).or_default() += diff);
        assert!(net.values().all(|diff| *diff != 0), "a change that changes nothing: {words:?}");
        for (word, diff) in words {
            *all.entry(word).or_default() += diff;
        }
        all.retain(|_, count| *count != 0);
        assert!(all.values().all(|count| *count == 1), "{all:?}");
        states.push(all.keys().cloned().collect());
    }
    states
}

fn note(author: &str, stem: &str, text: u8) -> Arc<springline_model::Record> {
    TestRecord::note(author, stem).text(&text.to_string()).visible().record
}

fn uri(author: &str, stem: &str) -> Uri {
    Uri::new(format!("garden://{author}/{stem}.md"))
}

fn event(source: &str, body: EventBody) -> Event {
    Event { source: SourceId::new(source), observed: Timestamp::default(), body }
}

fn refused(uri: Uri, size: u64) -> EventBody {
    let source = SourceId::new("gardens");
    let (origin, reason) = (String::new(), "bad".to_owned());
    let at = Timestamp::default();
    EventBody::Quarantine(Box::new(Quarantined {
        uri,
        source,
        origin,
        reason,
        at,
        bytes: size,
        sample: vec![],
    }))
}

/// What happens in gardens. Equal revs may carry different things.
fn events() -> impl Strategy<Value = Event> {
    let author = || select(vec!["a", "ab", "b"]);
    let stem = || select(vec!["x", "y"]);
    let rev = || (1..12_u64).prop_map(Rev);
    let put = (author(), stem(), rev(), 0..3_u8, select(vec!["gardens", "folder"])).prop_map(
        |(author, stem, rev, text, source)| {
            event(source, EventBody::Put { rev, record: note(author, stem, text) })
        },
    );
    let delete = (author(), stem(), rev())
        .prop_map(|(author, stem, rev)| EventBody::Delete { rev, uri: uri(author, stem) });
    let forget = (author(), stem(), rev())
        .prop_map(|(author, stem, rev)| EventBody::Forget { rev, uri: uri(author, stem) });
    let status = select(vec![
        AccountStatus::Active,
        AccountStatus::Active,
        AccountStatus::Hidden,
        AccountStatus::Forbidden,
    ]);
    let account = (author(), rev(), status).prop_map(|(author, rev, status)| EventBody::Account {
        rev,
        authority: Uri::new(format!("garden://{author}/")),
        status,
    });
    let filing = (author(), stem(), 0..3_u64).prop_map(|(author, stem, size)| match size {
        0 => EventBody::Release { uri: uri(author, stem) },
        size => refused(uri(author, stem), size),
    });
    let rest = prop_oneof![3 => delete, 1 => forget, 2 => account, 2 => filing];
    prop_oneof![5 => put, 4 => rest.prop_map(|body| event("gardens", body))]
}

/// A tick's events so that two workers who take turns get those of an authority in their order: the one or the other
/// has something else to do meanwhile.
fn dealt(tick: &[Event]) -> Vec<Event> {
    let (one, other): (Vec<Event>, Vec<Event>) =
        tick.iter().cloned().partition(|event| home::of(event.body.authority()).is_multiple_of(2));
    let idle = |worker: &str| event("idle", EventBody::Release { uri: uri(worker, "idle") });
    let turn = |turn: usize| {
        let [one, other] = [(&one, "one"), (&other, "other")]
            .map(|(events, worker)| events.get(turn).cloned().unwrap_or_else(|| idle(worker)));
        [one, other]
    };
    (0..one.len().max(other.len())).flat_map(turn).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_told_twice_is_taken_once(ticks in vec(vec(events(), 0..12), 1..4)) {
        // Deletes forget their rev, so redelivery is of whole ticks, in order, as from a committed position. What purges
        // or forgets is ours, and a refusal has no version: those are not of the sources that deliver again.
        let again = |event: &&Event| match event.body {
            EventBody::Put { .. } | EventBody::Delete { .. } => true,
            EventBody::Account { status, .. } => status != AccountStatus::Forbidden,
            _ => false,
        };
        let ticks: Vec<Vec<_>> = ticks.iter().map(|tick| tick.iter().filter(again).cloned().collect()).collect();
        let once = run(1, 0, &ticks, &Store::lagging(vec![0])).pop();
        let twice: Vec<_> = ticks.iter().flat_map(|tick| [tick.clone(), tick.clone()]).collect();
        prop_assert_eq!(run(1, 0, &twice, &Store::lagging(vec![0])).pop(), once);
    }
}

#[test]
fn an_equal_put_raises_the_rev_and_shows_nothing() {
    let put = |rev| event("gardens", EventBody::Put { rev: Rev(rev), record: note("a", "x", 1) });
    let states = run(1, 0, &[vec![put(1)], vec![put(5)]], &Store::lagging(vec![0]));
    let changed: Vec<_> = states[1].difference(&states[0]).collect();
    assert!(matches!(changed[..], [Word::Row(LedgerRow::Record(row))] if row.rev == Rev(5)), "{changed:?}");
}

#[test]
fn hides_only_what_the_authority_owns() {
    let put = |text: &str| {
        let record = TestRecord::note("a", "x").with(|record| record.uri = Uri::from(text)).visible().record;
        event("web", EventBody::Put { rev: Rev(1), record })
    };
    let authority = Uri::from("https://example.org");
    let hide = EventBody::Account { rev: Rev(1), authority, status: AccountStatus::Hidden };
    let puts =
        vec![put("https://example.org"), put("https://example.org.evil/a"), put("https://example.org/a")];
    let states = run(1, 3, &[puts, vec![event("web", hide)]], &Store::lagging(vec![0]));
    let left = states[1].iter().filter(|word| matches!(word, Word::Visible(_))).count();
    assert_eq!(left, 2, "{:?}", states[1]);
}

/// What a replay of old news would do to feedback: nothing, however far the store lags.
#[test]
fn feedback_that_was_deleted_is_remembered() {
    let uri = Uri::from("feedback://shop/manual/1");
    let put = |rev| {
        let change = |record: &mut springline_model::Record| record.uri = uri.clone();
        let record = TestRecord::note("x", "y").with(change).visible().record;
        event("feedback", EventBody::Put { rev: Rev(rev), record })
    };
    let delete = |rev| event("feedback", EventBody::Delete { rev: Rev(rev), uri: uri.clone() });
    let seen = |state: &BTreeSet<Word>| {
        let is = |word: &Word| match word {
            Word::Visible(_) => Some("seen"),
            Word::Row(LedgerRow::Tomb(_)) => Some("dead"),
            Word::Row(_) => None,
        };
        state.iter().filter_map(is).collect::<Vec<_>>().join(" ")
    };
    let ticks =
        [vec![put(1)], vec![delete(2)], vec![put(1)], vec![put(3)], vec![delete(3)], vec![delete(4), put(5)]];
    for lags in [vec![0], vec![5, 1], vec![12]] {
        let states = run(2, 3, &ticks, &Store::lagging(lags));
        let told: Vec<String> = states.iter().map(seen).collect();
        assert_eq!(told, ["seen", "dead", "dead", "seen", "seen", "seen"]);
    }
}

#[test]
fn the_last_word_on_a_subreddit_counts() {
    use springline_model::{Project, rows::SubredditRow};
    let say = |rev, project: Option<&str>| {
        let project = project.map(|name| Project::new(name).unwrap());
        event("operator", EventBody::Subreddit { rev: Rev(rev), name: "rust".into(), project })
    };
    let ticks = [
        vec![say(2, Some("a")), say(1, Some("b"))],
        vec![say(2, None)],
        vec![say(3, None), say(4, Some("c"))],
    ];
    let states = run(1, 2, &ticks, &Store::lagging(vec![3]));
    let said = |state: &BTreeSet<Word>| {
        let row = |word: &Word| match word {
            Word::Row(LedgerRow::Subreddit(row)) => Some(row.clone()),
            _ => None,
        };
        state.iter().filter_map(row).collect::<Vec<_>>()
    };
    let row = |name: &str, rev| {
        vec![SubredditRow { name: "rust".into(), project: Some(Project::new(name).unwrap()), rev: Rev(rev) }]
    };
    assert_eq!(states.iter().map(said).collect::<Vec<_>>(), [row("a", 2), row("a", 2), row("c", 4)]);
}

#[test]
#[should_panic(expected = "no worker panics")]
fn refuses_to_guess() {
    struct Broken;
    impl Committed for Broken {
        fn tick(&self) -> Option<u64> {
            None
        }
        fn get(&self, _: Table, _: &[u8]) -> Result<Option<Vec<u8>>, LookupError> {
            Err(LookupError("a bad block".into()))
        }
        fn scan(&self, _: Table, _: &[u8], _: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), LookupError> {
            Ok(())
        }
    }
    let put = event("gardens", EventBody::Put { rev: Rev(1), record: note("a", "x", 1) });
    drive(
        1,
        0,
        vec![Tick { clock: Timestamp::default(), items: vec![put] }],
        |events, _clock| ledger(events, Rc::new(Broken)).rows,
        |_, _| {},
    );
}
