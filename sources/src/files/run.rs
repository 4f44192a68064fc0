//! The life of a folder source.
//!
//! ```text
//!   wait for the root ──► watch, compare everything ──► wait: changes, rescan, commands ⟲ compare those
//!        ▲                                                         │
//!        └───────────── the root is gone or another ◄──────────────┘
//! ```
//!
//! While the root is away nothing is deleted: what a folder holds that is not there is unknown.

use super::{
    FilesConfig,
    layout::Layout,
    reader::FileReader,
    scan::Scanner,
    tree::{Jobs, Tree},
    watch::{Collector, Watch},
};
use crate::{
    Command, Known, ProgressBars, PullReport, READER_VERSION, SourceContext, SourceError, SourceState,
    delivery::{Delivered, Desk, blocking},
    formats::Place,
    place,
};
use indicatif::ProgressBar;
use springline_model::{Position, SourceId, Timestamp, Uri};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{self, Instant, MissedTickBehavior},
};

/// How often a root that is away is looked for.
const ROOT_POLL: Duration = Duration::from_millis(500);

/// Which folder a path stands for: device and inode.
type Identity = (u64, u64);

/// Why following the folder ended.
enum End {
    /// The source was told to stop.
    Stopped,
    /// The root is not what it was.
    RootLost,
}

/// A folder source while it runs.
pub(crate) struct Run {
    config: FilesConfig,
    layout: Layout,
    desk: Arc<Desk>,
    known: Arc<dyn Known>,
    commands: mpsc::Receiver<Command>,
    progress: ProgressBars,
    /// Away only while a comparison is under way; none before the first.
    tree: Option<Tree>,
    /// Names the rules by which records are made.
    position: Position,
    /// Partitions whose position is not the current one.
    behind: BTreeSet<String>,
    /// Partitions with the current position.
    current: BTreeSet<String>,
    paused: bool,
    last_root: Option<Identity>,
}

impl Run {
    pub(crate) fn new(id: SourceId, config: FilesConfig, layout: Layout, context: SourceContext) -> Self {
        let desk = Arc::new(Desk::new(id, &context));
        Self {
            position: Position(format!("v{READER_VERSION} max_file_bytes={}", config.max_file_bytes)),
            config,
            layout,
            desk,
            known: context.known,
            commands: context.commands,
            progress: context.progress,
            tree: None,
            behind: BTreeSet::new(),
            current: BTreeSet::new(),
            paused: false,
            last_root: None,
        }
    }

    pub(crate) async fn run(mut self) -> Result<(), SourceError> {
        loop {
            let Some(root) = self.find_root().await else { return Ok(()) };
            match self.follow(root).await {
                Ok(End::RootLost) => {}
                Ok(End::Stopped) => return Ok(()),
                Err(SourceError::Closed) if self.desk.stop.is_cancelled() => return Ok(()),
                Err(error) => {
                    self.desk.status.set(SourceState::Failed, Some(error.to_string()));
                    return Err(error);
                }
            }
        }
    }

    /// Waits until the root is there; none if told to stop.
    async fn find_root(&mut self) -> Option<PathBuf> {
        loop {
            match self.look_for_root() {
                Ok(root) => return Some(root),
                Err(reason) => self.desk.status.set(SourceState::Paused, Some(reason)),
            }
            tokio::select! {
                () = self.desk.stop.cancelled() => return None,
                () = time::sleep(ROOT_POLL) => {}
                Some(command) = self.commands.recv() => self.put_off(command),
            }
        }
    }

    fn look_for_root(&mut self) -> Result<PathBuf, String> {
        let away = |error: io::Error| format!("{} is away: {error}", self.config.path.display());
        let root = fs::canonicalize(&self.config.path).map_err(away)?;
        let found = identity(&root).map_err(away)?;
        // A disk that was unmounted leaves an empty folder behind.
        if self.last_root.is_some_and(|(device, _)| device != found.0)
            && fs::read_dir(&root).map_err(away)?.next().is_none()
        {
            return Err(format!("{} is empty and on another device: is it mounted?", root.display()));
        }
        self.last_root = Some(found);
        Ok(root)
    }

    /// Whether the root is still the folder that is followed.
    fn is_at(&self, root: &Path) -> bool {
        fs::canonicalize(&self.config.path).is_ok_and(|now| now == root)
            && identity(root).is_ok_and(|now| Some(now) == self.last_root)
    }

