//! The books as a person would keep them: the rules in the plainest words, one event after the other, and no ticks.

use super::*;
use springline_model::{
    Gap, Hosting, Identity, Label, RepoNews, TreeRoot,
    rows::{
        ExpiryRow, GapRow, HandleRow, IdentityRow, InboxRow, IssuedRow, LabelRow, RepoRow, ResyncRow,
        SubredditRow, TombRow,
    },
};

#[derive(Clone, Default)]
pub(super) struct World {
    records: BTreeMap<Uri, RecordRow>,
    tombs: BTreeMap<Uri, Rev>,
    quarantine: BTreeMap<Uri, Quarantined>,
    accounts: BTreeMap<Uri, (Rev, AccountStatus)>,
    /// Repositories that were heard of.
    repos: BTreeSet<Uri>,
    revs: BTreeMap<Uri, Rev>,
    open: BTreeMap<Uri, Rev>,
    roots: BTreeMap<Uri, TreeRoot>,
    hosting: BTreeMap<Uri, (Rev, Hosting)>,
    labels: BTreeMap<(Uri, Uri, String, Option<String>), Label>,
    issued: BTreeMap<u64, Label>,
    identities: BTreeMap<Uri, Identity>,
    inboxes: BTreeMap<Uri, InboxRow>,
    gaps: BTreeMap<(SourceId, String, String, Timestamp), Gap>,
    subreddits: BTreeMap<String, SubredditRow>,
}

fn is_repo(authority: &Uri) -> bool {
    authority.as_str().starts_with("at://")
}

impl World {
    fn rev(&self, authority: &Uri) -> Rev {
        self.revs.get(authority).copied().unwrap_or_default()
    }

    fn open(&mut self, authority: &Uri) {
        let rev = self.rev(authority);
        self.open.entry(authority.clone()).or_insert(rev);
    }

    fn is_forbidden(&self, authority: &Uri) -> bool {
        self.accounts.get(authority).is_some_and(|(_, status)| *status == AccountStatus::Forbidden)
    }

    fn purge(&mut self, authority: &Uri) {
        self.records.retain(|uri, _| uri.authority() != authority.as_str());
    }

    /// Whether what a repository says of itself with this version is not older than what it said before.
    fn is_fresh(&mut self, authority: &Uri, rev: Rev) -> bool {
        if is_repo(authority) {
            self.repos.insert(authority.clone());
            let known = self.rev(authority);
            if rev < known {
                return false;
            }
            if rev > known {
                self.roots.remove(authority);
            }
            self.revs.insert(authority.clone(), rev);
        }
        !self.is_forbidden(authority)
    }

    /// Whether a copy with this version is waited for.
    fn is_wanted(&self, authority: &Uri, rev: Rev) -> bool {
        self.open.get(authority).is_some_and(|since| *since <= rev) && !self.is_forbidden(authority)
    }

    fn take(&mut self, uri: &Uri, rev: Rev, record: Option<RecordRow>) {
        let is_newer = self.records.get(uri).is_none_or(|old| old.rev < rev)
            && self.tombs.get(uri).is_none_or(|tomb| *tomb < rev);
        if is_newer {
            self.set(uri, rev, record);
        }
    }

    fn set(&mut self, uri: &Uri, rev: Rev, record: Option<RecordRow>) {
        let authority = Uri::from(uri.authority());
        let is_feedback = authority.scheme() == "feedback";
        match record {
            Some(record) => {
                self.records.insert(uri.clone(), record);
                if is_feedback {
                    self.tombs.remove(uri);
                }
            }
            None => {
                self.records.remove(uri);
                if is_feedback || self.open.contains_key(&authority) {
                    self.tombs.insert(uri.clone(), rev);
                }
            }
        }
        self.quarantine.remove(uri);
    }

