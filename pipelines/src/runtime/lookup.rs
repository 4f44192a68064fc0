//! What is committed, as the ledger operator and the sources may ask for it: both read the store.

use springline_model::{
    Epoch, Partition, Position, Record, Rev, Row, SourceId, Table, Uri,
    key::{text_key, text_prefix},
    record::attr,
    rows::{QuarantineRow, RecordRow, RepoRow, ResyncRow, SubredditRow, TombRow},
};
use springline_operators::{Committed, LookupError};
use springline_sinks::views::{ReadError, Reader, Scan, Views};
use springline_sources::{Known, KnownError, KnownItem, KnownRecord};
use std::sync::Arc;
use tokio::sync::watch;

const PAGE: usize = 512;
/// The most subreddits that are read.
const MAX_SUBREDDITS: usize = 10_000;

/// For the ledger operator: before-images.
pub struct StoreLookup {
    /// The store.
    pub reader: Reader,
    /// The first tick that is not applied.
    pub applied: watch::Receiver<u64>,
}

fn lookup(error: ReadError) -> LookupError {
    LookupError(Box::new(error))
}

impl Committed for StoreLookup {
    fn tick(&self) -> Option<u64> {
        self.applied.borrow().checked_sub(1)
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, LookupError> {
        self.reader.read(|snapshot| snapshot.get_raw(table, key)).map_err(lookup)
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), LookupError> {
        // In pages, so that no epoch waits for the whole.
        let mut scan = Scan { prefix: prefix.to_vec(), after: None, reverse: false, limit: PAGE };
        loop {
            let rows = self.reader.read(|snapshot| snapshot.scan_raw(table, &scan)).map_err(lookup)?;
            rows.iter().for_each(|(key, value)| visit(key, value));
            match rows.into_iter().last() {
                Some((last, _)) => scan.after = Some(last),
                None => return Ok(()),
            }
        }
    }
}

/// Every row of a table whose key begins with an authority: pages, so that no epoch waits for the whole.
fn owned<R: Row>(reader: &Reader, authority: &str, visit: &mut dyn FnMut(R)) -> Result<(), ReadError> {
    let mut scan = Scan { prefix: text_prefix(authority), after: None, reverse: false, limit: PAGE };
    loop {
        let rows = reader.read(|snapshot| snapshot.scan::<R>(&scan))?;
        let last = (rows.len() == PAGE).then(|| rows.last().map(Row::key_bytes)).flatten();
        rows.into_iter().for_each(&mut *visit);
        match last {
            Some(last) => scan.after = Some(last),
            None => return Ok(()),
        }
    }
}

/// Every visible record in the store, in pages.
///
/// # Errors
/// The store does not decode.
pub fn visible(
    reader: &Reader,
    page: usize,
    visit: &mut dyn FnMut(Vec<RecordRow>),
) -> Result<u64, ReadError> {
    let mut scan = Scan { prefix: Vec::new(), after: None, reverse: false, limit: page };
    let mut total = 0;
    loop {
        let rows = reader.read(|snapshot| {
            let mut rows = snapshot.scan::<RecordRow>(&scan)?;
            let last = (rows.len() == page).then(|| rows.last().map(Row::key_bytes)).flatten();
            snapshot.retain_visible(&mut rows)?;
            Ok::<_, ReadError>((rows, last))
        });
        let (rows, last) = rows?;
        total += rows.len() as u64;
        visit(rows);
        match last {
            Some(last) => scan.after = Some(last),
            None => return Ok(total),
        }
    }
}

/// What the store has of feedback items, in the order they are asked for.
///
/// # Errors
/// The store does not decode.
pub fn items(reader: &Reader, uris: &[Uri]) -> Result<Vec<KnownItem>, ReadError> {
    reader.read(|snapshot| {
        let item = |uri: &Uri| {
            let row = snapshot.record(uri)?;
            let tomb: Option<TombRow> = snapshot.get(&text_key(uri.as_str()))?;
            let rev = row.as_ref().map(|row| row.rev).max(tomb.as_ref().map(|tomb| tomb.rev));
            let (rev, record) = (rev.unwrap_or_default(), row.map(|row| row.record));
            Ok(KnownItem { rev, was_deleted: tomb.is_some() && record.is_none(), record })
        };
        uris.iter().map(item).collect()
    })
}

/// For the sources: what the ledger has.
pub struct StoreKnown(pub Views);

fn known(error: ReadError) -> KnownError {
    KnownError(Box::new(error))
}

impl Known for StoreKnown {
    fn position(&self, partition: &Partition) -> Option<Position> {
        self.0.positions().remove(partition)
    }

    fn partitions(&self, source: &SourceId) -> Result<Vec<(Partition, Position)>, KnownError> {
        Ok(self.0.positions().into_iter().filter(|(partition, _)| partition.source == *source).collect())
    }

    fn records(&self, authority: &str) -> Result<Vec<KnownRecord>, KnownError> {
        let mut records = Vec::new();
        owned::<RecordRow>(&self.0.reader(), authority, &mut |row| {
            let bytes = row.record.attrs.get(attr::BYTES);
            records.push(KnownRecord {
                uri: row.record.uri.clone(),
                rev: row.rev,
                at: row.record.at,
                bytes: bytes.and_then(|bytes| bytes.parse().ok()).unwrap_or(0),
                cid: row.record.attrs.get(attr::CID).cloned(),
            });
        })
        .map_err(known)?;
        Ok(records)
    }

    fn resyncs(&self, limit: usize) -> Result<Vec<Uri>, KnownError> {
        let scan = Scan { limit, ..Scan::default() };
        let rows = self.0.reader().read(|snapshot| snapshot.scan::<ResyncRow>(&scan)).map_err(known)?;
        Ok(rows.into_iter().map(|row| row.authority).collect())
    }

    fn since(&self, authority: &str) -> Result<Option<Rev>, KnownError> {
        let read = self.0.reader().read(|snapshot| snapshot.get::<RepoRow>(&text_key(authority)));
        Ok(read.map_err(known)?.and_then(|repo| repo.desynchronized))
    }

    fn record(&self, uri: &Uri) -> Result<Option<Arc<Record>>, KnownError> {
        let read = self.0.reader().read(|snapshot| snapshot.record(uri));
        Ok(read.map_err(known)?.map(|row| row.record))
    }

    fn items(&self, uris: &[Uri]) -> Result<Vec<KnownItem>, KnownError> {
        items(&self.0.reader(), uris).map_err(known)
    }

    fn subreddits(&self) -> Result<Vec<SubredditRow>, KnownError> {
        let scan = Scan { limit: MAX_SUBREDDITS, ..Scan::default() };
        self.0.reader().read(|snapshot| snapshot.scan(&scan)).map_err(known)
    }

    fn shows(&self, epoch: Epoch) -> bool {
        self.0.reader().applied() >= epoch
    }

    fn quarantined(&self, authority: &str) -> Result<Vec<Uri>, KnownError> {
        let mut uris = Vec::new();
        owned::<QuarantineRow>(&self.0.reader(), authority, &mut |row| uris.push(row.0.uri))
            .map_err(known)?;
        Ok(uris)
    }
}
