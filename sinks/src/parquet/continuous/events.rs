//! What came in as a dataset: a row for each event of the journal, whole.
//!
//! ```text
//!  Told ─► gone? ─► row: its place, who tells, what is it about ─► the open file of its day ─► manifest N+1
//!                        the record, or what else it says, as JSON
//! ```
//!
//! Files, manifests and upkeep are those of any changelog. `_op` is `c`; `d` where what is told of `_key` up to here has
//! to go, with this: the record was deleted, or the account. The purge takes it in time (`purge`): of a record all
//! that is not newer than its deletion (`rev`), of an account all that came before.

use super::{
    Form, ParquetSinkConfig, Subject,
    dataset::{Dataset, Identity},
    file::{CHANGE, described},
    manifest::{DatasetManifest, JournalProgress},
    open::{OpenFile, change, date, day},
    place::Place,
    upkeep::Upkeep,
};
use crate::{
    events::{EventPage, Gone, Told, owner},
    follow::{FeedError, Op},
    parquet::{
        ParquetError,
        cells::{Cell, Type},
    },
};
use springline_model::{AccountStatus, Epoch, Event, EventBody, Hosting, Record, Timestamp};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
    time::Duration,
};

/// Its only table.
const TABLE: &str = "events";
/// How much longer than events progress alone may wait for its commit.
const PATIENCE: u32 = 12;

/// The column that purges compare with the account's name, and that with the record's versions.
pub(super) const AUTHORITY: &str = "authority";
pub(super) const REV: &str = "rev";

/// What an event has beside [`CHANGE`].
const EVENT: [(&str, Type); 13] = [
    ("log", Type::Text),
    ("source", Type::Text),
    ("event", Type::Text),
    (AUTHORITY, Type::Text),
    ("uri", Type::Maybe),
    ("kind", Type::Maybe),
    ("author", Type::Maybe),
    (REV, Type::MaybeCount),
    ("at", Type::MaybeTime),
    ("observed", Type::Time),
    ("record", Type::Maybe),
    ("detail", Type::Maybe),
    ("reason", Type::Maybe),
];

/// The journal's events as a dataset.
pub struct EventsFeed {
    name: String,
    config: ParquetSinkConfig,
    columns: Vec<(&'static str, Type)>,
    /// Where to, if it is not what the settings say.
    place: Option<Place>,
    open: Option<Open>,
}

/// How far a dataset is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Begun {
    /// In each log.
    pub journal: JournalProgress,
    /// The epoch that it is complete as of.
    pub epoch: Epoch,
}

struct Open {
    dataset: Dataset,
    /// By their day.
    files: BTreeMap<i64, OpenFile>,
    /// The day of each log's last event. It never goes back, so that what is told of a key stands in its order.
    days: BTreeMap<Arc<str>, i64>,
    /// Bytes of rows that are in no file yet, before compression.
    held: u64,
    /// What the next manifest will say.
    next: Next,
    /// What was there before is forgotten by the next commit.
    is_anew: bool,
    upkeep: Upkeep,
}

/// How far what was sent reaches.
#[derive(Default)]
struct Next {
    journal: JournalProgress,
    epoch: Epoch,
    clock: Timestamp,
    is_complete: bool,
}

impl EventsFeed {
    /// What a row counts for beside its text, in bytes.
    pub const FIXED_BYTES: u64 = 256;

