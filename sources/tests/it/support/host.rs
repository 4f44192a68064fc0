//! Runs one source as the process does: takes its batches into a ledger, gives it commands, stops or kills it.

use super::Ledger;
use springline_model::{SourceId, Uri};
use springline_sources::{
    Command, Outbox, ProgressBars, PullReport, SourceConfig, SourceContext, SourceError, SourceState,
    SourceStatus, StatusSnapshot, atproto::who::Identities, build,
};
use std::{
    fmt::Debug,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// How long anything may take on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Waits until something holds; panics with what `found` says if it never does.
pub(crate) async fn wait_for<D: Debug>(what: &str, mut holds: impl FnMut() -> Result<(), D>) {
    let start = Instant::now();
    loop {
        match holds() {
            Ok(()) => return,
            Err(found) if start.elapsed() > DEADLINE => panic!("{what}: {found:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
}

/// How to run a source.
#[derive(Clone, Copy)]
pub(crate) struct HostOptions {
    /// Batches that the outbox holds.
    pub(crate) capacity: usize,
    /// The host dies, in the middle of things, before it takes the batch of this number.
    pub(crate) dies_at: Option<usize>,
    /// How long it takes over each batch.
    pub(crate) pause: Duration,
}

impl Default for HostOptions {
    fn default() -> Self {
        Self { capacity: 8, dies_at: None, pause: Duration::ZERO }
    }
}

pub(crate) struct Host {
    pub(crate) ledger: Ledger,
    commands: mpsc::Sender<Command>,
    stop: CancellationToken,
    status: Arc<SourceStatus>,
    source: JoinHandle<Result<(), SourceError>>,
    pump: JoinHandle<()>,
}

impl Host {
    pub(crate) fn start(config: &SourceConfig, ledger: &Ledger, data_dir: &Path) -> Self {
        Self::start_with(config, ledger, data_dir, HostOptions::default())
    }

    pub(crate) fn start_with(
        config: &SourceConfig,
        ledger: &Ledger,
        data_dir: &Path,
        options: HostOptions,
    ) -> Self {
        Self::start_on(Identities::offline(), config, ledger, data_dir, options)
    }

    /// With a network to look accounts up on.
    pub(crate) fn start_on(
        identities: Identities,
        config: &SourceConfig,
        ledger: &Ledger,
        data_dir: &Path,
        options: HostOptions,
    ) -> Self {
        let id = SourceId::new("test");
        let source = build(id.clone(), config).unwrap();
        assert_eq!(source.id(), &id);
        let (out, mut batches) = Outbox::channel(options.capacity);
        let (commands, commands_in) = mpsc::channel(8);
        let stop = CancellationToken::new();
        let status = Arc::new(SourceStatus::new(id, config.kind()));
        let context = SourceContext {
            identities,
            projects: Arc::default(),
            out,
            known: Arc::new(ledger.clone()),
            commands: commands_in,
            stop: stop.clone(),
            status: Arc::clone(&status),
            progress: ProgressBars::hidden(),
            data_dir: data_dir.to_owned(),
        };
        let pump = tokio::spawn({
            let ledger = ledger.clone();
            async move {
                let mut number = 0;
                while let Some(batch) = batches.recv().await {
                    if options.dies_at == Some(number) {
                        return;
                    }
                    number += 1;
                    if !options.pause.is_zero() {
                        tokio::time::sleep(options.pause).await;
                    }
                    ledger.apply(batch);
                }
            }
        });
        let source = tokio::spawn(source.run(context));
        Self { ledger: ledger.clone(), commands, stop, status, source, pump }
    }

    pub(crate) fn status(&self) -> StatusSnapshot {
        self.status.snapshot()
    }

    /// Waits until the source says that it follows its upstream.
    pub(crate) async fn live(&self) {
        self.state(SourceState::Live).await;
    }

    pub(crate) async fn state(&self, state: SourceState) {
        wait_for(
            "state",
            || if self.status().state == state { Ok(()) } else { Err(Box::new(self.status())) },
        )
        .await;
    }

    pub(crate) async fn command(&self, command: Command) {
        self.commands.send(command).await.unwrap();
    }

    pub(crate) async fn pull(&self) -> PullReport {
        self.try_pull(None).await.unwrap()
    }

    pub(crate) async fn try_pull(&self, partition: Option<&str>) -> Result<PullReport, String> {
        let (done, answer) = oneshot::channel();
        self.command(Command::Pull { partition: partition.map(str::to_owned), done }).await;
        tokio::time::timeout(DEADLINE, answer).await.expect("a pull is answered in time").unwrap()
    }

    pub(crate) async fn retry(&self, uri: &str) -> Result<(), String> {
        let (done, answer) = oneshot::channel();
        self.command(Command::Retry { uri: Uri::from(uri), done }).await;
        tokio::time::timeout(DEADLINE, answer).await.expect("a retry is answered in time").unwrap()
    }

    /// Ends it as the process does at shutdown.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(DEADLINE, self.source).await.expect("it stops in time").unwrap().unwrap();
        tokio::time::timeout(DEADLINE, self.pump).await.expect("its batches end").unwrap();
    }

    /// Buries a host that has died by itself, and its source, which finds nobody to send to.
    pub(crate) async fn bury(self) {
        tokio::time::timeout(DEADLINE, self.pump).await.expect("it dies in time").unwrap();
        self.stop.cancel();
        let ended = tokio::time::timeout(DEADLINE, self.source).await.expect("its source ends").unwrap();
        assert!(matches!(ended, Ok(()) | Err(SourceError::Closed)), "{ended:?}");
    }

    /// How its source has ended by itself.
    pub(crate) async fn ended(self) -> Result<(), SourceError> {
        tokio::time::timeout(DEADLINE, self.source).await.expect("it ends").unwrap()
    }

    /// Whether the host has died.
    pub(crate) fn is_dead(&self) -> bool {
        self.pump.is_finished()
    }
}
