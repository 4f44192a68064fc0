//! The books kept: what one tick's events change, one after the other, without any dataflow.

use super::{
    Committed, LookupError,
    books::{Books, Said},
    jobs,
    labels::Labels,
    news::{Inbox, News},
    owned::{Owned, Turn, Version},
    standing::{Standing, Verdict},
};
use crate::Visible;
use springline_model::{
    Event, EventBody, Gap, Identity, Rev, Row, SourceId, Uri,
    key::text_key,
    record::attr,
    rows::{GapRow, HandleRow, IdentityRow, InboxRow, LabelRow, RecordRow, SubredditRow},
};
use std::{collections::BTreeMap, rc::Rc};

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

    /// Everything that a tick says of one authority: its events one after the other, then what that has changed.
    fn authority(&mut self, authority: &Uri, events: Vec<(SourceId, EventBody)>) -> Result<(), LookupError> {
        let books = &self.0;
        let before = Standing::of(books, authority)?;
        let (mut after, mut owned, mut labels) =
            (before.clone(), Owned::by(authority.clone()), Labels::default());
        for (source, body) in events {
            let said = match body {
                EventBody::Put { rev, record } if after.takes(rev) => {
                    Some((record.uri.clone(), Version::Is(rev, source, record)))
                }
                EventBody::Fetched { rev, record } if after.takes_fetched(rev) => {
                    Some((record.uri.clone(), Version::Is(rev, source, record)))
                }
                EventBody::Delete { rev, uri } if after.takes(rev) => Some((uri, Version::Gone(rev))),
                EventBody::Missing { rev, uri } if after.takes_fetched(rev) => {
                    Some((uri, Version::Gone(rev)))
                }
                EventBody::Forget { rev, uri } => Some((uri, Version::Forgotten(rev))),
                EventBody::Quarantine(refused) => {
                    owned.file(refused.uri.clone(), Some(*refused));
                    None
                }
                EventBody::Release { uri } => {
                    owned.file(uri, None);
                    None
                }
                EventBody::Label { label, issued, .. } => {
                    labels.take(books, &mut after, *label, issued)?;
                    None
                }
                // Nothing is heard of what is not taken.
                body => {
                    match after.hear(&body) {
                        Verdict::Keep => {}
                        Verdict::Purge => owned.purge(),
                        Verdict::Whole(rev) => owned.keep_since(books, rev)?,
                    }
                    None
                }
            };
            if let Some((uri, version)) = said {
                owned.take(books, uri, version, after.is_desynchronized())?;
            }
        }

        // What was seen of everything that may change, before anything does.
        if before.is_hidden() != after.is_hidden() || owned.is_swept() {
            owned.add_all(books)?;
        }
        for subject in labels.subjects() {
            owned.record(books, &subject)?;
        }
        let mut seen: BTreeMap<Uri, Turn<Visible>> = BTreeMap::new();
        for (uri, turn) in owned.records() {
            let was = self.seen(&before, turn.was.as_ref())?;
            seen.insert(uri.clone(), Turn { was, is: None });
        }

        // What is said is set, and then what is seen now.
        labels.write(&mut self.0)?;
        after.write(&mut self.0, &before);
        for (uri, turn) in owned.records() {
            let is = self.seen(&after, turn.is.as_ref())?;
            if let Some(turn) = seen.get_mut(uri) {
                turn.is = is;
            }
        }
        owned.write(&mut self.0)?;
        for Turn { was, is } in seen.into_values() {
            self.0.show(was, is);
        }
        Ok(())
    }

    /// What everybody sees of a record: all of it, if its authority is seen and no label hides it.
    fn seen(&self, standing: &Standing, row: Option<&RecordRow>) -> Result<Option<Visible>, LookupError> {
        let Some(row) = row.filter(|_| !standing.is_hidden()) else { return Ok(None) };
        if standing.hides_records() {
            let cid = row.record.attrs.get(attr::CID).map(String::as_str);
            let labels = self.0.under::<LabelRow>(&text_key(row.record.uri.as_str()))?;
            if labels.iter().any(|LabelRow(label)| label.hides_version(cid)) {
                return Ok(None);
            }
        }
        Ok(Some(Visible { source: row.source.clone(), record: row.record.clone() }))
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