    pub(super) fn hear(&mut self, event: &Event) {
        let authority = Uri::from(event.body.authority());
        let row = |rev: Rev, record: &Arc<springline_model::Record>| RecordRow {
            rev,
            source: event.source.clone(),
            record: record.clone(),
        };
        match &event.body {
            EventBody::Put { rev, record } => {
                if self.is_fresh(&authority, *rev) {
                    self.take(&record.uri, *rev, Some(row(*rev, record)));
                }
            }
            EventBody::Delete { rev, uri } => {
                if self.is_fresh(&authority, *rev) {
                    self.take(uri, *rev, None);
                }
            }
            EventBody::Fetched { rev, record } => {
                if self.is_wanted(&authority, *rev) {
                    self.take(&record.uri, *rev, Some(row(*rev, record)));
                }
            }
            EventBody::Missing { rev, uri } => {
                if self.is_wanted(&authority, *rev) {
                    self.take(uri, *rev, None);
                }
            }
            EventBody::Forget { rev, uri } => {
                if self.records.get(uri).is_some_and(|row| row.rev == *rev) {
                    self.set(uri, *rev, None);
                }
            }
            EventBody::Quarantine(refused) => {
                self.quarantine.insert(refused.uri.clone(), (**refused).clone());
            }
            EventBody::Release { uri } => drop(self.quarantine.remove(uri)),
            EventBody::Account { rev, status, .. } => {
                let old = self.accounts.get(&authority).copied();
                if old.is_none_or(|(old, _)| old < *rev) {
                    self.accounts.insert(authority.clone(), (*rev, *status));
                    if *status == AccountStatus::Forbidden {
                        self.purge(&authority);
                    }
                }
            }
            EventBody::Hosting { rev, status, .. } => {
                self.repos.insert(authority.clone());
                let old = self.hosting.get(&authority).copied().unwrap_or_default();
                if old.0 < *rev {
                    self.hosting.insert(authority.clone(), (*rev, *status));
                    match *status {
                        Hosting::Deleted => self.purge(&authority),
                        _ if old.1 == Hosting::Deleted => self.open(&authority),
                        _ => {}
                    }
                }
            }
            EventBody::Repo { rev, data, news, .. } => {
                self.repos.insert(authority.clone());
                self.repo(&authority, *rev, *data, *news);
            }
            EventBody::Label { label, issued, .. } => self.label(&authority, label, *issued),
            EventBody::Identity(identity) => {
                let old = self.identities.get(&identity.did);
                if old.is_none_or(|old| old.at < identity.at) {
                    self.identities.insert(identity.did.clone(), (**identity).clone());
                }
            }
            EventBody::Seen { actor, rev, until } => {
                let row = self.inbox(actor);
                if *rev > row.seen_rev {
                    (row.seen, row.seen_rev) = (row.seen.max(*until), *rev);
                }
            }
            EventBody::Mute { actor, rev, muted } => {
                let row = self.inbox(actor);
                if *rev > row.muted_rev {
                    (row.muted, row.muted_rev) = (*muted, *rev);
                }
            }
            EventBody::Gap(gap) => {
                let key = (event.source.clone(), gap.partition.clone(), gap.from.clone(), gap.at);
                self.gaps.entry(key).or_insert_with(|| (**gap).clone());
            }
            EventBody::Subreddit { rev, name, project } => {
                let row = SubredditRow { name: name.clone(), project: project.clone(), rev: *rev };
                if self.subreddits.get(name).is_none_or(|old| old.rev < *rev) {
                    self.subreddits.insert(name.clone(), row);
                }
            }
            EventBody::Job(_) => panic!("not of this world: {event:?}"),
        }
    }

    fn repo(&mut self, authority: &Uri, rev: Rev, data: TreeRoot, news: RepoNews) {
        let (known, root) = (self.rev(authority), self.roots.get(authority).copied());
        match news {
            RepoNews::Fetching => self.open(authority),
            RepoNews::Fetched => {
                if self.open.get(authority).is_some_and(|since| rev < *since) {
                    return;
                }
                let is_other = |uri: &Uri| uri.authority() != authority.as_str();
                if self.open.remove(authority).is_some() {
                    self.records.retain(|uri, row| is_other(uri) || row.rev >= rev);
                }
                self.tombs.retain(|uri, _| is_other(uri));
                if rev >= known {
                    self.revs.insert(authority.clone(), rev);
                    self.roots.insert(authority.clone(), data);
                } else {
                    self.roots.remove(authority);
                }
            }
            RepoNews::Announced => {
                if root == Some(data) {
                    self.revs.insert(authority.clone(), known.max(rev));
                } else if rev >= known {
                    self.open(authority);
                }
            }
            RepoNews::Commit { since, prev } => {
                if rev < known || (rev == known && root == Some(data)) {
                    return;
                }
                let follows = match (root, prev) {
                    (Some(root), Some(prev)) => root == prev,
                    (Some(_), None) => since.is_none_or(|since| since == known),
                    (None, _) => true,
                };
                if !follows {
                    self.open(authority);
                }
                self.revs.insert(authority.clone(), rev);
                self.roots.insert(authority.clone(), data);
            }
        }
    }

    fn label(&mut self, authority: &Uri, label: &Label, issued: Option<u64>) {
        if let Some(number) = issued {
            self.issued.entry(number).or_insert_with(|| label.clone());
        }
        let key = (label.uri.clone(), label.src.clone(), label.val.clone(), label.cid.clone());
        let old = self.labels.get(&key);
        let forgets = |old: &Label| Label { expired: true, ..label.clone() } == *old;
        if old.is_none_or(|old| label.cts > old.cts || (label.cts == old.cts && !forgets(old))) {
            // Whoever is spoken of has a row.
            self.repos.insert(authority.clone());
            self.labels.insert(key, label.clone());
        }
    }

