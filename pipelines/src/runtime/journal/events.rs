//! The journal for those who are told what came in: read behind the views, from where they are.
//!
//! A place in it is `57@00000000000000f0`: an epoch, and the run of the program that sealed it, by which a journal that
//! was made anew is told from the one that was read.

use super::{EpochRecord, JournalError, Tail};
use springline_model::{Epoch, EpochCommit, Event, EventBody, Gap, SourceId, Timestamp};
use springline_sinks::{
    events::{EventLog, EventLogError, EventPage, Told},
    parquet::{JournalProgress, LogProgress},
    views::{At, Reader},
};
use std::{path::PathBuf, sync::Arc};

/// What it is called.
const NAME: &str = "journal";
/// As many events, and as many epochs, make a page.
const PAGE: (usize, usize) = (4096, 1024);

/// The journal of the data folder.
pub struct JournalEvents {
    dir: PathBuf,
    reader: Reader,
    name: Arc<str>,
    open: Option<Open>,
}

struct Open {
    tail: Tail,
    progress: LogProgress,
    /// Epochs that are not there any more, before the next one: the first of them.
    gap: Option<Epoch>,
}

impl JournalEvents {
    /// In a folder, as far as the views show it.
    #[must_use]
    pub fn new(dir: PathBuf, reader: Reader) -> Self {
        Self { dir, reader, name: NAME.into(), open: None }
    }

    fn start(&self, had: Option<&LogProgress>) -> Result<Open, EventLogError> {
        let first = Tail::first(&self.dir).map_err(failed)?;
        let Some(had) = had else {
            let progress = LogProgress { begins: first.0, at: String::new(), clock: Timestamp::default() };
            let gap = (first > Epoch(1)).then_some(Epoch(1));
            return Ok(Open { tail: Tail::new(&self.dir, first), progress, gap });
        };
        let lost =
            |why: &str| EventLogError::Lost(format!("{why}: is it another journal? A reset begins anew"));
        let (epoch, run) = parse(&had.at).ok_or_else(|| lost("where it was can't be read"))?;
        let applied = self.reader.applied();
        if epoch > applied {
            return Err(lost(&format!(
                "it has had events up to epoch {epoch}, the journal ends at {applied}"
            )));
        }
        let next = epoch.next();
        if first > epoch {
            let gap = (first > next).then_some(next);
            return Ok(Open { tail: Tail::new(&self.dir, first), progress: had.clone(), gap });
        }
        let mut tail = Tail::new(&self.dir, epoch);
        let found = tail.next(epoch).map_err(failed)?;
        if found.is_none_or(|found| found.commit.execution != run) {
            return Err(lost(&format!("epoch {epoch} is not the one that it has had")));
        }
        Ok(Open { tail, progress: had.clone(), gap: None })
    }
}

fn failed(error: JournalError) -> EventLogError {
    EventLogError::Failed(Box::new(error))
}

fn parse(at: &str) -> Option<(Epoch, u64)> {
    let (epoch, run) = at.split_once('@')?;
    Some((Epoch(epoch.parse().ok()?), u64::from_str_radix(run, 16).ok()?))
}

impl EventLog for JournalEvents {
    fn begin(&mut self, had: &JournalProgress) -> Result<(), EventLogError> {
        self.open = Some(self.start(had.get(NAME))?);
        Ok(())
    }

    fn read(&mut self) -> Result<EventPage, EventLogError> {
        let applied = self.reader.applied();
        let Some(open) = &mut self.open else { return Err(EventLogError::Failed("it has not begun".into())) };
        let mut page = EventPage { clock: open.progress.clock, ..EventPage::default() };
        let mut epochs = 0;
        while page.events.len() < PAGE.0 && epochs < PAGE.1 {
            let record = match open.tail.next(applied) {
                Ok(Some(record)) => record,
                Ok(None) => break,
                Err(JournalError::Trimmed { first, wanted }) => {
                    open.gap.get_or_insert(wanted);
                    open.tail = Tail::new(&self.dir, first);
                    continue;
                }
                Err(error) => return Err(failed(error)),
            };
            epochs += 1;
            if let Some(from) = open.gap.take() {
                page.events.push(gap(&self.name, from, &record.commit));
            }
            let commit = &record.commit;
            open.progress.at = format!("{}@{:016x}", commit.epoch, commit.execution);
            open.progress.clock = commit.at;
            page.clock = commit.at;
            take(&self.name, record, &mut page.events);
        }
        if epochs > 0 {
            page.progress.insert(NAME.to_owned(), open.progress.clone());
        }
        page.epoch = Epoch(open.tail.next_epoch().0.saturating_sub(1));
        page.has_more = page.epoch < applied;
        Ok(page)
    }

    fn bytes(&self) -> u64 {
        Tail::bytes(&self.dir).unwrap_or(0)
    }
}

