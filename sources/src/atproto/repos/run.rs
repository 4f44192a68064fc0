//! The source that keeps repositories complete.

use super::{BackfillConfig, FetchRepoError, Fetcher};
use crate::{
    BATCH_EVENTS, Batch, Command, PullReport, Source, SourceContext, SourceError, SourceState,
    atproto::{identity::Caps, reader::Reader, syntax::Did},
};
use async_trait::async_trait;
use serde::Deserialize;
use springline_model::{Event, EventBody, Partition, Position, RepoNews, Rev, SourceId, Timestamp, Uri};
use std::{collections::BTreeMap, time::Duration};
use tokio::{task::JoinSet, time::Instant};

/// Fetches what the ledger says has to be fetched.
#[derive(Debug)]
pub struct Backfill {
    id: SourceId,
    config: BackfillConfig,
}

impl Backfill {
    /// Of a configuration.
    ///
    /// # Errors
    /// A setting makes no sense.
    pub fn new(id: SourceId, config: BackfillConfig) -> Result<Self, SourceError> {
        config.check()?;
        Ok(Self { id, config })
    }
}

#[async_trait]
impl Source for Backfill {
    fn id(&self) -> &SourceId {
        &self.id
    }

    async fn run(self: Box<Self>, context: SourceContext) -> Result<(), SourceError> {
        let Self { id, config } = *self;
        let reader = Reader::new(id.clone(), config.records.clone());
        let fetcher = Fetcher::of(&reader, config.verification, &context)
            .within(config.max_bytes, config.days)
            .diffs(config.diffs);
        let hosts =
            config.hosts.iter().map(|host| (host.clone(), (Instant::now(), Duration::ZERO))).collect();
        let run = Run { id, config, fetcher, waiting: BTreeMap::new(), hosts, done: 0 };
        let stop = context.stop.clone();
        match run.run(context).await {
            Err(SourceError::Closed) if stop.is_cancelled() => Ok(()),
            ended => ended,
        }
    }
}

struct Run {
    id: SourceId,
    config: BackfillConfig,
    fetcher: Fetcher,
    /// Those that failed: until when they are left alone, and how long the last wait was.
    waiting: BTreeMap<Uri, (Instant, Duration)>,
    /// Hosts whose list is not read to its end: when to go on, and how long the last wait was.
    hosts: BTreeMap<String, (Instant, Duration)>,
    done: u64,
}

/// The position in a host's list when all of it was read.
const ALL: &str = "all";

/// Hosts' lists are asked for in pages of this many.
const PAGE: usize = 500;

impl Run {
    async fn run(mut self, mut context: SourceContext) -> Result<(), SourceError> {
        self.ask_for_accounts(&context).await?;
        self.ask_for_hosts(&context).await?;
        context.status.set(SourceState::Live, None);
        let mut fetching: JoinSet<(Uri, Result<super::fetch::Made, FetchRepoError>)> = JoinSet::new();
        let mut under_way: BTreeMap<tokio::task::Id, Uri> = BTreeMap::new();
        let mut paused = false;
        loop {
            let full = fetching.len() >= self.config.concurrency;
            if !paused {
                self.ask_for_hosts(&context).await?;
            }
            if !paused && !full && !context.identities.is_offline() {
                self.start(&context, &mut fetching, &mut under_way).await?;
            }
            tokio::select! {
                () = context.stop.cancelled() => return Ok(()),
                Some(ended) = fetching.join_next_with_id() => match ended {
                    Ok((task, (authority, outcome))) => {
                        under_way.remove(&task);
                        self.ended(authority, outcome, &context)?;
                    }
                    // A mistake of ours: the repository is tried again after a while.
                    Err(error) => if let Some(authority) = under_way.remove(&error.id()) {
                        context.status.error(format!("{authority}: {error}"));
                        self.rest(authority);
                    },
                },
                Some(command) = context.commands.recv() => match command {
                    Command::Pull { done, .. } => {
                        self.waiting.clear();
                        let _ = done.send(Ok(PullReport::default()));
                    }
                    Command::Pause => {
                        paused = true;
                        context.status.set(SourceState::Paused, Some("paused by the operator".into()));
                    }
                    Command::Resume => {
                        paused = false;
                        context.status.set(SourceState::Live, None);
                    }
                    Command::Reset => self.waiting.clear(),
                    Command::Fetch { host, done } => {
                        let outcome = self.ask_for_host(&host, None, &context).await?;
                        let _ = done.send(outcome);
                    }
                    command @ Command::Retry { .. } => command.refuse("ask for the whole repository: POST /v1/backfill"),
                },
                () = tokio::time::sleep(Duration::from_millis(self.config.poll_millis)) => {}
            }
        }
    }

