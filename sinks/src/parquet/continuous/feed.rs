//! The feed: what it is sent waits in memory, becomes files, and counts with the next manifest.

use super::{
    Form, ParquetSinkConfig,
    changelog::Changelog,
    dataset::{Dataset, Identity, Tables},
    file::{columns, described},
    merge::Merge,
    place::Place,
    upkeep::Upkeep,
};
use crate::{
    follow::{Feed, FeedError, Item, Op, Progress},
    parquet::ParquetError,
};
use springline_model::{Table, Timestamp};
use std::{
    collections::BTreeSet,
    mem,
    time::{Duration, Instant},
};

/// A view's changes as a dataset.
pub struct ParquetFeed {
    name: String,
    config: ParquetSinkConfig,
    tables: Vec<Table>,
    /// Where to, if it is not what the settings say.
    place: Option<Place>,
    open: Option<Open>,
}

struct Open {
    dataset: Dataset,
    rows: Rows,
    /// Bytes of rows since the last commit, before compression.
    raw: u64,
    /// Of them, what is in no file yet.
    held: u64,
    /// The tables as the next manifest will have them, once a file was closed for it.
    staged: Option<Tables>,
    clock: Timestamp,
    /// How long the last commit took.
    took: Duration,
    upkeep: Upkeep,
}

/// What waits for its file.
enum Rows {
    Changelog(Changelog),
    Snapshot(Merge),
}

impl ParquetFeed {
    /// Of some tables. Nothing is written yet.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn new(name: &str, config: &ParquetSinkConfig, tables: &[Table]) -> Result<Self, String> {
        config.check()?;
        let (name, config, tables) = (name.to_owned(), config.clone(), tables.to_vec());
        Ok(Self { name, config, tables, place: None, open: None })
    }

    /// With another place, for tests of what places do.
    #[cfg(test)]
    pub(super) fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Whether a dataset's tables are those that would be written now.
    fn fits(&self, tables: &Tables) -> bool {
        let are: BTreeSet<&str> = tables.keys().map(String::as_str).collect();
        let shall: BTreeSet<&str> = self.tables.iter().map(|table| table.name()).collect();
        let same_columns = |table: &Table| {
            tables
                .get(table.name())
                .is_some_and(|found| found.columns == described(&columns(*table, self.config.form)))
        };
        are == shall && (self.config.form == Form::Changelog || self.tables.iter().all(same_columns))
    }
}

impl Feed for ParquetFeed {
    fn begin(&mut self) -> Result<Option<Progress>, FeedError> {
        self.open = None;
        let ParquetSinkConfig { view, form, grace_secs, .. } = self.config;
        let place = match &self.place {
            Some(place) => place.clone(),
            None => Place::open(&self.config)?,
        };
        let dataset =
            Dataset::open(place, &Identity { sink: &self.name, view: view.name(), form }, grace_secs)?;
        let manifest = dataset.manifest();
        let mut progress = manifest.progress.clone();
        if progress.is_some() && !self.fits(&manifest.tables) {
            tracing::warn!(sink = %self.name, "the dataset has other tables or columns: it begins anew");
            progress = None;
        }
        let rows = match form {
            Form::Changelog => Rows::Changelog(Changelog::behind(&manifest.tables)),
            Form::Snapshot => Rows::Snapshot(Merge::default()),
        };
        let clock = manifest.clock;
        self.open = Some(Open {
            dataset,
            rows,
            raw: 0,
            held: 0,
            staged: None,
            clock,
            took: Duration::ZERO,
            upkeep: Upkeep::default(),
        });
        Ok(progress)
    }

    fn send(&mut self, items: Vec<Item>) -> Result<(), FeedError> {
        let open = self.open.as_mut().ok_or("the feed has not begun")?;
        for item in items {
            open.take(item)?;
        }
        if open.held >= self.config.roll_bytes {
            open.flush(&self.config)?;
        }
        Ok(())
    }

    fn commit(&mut self, progress: &Progress) -> Result<(), FeedError> {
        let begun = Instant::now();
        let open = self.open.as_mut().ok_or("the feed has not begun")?;
        let mut tables = open.flush(&self.config)?;
        // Other settings may have had others.
        tables.retain(|name, _| self.tables.iter().any(|table| table.name() == name));
        for table in &self.tables {
            let found = tables.entry(table.name().to_owned()).or_default();
            found.columns = described(&columns(*table, self.config.form));
            if found.files.is_empty() {
                found.files.push(match self.config.form {
                    Form::Changelog => Changelog::empty(&mut open.dataset, *table, open.clock)?,
                    Form::Snapshot => Merge::empty(&mut open.dataset, *table)?,
                });
            }
        }
        let clock = open.clock;
        open.dataset.commit(|next| {
            next.tables = tables;
            (next.epoch, next.clock, next.as_of) = (progress.at.epoch, clock, clock.to_rfc3339());
            (next.complete, next.progress) = (progress.horizon.is_none(), Some(progress.clone()));
        })?;
        (open.staged, open.raw, open.took) = (None, 0, begun.elapsed());
        Ok(())
    }

    fn due(&self, waited: Duration) -> Duration {
        let Some(open) = &self.open else { return Duration::ZERO };
        if open.raw >= self.config.roll_bytes {
            return Duration::ZERO;
        }
        self.config.roll().max(open.took * 4).saturating_sub(waited)
    }

    fn tend(&mut self) -> Result<Duration, FeedError> {
        match &mut self.open {
            Some(open) if open.staged.is_none() => {
                Ok(open.upkeep.step(&mut open.dataset, &self.config, Timestamp::now())?)
            }
            _ => Ok(Duration::MAX),
        }
    }
}

impl Open {
    fn take(&mut self, item: Item) -> Result<(), ParquetError> {
        self.clock = self.clock.max(item.clock);
        if item.op == Op::Truncate {
            match &mut self.rows {
                Rows::Changelog(rows) => rows.forget(item.table),
                Rows::Snapshot(rows) => rows.forget(item.table),
            }
            self.staged().remove(item.table.name());
            return Ok(());
        }
        let size = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let bytes = (item.key.len() + size(&item.before) + size(&item.after)) as u64;
        (self.raw, self.held) = (self.raw + bytes, self.held + bytes);
        match &mut self.rows {
            Rows::Changelog(rows) => rows.push(&item)?,
            Rows::Snapshot(rows) => rows.push(item.table, item.key, item.after),
        }
        Ok(())
    }

    fn staged(&mut self) -> &mut Tables {
        self.staged.get_or_insert_with(|| self.dataset.manifest().tables.clone())
    }

    /// Makes files of what is held; the tables with them.
    fn flush(&mut self, config: &ParquetSinkConfig) -> Result<Tables, ParquetError> {
        let mut tables = mem::take(self.staged());
        match &mut self.rows {
            Rows::Changelog(rows) => rows.flush(&mut self.dataset, &mut tables)?,
            Rows::Snapshot(rows) => rows.flush(&mut self.dataset, &mut tables, config.file_bytes)?,
        }
        self.held = 0;
        self.staged = Some(tables.clone());
        Ok(tables)
    }
}
