//! Following a folder tree: what may have changed, collected until it is quiet for a moment.
//!
//! ```text
//!  inotify / FSEvents ─ notify's thread ─► Collector: set of paths, or "everything" ─► next(): after a pause
//! ```
//!
//! An event is a hint and nothing more: it says where to look, never what is there. So events may be doubled,
//! late or out of order; only a lost one hurts, and where the system says that it lost some, everything is looked
//! at. Opening and reading a file makes no hint: our own reads would feed themselves.
//!
//! On Linux each folder that the scan visits is watched on its own and *before* it is listed, so that nothing can
//! be created between the two unseen; ignored and hidden folders cost no watch. Elsewhere the root is watched
//! as a whole.

use super::ignores::{has_rules, is_hidden, is_temporary};
use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
};
use parking_lot::Mutex;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// With more changed paths than this it is cheaper to look at everything.
const MAX_PATHS: usize = 20_000;

/// Changes that keep coming are taken up after this many pauses at the latest.
const MAX_PAUSES: u32 = 4;

/// Where to look.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Relative to the root; none lies below another.
    pub(crate) paths: Vec<PathBuf>,
    /// Look everywhere: events were lost, or rules changed.
    pub(crate) everything: bool,
    /// The rules of what is ignored changed.
    pub(crate) rules: bool,
}

#[derive(Debug, Default)]
struct Collected {
    paths: BTreeSet<PathBuf>,
    everything: bool,
    rules: bool,
    first: Option<Instant>,
    last: Option<Instant>,
}

/// Gathers hints on notify's thread; the source takes them.
#[derive(Debug)]
pub(crate) struct Collector {
    root: PathBuf,
    collected: Mutex<Collected>,
    wake: Notify,
}

impl Collector {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, collected: Mutex::default(), wake: Notify::new() }
    }

    /// Waits for a hint, then until no more came for `pause`, and takes all. Cancel-safe.
    pub(crate) async fn next(&self, pause: Duration) -> Changes {
        loop {
            let (first, last) = {
                let collected = self.collected.lock();
                (collected.first, collected.last)
            };
            let (Some(first), Some(last)) = (first, last) else {
                self.wake.notified().await;
                continue;
            };
            let due = (last + pause).min(first + pause * MAX_PAUSES);
            if due <= Instant::now() {
                return self.take();
            }
            tokio::time::sleep_until(due).await;
        }
    }

    /// Takes what there is.
    pub(crate) fn take(&self) -> Changes {
        let collected = std::mem::take(&mut *self.collected.lock());
        let mut paths: Vec<PathBuf> = Vec::with_capacity(collected.paths.len());
        for path in collected.paths {
            // In the order of the set a folder comes right before what lies in it.
            if paths.last().is_none_or(|above| !path.starts_with(above)) {
                paths.push(path);
            }
        }
        Changes { paths, everything: collected.everything, rules: collected.rules }
    }

    /// Takes in an event of the system.
    pub(crate) fn hear(&self, event: notify::Result<Event>) {
        let Ok(event) = event else {
            return self.collect(|collected| collected.everything = true);
        };
        if event.need_rescan() {
            return self.collect(|collected| collected.everything = true);
        }
        let changes = match event.kind {
            EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
            _ => true,
        };
        if !changes {
            return;
        }
        for path in event.paths {
            let Ok(inside) = path.strip_prefix(&self.root) else { continue };
            let Some(name) = inside.file_name() else {
                // The root itself was moved or deleted.
                self.collect(|collected| collected.everything = true);
                continue;
            };
            if has_rules(name) {
                self.collect(|collected| (collected.rules, collected.everything) = (true, true));
            } else if !inside.iter().any(is_hidden) && !is_temporary(name) {
                self.collect(|collected| {
                    if collected.paths.len() < MAX_PATHS {
                        collected.paths.insert(inside.to_owned());
                    } else {
                        collected.everything = true;
                    }
                });
            }
        }
    }

    fn collect(&self, add: impl FnOnce(&mut Collected)) {
        let now = Instant::now();
        let mut collected = self.collected.lock();
        add(&mut collected);
        if collected.everything {
            collected.paths.clear();
        }
        collected.first.get_or_insert(now);
        collected.last = Some(now);
        drop(collected);
        self.wake.notify_one();
    }
}