    /// Starts as many as there is room for.
    async fn start(
        &mut self,
        context: &SourceContext,
        fetching: &mut JoinSet<(Uri, Result<super::fetch::Made, FetchRepoError>)>,
        under_way: &mut BTreeMap<tokio::task::Id, Uri>,
    ) -> Result<(), SourceError> {
        let room = self.config.concurrency - fetching.len();
        let now = Instant::now();
        self.waiting.retain(|_, (until, wait)| *until + *wait * 4 > now);
        let busy: Vec<Uri> = under_way.values().cloned().collect();
        let resting: Vec<Uri> =
            self.waiting.iter().filter(|(_, (until, _))| *until > now).map(|(uri, _)| uri.clone()).collect();
        let known = context.known.clone();
        let most = room + busy.len() + resting.len();
        let asked = tokio::task::spawn_blocking(move || known.resyncs(most)).await;
        let due = asked.map_err(|error| SourceError::Task(error.to_string()))??;
        let due = due.into_iter().filter(|uri| !busy.contains(uri) && !resting.contains(uri)).take(room);
        for authority in due {
            let fetcher = self.fetcher.clone();
            let did = authority.rest().trim_end_matches('/').to_owned();
            let whose = authority.clone();
            let task = fetching.spawn(async move {
                let made = fetcher.fetch(&did).await;
                (whose, made)
            });
            under_way.insert(task.id(), authority);
        }
        Ok(())
    }

    fn ended(
        &mut self,
        authority: Uri,
        outcome: Result<super::fetch::Made, FetchRepoError>,
        context: &SourceContext,
    ) -> Result<(), SourceError> {
        match outcome {
            Ok(made) => {
                self.done += 1;
                // Until the ledger shows it as complete; and one whose host has an older copy is not asked all the time.
                let wait = Duration::from_secs(self.config.backoff_secs.0);
                self.waiting.insert(authority.clone(), (Instant::now() + wait, Duration::ZERO));
                tracing::debug!(%authority, ?made, "repository fetched");
                context.status.partition("repositories", |partition| {
                    partition.position = Some(Position(format!("{} fetched", self.done)));
                    partition.current_at = Some(Timestamp::now());
                });
                Ok(())
            }
            Err(FetchRepoError::Source(error)) => Err(error),
            Err(error) => {
                let why = crate::chain(&error);
                metrics::counter!("springline_repositories_failed_total").increment(1);
                context.status.error(format!("{authority}: {why}"));
                if error.is_final() {
                    let wait = Duration::from_secs(self.config.backoff_secs.1);
                    self.waiting.insert(authority, (Instant::now() + wait, wait));
                } else {
                    self.rest(authority);
                }
                Ok(())
            }
        }
    }

    fn rest(&mut self, authority: Uri) {
        let last = self.waiting.get(&authority).map(|(_, wait)| *wait);
        let wait = self.longer(last);
        self.waiting.insert(authority, (Instant::now() + wait, wait));
    }

    /// How long to wait after a failure, by how long it was after the one before.
    fn longer(&self, last: Option<Duration>) -> Duration {
        let (first, longest) = self.config.backoff_secs;
        let wait = last.map_or(Duration::ZERO, |last| last * 2).max(Duration::from_secs(first));
        wait.min(Duration::from_secs(longest))
    }

