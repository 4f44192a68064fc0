//! Frames of a relay as events: whoever has them, from a socket or a file.
//!
//! A frame that is no CBOR closes the connection, as the specification wants it. Should the same bytes come again, they
//! are passed over: one bad frame must not hold a stream up for ever. The same holds for one that we fail at.

use super::{config::Verification, intake::Item, skip::Broken};
use crate::atproto::{
    cid::Cid,
    data,
    frame::{Account, Commit, Frame, FrameError},
    key::PublicKey,
    reader::{Change, Origin, Reader},
    syntax::{Did, Tid, datetime::micros_of},
    verify::{Checks, MAX_AHEAD, Mode, Reject, Verified, verify, verify_sync},
    who::Identities,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use springline_model::{EventBody, Hosting, RepoNews, Rev, Timestamp, Uri};
use std::{
    collections::{BTreeSet, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// Accounts that are looked up at a time for one chunk.
const LOOKUPS: usize = 16;

/// Reads frames. Cheap to clone.
#[derive(Clone)]
pub(in crate::atproto) struct Frames(Arc<Inner>);

struct Inner {
    reader: Reader,
    identities: Identities,
    mode: Mode,
    legacy: bool,
    broken: Broken,
}

type Keys = HashMap<String, Result<PublicKey, String>>;

impl Frames {
    pub(in crate::atproto) fn new(
        reader: Reader,
        identities: Identities,
        verification: Verification,
        legacy: bool,
    ) -> Self {
        let broken = Broken::default();
        Self(Arc::new(Inner { reader, identities, mode: verification.mode(), legacy, broken }))
    }

    /// What frames say, in their order.
    pub(in crate::atproto) async fn read(&self, host: &str, frames: Vec<Bytes>) -> Vec<Item> {
        let mut keys = Keys::new();
        if self.0.mode == Mode::Full {
            let parsing = frames.clone();
            let dids = tokio::task::spawn_blocking(move || authors(&parsing)).await.unwrap_or_default();
            keys = self.keys(dids, false).await;
        }
        let mut items = self.on_thread(host, frames.clone(), keys, false).await;

        // Keys are rotated: what does not hold by the key that was known may hold by the one there is now.
        let unsigned: Vec<usize> = (0..items.len()).filter(|at| items[*at].unsigned.is_some()).collect();
        if !unsigned.is_empty() {
            let dids = unsigned.iter().filter_map(|at| items[*at].unsigned.clone()).collect();
            let keys = self.keys(dids, true).await;
            let again = unsigned.iter().filter_map(|at| frames.get(*at).cloned()).collect();
            let read = self.on_thread(host, again, keys, true).await;
            for (at, read) in unsigned.into_iter().zip(read) {
                items[at] = read;
            }
        }
        // Who is slow to answer holds up what comes behind, so that they are asked side by side.
        let done = items.into_iter().map(|read| async move {
            let Read { mut item, identity, deleted, .. } = read;
            if let Some(did) = identity {
                item.events.extend(self.0.identities.changed(&did).await);
            }
            if let Some((did, micros)) = deleted {
                item.events.push(self.0.identities.deleted(&did, micros).await);
            }
            item
        });
        stream::iter(done).buffered(LOOKUPS).collect().await
    }

    async fn keys(&self, dids: BTreeSet<String>, again: bool) -> Keys {
        let identities = &self.0.identities;
        let lookups = dids.into_iter().map(|did| async move {
            let key = identities.key(&did, again).await;
            (did, key)
        });
        stream::iter(lookups).buffer_unordered(LOOKUPS).collect().await
    }

    async fn on_thread(&self, host: &str, frames: Vec<Bytes>, keys: Keys, last: bool) -> Vec<Read> {
        let (inner, host) = (self.0.clone(), host.to_owned());
        let read = tokio::task::spawn_blocking(move || {
            let now = Timestamp::now();
            let read = |frame: &Bytes| {
                catch_unwind(AssertUnwindSafe(|| inner.frame(&host, frame, &keys, now, last)))
                    .unwrap_or_else(|_| inner.failed(&host, frame).into())
            };
            frames.iter().map(read).collect()
        });
        read.await.unwrap_or_else(|error| {
            // Only when the process ends: a panic is caught.
            let fault = Some(format!("reading a frame failed: {error}"));
            vec![Read { item: Item { fault, ..Item::default() }, ..Read::default() }]
        })
    }
}

/// What a frame says, and what has to be asked before that is all.
#[derive(Default)]
struct Read {
    item: Item,
    /// Whose identity has changed.
    identity: Option<String>,
    /// Who is said to be deleted, and when.
    deleted: Option<(Did, u64)>,
    /// Whose signature does not hold by the key that is known.
    unsigned: Option<String>,
}

impl From<Item> for Read {
    fn from(item: Item) -> Self {
        Self { item, ..Self::default() }
    }
}

/// Whose commits and trees have to be verified.
fn authors(frames: &[Bytes]) -> BTreeSet<String> {
    let whose = |frame: &Bytes| match Frame::read(frame) {
        Ok(Frame::Commit(commit)) => Some(commit.repo.to_owned()),
        Ok(Frame::Sync(sync)) => Some(sync.did.to_owned()),
        _ => None,
    };
    frames.iter().filter_map(whose).filter(|did| Did::check(did).is_ok()).collect()
}

impl Inner {
    fn frame(&self, host: &str, bytes: &[u8], keys: &Keys, now: Timestamp, last: bool) -> Read {
        let frame = match Frame::read(bytes) {
            Ok(frame) => frame,
            Err(error) => return self.unreadable(host, bytes, &error).into(),
        };
        let checks = |did: &str| Checks {
            mode: self.mode,
            key: keys.get(did).and_then(|key| key.as_ref().ok()),
            now: u64::try_from(now.0).unwrap_or(0).saturating_mul(1000),
            legacy: self.legacy,
        };
        match frame {
            Frame::Commit(commit) => {
                let spot = Spot { host, seq: commit.seq, time: commit.time, bytes };
                match verify(&commit, &checks(commit.repo)) {
                    Ok(verified) => self.commit(spot, &commit, &verified).into(),
                    Err(reject) => self.rejected(spot, commit.repo, commit.rev, &reject, keys, last),
                }
            }
            Frame::Sync(sync) => {
                let spot = Spot { host, seq: sync.seq, time: sync.time, bytes };
                match verify_sync(&sync, &checks(sync.did)) {
                    Ok(verified) => {
                        let news = EventBody::Repo {
                            authority: Uri::repository(verified.did),
                            rev: Rev(verified.rev.to_u64()),
                            data: root(verified.data),
                            news: RepoNews::Announced,
                        };
                        spot.item(vec![news]).into()
                    }
                    Err(reject) => self.rejected(spot, sync.did, sync.rev, &reject, keys, last),
                }
            }
            Frame::Account(account) => {
                self.account(Spot { host, seq: account.seq, time: account.time, bytes }, &account, now)
            }
            Frame::Identity(identity) => {
                let spot = Spot { host, seq: identity.seq, time: identity.time, bytes };
                let whose = Did::check(identity.did).is_ok().then(|| identity.did.to_owned());
                Read { item: spot.item(Vec::new()), identity: whose, ..Read::default() }
            }
            Frame::Info(info) => {
                let message = info.message.unwrap_or_default();
                Item { info: Some(format!("{} {message}", info.name)), ..Item::default() }.into()
            }
            Frame::Error(error) => {
                let fault = format!("the host says: {} {}", error.error, error.message.unwrap_or_default());
                Item { fault: Some(fault), ..Item::default() }.into()
            }
            Frame::Labels(_) | Frame::Unknown { .. } => {
                self.count("unknown_message");
                Item::default().into()
            }
        }
    }

    fn commit(&self, spot: Spot<'_>, commit: &Commit<'_>, verified: &Verified<'_>) -> Item {
        let did = verified.did;
        let mut events = Vec::with_capacity(verified.ops.len() + 1);
        // The version first, so that its records are not taken for older ones.
        events.push(EventBody::Repo {
            authority: Uri::repository(did),
            rev: Rev(verified.rev.to_u64()),
            data: root(verified.data),
            news: RepoNews::Commit {
                since: verified.since.map(|since| Rev(since.to_u64())),
                prev: verified.prev_data.map(root),
            },
        });
        for op in verified.ops.iter().filter(|op| self.reader.wants(did, op.collection)) {
            let cid = op.cid.map(|cid| cid.to_string());
            let change = Change {
                did,
                collection: op.collection,
                rkey: op.rkey,
                cid: cid.as_deref(),
                rev: verified.rev,
            };
            match op.record.map(|block| (block, data::record(block))) {
                None => self.reader.delete(&change, &mut events),
                Some((block, Ok(value))) => {
                    self.reader.put(
                        &change,
                        &value,
                        false,
                        Origin { place: &spot, bytes: block },
                        &mut events,
                    );
                }
                Some((block, Err(error))) => {
                    self.count("record");
                    // What stood there before is not what the repository says any more.
                    self.reader.delete(&change, &mut events);
                    let uri = Uri::at_record(did, op.collection, op.rkey);
                    let origin = Origin { place: &spot, bytes: block };
                    events.push(self.reader.refuse(uri, error.to_string(), origin));
                }
            }
        }
        for (path, reject) in &verified.dropped {
            self.count(reject.name());
            let path: String = path.chars().take(300).collect();
            let reason = format!("an operation on `{path}` is dropped: {reject}");
            let uri = Uri::new(format!("{}/{}", spot.uri(), events.len()));
            events.push(self.reader.refuse(uri, reason, spot.origin(&spot)));
        }
        if commit.ops.is_empty() {
            self.count("empty_commit");
        }
        spot.item(events)
    }

    /// A commit that does not hold: the frame is kept, the old index too; and if there is anything to it, the
    /// repository has to be fetched to know.
    fn rejected(
        &self,
        spot: Spot<'_>,
        did: &str,
        rev: &str,
        reject: &Reject,
        keys: &Keys,
        last: bool,
    ) -> Read {
        let by_key = matches!(reject, Reject::Signature(_) | Reject::NoKey);
        if by_key && !last {
            return Read { unsigned: Some(did.to_owned()), ..Read::default() };
        }
        self.count(reject.name());
        let why_no_key = keys.get(did).and_then(|key| key.as_ref().err());
        let reason = match why_no_key.filter(|_| matches!(reject, Reject::NoKey)) {
            Some(why) => format!("{reject}: {why}"),
            None => reject.to_string(),
        };
        let mut events = vec![self.reader.refuse(spot.uri(), reason, spot.origin(&spot))];
        let is_nonsense = matches!(reject, Reject::Did | Reject::Rev | Reject::Future | Reject::OtherRepo);
        if !is_nonsense && let (Ok(did), Ok(rev)) = (Did::new(did), rev.parse::<Tid>()) {
            let (rev, news) = (Rev(rev.to_u64()), RepoNews::Announced);
            events.push(EventBody::Repo { authority: Uri::repository(&did), rev, data: [0; 32], news });
        }
        spot.item(events).into()
    }

    fn account(&self, spot: Spot<'_>, account: &Account<'_>, now: Timestamp) -> Read {
        let Ok(did) = Did::new(account.did) else {
            self.count("did");
            let refused =
                self.reader.refuse(spot.uri(), "an account whose DID is none".into(), spot.origin(&spot));
            return spot.item(vec![refused]).into();
        };
        // It orders what is said of the account, so it is not believed beyond our own: nothing later would count.
        let now = u64::try_from(now.0).unwrap_or(0).saturating_mul(1000);
        let micros = micros_of(account.time).unwrap_or(now).min(now.saturating_add(MAX_AHEAD));
        let status = Hosting::of(account.active, account.status);
        if status == Hosting::Deleted {
            return Read { item: spot.item(Vec::new()), deleted: Some((did, micros)), ..Read::default() };
        }
        let news = EventBody::Hosting { rev: Rev(micros), authority: Uri::repository(&did), status };
        spot.item(vec![news]).into()
    }

    /// A message that can't be read. If its number can, the stream goes on behind it.
    fn unreadable(&self, host: &str, bytes: &[u8], error: &FrameError) -> Item {
        self.count(error.name());
        let seq = match error {
            FrameError::Body { seq, .. } => seq.and_then(|seq| u64::try_from(seq).ok()),
            _ => None,
        };
        let events = vec![self.refuse_frame(host, bytes, error.to_string())];
        let is_new = seq.is_none() && self.broken.is_new(bytes);
        let fault = is_new.then(|| format!("a message that can't be read: {error}"));
        Item { cursor: seq, events, fault, ..Item::default() }
    }

    /// A message that we fail at: a mistake of ours.
    fn failed(&self, host: &str, bytes: &[u8]) -> Item {
        self.count("failed");
        tracing::error!(host, "reading a frame panicked");
        let events = vec![self.refuse_frame(host, bytes, "reading it failed".into())];
        Item { events, ..Item::default() }
    }

    fn refuse_frame(&self, host: &str, bytes: &[u8], reason: String) -> EventBody {
        let digest = blake3::hash(bytes).to_hex();
        let uri = Uri::new(format!("{}/frame/{}", host.trim_end_matches('/'), &digest[..16]));
        self.reader.refuse(uri, reason, Origin { place: &host, bytes })
    }

    fn count(&self, fault: &'static str) {
        let source = self.reader.source().to_string();
        metrics::counter!("springline_source_faults_total", "source" => source, "fault" => fault)
            .increment(1);
    }
}

fn root(cid: Cid) -> [u8; 32] {
    *cid.digest()
}

/// Where a frame stood.
#[derive(Clone, Copy)]
struct Spot<'a> {
    host: &'a str,
    seq: i64,
    time: &'a str,
    bytes: &'a [u8],
}

impl<'a> Spot<'a> {
    fn origin(&self, place: &'a dyn std::fmt::Display) -> Origin<'a> {
        Origin { place, bytes: self.bytes }
    }

    fn uri(&self) -> Uri {
        Uri::new(format!("{}/seq/{}", self.host.trim_end_matches('/'), self.seq))
    }

    fn item(&self, events: Vec<EventBody>) -> Item {
        let at = micros_of(self.time).map(|micros| Timestamp((micros / 1000).cast_signed()));
        Item { cursor: u64::try_from(self.seq).ok(), at, events, ..Item::default() }
    }
}

impl std::fmt::Display for Spot<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, seq {}", self.host, self.seq)
    }
}
