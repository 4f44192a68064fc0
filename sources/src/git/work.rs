//! What has to be sent of a garden: reads the clone, asks the ledger where it must, and makes the list of jobs.

use super::{
    history::{self, History, HistoryError, Limits, State, Touched},
    mirror::{Mirror, Unusable},
    plan::{Found, Mixed, Plan, plan},
    reader::{BlobReader, Job},
    scope::Scope,
};
use crate::{Known, KnownError, delivery::Revs, formats::Place, place};
use gix::{ObjectId, Repository, ThreadSafeRepository, odb::pack::cache::lru::MemoryCappedHashmap};
use springline_model::{Partition, Position, SourceId, Uri};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// What a walk keeps of trees. A chain of deltas has up to 50, of which a garden's may have 300 kB each.
const WALK_CACHE_BYTES: usize = 24 * 1024 * 1024;

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Unusable(#[from] Unusable),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Known(#[from] KnownError),
}

impl Trouble {
    /// Whether a new clone would help.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, Self::Unusable(_) | Self::History(HistoryError::Damaged { .. }))
    }
}

/// What stays the same about a garden. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Plot {
    pub(crate) source: SourceId,
    pub(crate) place: Place,
    pub(crate) mirror: Mirror,
    pub(crate) scope: Scope,
    /// Names the rules by which records are made.
    pub(crate) rules: String,
    pub(crate) limits: Limits,
    pub(crate) max_file_bytes: u64,
    pub(crate) known: Arc<dyn Known>,
}

/// A list of jobs.
pub(crate) struct Work {
    pub(crate) reader: BlobReader,
    pub(crate) jobs: Vec<Job>,
    /// Where the ledger is once they are done.
    pub(crate) position: Position,
    /// Files of the tip.
    pub(crate) files: u64,
}

impl Plot {
    /// A position of this garden.
    fn position(&self, commit: ObjectId) -> Position {
        Position(format!("{commit} {}", self.rules))
    }

    /// The commit of a position that was made by the current rules.
    fn commit(&self, position: &Position) -> Option<ObjectId> {
        let (commit, rules) = position.0.split_once(' ')?;
        (rules == self.rules).then(|| ObjectId::from_hex(commit.as_bytes()).ok()).flatten()
    }

    /// What has to be sent so that the ledger gets to the tip of the clone; none if it is there, or nothing was ever
    /// fetched. From here on the clone knows that the tip is being sent.
    ///
    /// The ledger stands at `position`: exactly, if that is what this process sent (`exact`), and else as the
    /// journal has it, with parts of what was being sent when the process before died.
    pub(crate) fn work(
        &self,
        position: Option<&Position>,
        exact: bool,
        revs: &Revs,
    ) -> Result<Option<Work>, Trouble> {
        let Some(tip) = self.mirror.tip()? else { return Ok(None) };
        let position = position.and_then(|position| self.commit(position));
        let sendings = self.mirror.sendings();
        let mixed: Option<Vec<ObjectId>> = match position {
            Some(_) if exact => Some(Vec::new()),
            Some(position) => sendings.after(position).map(<[ObjectId]>::to_vec),
            None => None,
        };
        if position == Some(tip) && mixed.as_ref().is_some_and(Vec::is_empty) {
            return Ok(None);
        }
        let shared = self.mirror.open()?;
        let mut repository = shared.to_thread_local();
        cache(&mut repository, WALK_CACHE_BYTES);
        let lookout = mixed.as_deref().unwrap_or_default();
        let mut history = self.walk(&repository, tip, position.filter(|_| mixed.is_some()), lookout)?;
        let mixed = match &mixed {
            None => Mixed::Astray,
            Some(mixed) if mixed.is_empty() => Mixed::Clean,
            Some(_) if history.met => Mixed::OnTheWay,
            Some(_) => Mixed::Astray,
        };
        let has_position = position.is_some_and(|position| repository.has_object(position));
        let jobs = match plan(Found { tip, position, mixed, reached: history.reached, has_position }) {
            Plan::Nothing => return Ok(None),
            Plan::Advance => advance(&mut history),
            Plan::Compare(old) => {
                let before = self.walk(&repository, old, None, &[])?;
                self.compare(&before, &mut history)
            }
            Plan::Everything => {
                if history.reached {
                    history = self.walk(&repository, tip, None, &[])?;
                }
                self.everything(&mut history, self.known_uris()?)
            }
        };
        if !exact {
            let known = self.known.records(self.place.authority().as_str())?;
            known.iter().for_each(|known| revs.raise(known.rev));
        }
        let files = history::list(&repository.objects, &self.scope, tip, &self.limits)?.len() as u64;
        let partition = Partition { source: self.source.clone(), name: place::partition(&self.place) };
        let durable = self.known.position(&partition).and_then(|position| self.commit(&position));
        self.mirror.note(&sendings.with(durable, tip))?;
        let reader = self.reader(shared, history);
        Ok(Some(Work { reader, jobs, position: self.position(tip), files }))
    }

