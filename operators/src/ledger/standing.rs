//! How an authority stands: what its operator, its host and labelers say of it, and how far its repository is.

use super::{LookupError, books::Books};
use springline_model::{
    AccountStatus, EventBody, Hosting, Label, RepoNews, Rev, Uri,
    key::text_key,
    rows::{AccountRow, RepoRow, ResyncRow, is_authority_visible},
};

/// What an event does to what the authority owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing, or it hides or shows it.
    Keep,
    /// It is gone for good.
    Purge,
    /// Its repository is whole as of this version: what is older than that and was not named by the copy is gone.
    Whole(Rev),
}

/// An authority's rows. Only those on the AT Protocol network have a repository.
#[derive(Clone)]
pub(super) struct Standing {
    authority: Uri,
    account: Option<AccountRow>,
    repo: Option<RepoRow>,
}

impl Standing {
    pub(super) fn of(books: &Books, authority: &Uri) -> Result<Self, LookupError> {
        let key = text_key(authority.as_str());
        let repo = if is_repo(authority) { books.get(key.clone())? } else { None };
        Ok(Self { authority: authority.clone(), account: books.get(key)?, repo })
    }

    pub(super) fn is_forbidden(&self) -> bool {
        self.account.as_ref().is_some_and(|account| account.status == AccountStatus::Forbidden)
    }

    pub(super) fn is_hidden(&self) -> bool {
        !is_authority_visible(self.account.as_ref(), self.repo.as_ref())
    }

    /// Whether a label may hide one of its records.
    pub(super) fn hides_records(&self) -> bool {
        self.repo.as_ref().is_some_and(|repo| repo.hiding > 0)
    }

    pub(super) fn is_desynchronized(&self) -> bool {
        self.repo.as_ref().is_some_and(|repo| repo.desynchronized.is_some())
    }

    /// Whether a record's version is taken at all: not if it is older than what was heard of the repository (it has
    /// been superseded, even where nothing is left to show that), nor if the authority is not wanted here.
    pub(super) fn takes(&mut self, rev: Rev) -> bool {
        if let Some(repo) = self.repo() {
            if rev < repo.rev {
                return false;
            }
            if rev > repo.rev {
                // A source that tells no roots: what the tree is now is not known.
                (repo.rev, repo.data) = (rev, None);
            }
        }
        !self.is_forbidden()
    }

    /// Whether a record of the whole repository at a version is taken: while it is being fetched, and if the copy is
    /// not older than what was here when that began (what was deleted since is remembered, what was before is not).
    pub(super) fn takes_fetched(&self, rev: Rev) -> bool {
        let since = self.repo.as_ref().and_then(|repo| repo.desynchronized);
        since.is_some_and(|since| since <= rev) && !self.is_forbidden()
    }

    /// Takes in what is said of the authority.
    pub(super) fn hear(&mut self, news: &EventBody) -> Verdict {
        match *news {
            EventBody::Account { rev, ref authority, status } => {
                if self.account.as_ref().is_some_and(|account| account.rev >= rev) {
                    return Verdict::Keep;
                }
                let was_forbidden = self.is_forbidden();
                self.account = Some(AccountRow { authority: authority.clone(), rev, status });
                if self.is_forbidden() && !was_forbidden { Verdict::Purge } else { Verdict::Keep }
            }
            EventBody::Hosting { rev, status, .. } => {
                let Some(repo) = self.repo().filter(|repo| repo.hosting_rev < rev) else {
                    return Verdict::Keep;
                };
                let comes_back = repo.hosting == Hosting::Deleted && status != Hosting::Deleted;
                (repo.hosting, repo.hosting_rev) = (status, rev);
                // What was purged has to be fetched.
                if comes_back {
                    open(repo);
                }
                if status == Hosting::Deleted { Verdict::Purge } else { Verdict::Keep }
            }
            EventBody::Repo { rev, data, news, .. } => {
                let is_whole = self.repo().is_some_and(|repo| news_of(repo, rev, data, news));
                if is_whole { Verdict::Whole(rev) } else { Verdict::Keep }
            }
            _ => Verdict::Keep,
        }
    }

    /// Counts the labels in force that hide something: one was this and is now that.
    pub(super) fn count_label(&mut self, old: Option<&Label>, new: &Label) {
        let (was, is) = (old.is_some_and(Label::is_hiding), new.is_hiding());
        let Some(repo) = self.repo().filter(|_| was != is) else { return };
        let count = if new.is_of_account() { &mut repo.hidden_by } else { &mut repo.hiding };
        *count = if is { count.saturating_add(1) } else { count.saturating_sub(1) };
    }

    /// Sets the rows that have changed.
    pub(super) fn write(&self, books: &mut Books, before: &Self) {
        books.set(before.account.clone(), self.account.clone());
        books.set(before.repo.clone(), self.repo.clone());
        let resync = |standing: &Self| {
            let authority = standing.authority.clone();
            standing.is_desynchronized().then_some(ResyncRow { authority })
        };
        books.set(resync(before), resync(self));
    }

    /// The repository, if the authority can have one.
    fn repo(&mut self) -> Option<&mut RepoRow> {
        if !is_repo(&self.authority) {
            return None;
        }
        let authority = &self.authority;
        Some(self.repo.get_or_insert_with(|| RepoRow::new(authority.clone())))
    }
}

fn is_repo(authority: &Uri) -> bool {
    authority.as_str().starts_with("at://")
}

/// From here on it has to be fetched, and deletes are remembered.
fn open(repo: &mut RepoRow) {
    repo.desynchronized.get_or_insert(repo.rev);
}

/// Continuity as in Sync 1.1: a commit that does not follow what is here shows that one was missed. Whether this was
/// the end of a copy of the whole.
fn news_of(repo: &mut RepoRow, rev: Rev, data: springline_model::TreeRoot, news: RepoNews) -> bool {
    let was_open = repo.desynchronized.is_some();
    match news {
        RepoNews::Fetching => open(repo),
        RepoNews::Fetched => {
            if repo.desynchronized.is_some_and(|since| rev < since) {
                return false; // a copy that is older than what is here: it settles nothing
            }
            repo.desynchronized = None;
            if rev >= repo.rev {
                (repo.rev, repo.data) = (rev, Some(data));
            } else {
                // Commits have come meanwhile; the next one tells whether all of them have.
                repo.data = None;
            }
        }
        RepoNews::Announced => {
            if repo.data == Some(data) {
                repo.rev = repo.rev.max(rev);
            } else if rev >= repo.rev {
                open(repo);
            }
        }
        RepoNews::Commit { since, prev } => {
            if rev < repo.rev || (rev == repo.rev && repo.data == Some(data)) {
                return false;
            }
            let follows = match (repo.data, prev) {
                (Some(known), Some(prev)) => known == prev,
                // Without roots, the versions tell: but only a commit says which root its version has.
                (Some(_), None) => since.is_none_or(|since| since == repo.rev),
                (None, _) => true,
            };
            if !follows {
                open(repo);
            }
            (repo.rev, repo.data) = (rev, Some(data));
        }
    }
    was_open && news == RepoNews::Fetched
}
