//! How fast rows become Parquet: an export at once, datasets that follow a view, what came in.
//!
//! ```text
//!  links ─► sled ─┬─► export                          one epoch, all rows
//!                 ├─► log ─► changelog                each change
//!                 └─► rows, log ─► snapshot           the first filling; then changes spread over all of it
//!  notes ─► journal ─► events                         each event
//! ```
//!
//! Each writes by the code that the program runs, to a local disk, one after the other. A dataset closes a file behind 40
//! in 100 of the bytes: what is measured ends with the second of them, so no time is waited away.

use crate::measure;
use anyhow::{Context as _, ensure};
use clap::Args;
use springline_model::{
    Context, Epoch, EpochCommit, Event, EventBody, LinkPath, NodeName, Record, Rev, Row as _, SourceId,
    Table, Timestamp, Uri, View, rows::BacklinkRow,
};
use springline_pipelines::runtime::journal::{Journal, JournalEvents, JournalOptions};
use springline_sinks::{
    Engine, StoreConfig,
    events::EventsRunner,
    follow::{Runner, SinkState, SinkStatus},
    parquet::{DatasetManifest, EventsFeed, ParquetFeed, ParquetSinkConfig, export},
    views::{Changes, Follow, Views},
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// Rows of an epoch.
const EPOCH: u64 = 1000;
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(2);
/// Rows that a second are asked for.
const AIM: f64 = 200_000.0;
/// So many of a hundred bytes are a file.
const FILE: u64 = 40;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Rows of the view, and events; with fewer there are no two commits of a tenth of them
    #[arg(long, default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(500_000..=10_000_000))]
    rows: u64,
    /// Where to work [default: a temporary folder]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// What something took.
struct Taken {
    rows: u64,
    bytes: u64,
    wall: Duration,
    cpu: Duration,
}

/// Measures and prints.
///
/// # Errors
/// The disk says no, or something is not there in time.
pub(crate) fn run(args: &ExportArgs) -> anyhow::Result<()> {
    let temp = tempfile::Builder::new().prefix("springline-bench-").tempdir()?;
    let dir = args.dir.as_deref().unwrap_or(temp.path());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let _entered = runtime.enter();
    println!("| | rows | wall s | CPU s | rows/s | bytes/row | aim |\n|---|---|---|---|---|---|---|");
    let mut bench = Bench::open(dir, args.rows)?;
    let bytes = bench.fill()?;
    let (begun, cpu) = (Instant::now(), measure::cpu());
    let tables = [Table::Backlinks];
    let exported =
        bench.views.reader().read(|snapshot| export(snapshot, &tables, &dir.join("export"), &mut |_| ()))?;
    let table = &exported.tables[Table::Backlinks.name()];
    let (wall, cpu) = (begun.elapsed(), measure::cpu().saturating_sub(cpu));
    show("export", &Taken { rows: table.rows, bytes: table.bytes, wall, cpu });
    show("changelog", &bench.told("changelog", "changelog", bytes)?);
    show("snapshot, filled", &bench.told("snapshot", "snapshot", bytes)?);
    bench.begin("merged", "snapshot")?;
    let bytes = bench.change()?;
    show("snapshot, one in ten changed", &bench.told("merged", "snapshot", bytes)?);
    show("events", &events(&dir.join("events"), args.rows)?);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "figures")]
fn show(what: &str, Taken { rows, bytes, wall, cpu }: &Taken) {
    let (wall, cpu, size) = (wall.as_secs_f64(), cpu.as_secs_f64(), *bytes as f64 / *rows as f64);
    let rate = *rows as f64 / wall;
    let aim = if rate >= AIM { "reached" } else { "missed" };
    println!("| {what} | {rows} | {wall:.2} | {cpu:.2} | {rate:.0} | {size:.0} | {aim} |");
}

/// A view of links, and the datasets that follow it.
struct Bench {
    dir: PathBuf,
    rows: u64,
    views: Views,
    epoch: Epoch,
}

impl Bench {
    fn open(dir: &Path, rows: u64) -> anyhow::Result<Self> {
        let views = Views::open(&StoreConfig::of(Engine::Sled), &dir.join("store"))?;
        let followers = ["changelog", "snapshot", "merged"].map(|name| (name.to_owned(), View::Backlinks));
        views.follow(&Follow { followers: followers.into(), ..Follow::default() })?;
        Ok(Self { dir: dir.to_path_buf(), rows, views, epoch: Epoch::ZERO })
    }