    /// Nothing is written yet.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn new(name: &str, config: &ParquetSinkConfig) -> Result<Self, String> {
        config.check()?;
        // A file goes by it.
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
            return Err("the name of a sink of events has letters, digits, `-` and `_`".into());
        }
        let columns = [&CHANGE[..], &EVENT[..]].concat();
        Ok(Self { name: name.to_owned(), config: config.clone(), columns, place: None, open: None })
    }

    /// With another place, for tests of what places do.
    #[cfg(test)]
    pub(super) fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Keeps out whoever else may be at it, gives up what was not committed, and tells what was; nothing if it is to
    /// begin anew.
    ///
    /// # Errors
    /// Not now.
    pub fn begin(&mut self, is_anew: bool) -> Result<Begun, FeedError> {
        self.open = None;
        let place = match &self.place {
            Some(place) => place.clone(),
            None => Place::open(&self.config)?,
        };
        let identity = Identity { sink: &self.name, view: Subject::Events.name(), form: Form::Changelog };
        let dataset = Dataset::open(place, &identity, self.config.grace_secs)?;
        let next = if is_anew { Next::default() } else { Next::of(dataset.manifest()) };
        let begun = Begun { journal: next.journal.clone(), epoch: next.epoch };
        let days = next.journal.iter().map(|(log, progress)| (log.as_str().into(), day(progress.clock)));
        self.open = Some(Open {
            dataset,
            files: BTreeMap::new(),
            days: days.collect(),
            held: 0,
            next,
            is_anew,
            upkeep: Upkeep::default(),
        });
        Ok(begun)
    }

    /// Takes some more.
    ///
    /// # Errors
    /// Nothing since the last commit counts; [`Self::begin`] comes next.
    pub fn send(&mut self, page: EventPage, gone: &mut Gone) -> Result<(), FeedError> {
        let open = self.open.as_mut().ok_or("the feed has not begun")?;
        for told in &page.events {
            open.take(&self.columns, told, gone)?;
        }
        let next = &mut open.next;
        next.journal.extend(page.progress);
        (next.epoch, next.clock) = (next.epoch.max(page.epoch), next.clock.max(page.clock));
        next.is_complete |= !page.has_more;
        Ok(())
    }

    /// Makes what was sent since the last commit count, together with how far it reaches.
    ///
    /// # Errors
    /// It may count or not; [`Self::begin`] comes next and tells.
    pub fn commit(&mut self) -> Result<(), FeedError> {
        let Self { columns, open, .. } = self;
        let open = open.as_mut().ok_or("the feed has not begun")?;
        let mut table = open.dataset.manifest().tables.get(TABLE).cloned().unwrap_or_default();
        if open.is_anew {
            table.files.clear();
        }
        table.columns = described(columns);
        while let Some((_, file)) = open.files.pop_first() {
            let file = file.finish(&mut open.dataset, TABLE)?;
            // Files of a day stand beside each other: logs need not be equally far.
            let place = table.files.partition_point(|other| other.date <= file.date);
            table.files.insert(place, file);
        }
        if table.files.is_empty() {
            // Readers find the columns in it.
            let empty = OpenFile::new(columns, &open.next.clock.date())?;
            table.files.push(empty.finish(&mut open.dataset, TABLE)?);
        }
        let Next { journal, epoch, clock, is_complete } = &open.next;
        open.dataset.commit(|next| {
            next.tables = BTreeMap::from([(TABLE.to_owned(), table)]);
            (next.epoch, next.clock, next.as_of) = (*epoch, *clock, clock.to_rfc3339());
            (next.complete, next.journal) = (*is_complete, Some(journal.clone()));
        })?;
        (open.held, open.is_anew) = (0, false);
        Ok(())
    }

    /// How long what was sent, and has waited so long, may still wait for its commit. What has no events waits longer.
    #[must_use]
    pub fn due(&self, waited: Duration, is_empty: bool) -> Duration {
        let held = self.open.as_ref().map_or(0, |open| open.held);
        if held >= self.config.roll_bytes {
            return Duration::ZERO;
        }
        (self.config.roll() * if is_empty { PATIENCE } else { 1 }).saturating_sub(waited)
    }

    /// Looks after what was committed, a bounded piece of work at a time; gives when to be called again at the latest.
    ///
    /// # Errors
    /// Nothing since the last commit counts; [`Self::begin`] comes next.
    pub fn tend(&mut self) -> Result<Duration, FeedError> {
        match &mut self.open {
            Some(open) => Ok(open.upkeep.step(&mut open.dataset, &self.config, Timestamp::now())?),
            None => Ok(Duration::MAX),
        }
    }
}

impl Next {
    fn of(manifest: &DatasetManifest) -> Self {
        let DatasetManifest { journal, epoch, clock, complete, .. } = manifest;
        let journal = journal.clone().unwrap_or_default();
        Self { journal, epoch: *epoch, clock: *clock, is_complete: *complete }
    }
}