/// A running watch; ends when dropped. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Watch(Arc<Mutex<RecommendedWatcher>>);

impl Watch {
    /// Starts to watch; on Linux nothing yet but what [`Self::cover`] names.
    pub(crate) fn start(collector: Arc<Collector>) -> notify::Result<Self> {
        let root = collector.root.clone();
        let mut watcher = notify::recommended_watcher(move |event| collector.hear(event))?;
        if !Self::BY_FOLDER {
            watcher.watch(&root, RecursiveMode::Recursive)?;
        }
        Ok(Self(Arc::new(Mutex::new(watcher))))
    }

    const BY_FOLDER: bool = cfg!(target_os = "linux");

    /// Watches what happens directly in a folder.
    pub(crate) fn cover(&self, folder: &Path) -> notify::Result<()> {
        if Self::BY_FOLDER { self.0.lock().watch(folder, RecursiveMode::NonRecursive) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, Flag, ModifyKind, RemoveKind};

    fn event(kind: EventKind, path: &str) -> notify::Result<Event> {
        Ok(Event::new(kind).add_path(PathBuf::from(path)))
    }

    #[test]
    fn keeps_what_matters() {
        let collector = Collector::new("/r".into());
        let created = EventKind::Create(CreateKind::Any);
        for path in ["/r/a/x.md", "/r/a", "/r/b.md", "/r/.git/index", "/r/b.md~", "/r/.x.md.swp", "/q/z.md"] {
            collector.hear(event(created, path));
        }
        collector.hear(event(EventKind::Access(AccessKind::Open(AccessMode::Any)), "/r/c.md"));
        collector.hear(event(EventKind::Access(AccessKind::Close(AccessMode::Write)), "/r/d.md"));
        collector.hear(event(EventKind::Modify(ModifyKind::Any), "/r/a.md"));
        let changes = collector.take();
        assert_eq!(changes.paths, ["a", "a.md", "b.md", "d.md"].map(PathBuf::from));
        assert!(!changes.everything && !changes.rules);

        collector.hear(event(created, "/r/a/.gitignore"));
        let changes = collector.take();
        assert!(changes.everything && changes.rules && changes.paths.is_empty());
        collector.hear(event(EventKind::Remove(RemoveKind::Folder), "/r"));
        assert!(collector.take().everything);
        collector.hear(Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan)));
        assert!(collector.take().everything);
        collector.hear(Err(notify::Error::generic("lost")));
        assert!(collector.take().everything);
    }

    #[test]
    fn too_many_become_everything() {
        let collector = Collector::new("/r".into());
        for n in 0..=MAX_PATHS {
            collector.hear(event(EventKind::Create(CreateKind::Any), &format!("/r/{n}.md")));
        }
        let changes = collector.take();
        assert!(changes.everything && changes.paths.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_a_pause_but_not_for_ever() {
        let collector = Arc::new(Collector::new("/r".into()));
        let pause = Duration::from_millis(10);
        let modified = EventKind::Modify(ModifyKind::Any);
        let busy = tokio::spawn({
            let collector = Arc::clone(&collector);
            async move {
                loop {
                    collector.hear(event(modified, "/r/x.md"));
                    tokio::time::sleep(Duration::from_millis(3)).await;
                }
            }
        });
        let start = Instant::now();
        assert_eq!(collector.next(pause).await.paths.len(), 1);
        assert!(start.elapsed() <= pause * (MAX_PAUSES + 1));
        busy.abort();
        collector.take();
        collector.hear(event(modified, "/r/x.md"));
        let start = Instant::now();
        collector.next(pause).await;
        assert!(start.elapsed() >= pause && start.elapsed() < pause * 2);
    }
}