    /// Makes all rows; the bytes of them. The changelog has begun, with nothing: so it is told all of them as changes.
    fn fill(&mut self) -> anyhow::Result<u64> {
        self.begin("changelog", "changelog")?;
        let (rows, mut bytes) = (self.rows, 0);
        for first in (0..rows).step_by(usize::try_from(EPOCH)?) {
            let mut changes = Changes::default();
            for number in first..(first + EPOCH).min(rows) {
                let row = link(number, "");
                bytes += (row.key_bytes().len() + row.value_bytes().len()) as u64;
                changes.push(&row, 1);
            }
            self.apply(changes)?;
        }
        self.views.sync()?;
        Ok(bytes)
    }

    /// One in ten is another now; the bytes of that.
    fn change(&mut self) -> anyhow::Result<u64> {
        let (rows, mut bytes) = (self.rows, 0);
        for first in (0..rows).step_by(usize::try_from(EPOCH * 10)?) {
            let mut changes = Changes::default();
            for number in (first..(first + EPOCH * 10).min(rows)).step_by(10) {
                let (before, after) = (link(number, ""), link(number, "now "));
                bytes += [after.key_bytes(), before.value_bytes(), after.value_bytes()].concat().len() as u64;
                changes.push(&before, -1);
                changes.push(&after, 1);
            }
            self.apply(changes)?;
        }
        Ok(bytes)
    }

    fn apply(&mut self, changes: Changes) -> anyhow::Result<()> {
        self.epoch = self.epoch.next();
        self.views.apply(&commit(self.epoch, 0), changes)?;
        Ok(())
    }

    /// Lets a dataset have what there is.
    fn begin(&self, name: &str, form: &str) -> anyhow::Result<()> {
        let config = ParquetSinkConfig { roll_secs: 1, ..self.config(name, form, u64::MAX)? };
        let is_there = |status: &SinkStatus| {
            status.state == SinkState::Following && status.lag_epochs == 0 && status.commits > 0
        };
        self.until(name, &config, is_there).map(drop)
    }

    /// Tells it most of what it has not had, which is so many bytes.
    fn told(&self, name: &str, form: &str, bytes: u64) -> anyhow::Result<Taken> {
        let mut taken = self.until(name, &self.config(name, form, bytes * FILE / 100)?, has_two)?;
        taken.bytes = size(&self.dir.join(name).join("view=backlinks"), "backlinks", taken.rows)?;
        Ok(taken)
    }

    fn until(
        &self,
        name: &str,
        config: &ParquetSinkConfig,
        is_done: impl Fn(&SinkStatus) -> bool,
    ) -> anyhow::Result<Taken> {
        let tables = vec![Table::Backlinks];
        let feed = ParquetFeed::new(name, config, &tables).map_err(anyhow::Error::msg)?;
        let runner = Runner::new(&self.views, name, "parquet", View::Backlinks, tables);
        let running = runner.clone();
        until(move |stop| running.run(feed, stop), || runner.status(), is_done)
    }

    fn config(&self, name: &str, form: &str, roll_bytes: u64) -> anyhow::Result<ParquetSinkConfig> {
        config(&self.dir.join(name), "backlinks", form, roll_bytes)
    }
}

const fn has_two(status: &SinkStatus) -> bool {
    status.commits >= 2
}

/// Runs a sink until it has done what is asked for.
fn until(
    run: impl FnOnce(&CancellationToken) + Send + 'static,
    status: impl Fn() -> SinkStatus,
    is_done: impl Fn(&SinkStatus) -> bool,
) -> anyhow::Result<Taken> {
    let (begun, cpu, runtime) = (Instant::now(), measure::cpu(), tokio::runtime::Handle::current());
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let running = thread::spawn(move || {
        let _entered = runtime.enter();
        run(&stopped);
    });
    let status = loop {
        let status = status();
        if is_done(&status) {
            break status;
        }
        ensure!(begun.elapsed() < PATIENCE && !running.is_finished(), "not there in time: {status:?}");
        ensure!(status.reason.is_none(), "it fails: {status:?}");
        thread::sleep(LOOK);
    };
    let cpu = measure::cpu().saturating_sub(cpu);
    let taken = Taken { rows: status.items, bytes: 0, wall: begun.elapsed(), cpu };
    stop.cancel();
    running.join().ok().context("the sink has panicked")?;
    Ok(taken)
}