/// What was trimmed before it was told.
fn gap(log: &Arc<str>, from: Epoch, next: &EpochCommit) -> Told {
    let last = Epoch(next.epoch.0.saturating_sub(1));
    let reason = format!("the journal was trimmed before it was read: epochs {from} to {last}");
    tracing::warn!(%from, %last, "events are missing: the journal was trimmed before they were told");
    let before = from.0.saturating_sub(1).to_string();
    let gap = Gap { partition: NAME.into(), from: before, to: next.epoch.to_string(), at: next.at, reason };
    let event = Event { source: SourceId::new(NAME), observed: next.at, body: EventBody::Gap(Box::new(gap)) };
    Told { log: log.clone(), at: At { epoch: last, n: 0 }, clock: next.at, event }
}

/// Adds an epoch's events.
fn take(log: &Arc<str>, EpochRecord { commit, events }: EpochRecord, told: &mut Vec<Told>) {
    let (epoch, clock) = (commit.epoch, commit.at);
    let events = (1..).zip(events);
    told.extend(events.map(|(n, event)| Told { log: log.clone(), at: At { epoch, n }, clock, event }));
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Journal, JournalOptions},
        *,
    };
    use springline_model::{Advance, Partition, Position, Rev, Uri};
    use springline_sinks::{
        Engine, StoreConfig,
        views::{Changes, Views},
    };
    use std::path::Path;

    struct World {
        dir: tempfile::TempDir,
        journal: Journal,
        views: Views,
    }

    impl World {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let options = JournalOptions { segment_bytes: 200, sync: false };
            let journal = Journal::open(dir.path(), options).unwrap();
            let views = Views::open(&StoreConfig::of(Engine::Memory), Path::new("")).unwrap();
            Self { dir, journal, views }
        }

        /// Seals epochs of two events each, of two sources.
        fn seal(&mut self, count: u64, execution: u64) {
            for _ in 0..count {
                let epoch = self.journal.last().next();
                let event = |source: &str| Event {
                    source: SourceId::new(source),
                    observed: Timestamp(1),
                    body: EventBody::Delete { rev: Rev(epoch.0), uri: Uri::from("garden://g/a.md") },
                };
                let chunk: Vec<u8> = ["a", "b"]
                    .iter()
                    .flat_map(|source| postcard::to_stdvec(&event(source)).unwrap())
                    .collect();
                let partition = Partition { source: SourceId::new("a"), name: "p".into() };
                let advances = vec![Advance { partition, from: None, to: Position(epoch.to_string()) }];
                let at = Timestamp(1000 + epoch.0.cast_signed());
                let commit = EpochCommit { epoch, at, execution, advances, events: 2 };
                self.journal.append(&commit, &[chunk]).unwrap();
                self.views.apply(&commit, Changes::default()).unwrap();
            }
        }

        fn log(&self, had: &JournalProgress) -> Result<JournalEvents, EventLogError> {
            let mut log = JournalEvents::new(self.dir.path().to_path_buf(), self.views.reader());
            log.begin(had).map(|()| log)
        }
    }

    fn places(page: &EventPage) -> Vec<(u64, u32, &'static str)> {
        page.events.iter().map(|told| (told.at.epoch.0, told.at.n, told.event.body.name())).collect()
    }

    #[test]
    fn it_goes_on_where_it_was_and_tells_what_is_missing() {
        let mut world = World::new();
        world.seal(2, 7);
        let mut log = world.log(&JournalProgress::new()).unwrap();
        let page = log.read().unwrap();
        let delete = "delete";
        assert_eq!(places(&page), [(1, 1, delete), (1, 2, delete), (2, 1, delete), (2, 2, delete)]);
        assert!(!page.has_more && page.epoch == Epoch(2));
        assert!(log.read().unwrap().events.is_empty());
        let had = page.progress;
        assert_eq!(had[NAME].at, format!("2@{:016x}", 7));

        world.seal(2, 8);
        let page = world.log(&had).unwrap().read().unwrap();
        assert_eq!(places(&page)[0], (3, 1, delete));
        // All but the last is trimmed before it is told.
        world.seal(4, 8);
        world.journal.trim(Epoch(6), Epoch(u64::MAX)).unwrap();
        let first = world.journal.first().0;
        assert!((4..=7).contains(&first), "{first}");
        let page = world.log(&had).unwrap().read().unwrap();
        assert_eq!(places(&page)[..2], [(first - 1, 0, "gap"), (first, 1, delete)]);
        assert!(matches!(&page.events[0].event.body, EventBody::Gap(gap) if gap.from == "2"));
        // So a late start says where it begins.
        let page = world.log(&JournalProgress::new()).unwrap().read().unwrap();
        assert_eq!(places(&page)[0], (first - 1, 0, "gap"));
        assert_eq!(page.progress[NAME].begins, first);
    }

    #[test]
    fn another_journal_is_not_taken_for_it() {
        let mut world = World::new();
        world.seal(3, 7);
        let had = |at: &str| {
            let progress = LogProgress { begins: 1, at: at.into(), clock: Timestamp(0) };
            JournalProgress::from([(NAME.to_owned(), progress)])
        };
        let lost = |at: &str| matches!(world.log(&had(at)), Err(EventLogError::Lost(_)));
        assert!(!lost("3@7") && !lost("1@7"));
        assert!(lost("3@8"), "sealed by another run");
        assert!(lost("4@7"), "it ends before");
        assert!(lost("?"));
    }
}