    /// The job of reading one path again.
    pub(crate) fn again(&self, uri: &Uri) -> Result<Option<(BlobReader, Job)>, Trouble> {
        let (Some(path), Some(tip)) =
            (uri.as_str().strip_prefix(self.place.authority().as_str()), self.mirror.tip()?)
        else {
            return Ok(None);
        };
        let shared = self.mirror.open()?;
        let history = self.walk(&shared.to_thread_local(), tip, None, &[])?;
        let Some((path, touched)) = history.paths.get_key_value(path.as_bytes()) else { return Ok(None) };
        let job = Job::Path { path: path.clone(), touched: *touched, sent: true };
        Ok(Some((self.reader(shared, history), job)))
    }

    /// The names of all that may have been sent of this garden: what the ledger has, and what the clone has,
    /// because the ledger may still be on its way there.
    pub(crate) fn all(&self) -> Result<Vec<Uri>, KnownError> {
        let mut uris = self.known_uris()?;
        uris.extend(self.files().unwrap_or_default().iter().map(|path| self.uri(path)));
        Ok(uris.into_iter().collect())
    }

    fn files(&self) -> Result<Vec<Box<[u8]>>, Trouble> {
        let Some(tip) = self.mirror.tip()? else { return Ok(Vec::new()) };
        let repository = self.mirror.open()?.to_thread_local();
        Ok(history::list(&repository.objects, &self.scope, tip, &self.limits)?)
    }

    fn uri(&self, path: &[u8]) -> Uri {
        self.place.uri(&String::from_utf8_lossy(path))
    }

    fn known_uris(&self) -> Result<BTreeSet<Uri>, KnownError> {
        let authority = self.place.authority();
        let mut uris: BTreeSet<Uri> = self.known.quarantined(authority.as_str())?.into_iter().collect();
        uris.extend(self.known.records(authority.as_str())?.into_iter().map(|record| record.uri));
        Ok(uris)
    }

    fn walk(
        &self,
        repository: &Repository,
        tip: ObjectId,
        stop: Option<ObjectId>,
        lookout: &[ObjectId],
    ) -> Result<History, HistoryError> {
        history::walk(&repository.objects, &self.scope, tip, stop, lookout, &self.limits)
    }

    fn reader(&self, repository: ThreadSafeRepository, history: History) -> BlobReader {
        let (place, commits) = (self.place.clone(), history.commits);
        BlobReader { repository, place, commits, max_file_bytes: self.max_file_bytes }
    }

    /// What differs between two whole histories.
    fn compare(&self, before: &History, after: &mut History) -> Vec<Job> {
        let mut jobs = Vec::new();
        let paths: HashMap<Box<[u8]>, Touched> = std::mem::take(&mut after.paths);
        for (path, was) in &before.paths {
            if was.state != State::Gone && !paths.contains_key(path) {
                jobs.push(Job::Gone(self.uri(path)));
            }
        }
        for (path, touched) in paths {
            let was = before.paths.get(&path).filter(|was| was.state != State::Gone);
            let same = match was {
                Some(was) => was.state == touched.state && before.commit(was).id == after.commit(&touched).id,
                None => touched.state == State::Gone,
            };
            if !same {
                jobs.push(Job::Path { path, touched, sent: was.is_some() });
            }
        }
        jobs
    }

    /// Everything, and that the rest of what is known is gone.
    fn everything(&self, history: &mut History, mut known: BTreeSet<Uri>) -> Vec<Job> {
        let paths = std::mem::take(&mut history.paths).into_iter();
        let mut jobs: Vec<Job> = paths
            .filter(|(_, touched)| touched.state != State::Gone)
            .map(|(path, touched)| {
                let sent = known.remove(&self.uri(&path));
                Job::Path { path, touched, sent }
            })
            .collect();
        jobs.extend(known.into_iter().map(Job::Gone));
        jobs
    }
}

/// Keeps what deltas are made from; without it each tree of a long chain is made from its first.
pub(super) fn cache(repository: &mut Repository, bytes: usize) {
    repository.objects.set_pack_cache(move || Box::new(MemoryCappedHashmap::new(bytes)));
}

/// What changed on the way.
fn advance(history: &mut History) -> Vec<Job> {
    let paths = std::mem::take(&mut history.paths).into_iter();
    paths.map(|(path, touched)| Job::Path { path, touched, sent: true }).collect()
}
