//! From what was opened to live views, and back to disk.

use super::{
    Opened, ProcessControl, RuntimeError, acquaint,
    boot::{self, Boot, Past},
    cluster::{ClusterError, Follower, Formed, Hub, Leader, Lost},
    collect::Report,
    committer::{self, CommitterError, Together},
    feeds::{Feeding, FeedsError},
    host::{self, Shared, chain},
    kafka::{self, Following},
    keeper::Keeper,
    lookup::StoreKnown,
    sealer::{Pace, Sealed, Sealer, SealerError},
    steward::Steward,
    teller::Teller,
    workers::Workers,
};
use crate::agents::Runner;
use springline_model::View;
use springline_queries::control::Phase;
use springline_sinks::views::Views;
use springline_sources::{
    Known, Outbox, SourceError,
    atproto::{
        identity::{IdentityConfig, Resolver},
        who::Identities,
    },
};
use std::{
    collections::BTreeSet,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

impl Opened {
    /// Brings the views up to date and follows the sources until `stop`; then drains: what the sources have sent is
    /// sealed, applied and synced.
    ///
    /// # Errors
    /// Something broke that can't be waited out. What was acknowledged is in the journal.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), RuntimeError> {
        let mut feeding = None;
        let ended = match self.mesh.take() {
            None => self.live(None, &mut feeding, &stop).await,
            Some(mesh) => loop {
                self.control.await_peers();
                let formed = match mesh.form(&stop).await {
                    Ok(Some(formed)) => formed,
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error.into()),
                };
                let lost = formed.hub.lost().clone();
                let last = Sealed { epoch: self.views.applied(), at: self.views.reader().clock() };
                self.sealed.send_replace(last);
                let together = Together { redo: mesh.redo.clone(), hub: formed.hub.clone() };
                match self.live(Some((formed, together)), &mut feeding, &stop).await {
                    Err(RuntimeError::Cluster(ClusterError::Lost(_))) if stop.is_cancelled() => break Ok(()),
                    Err(RuntimeError::Cluster(ClusterError::Lost(_))) => {
                        metrics::counter!("springline_cluster_lost_total").increment(1);
                        tracing::warn!(
                            reason = lost.reason(),
                            "the dataflow has ended: waiting for all processes"
                        );
                    }
                    ended => break ended,
                }
            },
        };
        if let Some(feeding) = feeding {
            feeding.end().await;
        }
        ended?;
        let views = self.views;
        tokio::task::spawn_blocking(move || views.sync())
            .await
            .map_err(|_| RuntimeError::Panicked("the end"))??;
        Ok(())
    }

    /// Brings the views up to date and follows the sources, until `stop` or until one of several processes is lost.
    async fn live(
        &mut self,
        formed: Option<(Formed, Together)>,
        feeding: &mut Option<Feeding>,
        stop: &CancellationToken,
    ) -> Result<(), RuntimeError> {
        let Self { config, data, views, control, sealed, .. } = self;
        let (config, views, control, sealed) =
            (config.clone(), views.clone(), control.clone(), sealed.clone());
        let (embedding, feeds, only_ingests) =
            (self.embedding.clone(), self.feeds.clone(), self.only_ingests);
        let (reports, inbox) = mpsc::channel();
        let (applied_out, applied) = watch::channel(0u64);
        let mut peers = None;
        let (pace, net, together) = match formed {
            None => (Pace::Alone, None, None),
            Some((Formed { hub, net, ticks, hydration }, together)) => {
                hub.attach(reports.clone());
                let cut = net.cut();
                peers = Some(Peers { hub: hub.clone(), workers_gone: cut.over() });
                let lost = hub.lost().clone();
                tokio::spawn(async move {
                    lost.token().cancelled().await;
                    cut.cut();
                });
                let pace = if config.cluster.process == 0 {
                    Pace::Leads(Leader::new(hub))
                } else {
                    Pace::Follows(Follower::new(hub, ticks))
                };
                (pace, Some(boot::Together { net, hydration }), Some(together))
            }
        };
        let lost = peers.as_ref().map_or_else(Lost::default, |peers| peers.hub.lost().clone());
        let redo = together.as_ref().map(|together| together.redo.clone());
        let anew = boot::stale(&views, &config)?;
        let committer = spawn_committer(views.clone(), inbox, applied_out, together, anew.clone());

        let past = self.past.take().unwrap_or(Past::Elsewhere);
        let booted = {
            let (views, reports, applied) = (views.clone(), reports.clone(), applied.clone());
            let (control, config, stop, lost) = (control.clone(), config.clone(), stop.clone(), lost.clone());
            tokio::task::spawn_blocking(move || {
                let boot = Boot { views, reports, applied, control, config, stop, anew, together: net, lost };
                boot.run(past)
            })
        };
        let booted = booted.await.map_err(|_| RuntimeError::Panicked("the start"))?;
        let (workers, log) = match booted {
            Ok(booted) => booted,
            Err(error) => {
                drop(reports);
                return match peers {
                    Some(peers) => peers.part(committer, Err(error)).await,
                    None => Err(error),
                };
            }
        };
        if stop.is_cancelled() {
            // The start may have been left half-way: nothing may be sealed behind a gap.
            drop(reports);
            let Some(peers) = peers else { return end(workers, committer).await };
            drop(workers);
            return peers.part(committer, Ok(())).await;
        }
        let execution = execution();
        let (out, mut inbox) = Outbox::channel(config.runtime.queued_batches.max(1));
        if let Some(stage) = embedding {
            let (enriched, next) = tokio::sync::mpsc::channel(config.runtime.queued_batches.max(1));
            tokio::spawn(stage.run(std::mem::replace(&mut inbox, next), enriched));
        }
        // The sources stop when asked to, or when nobody takes what they send.
        let sources_stop = stop.child_token();
        let hub = peers.as_ref().map(|peers| peers.hub.clone());
        let (synced, synced_now) = watch::channel(views.positions());
        let (known, is_known) = oneshot::channel::<Arc<dyn Known>>();
        let following = match self.health.as_mut().map(kafka::Health::lend) {
            None => {
                let _ = known.send(Arc::new(StoreKnown(views.clone())));
                None
            }
            Some(health) => {
                let (to_sealer, next) = tokio::sync::mpsc::channel(config.runtime.queued_batches.max(1));
                let following = Following {
                    settings: kafka::Settings::new(&config),
                    health,
                    views: views.clone(),
                    execution,
                    inbox: std::mem::replace(&mut inbox, next),
                    out: to_sealer,
                    synced: synced_now,
                    stop: sources_stop.clone(),
                    hub: hub.clone(),
                    lost: lost.clone(),
                };
                Some(tokio::spawn(following.run(known)))
            }
        };
        let sealer = Sealer {
            inbox,
            log: log.clone(),
            workers,
            reports: reports.clone(),
            applied,
            positions: views.positions(),
            execution,
            bounds: config.runtime.bounds(),
            sealed: sealed.clone(),
            pace,
        };
        let mut sealing = tokio::spawn({
            let lost = lost.clone();
            async move {
                tokio::select! {
                    () = lost.token().cancelled() => Err(SealerError::Lost),
                    sealed = sealer.run() => sealed,
                }
            }
        });

        control.enter(Phase::Indexing);
        let identities = identities(&config.identity)?;
        let acquainting = self.asked.take().map(|asked| {
            tokio::spawn(acquaint::run(asked, identities.clone(), out.clone(), sources_stop.clone()))
        });
        let shared = Shared {
            out: out.clone(),
            identities,
            projects: self.projects.clone(),
            stop: sources_stop.clone(),
            progress: self.progress.clone(),
            data_dir: data.path().to_path_buf(),
        };
        if feeding.is_none() {
            *feeding = Some(feeds.start().map_err(FeedsError::Threads)?);
        }
        // With a log the sources go on where it says that they were, once the ledger has what is in it.
        let prepared = std::mem::take(&mut self.prepared);
        let reading = tokio::spawn({
            let control = control.clone();
            async move {
                let known = tokio::select! {
                    () = shared.stop.cancelled() => return,
                    known = is_known => known,
                };
                let Ok(known) = known else { return };
                control.open(shared.out.clone());
                let mut sources = host::start(prepared, &shared, &known);
                drop((shared, known));
                while sources.join_next().await.is_some() {}
            }
        });
        // Jobs are given back after the process is told to stop; but not to a sealer that has failed.
        let nobody_hears = lost.token().child_token();
        let runners = Teller::new("runner", out.clone(), views.reader(), nobody_hears.clone());
        let runner = Runner::new(
            execution,
            self.agents.clone(),
            runners,
            views.reader(),
            &data.agents(),
            sources_stop.clone(),
        );
        // What an earlier process left behind is put in order before leases run out by themselves.
        let (began, has_begun) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(async move {
            match runner {
                _ if only_ingests => {}
                Ok(mut runner) => {
                    runner.begin().await;
                    drop(began);
                    runner.run().await;
                }
                Err(error) => tracing::error!(%error, "agents can't be set to work"),
            }
        });
        let steward = Steward {
            teller: Teller::new("steward", out, views.reader(), sources_stop.clone()),
            reader: views.reader(),
            retention: config.retention.clone(),
            stop: sources_stop.clone(),
        };
        let stewarding = tokio::spawn(async move {
            let _ = has_begun.await;
            if !only_ingests {
                steward.run().await;
            }
        });
        let keeper = Keeper {
            views: views.clone(),
            log,
            synced,
            reports: reports.clone(),
            sealed: sealed.subscribe(),
            feeds: self.feeds.clone(),
            hold_bytes: config.changes.hold_bytes,
            snapshots: data.snapshots(),
            config: config.journal.clone(),
            redo,
            stop: sources_stop.clone(),
        };
        let keeping = tokio::spawn(keeper.run());
        drop(reports);
        let watching = tokio::spawn(watch_until_live(control.clone(), sources_stop.clone()));

        let early = tokio::select! {
            () = stop.cancelled() => None,
            ended = &mut sealing => Some(ended),
        };
        control.enter(if lost.token().is_cancelled() { Phase::Forming } else { Phase::Stopping });
        sources_stop.cancel();
        control.close();
        let _ = reading.await;
        if early.is_some() {
            nobody_hears.cancel();
        }
        let _ = running.await;
        let _ = keeping.await;
        let _ = stewarding.await;
        if let Some(acquainting) = acquainting {
            self.asked = acquainting.await.ok();
        }
        let _ = watching.await;
        let sealed = match early {
            Some(ended) => ended,
            None => sealing.await,
        };
        let followed = match following {
            Some(following) => following.await.map_err(|_| RuntimeError::Panicked("the log"))?,
            None => Ok(()),
        };
        let sealed = sealed.map_err(|_| RuntimeError::Panicked("the sealer"))?;
        if let Some(peers) = peers {
            // What is not applied yet is read again.
            let sealed = sealed.map(drop).map_err(RuntimeError::from);
            return peers.part(committer, sealed.and(followed.map_err(RuntimeError::from))).await;
        }
        match sealed {
            Ok(workers) => match end(workers, committer).await {
                Ok(()) => followed.map_err(RuntimeError::from),
                failed => failed,
            },
            Err(error) => {
                // The committer's reason comes first: if it has failed, the sealer only saw that nobody applies.
                tokio::task::block_in_place(|| join(committer)).and(Err(error.into()))
            }
        }
    }
}

