//! One whole repository, made what the ledger has.

use super::{
    FetchRepoError,
    diff::{self, MOST_RECORDS, Patched},
    walk::Walk,
};
use crate::{
    Batch, Known, Outbox, SourceContext, SourceError,
    atproto::{
        blocks::Both,
        car::{FileBlocks, Limits},
        identity::Caps,
        live::Verification,
        reader::{Origin, Reader},
        replay,
        repo::{Repo, RepoError},
        syntax::Tid,
        who::Identities,
    },
    status::Sent,
};
use serde::Deserialize;
use springline_model::{Epoch, Event, EventBody, Partition, Position, RepoNews, Rev, Timestamp, Uri};
use std::{
    collections::HashMap,
    fs::File,
    io::{self, Seek, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// What was made of a repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Records in it.
    pub records: u64,
    /// Records that the ledger had and it has not.
    pub missing: u64,
    /// Records that can't be taken.
    pub refused: u64,
    /// Records left out because of their age.
    pub old: u64,
}

/// Fetches and reads repositories.
#[derive(Clone)]
pub struct Fetcher {
    reader: Reader,
    identities: Identities,
    known: Arc<dyn Known>,
    out: Outbox,
    status: Arc<crate::SourceStatus>,
    stop: CancellationToken,
    verification: Verification,
    folder: PathBuf,
    max_bytes: u64,
    days: u32,
    diffs: bool,
}

impl Fetcher {
    /// Of a source.
    #[must_use]
    pub fn of(reader: &Reader, verification: Verification, context: &SourceContext) -> Self {
        Self {
            reader: reader.clone(),
            identities: context.identities.clone(),
            known: context.known.clone(),
            out: context.out.clone(),
            status: context.status.clone(),
            stop: context.stop.clone(),
            verification,
            folder: context.data_dir.clone(),
            max_bytes: 2 * 1024 * 1024 * 1024,
            days: 0,
            diffs: false,
        }
    }

    /// With these bounds: the largest repository, and the age of records that are left out (0: none are).
    #[must_use]
    pub const fn within(mut self, max_bytes: u64, days: u32) -> Self {
        (self.max_bytes, self.days) = (max_bytes, days);
        self
    }

    /// Whether hosts are asked for what has changed only.
    #[must_use]
    pub const fn diffs(mut self, diffs: bool) -> Self {
        self.diffs = diffs;
        self
    }

    /// A repository in a file. That it can't be taken is told, and no error: a replay goes on.
    ///
    /// # Errors
    /// The process stops.
    pub async fn file(&self, path: &Path, partition: &Partition) -> Result<(), SourceError> {
        let opening = path.to_path_buf();
        let folder = self.folder.clone();
        let opened = tokio::task::spawn_blocking(move || unpacked(&opening, &folder)).await;
        let file = opened.map_err(|error| SourceError::Task(error.to_string()))??;
        let place = path.display().to_string();
        let outcome = self.take(file, None, &place, false).await;
        let events = match outcome {
            Ok(made) => {
                tracing::info!(path = %place, ?made, "repository read");
                Vec::new()
            }
            Err(FetchRepoError::Source(error)) => return Err(error),
            Err(error) => {
                self.status.error(format!("{place}: {error}"));
                let uri = Uri::new(format!(
                    "file://localhost{}",
                    if place.starts_with('/') { place.clone() } else { format!("/{place}") }
                ));
                vec![self.reader.refuse(uri, error.to_string(), Origin { place: &place, bytes: &[] })]
            }
        };
        self.send(events, Some((partition, Position("1".into()))), false).await.map(drop)
    }

    /// The repository of an account, from its host. If that refuses because of how the account stands there, the
    /// ledger is told of it.
    ///
    /// # Errors
    /// It can't be had, or is not what it should be; or the process stops.
    pub async fn fetch(&self, did: &str) -> Result<Made, FetchRepoError> {
        let authority = Uri::repository(did);
        self.begin(&authority).await?;
        if let Some(since) = self.since(&authority).await? {
            let made = match self.download(did, false, Some(since)).await {
                Ok((file, url)) => self.take(file, Some(did), &url, true).await,
                Err(error) => Err(error),
            };
            let outcome = if made.is_ok() { "taken" } else { "refused" };
            metrics::counter!("springline_repository_diffs_total", "outcome" => outcome).increment(1);
            match made {
                Err(error @ FetchRepoError::Source(_)) => return Err(error),
                Err(error) => tracing::debug!(did, %error, "a diff is of no use: the whole is fetched"),
                made => return made,
            }
        }
        let outcome = match self.download(did, false, None).await {
            // What is known of the account may be old.
            Err(error) if error.is_nowhere() => self.download(did, true, None).await,
            outcome => outcome,
        };
        match outcome {
            Ok((file, url)) => self.take(file, Some(did), &url, false).await,
            Err(error) => {
                if let Some(status) = error.hosting() {
                    let rev = Rev(u64::try_from(Timestamp::now().0).unwrap_or(0).saturating_mul(1000));
                    self.send(vec![EventBody::Hosting { rev, authority, status }], None, false).await?;
                }
                Err(error)
            }
        }
    }

    /// Since when the host is asked for a repository, if the ledger has all of it up to then.
    async fn since(&self, authority: &Uri) -> Result<Option<Tid>, FetchRepoError> {
        if !self.diffs || !self.reader.takes_all() || self.days > 0 {
            return Ok(None);
        }
        let (known, authority) = (self.known.clone(), authority.clone());
        let asked = tokio::task::spawn_blocking(move || known.since(authority.as_str())).await;
        let since = asked.map_err(|error| SourceError::Task(error.to_string()))?;
        Ok(since.map_err(SourceError::Known)?.filter(|since| since.0 > 0).map(|since| Tid::from_u64(since.0)))
    }

    /// Tells the ledger: what is deleted from now on is remembered until the copy is in. Then waits until what was
    /// heard before shows, as the copy is compared with that.
    async fn begin(&self, authority: &Uri) -> Result<(), SourceError> {
        let news = RepoNews::Fetching;
        let fetching = EventBody::Repo { authority: authority.clone(), rev: Rev(0), data: [0; 32], news };
        if let Some(epoch) = self.sealed(self.send(vec![fetching], None, true).await?).await? {
            while !self.known.shows(epoch) {
                tokio::select! {
                    () = self.stop.cancelled() => return Err(SourceError::Closed),
                    () = tokio::time::sleep(Duration::from_millis(10)) => {}
                }
            }
        }
        Ok(())
    }

    /// Waits until what was sent is durable.
    async fn sealed(&self, sealed: Option<oneshot::Receiver<Epoch>>) -> Result<Option<Epoch>, SourceError> {
        let Some(sealed) = sealed else { return Ok(None) };
        tokio::select! {
            biased;
            epoch = sealed => epoch.map(Some).map_err(|_| SourceError::Closed),
            () = self.stop.cancelled() => Err(SourceError::Closed),
        }
    }

    /// What the host of an account gives as its repository, and where that was.
    async fn download(
        &self,
        did: &str,
        anew: bool,
        since: Option<Tid>,
    ) -> Result<(File, String), FetchRepoError> {
        let resolver = self.identities.resolver().ok_or_else(|| FetchRepoError::Host("offline".into()))?;
        let document = if anew { resolver.refresh_document(did).await } else { resolver.document(did).await };
        let document = document.map_err(|error| FetchRepoError::Host(error.to_string()))?;
        let pds = document.pds.as_deref().ok_or_else(|| FetchRepoError::Host("it names none".into()))?;
        let since = since.map(|since| format!("&since={since}")).unwrap_or_default();
        let url = format!("{}/xrpc/com.atproto.sync.getRepo?did={did}{since}", pds.trim_end_matches('/'));
        let caps = Caps { bytes: self.max_bytes, time: None };
        let mut answer = tokio::select! {
            () = self.stop.cancelled() => return Err(SourceError::Closed.into()),
            answer = resolver.client().get(&url, caps) => answer?,
        };
        match answer.status() {
            200 => {}
            429 | 500.. => return Err(answer.success().err().map_or(FetchRepoError::Stale, Into::into)),
            status => {
                let body = answer.bytes().await.unwrap_or_default();
                return Err(FetchRepoError::Refused { status, name: error_name(&body) });
            }
        }
        std::fs::create_dir_all(&self.folder)?;
        let mut file = tempfile::tempfile_in(&self.folder)?;
        loop {
            let chunk = tokio::select! {
                () = self.stop.cancelled() => return Err(SourceError::Closed.into()),
                chunk = answer.chunk() => chunk?,
            };
            let Some(chunk) = chunk else { break };
            file.write_all(&chunk)?;
        }
        file.rewind()?;
        Ok((file, url))
    }

    /// Reads a repository, or what has changed in one, and sends what makes the ledger equal to it.
    async fn take(
        &self,
        file: File,
        did: Option<&str>,
        place: &str,
        is_diff: bool,
    ) -> Result<Made, FetchRepoError> {
        let (known, over) = (self.known.clone(), did.filter(|_| is_diff).map(Uri::repository));
        let opened = tokio::task::spawn_blocking(move || open(file, over.as_ref(), &*known)).await;
        let repo = opened.map_err(|error| SourceError::Task(error.to_string()))??;
        if did.is_some_and(|did| did != repo.did()) {
            return Err(RepoError::OtherDid.into());
        }
        if self.verification == Verification::Full {
            self.verify(&repo).await?;
        }
        let rev = repo.rev().ok_or(FetchRepoError::Stale)?;
        let authority = Uri::repository(repo.did());
        if did.is_none() {
            self.begin(&authority).await?;
        }
        let (to, mut events) = mpsc::channel::<Vec<EventBody>>(4);
        let (reader, known, place, days) =
            (self.reader.clone(), self.known.clone(), place.to_owned(), self.days);
        let (owner, of) = (authority.clone(), Rev(rev.to_u64()));
        let walking = tokio::task::spawn_blocking(move || {
            let walk = Walk { reader: &reader, known: &*known, place: &place, days, is_diff, to };
            walk.run(&repo, &owner, of)
        });
        let mut sealed = None;
        while let Some(events) = events.recv().await {
            sealed = self.send(events, None, true).await?;
        }
        let (made, data) = walking.await.map_err(|error| SourceError::Task(error.to_string()))??;
        let news = RepoNews::Fetched;
        let fetched = EventBody::Repo { authority, rev: Rev(rev.to_u64()), data, news };
        sealed = self.send(vec![fetched], None, true).await?.or(sealed);
        self.sealed(sealed).await?;
        metrics::counter!("springline_repositories_fetched_total").increment(1);
        Ok(made)
    }

    /// By the key that the account has now; looked up once more if that fails.
    async fn verify(&self, repo: &Repo<Patched>) -> Result<(), FetchRepoError> {
        let did = repo.did();
        let key = self.identities.key(did, false).await.map_err(FetchRepoError::Host)?;
        if repo.verify(did, &key).is_ok() {
            return Ok(());
        }
        let key = self.identities.key(did, true).await.map_err(FetchRepoError::Host)?;
        Ok(repo.verify(did, &key)?)
    }

    /// Sends events; told when they are durable, if asked for.
    async fn send(
        &self,
        events: Vec<EventBody>,
        position: Option<(&Partition, Position)>,
        wait: bool,
    ) -> Result<Option<oneshot::Receiver<Epoch>>, SourceError> {
        let source = self.reader.source().clone();
        let partition = position.as_ref().map_or_else(
            || Partition { source: source.clone(), name: "repositories".into() },
            |(partition, _)| (*partition).clone(),
        );
        let mut sent = Sent::default();
        let observed = Timestamp::now();
        events.iter().for_each(|body| sent.count(body));
        let events =
            events.into_iter().map(|body| Event { source: source.clone(), observed, body }).collect();
        let (sealed, receiver) = oneshot::channel();
        let batch = Batch {
            partition,
            events,
            position: position.map(|(_, position)| position),
            sealed: wait.then_some(sealed),
        };
        tokio::select! {
            biased;
            result = self.out.send(batch) => result?,
            () = self.stop.cancelled() => return Err(SourceError::Closed),
        }
        self.status.sent(sent);
        Ok(wait.then_some(receiver))
    }
}

/// A repository in a file; with an authority what has changed in its one, over what the ledger has.
fn open(file: File, over: Option<&Uri>, known: &dyn Known) -> Result<Repo<Patched>, FetchRepoError> {
    let car = FileBlocks::open(file, Limits::REPO).map_err(RepoError::from)?;
    let nodes = match over {
        None => HashMap::new(),
        Some(authority) => {
            let records = known.records(authority.as_str()).map_err(SourceError::Known)?;
            let records = Some(records).filter(|records| records.len() <= MOST_RECORDS);
            let nodes = records.and_then(|records| diff::nodes(authority.as_str(), &records));
            nodes.ok_or(FetchRepoError::Diff)?
        }
    };
    let repo = Repo::open(car.root(), Both(car, nodes))?;
    if over.is_none() {
        return Ok(repo);
    }
    // All of the tree is there, or nothing is taken.
    let mut paths = repo.paths();
    while paths.next().map_err(RepoError::from)?.is_some() {}
    Ok(repo)
}

/// The name in an error's body, for people if it is none.
fn error_name(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Named {
        error: String,
    }
    let name = serde_json::from_slice::<Named>(body).map_or_else(
        |_| String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned(),
        |named| named.error,
    );
    name.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// A packed file is unpacked beside the source's own things.
fn unpacked(path: &Path, folder: &Path) -> Result<File, SourceError> {
    let io = |source| SourceError::Io { path: path.to_path_buf(), source };
    let mut reader = replay::open(path)?;
    std::fs::create_dir_all(folder).map_err(io)?;
    let mut file = tempfile::tempfile_in(folder).map_err(io)?;
    io::copy(&mut reader, &mut file).map_err(io)?;
    file.rewind().map_err(io)?;
    Ok(file)
}