impl Open {
    fn take(
        &mut self,
        columns: &[(&'static str, Type)],
        told: &Told,
        gone: &mut Gone,
    ) -> Result<(), ParquetError> {
        let last = self.days.entry(told.log.clone()).or_insert(i64::MIN);
        *last = day(told.clock).max(*last);
        let file = match self.files.entry(*last) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(none) => {
                let date = date(*none.key());
                none.insert(OpenFile::new(columns, &date)?)
            }
        };
        let owner = owner(&told.event.body);
        let is_gone = gone.takes(&told.event.body, &owner);
        let row = Row::of(&told.event, &owner, is_gone)?;
        let op = if is_gone || row.ends { Op::Delete } else { Op::Create };
        let key = row.uri.unwrap_or(&owner).as_bytes();
        let [epoch, n, letter, at, key] = change(told.at, op, told.clock, key);
        let Event { source, observed, body } = &told.event;
        file.group.push_cells(&[
            epoch,
            n,
            letter,
            at,
            key,
            Cell::Text(&told.log),
            Cell::Text(source.as_str()),
            Cell::Text(body.name()),
            Cell::Text(&owner),
            Cell::Maybe(row.uri),
            Cell::Maybe(row.record.map(|record| record.kind.as_str())),
            Cell::Maybe(row.record.map(|record| record.author.as_str())),
            Cell::MaybeCount(row.rev),
            Cell::MaybeTime(row.at),
            Cell::Time(*observed),
            Cell::Maybe(row.text.as_deref().filter(|_| row.record.is_some())),
            Cell::Maybe(row.text.as_deref().filter(|_| row.record.is_none())),
            Cell::Maybe(row.reason),
        ])?;
        self.held += EventsFeed::FIXED_BYTES + row.text.as_ref().map_or(0, String::len) as u64;
        file.pushed(told.at, told.clock, op)
    }
}

/// What an event's columns are taken from.
#[derive(Default)]
struct Row<'a> {
    /// What it is about, if that is less than the whole account.
    uri: Option<&'a str>,
    record: Option<&'a Record>,
    rev: Option<u64>,
    at: Option<Timestamp>,
    reason: Option<&'a str>,
    /// The record, or what else it says, as JSON.
    text: Option<String>,
    /// What was told of the same up to here has to go.
    ends: bool,
}

impl<'a> Row<'a> {
    /// Of whom is gone nothing is kept but that there was something.
    fn of(event: &'a Event, owner: &str, is_gone: bool) -> Result<Self, ParquetError> {
        use EventBody as B;
        let mut row = Self::default();
        match &event.body {
            B::Put { rev, record } | B::Fetched { rev, record } => {
                (row.uri, row.record, row.rev, row.at) =
                    (Some(record.uri.as_str()), Some(record.as_ref()), Some(rev.0), Some(record.at));
            }
            B::Delete { rev, uri } | B::Forget { rev, uri } | B::Missing { rev, uri } => {
                (row.uri, row.rev, row.ends) = (Some(uri.as_str()), Some(rev.0), true);
            }
            B::Quarantine(refused) => {
                (row.uri, row.at, row.reason) =
                    (Some(refused.uri.as_str()), Some(refused.at), Some(refused.reason.as_str()));
            }
            B::Release { uri } => row.uri = Some(uri.as_str()),
            B::Account { rev, status, .. } => {
                (row.rev, row.ends) = (Some(rev.0), *status == AccountStatus::Forbidden);
            }
            B::Hosting { rev, status, .. } => {
                (row.rev, row.ends) = (Some(rev.0), *status == Hosting::Deleted);
            }
            B::Repo { rev, .. } | B::Seen { rev, .. } | B::Mute { rev, .. } | B::Subreddit { rev, .. } => {
                row.rev = Some(rev.0);
            }
            B::Label { label, .. } => {
                row.at = Some(label.cts);
                row.uri = (!label.is_of_account()).then_some(label.uri.as_str());
            }
            B::Identity(identity) => row.at = Some(identity.at),
            B::Gap(gap) => (row.at, row.reason) = (Some(gap.at), Some(gap.reason.as_str())),
            B::Job(job) => row.at = Some(job.at),
        }
        // What is about an account as a whole goes by its name.
        row.uri = row.uri.filter(|uri| *uri != owner);
        if is_gone {
            (row.record, row.at, row.reason) = (None, None, None);
            return Ok(row);
        }
        let text = match row.record {
            Some(record) => serde_json::to_string(record),
            None => serde_json::to_string(&event.body),
        };
        row.text =
            Some(text.map_err(|error| ParquetError::Dataset(format!("an event is no JSON: {error}")))?);
        Ok(row)
    }
}
