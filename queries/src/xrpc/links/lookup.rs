//! The links to one target at one place in one kind of record.
//!
//! Limits: a page looks at [`MAX_EXAMINED`] rows (a record that links to the same target many times over is many),
//! a count of given accounts at [`MAX_COUNTED`].

use crate::{
    problem::Problem,
    v1::{
        list::{self, MAX_EXAMINED},
        merge::Merge,
    },
};
use schemars::JsonSchema;
use serde::Serialize;
use springline_model::{
    Row, Uri,
    key::KeyWriter,
    rows::{BacklinkCountRow, BacklinkRow, LinkerRow},
};
use springline_sinks::{Scan, Snapshot};

/// The most records that are counted one by one.
const MAX_COUNTED: usize = 20_000;
/// Behind the beginning of any key: what follows there is a time or a number, and then a text.
const BEHIND: [u8; 9] = [u8::MAX; 9];

/// A number of links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Total {
    /// How many.
    pub total: u64,
    /// There are more: given accounts link so often that not all of it was counted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// Which links.
pub(super) struct Links<'a> {
    pub(super) snapshot: &'a Snapshot<'a>,
    pub(super) target: Uri,
    pub(super) kind: String,
    /// With its leading dot.
    pub(super) path: String,
}

/// A page of them.
pub(super) struct Found {
    pub(super) uris: Vec<Uri>,
    /// The place to go on behind.
    pub(super) next: Option<Vec<u8>>,
}

/// Where records begin and end.
pub(super) struct Records {
    rows: Rows,
    /// The last record, and its place.
    last: Option<(Uri, Vec<u8>)>,
    examined: usize,
}

enum Rows {
    OfAll(Merge<BacklinkRow>),
    OfSome(Merge<LinkerRow>),
}

impl Links<'_> {
    /// How many records there are, and how many accounts they are of.
    pub(super) fn counts(&self) -> Result<(u64, u64), Problem> {
        let mut key = KeyWriter::new();
        key.id(self.target.id()).text(&self.kind).text(&self.path);
        let row: Option<BacklinkCountRow> = self.snapshot.get(&key.into_bytes())?;
        Ok(row.map_or((0, 0), |row| (row.records, row.authors)))
    }

    /// How many records there are of some accounts, or of all if none are given.
    pub(super) fn total(&self, dids: &[Uri]) -> Result<Total, Problem> {
        if dids.is_empty() {
            return Ok(Total { total: self.counts()?.0, truncated: false });
        }
        let mut left = MAX_COUNTED;
        for did in dids {
            left -= self.snapshot.scan_raw(LinkerRow::TABLE, &self.linkers_of(did, left))?.len();
        }
        Ok(Total { total: (MAX_COUNTED - left) as u64, truncated: left == 0 })
    }

    /// How many of some accounts link, or of all if none are given.
    pub(super) fn total_accounts(&self, dids: &[Uri]) -> Result<u64, Problem> {
        if dids.is_empty() {
            return Ok(self.counts()?.1);
        }
        let mut total = 0;
        for did in dids {
            total += self.snapshot.scan_raw(LinkerRow::TABLE, &self.linkers_of(did, 1))?.len() as u64;
        }
        Ok(total)
    }

    /// A page of records: the newest first, or the oldest; of some accounts, or of all if none are given.
    pub(super) fn records(
        &self,
        dids: &[Uri],
        reverse: bool,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Found, Problem> {
        let mut after = after.map(<[u8]>::to_vec);
        if let Some(place) = after.as_mut().filter(|_| !reverse) {
            place.extend(BEHIND); // past all that the record links with
        }
        let mut records = self.each(dids, reverse, after.as_deref(), limit)?;
        let (mut uris, mut last) = (Vec::new(), None);
        loop {
            let more = records.next(self.snapshot)?;
            match more {
                Some((uri, place)) if uris.len() < limit => {
                    uris.push(uri);
                    last = Some(place);
                }
                Some(_) => return Ok(Found { uris, next: last }),
                None => return Ok(Found { uris, next: records.cut() }),
            }
        }
    }

    /// The records behind a place, one by one.
    pub(super) fn each(
        &self,
        dids: &[Uri],
        reverse: bool,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Records, Problem> {
        let rows = if dids.is_empty() {
            let prefix = list::key(&[self.target.as_str(), &self.kind, &self.path]);
            Rows::OfAll(Merge::new(self.snapshot, vec![prefix], after, reverse, limit)?)
        } else {
            let prefixes = dids.iter().map(|did| self.linkers_of(did, 0).prefix).collect();
            Rows::OfSome(Merge::new(self.snapshot, prefixes, after, reverse, limit)?)
        };
        Ok(Records { rows, last: None, examined: 0 })
    }

    /// A page of accounts, by DID. From an account's first row on, its others are passed over unread.
    pub(super) fn accounts(&self, after: Option<&[u8]>, limit: usize) -> Result<Found, Problem> {
        let prefix = self.linkers();
        let past = |place: &[u8]| [&prefix, place, &BEHIND].concat();
        let mut after = after.map(past);
        let (mut uris, mut chunk): (Vec<Uri>, usize) = (Vec::new(), limit + 1);
        loop {
            let scan = Scan { prefix: prefix.clone(), after, reverse: false, limit: chunk };
            let rows: Vec<LinkerRow> = self.snapshot.scan(&scan)?;
            let (ended, before) = (rows.len() < chunk, uris.len());
            for row in rows {
                if uris.last() == Some(&row.author) {
                    continue;
                }
                if uris.len() == limit {
                    let next = uris.last().map(|author| list::key(&[author.as_str()]));
                    return Ok(Found { uris, next });
                }
                uris.push(row.author);
            }
            if ended {
                return Ok(Found { uris, next: None });
            }
            after = uris.last().map(|author| past(&list::key(&[author.as_str()])));
            // Few accounts with many rows each: jump from one to the next.
            chunk = (2 * (uris.len() - before)).clamp(1, limit + 1 - uris.len());
        }
    }

    fn linkers(&self) -> Vec<u8> {
        let mut prefix = KeyWriter::new();
        prefix.id(self.target.id()).text(&self.kind).text(&self.path);
        prefix.into_bytes()
    }

    fn linkers_of(&self, did: &Uri, limit: usize) -> Scan {
        let prefix = [self.linkers(), list::key(&[did.as_str()])].concat();
        Scan { prefix, limit, ..Scan::default() }
    }
}

impl Records {
    /// The next record with its place, or nothing if there is none or enough was looked at.
    pub(super) fn next(&mut self, snapshot: &Snapshot<'_>) -> Result<Option<(Uri, Vec<u8>)>, Problem> {
        while self.examined < MAX_EXAMINED {
            let next = match &mut self.rows {
                Rows::OfAll(rows) => rows.next(snapshot)?.map(|(_, row)| (row.at, row.source)),
                Rows::OfSome(rows) => rows.next(snapshot)?.map(|(_, row)| (row.at, row.source)),
            };
            let Some((at, uri)) = next else {
                self.last = None;
                return Ok(None);
            };
            self.examined += 1;
            if self.last.as_ref().is_none_or(|(last, _)| *last != uri) {
                let mut place = KeyWriter::new();
                place.newest(at).text(uri.as_str());
                let place = place.into_bytes();
                self.last = Some((uri.clone(), place.clone()));
                return Ok(Some((uri, place)));
            }
        }
        Ok(None)
    }

    /// Once there is no next: the place to go on behind, if that is because enough was looked at.
    pub(super) fn cut(self) -> Option<Vec<u8>> {
        self.last.map(|(_, place)| place)
    }
}
