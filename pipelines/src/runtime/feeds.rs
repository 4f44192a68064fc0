//! The sinks that follow views, or are told what came in: a thread each, from when the views are right until the process
//! stops.

use super::{
    DataDir,
    journal::JournalEvents,
    kafka::{LogEvents, Settings},
};
use crate::config::{Config, JournalKind};
use parking_lot::Mutex;
use springline_model::Epoch;
use springline_queries::control::{ControlError, SinkCommand};
use springline_sinks::{
    events::{EventLog, EventsRunner, OrdersError},
    follow::{Runner, SinkError, SinkState, SinkStatus},
    views::{Views, ViewsError},
};
use std::{collections::BTreeMap, error::Error, io, mem, sync::Arc, time::Duration};
use tokio::runtime::Handle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How often the metrics are told how the sinks are.
const MEASURED: Duration = Duration::from_secs(5);
/// How long the process waits for a sink when it ends.
const PATIENCE: Duration = Duration::from_secs(5);

/// The sinks of this process.
#[derive(Clone, Default)]
pub(super) struct Feeds(Arc<Inner>);

#[derive(Default)]
struct Inner {
    sinks: BTreeMap<String, Sink>,
    /// What is not running yet.
    waiting: Mutex<Vec<Box<dyn FnOnce(&CancellationToken) + Send>>>,
}

/// A sink, as it is asked and told.
#[derive(Clone)]
enum Sink {
    /// It follows a view.
    View(Runner),
    /// It is told what came in.
    Events(EventsRunner),
}

impl Feeds {
    /// Opens the logs of the views that are followed, before any of them is corrected.
    ///
    /// # Errors
    /// A sink's settings make no sense, or the store fails.
    pub(super) fn open(config: &Config, views: &Views, data: &DataDir) -> Result<Self, FeedsError> {
        for (name, sink) in &config.sinks {
            if let Some(view) = sink.view().filter(|view| config.views.off.contains(view)) {
                let why = format!("the view `{}` is off", view.name());
                return Err(SinkError { name: name.clone(), why }.into());
            }
            sink.tables(name)?;
        }
        views.follow(&config.follow())?;
        let mut inner = Inner::default();
        let process = (config.cluster.processes > 1).then_some(config.cluster.process);
        for (name, sink) in &config.sinks {
            let sink = process.map_or_else(|| sink.clone(), |process| sink.of_process(name, process));
            if let Some(feed) = sink.events(name)? {
                let runner =
                    EventsRunner::new(name, views.reader(), data.sinks().join(format!("{name}.json")))?;
                let log: Box<dyn EventLog> = match config.journal.kind {
                    JournalKind::Embedded => Box::new(JournalEvents::new(data.journal(), views.reader())),
                    JournalKind::Kafka => Box::new(LogEvents::new(Settings::new(config), views.clone())),
                };
                inner.add(name, Sink::Events(runner.clone()), move |stop| runner.run(feed, log, stop));
                continue;
            }
            let Some(view) = sink.view() else { continue };
            let runner = Runner::new(views, name, sink.kind(), view, sink.tables(name)?);
            let feed = sink.feed(name, &config.kafka)?;
            inner.add(name, Sink::View(runner.clone()), move |stop| runner.run(feed, stop));
        }
        Ok(Self(Arc::new(inner)))
    }

    /// Starts them.
    ///
    /// # Errors
    /// The system has no more threads.
    pub(super) fn start(&self) -> io::Result<Feeding> {
        let (stop, ended) = (CancellationToken::new(), TaskTracker::new());
        for run in mem::take(&mut *self.0.waiting.lock()) {
            let (stop, running, runtime) = (stop.clone(), ended.token(), Handle::current());
            // Not a thread of the runtime: one that waits for a broker must not keep the process from ending.
            std::thread::Builder::new().name("sink".into()).spawn(move || {
                let (_running, _runtime) = (running, runtime.enter());
                run(&stop);
            })?;
        }
        tokio::spawn(self.clone().measure(stop.clone()));
        ended.close();
        Ok(Feeding { stop, ended })
    }

    /// The first epoch that the journal has to keep for those who are told what came in.
    pub(super) fn needs(&self) -> Epoch {
        let needs = |sink: &Sink| match sink {
            Sink::Events(runner) => Some(runner.needs()),
            Sink::View(_) => None,
        };
        self.0.sinks.values().filter_map(needs).min().unwrap_or(Epoch(u64::MAX))
    }

    async fn measure(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            for status in self.status() {
                let name = status.name.clone();
                #[expect(clippy::cast_precision_loss, reason = "a gauge")]
                metrics::gauge!("springline_sink_lag_epochs", "sink" => name.clone())
                    .set(status.lag_epochs as f64);
                let is_up = matches!(status.state, SinkState::Filling | SinkState::Following);
                metrics::gauge!("springline_sink_up", "sink" => name.clone()).set(f64::from(u8::from(is_up)));
                metrics::counter!("springline_sink_items_total", "sink" => name.clone())
                    .absolute(status.items);
                metrics::counter!("springline_sink_commits_total", "sink" => name.clone())
                    .absolute(status.commits);
                metrics::counter!("springline_sink_failures_total", "sink" => name).absolute(status.failures);
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(MEASURED) => {}
            }
        }
    }

    /// How they are.
    pub(super) fn status(&self) -> Vec<SinkStatus> {
        self.0.sinks.values().map(Sink::status).collect()
    }

    /// Tells one what to do.
    pub(super) fn command(&self, name: &str, command: SinkCommand) -> Result<SinkStatus, ControlError> {
        let sink = self.0.sinks.get(name).ok_or_else(|| ControlError::UnknownSink {
            name: name.chars().take(64).collect(),
            known: self.0.sinks.keys().cloned().collect(),
        })?;
        sink.take(command).map_err(|error| ControlError::Failed(error.to_string()))?;
        Ok(sink.status())
    }
}

impl Inner {
    fn add(&mut self, name: &str, sink: Sink, run: impl FnOnce(&CancellationToken) + Send + 'static) {
        self.sinks.insert(name.to_owned(), sink);
        self.waiting.get_mut().push(Box::new(run));
    }
}

impl Sink {
    fn status(&self) -> SinkStatus {
        match self {
            Self::View(runner) => runner.status(),
            Self::Events(runner) => runner.status(),
        }
    }

    fn take(&self, command: SinkCommand) -> Result<(), Box<dyn Error>> {
        match (self, command) {
            (Self::View(runner), SinkCommand::Reset) => runner.reset()?,
            (Self::View(runner), command) => runner.pause(command == SinkCommand::Pause)?,
            (Self::Events(runner), SinkCommand::Reset) => runner.reset()?,
            (Self::Events(runner), command) => runner.pause(command == SinkCommand::Pause)?,
        }
        Ok(())
    }
}

/// Sinks that are running.
pub(super) struct Feeding {
    stop: CancellationToken,
    ended: TaskTracker,
}

impl Feeding {
    /// Lets them end what they are at, for a while: what is not committed then will be told by the next process.
    pub(super) async fn end(self) {
        self.stop.cancel();
        if tokio::time::timeout(PATIENCE, self.ended.wait()).await.is_err() {
            tracing::warn!("a sink was still at it when the process ended");
        }
    }
}

/// Why sinks can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum FeedsError {
    /// A sink's settings make no sense.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The store fails, or a view can't be followed.
    #[error(transparent)]
    Views(#[from] ViewsError),
    /// What a sink was told to do can't be read.
    #[error(transparent)]
    Orders(#[from] OrdersError),
    /// The system has no more threads.
    #[error("a sink can't be started")]
    Threads(#[source] io::Error),
}