    async fn follow(&mut self, root: PathBuf) -> Result<End, SourceError> {
        let collector = Arc::new(Collector::new(root.clone()));
        self.enter(&root, &collector).await?;
        if !self.paused {
            self.desk.status.set(SourceState::Indexing, None);
            self.sync(&root, vec![PathBuf::new()], true).await?;
        }
        self.show_state();
        let pause = Duration::from_millis(self.config.debounce_ms);
        let mut rescan = self.rescan_timer();
        loop {
            let paths = tokio::select! {
                biased;
                () = self.desk.stop.cancelled() => return Ok(End::Stopped),
                Some(command) = self.commands.recv() => {
                    if !self.is_at(&root) {
                        self.put_off(command);
                        return Ok(End::RootLost);
                    }
                    self.obey(&root, command).await?;
                    continue;
                }
                changes = collector.next(pause), if !self.paused => {
                    if changes.rules && let Some(tree) = &mut self.tree {
                        tree.reload_rules();
                    }
                    if changes.everything { vec![PathBuf::new()] } else { changes.paths }
                }
                Some(()) = tick(&mut rescan), if !self.paused => vec![PathBuf::new()],
            };
            if !self.is_at(&root) {
                return Ok(End::RootLost);
            }
            self.sync(&root, paths, false).await?;
        }
    }

    /// Sets up the tree and the watch for a root.
    async fn enter(&mut self, root: &Path, collector: &Arc<Collector>) -> Result<(), SourceError> {
        let scanner = Scanner::new(root.to_owned(), self.layout.clone(), self.config.gitignore);
        let mut tree = match self.tree.take() {
            Some(tree) => tree.moved(scanner),
            None => self.recall(Tree::new(scanner)).await?,
        };
        let watch = self.config.watch.then(|| Watch::start(Arc::clone(collector))).transpose();
        tree.watch(watch.unwrap_or_else(|error| {
            self.desk.status.error(format!("the folder can't be watched, only rescanned: {error}"));
            None
        }));
        self.tree = Some(tree);
        Ok(())
    }

    /// Takes in what the ledger has.
    async fn recall(&mut self, mut tree: Tree) -> Result<Tree, SourceError> {
        let (known, position, desk) =
            (Arc::clone(&self.known), self.position.clone(), Arc::clone(&self.desk));
        let (tree, positions) = blocking(move || {
            let positions: BTreeMap<String, Position> =
                known.partitions(&desk.source)?.into_iter().map(|(p, at)| (p.name, at)).collect();
            let mut places: BTreeSet<Place> = tree.places().into_iter().collect();
            places.extend(positions.keys().filter_map(|name| place::of_partition(name)));
            for place in places {
                let trusted = positions.get(&place::partition(&place)) == Some(&position);
                let authority = place.authority();
                for record in known.records(authority.as_str())? {
                    desk.revs.raise(record.rev);
                    tree.recorded(&record.uri, record.at, record.bytes, trusted);
                }
                for uri in known.quarantined(authority.as_str())? {
                    tree.recorded(&uri, Timestamp::default(), 0, false);
                }
            }
            Ok::<_, SourceError>((tree, positions))
        })
        .await??;
        for (name, at) in positions {
            if at == self.position {
                self.current.insert(name)
            } else {
                self.behind.insert(name)
            };
        }
        Ok(tree)
    }

    /// Makes what was sent equal to what is on disk at and below some paths.
    async fn sync(&mut self, root: &Path, paths: Vec<PathBuf>, first: bool) -> Result<Synced, SourceError> {
        let whole = paths.iter().any(|path| path.as_os_str().is_empty());
        let mut tree = self.tree.take().ok_or_else(|| SourceError::Task("a comparison died".into()))?;
        let (mut tree, jobs, counts) = blocking(move || {
            let jobs = tree.compare(&paths);
            let counts = whole.then(|| tree.counts());
            (tree, jobs, counts)
        })
        .await?;
        if let Some(reason) = tree.take_unwatched() {
            self.desk.status.error(format!("not every folder is watched: {reason}"));
        }
        self.tree = Some(tree);
        let synced = self.send(root, jobs, first).await?;
        if let Some(counts) = counts {
            let now = Timestamp::now();
            for (place, files) in counts {
                self.desk.status.partition(&place::partition(&place), |status| {
                    (status.files, status.current_at, status.state) = (files, Some(now), SourceState::Live);
                });
            }
        }
        Ok(synced)
    }

