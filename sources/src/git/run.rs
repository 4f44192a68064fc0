//! All gardens of a source: starts one task for each, brings orders to them, and follows the list.
//!
//! ```text
//!   configuration ─┐                     ┌─► Garden::tend
//!   sources.yaml ──┴─► listed ─► running ┼─► Garden::tend ──► ended: still listed? start again : retire
//!   commands ──────────────────► orders ─┴─► …
//! ```

use super::{
    config::{GardenConfig, GitConfig},
    garden::{Garden, Order, REMOVED},
    history::Limits,
    mirror::{self, Mirror},
    scope::Scope,
    work::Plot,
    yaml,
};
use crate::{
    Command, PullReport, READER_VERSION, SourceContext, SourceError, SourceState,
    delivery::{Desk, blocking},
    formats::Place,
    place,
};
use springline_model::{Position, SourceId, Uri};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::JoinSet,
    time::{self, Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

/// Orders that wait for a garden that is busy; more are refused.
const MAX_ORDERS: usize = 16;

/// A garden that runs.
struct Running {
    config: GardenConfig,
    orders: mpsc::Sender<Order>,
    leave: CancellationToken,
}

/// A git source while it runs.
pub(crate) struct Run {
    config: GitConfig,
    desk: Arc<Desk>,
    context: SourceContext,
    fetches: Arc<Semaphore>,
    /// The gardens that there should be, by partition.
    listed: BTreeMap<String, GardenConfig>,
    running: BTreeMap<String, Running>,
    tasks: JoinSet<(String, Result<Garden, SourceError>)>,
    /// What has been sent; newer than what the ledger knows.
    positions: BTreeMap<String, Position>,
    ready: (mpsc::UnboundedSender<()>, mpsc::UnboundedReceiver<()>),
    paused: bool,
}

impl Run {
    pub(crate) fn new(id: SourceId, config: GitConfig, context: SourceContext) -> Self {
        Self {
            desk: Arc::new(Desk::new(id, &context)),
            fetches: Arc::new(Semaphore::new(config.parallel)),
            config,
            context,
            listed: BTreeMap::new(),
            running: BTreeMap::new(),
            tasks: JoinSet::new(),
            positions: BTreeMap::new(),
            ready: mpsc::unbounded_channel(),
            paused: false,
        }
    }

    pub(crate) async fn run(mut self) -> Result<(), SourceError> {
        let ended = self.follow().await;
        self.running.values().for_each(|running| running.leave.cancel());
        while self.tasks.join_next().await.is_some() {}
        match ended {
            Err(SourceError::Closed) if self.desk.stop.is_cancelled() => Ok(()),
            Err(error) => {
                self.desk.status.set(SourceState::Failed, Some(error.to_string()));
                Err(error)
            }
            Ok(()) => Ok(()),
        }
    }

    async fn follow(&mut self) -> Result<(), SourceError> {
        let folder = self.context.data_dir.clone();
        let made = blocking({
            let folder = folder.clone();
            move || fs::create_dir_all(folder)
        });
        made.await?.map_err(|source| SourceError::Io { path: folder, source })?;
        self.desk.status.set(SourceState::Indexing, None);
        self.recall().await?;
        self.relist().await?;
        let mut first = self.running.len();
        self.show(first);
        let mut relist = self.relist_timer();
        loop {
            tokio::select! {
                () = self.desk.stop.cancelled() => return Ok(()),
                Some(command) = self.context.commands.recv() => self.obey(command).await?,
                Some(()) = self.ready.1.recv() => {
                    first = first.saturating_sub(1);
                    self.show(first);
                }
                Some(ended) = self.tasks.join_next() => {
                    let (partition, garden) = ended.map_err(|error| SourceError::Task(error.to_string()))?;
                    self.ended(partition, garden?).await?;
                }
                () = tick(&mut relist) => self.relist().await?,
            }
        }
    }

    /// Takes in how far the ledger is.
    async fn recall(&mut self) -> Result<(), SourceError> {
        let (known, source) = (Arc::clone(&self.context.known), self.desk.source.clone());
        let partitions = blocking(move || known.partitions(&source)).await??;
        self.positions = partitions.into_iter().map(|(partition, at)| (partition.name, at)).collect();
        Ok(())
    }

    /// Reads the list again, starts what is new on it and ends what left it.
    async fn relist(&mut self) -> Result<(), SourceError> {
        let config = self.config.clone();
        let list =
            blocking(move || config.sources_yaml.as_deref().map(|path| yaml::read(path, &config))).await?;
        let mut listed = BTreeMap::new();
        let mut whole = true;
        match list {
            None => {}
            Some(Ok(list)) => {
                list.complaints.iter().for_each(|complaint| self.desk.status.error(complaint.as_str()));
                listed.extend(list.gardens.into_iter().map(|garden| (garden.target.clone(), garden)));
            }
            Some(Err(reason)) => {
                // Not read is not empty: nothing leaves.
                self.desk.status.error(reason);
                (whole, listed) = (false, self.listed.clone());
            }
        }
        listed.extend(self.config.gardens.iter().map(|garden| (garden.target.clone(), garden.clone())));
        self.listed = listed;
        for (partition, running) in &self.running {
            if self.listed.get(partition) != Some(&running.config) {
                running.leave.cancel();
            }
        }
        for (partition, garden) in self.listed.clone() {
            if !self.running.contains_key(&partition) {
                self.start(partition, garden)?;
            }
        }
        if whole {
            self.retire_strangers().await?;
        }
        Ok(())
    }

    /// Retires what the ledger has of gardens that are neither listed nor running.
    async fn retire_strangers(&mut self) -> Result<(), SourceError> {
        let known: BTreeSet<String> = self.positions.keys().cloned().collect();
        for partition in known {
            let gone = self.positions.get(&partition).is_some_and(|position| position.0 == REMOVED);
            if gone || self.listed.contains_key(&partition) || self.running.contains_key(&partition) {
                continue;
            }
            if let Some(place) = place::of_partition(&partition) {
                let stranger = self.garden(place, None)?;
                self.retire(partition, stranger).await?;
            }
        }
        Ok(())
    }

    async fn retire(&mut self, partition: String, garden: Garden) -> Result<(), SourceError> {
        tracing::info!(source = %self.desk.source, %partition, "the garden left the list");
        let position = garden.retire().await?;
        self.positions.insert(partition, position);
        Ok(())
    }

    /// A garden left: because it was told to, for another configuration or for good.
    async fn ended(&mut self, partition: String, garden: Garden) -> Result<(), SourceError> {
        self.running.remove(&partition);
        if let Some(position) = &garden.position {
            self.positions.insert(partition.clone(), position.clone());
        }
        match self.listed.get(&partition).cloned() {
            Some(config) => self.start(partition, config),
            None => self.retire(partition, garden).await,
        }
    }

    fn start(&mut self, partition: String, config: GardenConfig) -> Result<(), SourceError> {
        let place = place::of_target(&config.target)
            .ok_or_else(|| SourceError::Config(format!("`{}` is no target", config.target)))?;
        let garden = self.garden(place, Some(&config))?;
        let (orders, orders_in) = mpsc::channel(MAX_ORDERS);
        let leave = garden.plot.limits.stop.clone();
        let tended = garden.tend(orders_in, self.ready.0.clone(), leave.clone());
        let name = partition.clone();
        self.tasks.spawn(async move { (name, tended.await) });
        self.running.insert(partition, Running { config, orders, leave });
        Ok(())
    }

    /// A garden as it is configured; one without configuration is there to be retired.
    fn garden(&self, place: Place, config: Option<&GardenConfig>) -> Result<Garden, SourceError> {
        let partition = place::partition(&place);
        let stop = self.desk.stop.child_token();
        let directory = mirror::directory(&self.context.data_dir, &partition);
        let nowhere = GardenConfig::nowhere();
        let garden = config.unwrap_or(&nowhere);
        let mirror =
            Mirror::new(directory, garden, &self.config, stop.clone()).map_err(SourceError::Config)?;
        let plot = Plot {
            source: self.desk.source.clone(),
            place,
            mirror,
            scope: Scope::new(&garden.path_prefixes),
            rules: rules(garden, &self.config),
            limits: Limits { max_files: self.config.max_files, stop },
            max_file_bytes: self.config.max_file_bytes,
            known: Arc::clone(&self.context.known),
        };
        Ok(Garden {
            plot,
            desk: Arc::clone(&self.desk),
            progress: self.context.progress.clone(),
            fetches: Arc::clone(&self.fetches),
            poll: Duration::from_secs(self.config.poll_secs),
            paused: self.paused,
            position: self.positions.get(&partition).filter(|position| position.0 != REMOVED).cloned(),
            exact: false,
            failures: 0,
        })
    }

    async fn obey(&mut self, command: Command) -> Result<(), SourceError> {
        match command {
            Command::Pause => {
                self.paused = true;
                self.order_all(|| Order::Pause);
            }
            Command::Resume => {
                self.paused = false;
                self.order_all(|| Order::Resume);
            }
            Command::Reset => self.order_all(|| Order::Reset),
            Command::Pull { partition, done } => {
                if partition.is_none() {
                    self.relist().await?;
                }
                self.pull(partition.as_deref(), done);
            }
            Command::Retry { uri, done } => self.retry(uri, done),
            command @ Command::Fetch { .. } => command.refuse("gardens are pulled, not fetched"),
        }
        self.show(0);
        Ok(())
    }

    fn order_all(&self, order: impl Fn() -> Order) {
        for (partition, running) in &self.running {
            if running.orders.try_send(order()).is_err() {
                self.desk.status.error(format!("{partition} has too many orders waiting"));
            }
        }
    }

    fn pull(&self, partition: Option<&str>, done: oneshot::Sender<Result<PullReport, String>>) {
        let chosen = self.running.iter().filter(|(name, _)| partition.is_none_or(|wanted| wanted == *name));
        let mut answers = Vec::new();
        for (name, running) in chosen {
            let (answer, answered) = oneshot::channel();
            if running.orders.try_send(Order::Pull(answer)).is_err() {
                return drop(done.send(Err(format!("{name} has too many orders waiting"))));
            }
            answers.push(answered);
        }
        if let (Some(name), true) = (partition, answers.is_empty()) {
            return drop(done.send(Err(format!("there is no garden `{name}`"))));
        }
        tokio::spawn(async move {
            let mut report = PullReport::default();
            for answer in answers {
                // A garden that leaves meanwhile has nothing to report.
                if let Ok((pulled, epoch)) = answer.await {
                    report.add(pulled, epoch);
                }
            }
            drop(done.send(Ok(report)));
        });
    }

    fn retry(&self, uri: Uri, done: oneshot::Sender<Result<(), String>>) {
        let authority = uri.authority();
        let owner = self.running.iter().find(|(name, _)| {
            place::of_partition(name).is_some_and(|place| place.authority().as_str() == authority)
        });
        let Some((name, running)) = owner else {
            return drop(done.send(Err("no garden has a file of this name".into())));
        };
        let refused = match running.orders.try_send(Order::Retry(uri, done)) {
            Err(mpsc::error::TrySendError::Full(Order::Retry(_, done))) => Some(done),
            _ => None,
        };
        if let Some(done) = refused {
            drop(done.send(Err(format!("{name} has too many orders waiting"))));
        }
    }

    /// Tells where the source stands; `first` gardens have not been looked at yet.
    fn show(&self, first: usize) {
        match (self.paused, first) {
            (true, _) => self.desk.status.set(SourceState::Paused, Some("paused by the operator".into())),
            (false, 0) => self.desk.status.set(SourceState::Live, None),
            (false, _) => self.desk.status.set(SourceState::Indexing, None),
        }
    }

    fn relist_timer(&self) -> Option<time::Interval> {
        let period = Duration::from_secs(self.config.poll_secs);
        (self.config.sources_yaml.is_some() && !period.is_zero()).then(|| {
            let mut timer = time::interval_at(Instant::now() + period, period);
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
            timer
        })
    }
}

/// Names all that decides what a commit's records are, so that a change of it is noticed after a restart.
fn rules(garden: &GardenConfig, config: &GitConfig) -> String {
    let said = format!("{READER_VERSION} {} {:?}", config.max_file_bytes, garden.path_prefixes);
    blake3::hash(said.as_bytes()).to_hex()[..8].to_owned()
}

async fn tick(timer: &mut Option<time::Interval>) {
    match timer {
        Some(timer) => drop(timer.tick().await),
        None => std::future::pending().await,
    }
}