    /// Tells the ledger that the repositories of the configured hosts are wanted; those that fail are asked again
    /// later.
    async fn ask_for_hosts(&mut self, context: &SourceContext) -> Result<(), SourceError> {
        let now = Instant::now();
        let due = self
            .hosts
            .iter()
            .filter(|(_, (at, _))| *at <= now)
            .map(|(host, (_, wait))| (host.clone(), *wait));
        for (host, last) in due.collect::<Vec<_>>() {
            let partition = Partition { source: self.id.clone(), name: host.clone() };
            let from = context.known.position(&partition).map(|position| position.0);
            let outcome = match from.as_deref() {
                Some(ALL) => Ok(()),
                from => self.ask_for_host(&host, from.map(str::to_owned), context).await?,
            };
            match outcome {
                Ok(()) => drop(self.hosts.remove(&host)),
                Err(error) => {
                    context.status.error(format!("{host}: {error}"));
                    let wait = self.longer(Some(last));
                    self.hosts.insert(host, (Instant::now() + wait, wait));
                }
            }
        }
        Ok(())
    }

    /// Tells the ledger that the configured accounts' repositories are wanted; once.
    async fn ask_for_accounts(&self, context: &SourceContext) -> Result<(), SourceError> {
        for did in &self.config.dids {
            let partition = Partition { source: self.id.clone(), name: did.clone() };
            if context.known.position(&partition).is_none() {
                self.want(vec![did.clone()], partition, "asked for".into(), context).await?;
            }
        }
        Ok(())
    }

    /// Tells the ledger that all repositories of a host are wanted, page by page of its list, from a page on.
    async fn ask_for_host(
        &self,
        host: &str,
        mut cursor: Option<String>,
        context: &SourceContext,
    ) -> Result<Result<(), String>, SourceError> {
        let partition = Partition { source: self.id.clone(), name: host.to_owned() };
        let Some(resolver) = context.identities.resolver() else {
            return Ok(Err("offline: its list can't be had".into()));
        };
        loop {
            let url = list_url(host, cursor.as_deref());
            let caps = Caps { bytes: 4 * 1024 * 1024, time: Some(Duration::from_secs(60)) };
            let answer = tokio::select! {
                () = context.stop.cancelled() => return Err(SourceError::Closed),
                answer = resolver.client().get_trusted(&url, caps) => answer,
            };
            let body = match answer.and_then(crate::atproto::identity::Response::success) {
                Ok(answer) => answer.bytes().await,
                Err(error) => Err(error),
            };
            let page = match body {
                Ok(body) => serde_json::from_slice::<ListRepos>(&body).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            let page = match page {
                Ok(page) => page,
                Err(error) => return Ok(Err(error)),
            };
            let dids: Vec<String> = page
                .repos
                .into_iter()
                .filter(|repo| repo.active != Some(false) && Did::check(&repo.did).is_ok())
                .map(|repo| repo.did)
                .collect();
            let next = page.cursor.filter(|next| !next.is_empty() && Some(next) != cursor.as_ref());
            let position = next.clone().unwrap_or_else(|| ALL.into());
            self.want(dids, partition.clone(), position, context).await?;
            cursor = next;
            if cursor.is_none() {
                return Ok(Ok(()));
            }
        }
    }

    async fn want(
        &self,
        dids: Vec<String>,
        partition: Partition,
        position: String,
        context: &SourceContext,
    ) -> Result<(), SourceError> {
        let observed = Timestamp::now();
        let event = |did: &String| {
            let authority = Uri::repository(did);
            let body = EventBody::Repo { authority, rev: Rev(0), data: [0; 32], news: RepoNews::Fetching };
            Event { source: self.id.clone(), observed, body }
        };
        let batches = dids.len().div_ceil(BATCH_EVENTS).max(1);
        for (number, dids) in (1..).zip(dids.chunks(BATCH_EVENTS).chain(dids.is_empty().then_some(&[][..]))) {
            let batch = Batch {
                partition: partition.clone(),
                events: dids.iter().map(event).collect(),
                position: (number == batches).then(|| Position(position.clone())),
                sealed: None,
            };
            tokio::select! {
                biased;
                sent = context.out.send(batch) => sent?,
                () = context.stop.cancelled() => return Err(SourceError::Closed),
            }
        }
        Ok(())
    }
}

fn list_url(host: &str, cursor: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", &PAGE.to_string());
    query.extend_pairs(cursor.map(|cursor| ("cursor", cursor)));
    format!("{}/xrpc/com.atproto.sync.listRepos?{}", host.trim_end_matches('/'), query.finish())
}

#[derive(Deserialize)]
struct ListRepos {
    cursor: Option<String>,
    repos: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    did: String,
    active: Option<bool>,
}
