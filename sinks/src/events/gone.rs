//! Of whom nothing may be kept: accounts that are deleted for good, or forbidden here.
//!
//! Filled from the ledger, which is ahead of what is told, and moved on by the events themselves: so it holds at each
//! event whoever was gone then, or is gone later. Statuses go by their versions, as in the ledger: a stale one changes
//! nothing.
//!
//! Limits: 32 bytes for each account that is gone.

use crate::views::{ReadError, Reader, Scan};
use springline_model::{
    AccountStatus, EventBody, Hosting, Rev, Row, Uri,
    rows::{AccountRow, RepoRow},
};
use std::{borrow::Cow, collections::HashMap};
use xxhash_rust::xxh3::xxh3_128;

/// Rows that are read at a time.
const PAGE: usize = 1000;

/// Accounts that are gone.
#[derive(Debug, Default)]
pub struct Gone {
    /// By the operator's word, and since which version.
    forbidden: HashMap<u128, Rev>,
    /// By their host's.
    deleted: HashMap<u128, Rev>,
}

/// Who owns what an event is about: its authority, an account by its repository.
#[must_use]
pub fn owner(body: &EventBody) -> Cow<'_, str> {
    let authority = body.authority();
    if authority.starts_with("did:") {
        Cow::Owned(Uri::repository(authority).as_str().to_owned())
    } else {
        Cow::Borrowed(authority)
    }
}

impl Gone {
    /// As the ledger has it.
    ///
    /// # Errors
    /// The store fails or is damaged.
    pub fn load(reader: &Reader) -> Result<Self, ReadError> {
        let mut gone = Self::default();
        each(reader, |row: AccountRow| {
            if row.status == AccountStatus::Forbidden {
                gone.forbidden.insert(name(row.authority.as_str()), row.rev);
            }
        })?;
        each(reader, |row: RepoRow| {
            if row.hosting == Hosting::Deleted {
                gone.deleted.insert(name(row.authority.as_str()), row.hosting_rev);
            }
        })?;
        Ok(gone)
    }

    /// Whether the one who owns what an event is about is gone, with it if not before.
    pub fn takes(&mut self, body: &EventBody, owner: &str) -> bool {
        match body {
            EventBody::Account { rev, status, .. } => {
                note(&mut self.forbidden, owner, *rev, *status == AccountStatus::Forbidden);
            }
            EventBody::Hosting { rev, status, .. } => {
                note(&mut self.deleted, owner, *rev, *status == Hosting::Deleted);
            }
            _ => {}
        }
        if self.forbidden.is_empty() && self.deleted.is_empty() {
            return false;
        }
        let name = name(owner);
        self.forbidden.contains_key(&name) || self.deleted.contains_key(&name)
    }
}

fn name(authority: &str) -> u128 {
    xxh3_128(authority.as_bytes())
}

fn note(gone: &mut HashMap<u128, Rev>, owner: &str, rev: Rev, is_gone: bool) {
    let name = name(owner);
    if is_gone {
        let since = gone.entry(name).or_insert(rev);
        *since = rev.max(*since);
    } else if gone.get(&name).is_some_and(|since| *since < rev) {
        gone.remove(&name);
    }
}

fn each<R: Row>(reader: &Reader, mut visit: impl FnMut(R)) -> Result<(), ReadError> {
    let mut scan = Scan { limit: PAGE, ..Scan::default() };
    loop {
        let rows: Vec<R> = reader.read(|snapshot| snapshot.scan(&scan))?;
        let last = (rows.len() == PAGE).then(|| rows.last().map(Row::key_bytes)).flatten();
        rows.into_iter().for_each(&mut visit);
        match last {
            Some(last) => scan.after = Some(last),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_count_by_their_versions() {
        let mut gone = Gone::default();
        let authority = Uri::from("at://did:plc:a/");
        let hosting =
            |rev, status| EventBody::Hosting { rev: Rev(rev), authority: authority.clone(), status };
        let mut is_gone = |body: &EventBody| gone.takes(body, &owner(body));
        let about =
            EventBody::Seen { actor: "did:plc:a".into(), rev: Rev(1), until: springline_model::Timestamp(0) };
        assert!(!is_gone(&about));
        assert!(is_gone(&hosting(5, Hosting::Deleted)));
        assert!(is_gone(&about), "what a DID says is its repository's");
        assert!(is_gone(&hosting(4, Hosting::Active)), "stale");
        let forbidden = EventBody::Account {
            rev: Rev(1),
            authority: authority.clone(),
            status: AccountStatus::Forbidden,
        };
        assert!(is_gone(&forbidden));
        assert!(is_gone(&hosting(6, Hosting::Active)), "but forbidden");
        let active =
            EventBody::Account { rev: Rev(2), authority: authority.clone(), status: AccountStatus::Active };
        assert!(!is_gone(&active));
        assert!(!is_gone(&about));
    }
}
