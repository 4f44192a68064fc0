//! Which logs there are, and who follows them: one small value, written whenever it changes.

use super::{super::error::ViewsError, At};
use crate::store::{Store, Write};
use serde::{Deserialize, Serialize};
use springline_model::{Epoch, View};
use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher as _, RandomState},
};

const BOOK: &[u8] = b"\0book";

/// What is to be kept for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follow {
    /// Views whose changes are logged, beside those that somebody follows by name.
    pub views: BTreeSet<View>,
    /// Durable followers, and what each follows. Their cursors hold changes back.
    pub followers: BTreeMap<String, View>,
    /// Whether the ledger's log tells of visible records, if it is followed.
    pub records: bool,
    /// Bytes of each log that are kept.
    pub keep_bytes: u64,
    /// Bytes of each log that are kept at most, if a durable follower has not had all of them.
    pub hold_bytes: u64,
}

impl Default for Follow {
    fn default() -> Self {
        let (views, followers, records) = Default::default();
        Self { views, followers, records, keep_bytes: 64 << 20, hold_bytes: 4 << 30 }
    }
}

/// How far a log reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogHead {
    /// Its name.
    pub id: u64,
    /// What lies behind this position is kept.
    pub oldest: At,
    /// The position of its last change, or where it begins.
    pub newest: At,
    /// What it takes in the store.
    pub bytes: u64,
}

impl LogHead {
    /// An empty one.
    pub(super) fn new(at: At) -> Self {
        Self { id: RandomState::new().hash_one(at), oldest: at, newest: at, bytes: 0 }
    }
}

/// How far a durable follower is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follower {
    /// What it follows.
    #[serde(with = "by_name")]
    pub view: View,
    /// The name of the log that its position is of.
    pub log: u64,
    /// It has had everything up to here; what is behind is kept for it.
    pub at: At,
    /// It rests until it is told to go on.
    pub is_paused: bool,
    /// It has been told to begin again: with the rows as they are, whatever it has had.
    pub is_reset: bool,
    /// Why it can't go on from where it is, if it can't.
    pub lost: Option<String>,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Book {
    pub(super) heads: BTreeMap<View, LogHead>,
    pub(super) followers: BTreeMap<String, Follower>,
    /// The name of the ledger's log, if it tells of records.
    pub(super) records: Option<u64>,
    pub(super) keep_bytes: u64,
    pub(super) hold_bytes: u64,
}

/// Under this name stands the ledger's log once more, if it tells of records.
const RECORDS: &str = "records";

/// On disk views go by their names.
#[derive(Serialize, Deserialize)]
struct Stored {
    heads: Vec<(String, LogHead)>,
    followers: BTreeMap<String, Follower>,
}

impl Book {
    pub(in super::super) fn load(store: &dyn Store) -> Result<Self, ViewsError> {
        let Some(bytes) = store.get(BOOK)? else { return Ok(Self::default()) };
        let stored: Stored = postcard::from_bytes(&bytes)?;
        let head = |(view, head): (String, LogHead)| View::from_name(&view).map(|view| (view, head));
        let records = stored.heads.iter().find(|(name, _)| name == RECORDS).map(|(_, head)| head.id);
        let heads = stored.heads.into_iter().filter_map(head).collect();
        Ok(Self { heads, followers: stored.followers, records, ..Self::default() })
    }

    /// The write that keeps it, if it differs from another.
    pub(in super::super) fn write(&self, kept: &Self) -> Result<Option<Write>, ViewsError> {
        if (&self.heads, &self.followers, self.records) == (&kept.heads, &kept.followers, kept.records) {
            return Ok(None);
        }
        let records = self.heads.get(&View::Ledger).filter(|head| self.records == Some(head.id));
        let heads = self.heads.iter().map(|(view, head)| (view.name().to_owned(), *head));
        let heads = heads.chain(records.map(|head| (RECORDS.to_owned(), *head))).collect();
        let stored = Stored { heads, followers: self.followers.clone() };
        Ok(Some(Write::Put(BOOK.to_vec(), postcard::to_stdvec(&stored)?)))
    }

    /// Keeps what is asked for, and forgets the rest.
    pub(super) fn follow(&mut self, follow: &Follow, epoch: Epoch) {
        let wanted: BTreeSet<View> = follow.views.iter().chain(follow.followers.values()).copied().collect();
        self.heads.retain(|view, _| wanted.contains(view));
        self.followers.retain(|name, follower| follow.followers.get(name) == Some(&follower.view));
        for view in wanted {
            self.heads.entry(view).or_insert_with(|| LogHead::new(At { epoch, n: 0 }));
        }
        let ledger = self.heads.get(&View::Ledger).filter(|_| follow.records).copied();
        if ledger.is_some_and(|head| self.records != Some(head.id)) {
            // What records did until now is not in it.
            self.end(View::Ledger, "from here on the log also tells of records");
        }
        self.records = ledger.and_then(|_| self.heads.get(&View::Ledger)).map(|head| head.id);
        for (name, view) in &follow.followers {
            let head = self.heads[view];
            let follower = || Follower {
                view: *view,
                log: head.id,
                at: head.newest,
                is_paused: false,
                is_reset: false,
                lost: None,
            };
            self.followers.entry(name.clone()).or_insert_with(follower);
        }
        (self.keep_bytes, self.hold_bytes) = (follow.keep_bytes, follow.hold_bytes.max(follow.keep_bytes));
    }

    /// Ends a view's log, for a reason; another one begins at once.
    pub(super) fn end(&mut self, view: View, why: &str) {
        let Some(head) = self.heads.get_mut(&view) else { return };
        let ended = std::mem::replace(head, LogHead::new(head.newest));
        if self.records == Some(ended.id) {
            self.records = Some(head.id);
        }
        for follower in self.followers.values_mut().filter(|follower| follower.log == ended.id) {
            follower.lost.get_or_insert_with(|| why.to_owned());
        }
    }
}

mod by_name {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
    use springline_model::View;

    pub(super) fn serialize<S: Serializer>(view: &View, serializer: S) -> Result<S::Ok, S::Error> {
        view.name().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<View, D::Error> {
        let name = String::deserialize(deserializer)?;
        View::from_name(&name).ok_or_else(|| D::Error::custom("an unknown view"))
    }
}