fn config(to: &Path, view: &str, form: &str, roll_bytes: u64) -> anyhow::Result<ParquetSinkConfig> {
    let text = serde_json::json!({
        "view": view, "to": to, "form": form, "roll_secs": 3600, "roll_bytes": roll_bytes.min(1 << 30),
    });
    Ok(serde_json::from_value(text)?)
}

/// About how many bytes so many rows of a dataset have.
fn size(root: &Path, table: &str, rows: u64) -> anyhow::Result<u64> {
    let manifest: DatasetManifest = serde_json::from_slice(&fs::read(root.join("manifest.json"))?)?;
    let table = manifest.tables.get(table).context("no such table")?;
    Ok(table.bytes * rows / table.rows.max(1))
}

const fn commit(epoch: Epoch, events: u64) -> EpochCommit {
    EpochCommit { epoch, at: Timestamp(1_790_000_000_000), execution: 1, advances: vec![], events }
}

fn at(number: u64) -> Timestamp {
    Timestamp(1_700_000_000_000 + number.cast_signed() * 1000)
}

/// A link, of about 230 bytes. Neighbours in time are far from each other by key.
fn link(number: u64, now: &str) -> BacklinkRow {
    BacklinkRow {
        target: Uri::new(format!("node:topic-{}", number % 5000)),
        kind: "note".into(),
        path: LinkPath::from("text"),
        at: at(number),
        source: Uri::new(format!("garden://writer{}/note-{number}", number % 300)),
        ordinal: 1,
        context: Context::Prose,
        author: Uri::new(format!("user:writer{}", number % 300)),
        node: Some(NodeName::from_canonical(&format!("note-{number}"))),
        title: format!("Note {number}"),
        label: None,
        snippet: format!(
            "what note {number} {now}says of the topic, in a line of some length, as people write them"
        ),
    }
}

/// A note, of about 300 bytes as JSON.
fn note(number: u64) -> Event {
    let (writer, topic) = (number % 300, number % 5000);
    let record = Record {
        uri: Uri::new(format!("garden://writer{writer}/note-{number}.md")),
        kind: "note".into(),
        author: Uri::new(format!("user:writer{writer}")),
        node: Some(NodeName::from_canonical(&format!("note-{number}"))),
        title: format!("Note {number}"),
        text: format!(
            "what note {number} says of topic {topic}, in a line of some length, as people write them"
        ),
        langs: vec!["en".into()],
        tags: vec![],
        at: at(number),
        links: vec![],
        attrs: BTreeMap::new(),
    };
    let body = EventBody::Put { rev: Rev(number), record: Arc::new(record) };
    Event { source: SourceId::new("bench"), observed: at(number), body }
}

/// What came in, from a journal.
fn events(dir: &Path, count: u64) -> anyhow::Result<Taken> {
    let views = Views::open(&StoreConfig::of(Engine::Memory), Path::new(""))?;
    let folder = dir.join("journal");
    fs::create_dir_all(&folder)?;
    let mut journal = Journal::open(&folder, JournalOptions { sync: false, ..JournalOptions::default() })?;
    let (mut epoch, mut bytes) = (Epoch::ZERO, 0);
    for first in (0..count).step_by(usize::try_from(EPOCH)?) {
        let (mut chunk, mut events) = (Vec::new(), 0);
        for number in first..(first + EPOCH).min(count) {
            let event = note(number);
            if let EventBody::Put { record, .. } = &event.body {
                bytes += EventsFeed::FIXED_BYTES + serde_json::to_vec(record)?.len() as u64;
            }
            chunk = postcard::to_extend(&event, chunk)?;
            events += 1;
        }
        epoch = epoch.next();
        journal.append(&commit(epoch, events), &[chunk])?;
        views.apply(&commit(epoch, events), Changes::default())?;
    }
    let config = config(&dir.join("lake"), "events", "changelog", bytes * FILE / 100)?;
    let feed = EventsFeed::new("events", &config).map_err(anyhow::Error::msg)?;
    let runner = EventsRunner::new("events", views.reader(), dir.join("orders.json"))?;
    let log = Box::new(JournalEvents::new(folder, views.reader()));
    let running = runner.clone();
    let mut taken = until(move |stop| running.run(feed, log, stop), || runner.status(), has_two)?;
    taken.bytes = size(&dir.join("lake/view=events"), "events", taken.rows)?;
    Ok(taken)
}