/// The other processes, while the dataflow runs.
struct Peers {
    hub: Hub,
    workers_gone: CancellationToken,
}

impl Peers {
    /// Leaves them: nothing is fed any more, and what every one has on disk is applied. A process that was lost is why,
    /// whatever else it has led to.
    async fn part(
        self,
        committer: JoinHandle<Result<(), CommitterError>>,
        ended: Result<(), RuntimeError>,
    ) -> Result<(), RuntimeError> {
        let was_lost = self.hub.lost().token().is_cancelled();
        self.hub.close("this process ends");
        self.workers_gone.cancelled().await;
        tokio::task::block_in_place(|| join(committer))?;
        if was_lost { Err(ClusterError::Lost(self.hub.lost().reason()).into()) } else { ended }
    }
}

/// Lets workers and committer finish what they have.
async fn end(
    workers: Workers,
    committer: JoinHandle<Result<(), CommitterError>>,
) -> Result<(), RuntimeError> {
    let ended = tokio::task::spawn_blocking(move || {
        workers.finish()?;
        join(committer)
    });
    ended.await.map_err(|_| RuntimeError::Panicked("the end"))?
}

fn spawn_committer(
    views: Views,
    inbox: mpsc::Receiver<Report>,
    applied: watch::Sender<u64>,
    together: Option<Together>,
    anew: BTreeSet<View>,
) -> JoinHandle<Result<(), CommitterError>> {
    std::thread::spawn(move || {
        let ended = committer::run(&views, &inbox, &applied, together.as_ref(), anew);
        if let Err(error) = &ended {
            tracing::error!(error = %chain(error), "the store refused an epoch");
        }
        ended
    })
}

fn join(committer: JoinHandle<Result<(), CommitterError>>) -> Result<(), RuntimeError> {
    Ok(committer.join().unwrap_or(Err(CommitterError::Panicked))?)
}

/// Who looks accounts up.
fn identities(config: &IdentityConfig) -> Result<Identities, SourceError> {
    if config.offline {
        return Ok(Identities::offline());
    }
    Resolver::new(config).map(Identities::by)
}

/// A number that tells this run of the process from others.
fn execution() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one((std::process::id(), Instant::now()))
}

async fn watch_until_live(control: Arc<ProcessControl>, stop: CancellationToken) {
    let is_live = async {
        while !control.caught_up() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        control.until_shown().await;
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = is_live => control.enter(Phase::Live),
    }
}
