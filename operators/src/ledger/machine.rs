//! The books kept: what one tick's events change, without any dataflow.

use super::{
    Committed, LookupError,
    books::{Books, Said},
    jobs,
    news::{Inbox, News},
    standing::{Standing, Verdict},
};
use crate::Visible;
use springline_model::{
    Event, EventBody, Gap, Identity, Label, Quarantined, Record, Rev, Row, SourceId, Uri,
    key::{text_key, text_prefix},
    record::attr,
    rows::{
        ExpiryRow, GapRow, HandleRow, IdentityRow, InboxRow, IssuedRow, LabelRow, QuarantineRow, RecordRow,
        SubredditRow, TombRow,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};

/// The newest of a record's versions in one tick.
struct Version {
    rev: Rev,
    /// Counted over the authority's events.
    arrival: usize,
    source: SourceId,
    /// `None`: deleted.
    record: Option<Arc<Record>>,
    /// It counts against this same rev: a record that is too old to be kept.
    forgets: bool,
}

/// What a tick has to say of one URI.
#[derive(Default)]
struct Turn {
    version: Option<Version>,
    /// The last refusal, or the release (`None`), and when it arrived.
    filing: Option<(usize, Option<Quarantined>)>,
}

impl Turn {
    fn offer(&mut self, version: Version) {
        if self.version.as_ref().is_none_or(|newest| version.rev >= newest.rev) {
            self.version = Some(version);
        }
    }
}

/// The state of a worker's share of the ledger.
pub(super) struct Machine(Books);

impl Machine {
    pub(super) fn new(committed: Rc<dyn Committed>) -> Self {
        Self(Books::new(committed))
    }

    /// Applies a tick's events.
    pub(super) fn tick(
        &mut self,
        tick: u64,
        events: impl Iterator<Item = Event>,
    ) -> Result<Said, LookupError> {
        self.0.open(tick);
        let news = News::of(events);
        for (authority, events) in news.authorities {
            self.authority(&authority, events)?;
        }
        for identity in news.identities {
            self.identity(identity)?;
        }
        for (actor, inbox) in news.inboxes {
            self.inbox(actor, &inbox)?;
        }
        for (source, gap) in news.gaps {
            self.gap(source, gap)?;
        }
        for subreddit in news.subreddits {
            self.subreddit(subreddit)?;
        }
        for event in news.jobs {
            jobs::apply(&mut self.0, event)?;
        }
        Ok(self.0.close())
    }

    /// Everything that a tick says of one authority: first its events in their order, then what that does to its
    /// records.
    fn authority(&mut self, authority: &Uri, events: Vec<(SourceId, EventBody)>) -> Result<(), LookupError> {
        let before = Standing::of(&self.0, authority)?;
        let mut after = before.clone();
        let mut turns: BTreeMap<Uri, Turn> = BTreeMap::new();
        let (mut labels, mut issued) = (Vec::new(), Vec::new());
        let (mut purged, mut whole) = (false, None);
        for (arrival, (source, body)) in events.into_iter().enumerate() {
            match body {
                EventBody::Put { rev, record } => {
                    if after.takes(rev) {
                        let uri = record.uri.clone();
                        let version = Version { rev, arrival, source, record: Some(record), forgets: false };
                        turns.entry(uri).or_default().offer(version);
                    }
                }
                EventBody::Delete { rev, uri } => {
                    if after.takes(rev) {
                        let version = Version { rev, arrival, source, record: None, forgets: false };
                        turns.entry(uri).or_default().offer(version);
                    }
                }
                EventBody::Fetched { rev, record } => {
                    if after.takes_fetched(rev) {
                        let uri = record.uri.clone();
                        let version = Version { rev, arrival, source, record: Some(record), forgets: false };
                        turns.entry(uri).or_default().offer(version);
                    }
                }
                EventBody::Missing { rev, uri } => {
                    if after.takes_fetched(rev) {
                        let version = Version { rev, arrival, source, record: None, forgets: false };
                        turns.entry(uri).or_default().offer(version);
                    }
                }
                EventBody::Forget { rev, uri } => {
                    let version = Version { rev, arrival, source, record: None, forgets: true };
                    turns.entry(uri).or_default().offer(version);
                }
                EventBody::Quarantine(refused) => {
                    let uri = refused.uri.clone();
                    turns.entry(uri).or_default().filing = Some((arrival, Some(*refused)));
                }
                EventBody::Release { uri } => {
                    turns.entry(uri).or_default().filing = Some((arrival, None));
                }
                EventBody::Label { label, issued: number, .. } => {
                    issued.extend(number.map(|seq| IssuedRow { seq, label: (*label).clone() }));
                    labels.push(*label);
                }
                body => match after.hear(&body) {
                    Verdict::Keep => {}
                    Verdict::Purge => {
                        purged = true;
                        turns.values_mut().for_each(|turn| turn.version = None);
                    }
                    Verdict::Whole(rev) => whole = whole.max(Some(rev)),
                },
            }
        }
        let subjects: BTreeSet<Uri> =
            labels.iter().filter(|label| !label.is_of_account()).map(|label| label.uri.clone()).collect();

        // What was seen of everything that may change, before anything does.
        let labelled = self.labels_coming(labels)?;
        after.count_labels(&labelled);
        let flips = before.is_hidden() != after.is_hidden();
        let mut olds: BTreeMap<Uri, Option<RecordRow>> = BTreeMap::new();
        if flips || purged || whole.is_some() {
            for row in self.owned(authority)? {
                olds.insert(row.record.uri.clone(), Some(row));
            }
        }
        for uri in
            turns.iter().filter(|(_, turn)| turn.version.is_some()).map(|(uri, _)| uri).chain(&subjects)
        {
            if !olds.contains_key(uri) {
                olds.insert(uri.clone(), self.0.get(text_key(uri.as_str()))?);
            }
        }
        let mut was: BTreeMap<Uri, Visible> = BTreeMap::new();
        for row in olds.values().flatten() {
            if self.is_seen(&before, row)? {
                was.insert(row.record.uri.clone(), visible(row));
            }
        }

        // What is said is set.
        for (old, new) in labelled {
            self.set_label(old, new);
        }
        for row in issued {
            let old = self.0.get::<IssuedRow>(row.key_bytes())?;
            if old.is_none() {
                self.0.set(None, Some(row));
            }
        }
        // Of a repository that is being fetched, and of feedback, deletes are remembered: what tells of it may be old.
        let is_open = before.is_desynchronized() || after.is_desynchronized() || is_feedback(authority);
        after.write(&mut self.0, &before);
        let mut taken: BTreeMap<Uri, usize> = BTreeMap::new();
        let mut news: BTreeMap<Uri, Option<RecordRow>> = BTreeMap::new();
        for (uri, old) in olds {
            let kept = if purged { None } else { old.clone() };
            let version = turns.get_mut(&uri).and_then(|turn| turn.version.take());
            let new = match version {
                Some(version) if self.counts(&uri, kept.as_ref(), &version, is_open)? => {
                    let Version { rev, arrival, source, record, .. } = version;
                    taken.insert(uri.clone(), arrival);
                    if is_open {
                        let deleted = record.is_none().then(|| TombRow { uri: uri.clone(), rev });
                        self.entomb(&uri, deleted, authority)?;
                    }
                    record.map(|record| RecordRow { rev, source, record })
                }
                _ => kept,
            };
            // Put while the copy was on its way, and deleted before it was made: nobody else will say so.
            let new = new.filter(|row| whole.is_none_or(|whole| row.rev >= whole));
            self.0.set(old, new.clone());
            news.insert(uri, new);
        }
        if before.is_desynchronized() && !after.is_desynchronized() {
            for tomb in self.0.under::<TombRow>(&text_prefix(authority.as_str()))? {
                if tomb.uri.authority() == authority.as_str() {
                    self.0.set(Some(tomb), None);
                }
            }
        }

        // And what is seen now.
        for (uri, new) in news {
            let is = match &new {
                Some(row) if self.is_seen(&after, row)? => Some(visible(row)),
                _ => None,
            };
            self.0.show(was.remove(&uri), is);
        }
        for (uri, turn) in turns {
            self.file(&uri, taken.get(&uri).copied(), turn.filing)?;
        }
        Ok(())
    }

    /// Whether a version is newer than what is there, or was while the repository is being fetched.
    fn counts(
        &self,
        uri: &Uri,
        old: Option<&RecordRow>,
        version: &Version,
        is_open: bool,
    ) -> Result<bool, LookupError> {
        if version.forgets {
            return Ok(old.is_some_and(|old| old.rev == version.rev));
        }
        if old.is_some_and(|old| old.rev >= version.rev) {
            return Ok(false);
        }
        if !is_open {
            return Ok(true);
        }
        let tomb = self.0.get::<TombRow>(text_key(uri.as_str()))?;
        Ok(tomb.is_none_or(|tomb| tomb.rev < version.rev))
    }

    /// Remembers that a record was deleted; feedback that is there again is not dead any more.
    fn entomb(&mut self, uri: &Uri, deleted: Option<TombRow>, authority: &Uri) -> Result<(), LookupError> {
        if deleted.is_some() || is_feedback(authority) {
            let old = self.0.get::<TombRow>(text_key(uri.as_str()))?;
            self.0.set(old, deleted);
        }
        Ok(())
    }

    /// A record is seen if its authority is and no label hides it.
    fn is_seen(&self, standing: &Standing, row: &RecordRow) -> Result<bool, LookupError> {
        if standing.is_hidden() {
            return Ok(false);
        }
        if !standing.hides_records() {
            return Ok(true);
        }
        let cid = row.record.attrs.get(attr::CID).map(String::as_str);
        let labels = self.0.under::<LabelRow>(&text_key(row.record.uri.as_str()))?;
        Ok(!labels.iter().any(|LabelRow(label)| label.hides_version(cid)))
    }

    /// The labels that are news: each as it was, and as it will be.
    fn labels_coming(&self, labels: Vec<Label>) -> Result<Vec<(Option<Label>, Label)>, LookupError> {
        let mut coming: BTreeMap<Vec<u8>, (Option<Label>, Label)> = BTreeMap::new();
        for label in labels {
            let key = LabelRow(label.clone()).key_bytes();
            let old = match coming.get(&key) {
                Some((_, newest)) => Some(newest.clone()),
                None => self.0.get::<LabelRow>(key.clone())?.map(|row| row.0),
            };
            if old.as_ref().is_some_and(|old| !replaces(&label, old)) {
                continue;
            }
            match coming.get_mut(&key) {
                Some((_, newest)) => *newest = label,
                None => drop(coming.insert(key, (old, label))),
            }
        }
        Ok(coming.into_values().collect())
    }

    fn set_label(&mut self, old: Option<Label>, new: Label) {
        let expiry = |label: &Label| {
            let at = label.exp.filter(|_| label.is_in_force());
            at.map(|at| ExpiryRow { at, label: label.clone() })
        };
        let (expired, expires) = (old.as_ref().and_then(expiry), expiry(&new));
        if expired != expires {
            // Not the same key: an expiry's begins with its time.
            self.0.set(expired, None);
            self.0.set(None, expires);
        }
        self.0.set(old.map(LabelRow), Some(LabelRow(new)));
    }

    fn file(
        &mut self,
        uri: &Uri,
        taken: Option<usize>,
        filing: Option<(usize, Option<Quarantined>)>,
    ) -> Result<(), LookupError> {
        let verdict = match (taken, filing) {
            (None, None) => return Ok(()),
            (Some(taken), Some((arrival, _))) if taken > arrival => None,
            (_, Some((_, refused))) => refused.map(QuarantineRow),
            (Some(_), None) => None,
        };
        let old = self.0.get::<QuarantineRow>(text_key(uri.as_str()))?;
        self.0.set(old, verdict);
        Ok(())
    }

    /// Every record that an authority has now.
    fn owned(&self, authority: &Uri) -> Result<Vec<RecordRow>, LookupError> {
        let mut rows = self.0.under::<RecordRow>(&text_prefix(authority.as_str()))?;
        // A prefix is not enough: `https://example.org` begins what `https://example.org.evil/` owns.
        rows.retain(|row| row.record.uri.authority() == authority.as_str());
        Ok(rows)
    }

    fn identity(&mut self, identity: Identity) -> Result<(), LookupError> {
        let old = self.0.get::<IdentityRow>(text_key(identity.did.as_str()))?;
        if old.as_ref().is_some_and(|IdentityRow(old)| old.at >= identity.at) {
            return Ok(());
        }
        let handle = |identity: &Identity| {
            let (did, at) = (identity.did.clone(), identity.at);
            identity.handle.clone().map(|handle| HandleRow { handle, at, did })
        };
        self.0.set(old.as_ref().and_then(|IdentityRow(old)| handle(old)), None);
        self.0.set(None, handle(&identity));
        self.0.set(old, Some(IdentityRow(identity)));
        Ok(())
    }

    fn inbox(&mut self, actor: Uri, news: &Inbox) -> Result<(), LookupError> {
        let old = self.0.get::<InboxRow>(text_key(actor.as_str()))?;
        let mut new = old.clone().unwrap_or(InboxRow {
            actor,
            seen: springline_model::Timestamp(i64::MIN),
            seen_rev: Rev(0),
            muted: 0,
            muted_rev: Rev(0),
        });
        match *news {
            Inbox::Seen(rev, until) if rev > new.seen_rev => {
                (new.seen, new.seen_rev) = (until.max(new.seen), rev);
            }
            Inbox::Mute(rev, muted) if rev > new.muted_rev => (new.muted, new.muted_rev) = (muted, rev),
            Inbox::Seen(..) | Inbox::Mute(..) => return Ok(()),
        }
        self.0.set(old, Some(new));
        Ok(())
    }

    fn subreddit(&mut self, new: SubredditRow) -> Result<(), LookupError> {
        let old = self.0.get::<SubredditRow>(new.key_bytes())?;
        if old.as_ref().is_none_or(|old| old.rev < new.rev) {
            self.0.set(old, Some(new));
        }
        Ok(())
    }

    fn gap(&mut self, source: SourceId, gap: Gap) -> Result<(), LookupError> {
        let row = GapRow { source, gap };
        let old = self.0.get::<GapRow>(row.key_bytes())?;
        if old.is_none() {
            self.0.set(None, Some(row));
        }
        Ok(())
    }
}

/// Whether an authority is a project that feedback is about.
fn is_feedback(authority: &Uri) -> bool {
    authority.scheme() == "feedback"
}

/// The label made last counts; of the same time one that says something else, but not one that forgets that its
/// time is up.
fn replaces(new: &Label, old: &Label) -> bool {
    let again = || Label { expired: true, ..new.clone() } == *old;
    new.cts > old.cts || (new.cts == old.cts && new != old && !again())
}

fn visible(row: &RecordRow) -> Visible {
    Visible { source: row.source.clone(), record: row.record.clone() }
}