    fn inbox(&mut self, actor: &Uri) -> &mut InboxRow {
        let (seen, none) = (Timestamp(i64::MIN), Rev(0));
        let new = InboxRow { actor: actor.clone(), seen, seen_rev: none, muted: 0, muted_rev: none };
        self.inboxes.entry(actor.clone()).or_insert(new)
    }

    fn is_seen(&self, row: &RecordRow) -> bool {
        let hides = |uri: &str, cid: Option<&str>| {
            self.labels.values().any(|label| {
                label.uri.as_str() == uri
                    && label.hides
                    && !label.neg
                    && !label.expired
                    && (label.cid.is_none() || label.cid.as_deref() == cid)
            })
        };
        let uri = &row.record.uri;
        let authority = Uri::from(uri.authority());
        let did = uri.authority().trim_start_matches("at://").trim_end_matches('/');
        self.accounts.get(&authority).is_none_or(|(_, status)| *status == AccountStatus::Active)
            && self.hosting.get(&authority).is_none_or(|(_, hosting)| *hosting == Hosting::Active)
            && !hides(did, None)
            && !hides(uri.as_str(), row.record.attrs.get("cid").map(String::as_str))
    }

    fn repo_row(&self, authority: &Uri) -> RepoRow {
        let hiding = |of_account| {
            let labels =
                self.labels.values().filter(|label| label.is_hiding() && label.authority() == *authority);
            labels.filter(|label| label.is_of_account() == of_account).count() as u32
        };
        let (hosting_rev, hosting) = self.hosting.get(authority).copied().unwrap_or_default();
        RepoRow {
            authority: authority.clone(),
            rev: self.rev(authority),
            data: self.roots.get(authority).copied(),
            hosting,
            hosting_rev,
            hidden_by: hiding(true),
            hiding: hiding(false),
            desynchronized: self.open.get(authority).copied(),
        }
    }

    /// Everything that is said by now.
    pub(super) fn words(&self) -> BTreeSet<Word> {
        let mut rows: Vec<LedgerRow> = Vec::new();
        rows.extend(self.records.values().cloned().map(LedgerRow::Record));
        rows.extend(
            self.tombs.iter().map(|(uri, rev)| LedgerRow::Tomb(TombRow { uri: uri.clone(), rev: *rev })),
        );
        rows.extend(self.quarantine.values().cloned().map(|row| LedgerRow::Quarantine(QuarantineRow(row))));
        rows.extend(self.accounts.iter().map(|(authority, (rev, status))| {
            LedgerRow::Account(AccountRow { authority: authority.clone(), rev: *rev, status: *status })
        }));
        rows.extend(self.repos.iter().map(|authority| LedgerRow::Repo(self.repo_row(authority))));
        rows.extend(self.open.keys().cloned().map(|authority| LedgerRow::Resync(ResyncRow { authority })));
        for label in self.labels.values().cloned() {
            if let Some(at) = label.exp.filter(|_| label.is_in_force()) {
                rows.push(LedgerRow::Expiry(ExpiryRow { at, label: label.clone() }));
            }
            rows.push(LedgerRow::Label(LabelRow(label)));
        }
        let issued = self.issued.iter().map(|(seq, label)| IssuedRow { seq: *seq, label: label.clone() });
        rows.extend(issued.map(LedgerRow::Issued));
        for identity in self.identities.values().cloned() {
            if let Some(handle) = identity.handle.clone() {
                rows.push(LedgerRow::Handle(HandleRow {
                    handle,
                    at: identity.at,
                    did: identity.did.clone(),
                }));
            }
            rows.push(LedgerRow::Identity(IdentityRow(identity)));
        }
        // Who has said nothing that counts has no inbox.
        let said = self.inboxes.values().filter(|row| row.seen_rev.max(row.muted_rev) > Rev(0));
        rows.extend(said.cloned().map(LedgerRow::Inbox));
        let gaps =
            self.gaps.iter().map(|((source, ..), gap)| GapRow { source: source.clone(), gap: gap.clone() });
        rows.extend(gaps.map(LedgerRow::Gap));
        rows.extend(self.subreddits.values().cloned().map(LedgerRow::Subreddit));
        let seen = self.records.values().filter(|row| self.is_seen(row));
        let seen = seen.map(|row| Visible { source: row.source.clone(), record: row.record.clone() });
        seen.map(Word::Visible).chain(rows.into_iter().map(Word::Row)).collect()
    }
}