    async fn send(&mut self, root: &Path, jobs: Jobs, first: bool) -> Result<Synced, SourceError> {
        let reader = Arc::new(FileReader {
            root: root.to_owned(),
            layout: self.layout.clone(),
            max_file_bytes: self.config.max_file_bytes,
        });
        let mut jobs: BTreeMap<String, _> =
            jobs.into_iter().map(|(place, jobs)| (place::partition(&place), jobs)).collect();
        for name in std::mem::take(&mut self.behind) {
            jobs.entry(name).or_default();
        }
        let mut synced = Synced::default();
        for (name, jobs) in jobs {
            let position = (!self.current.contains(&name)).then(|| self.position.clone());
            let bar = match first {
                true => self.progress.files(name.clone(), jobs.len() as u64),
                false => ProgressBar::hidden(),
            };
            let reader = Arc::clone(&reader);
            let delivered = self.desk.deliver(&name, reader, jobs, position, &bar).await?;
            bar.finish_and_clear();
            self.desk.status.partition(&name, |status| {
                status.position = Some(self.position.clone());
                status.current_at = Some(Timestamp::now());
                status.state = SourceState::Live;
            });
            self.current.insert(name.clone());
            synced.add(name, delivered);
        }
        Ok(synced)
    }

    fn show_state(&self) {
        let reason = self.paused.then(|| "paused by the operator".to_owned());
        let state = if self.paused { SourceState::Paused } else { SourceState::Live };
        self.desk.status.set(state, reason);
    }

    fn rescan_timer(&self) -> Option<time::Interval> {
        let period = Duration::from_secs(self.config.rescan_secs);
        (!period.is_zero()).then(|| {
            let mut timer = time::interval_at(Instant::now() + period, period);
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
            timer
        })
    }

    async fn obey(&mut self, root: &Path, command: Command) -> Result<(), SourceError> {
        match command {
            Command::Pause => self.paused = true,
            Command::Resume => {
                self.paused = false;
                self.sync(root, vec![PathBuf::new()], false).await?;
            }
            Command::Reset => {
                if let Some(tree) = &mut self.tree {
                    tree.doubt_all();
                }
                self.sync(root, vec![PathBuf::new()], true).await?;
            }
            Command::Pull { done, .. } if self.paused => drop(done.send(Err("the source is paused".into()))),
            Command::Pull { partition, done } => {
                let path = match partition.as_deref().map(place::of_partition) {
                    None => Some(PathBuf::new()),
                    Some(place) => place.and_then(|place| self.layout.folder(&place)),
                };
                let Some(path) = path else {
                    drop(done.send(Err("there is no such partition".into())));
                    return Ok(());
                };
                let synced = self.sync(root, vec![path], false).await?;
                synced.answer(move |report, _| drop(done.send(Ok(report))));
            }
            Command::Retry { uri, done } => self.retry(root, &uri, done).await?,
            command @ Command::Fetch { .. } => command.refuse("a folder has no repositories to fetch"),
        }
        self.show_state();
        Ok(())
    }

    async fn retry(
        &mut self,
        root: &Path,
        uri: &Uri,
        done: oneshot::Sender<Result<(), String>>,
    ) -> Result<(), SourceError> {
        let Some(path) = self.tree.as_mut().and_then(|tree| tree.doubt(uri)) else {
            drop(done.send(Err("no file has exactly this name".into())));
            return Ok(());
        };
        let synced = self.sync(root, vec![path], false).await?;
        synced.answer(move |_, refusal| drop(done.send(refusal.map_or(Ok(()), Err))));
        Ok(())
    }

    /// Takes a command while the root is away.
    fn put_off(&mut self, command: Command) {
        match command {
            command @ (Command::Pull { .. } | Command::Retry { .. } | Command::Fetch { .. }) => {
                command.refuse("the folder is away");
            }
            Command::Pause => self.paused = true,
            Command::Resume => self.paused = false,
            Command::Reset => {
                if let Some(tree) = &mut self.tree {
                    tree.doubt_all();
                }
            }
        }
    }
}

/// What a comparison came to.
#[derive(Default)]
struct Synced(Vec<(String, Delivered)>);

impl Synced {
    fn add(&mut self, partition: String, delivered: Delivered) {
        self.0.push((partition, delivered));
    }

    /// Calls back with a report and the last refusal, once all of it is durable.
    fn answer(self, answer: impl FnOnce(PullReport, Option<String>) + Send + 'static) {
        tokio::spawn(async move {
            let mut report = PullReport::default();
            let mut refusal = None;
            for (partition, delivered) in self.0 {
                let (pulled, epoch, refused) = delivered.settle(partition).await;
                report.add(pulled, epoch);
                refusal = refused.or(refusal);
            }
            answer(report, refusal);
        });
    }
}

fn identity(root: &Path) -> io::Result<Identity> {
    let meta = fs::metadata(root)?;
    if meta.is_dir() { Ok((meta.dev(), meta.ino())) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

async fn tick(timer: &mut Option<time::Interval>) -> Option<()> {
    match timer {
        Some(timer) => {
            timer.tick().await;
            Some(())
        }
        None => std::future::pending().await,
    }
}
