//! From the data folder to what can be served, and run.

use super::{
    DataDir, DataDirError, ProcessControl, RuntimeError, acquaint,
    boot::Past,
    cluster::{self, Cluster, Mesh, Redo, Shard},
    control::Desks,
    feeds::Feeds,
    host::{self, Prepared, chain},
    intake::Intake,
    journal::Journal,
    kafka::{self, LogError},
    labeler::Labeler,
    recovery::{Decision, Found, decide, decide_elsewhere},
    sealer::Sealed,
};
use crate::{
    agents::Agents,
    config::{Config, Embedding, JournalKind},
    embedding::Stage,
};
use metrics_exporter_prometheus::PrometheusHandle;
use springline_model::{Epoch, SourceId, Table, Timestamp, Uri};
use springline_sinks::{
    parquet::Snapshot,
    views::{Reader, Views},
};
use springline_sources::{Command, ProgressBars, SourceStatus, feedback::Projects};
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::watch;

/// Everything on disk opened and found to fit together; nothing runs yet, but queries can be served.
pub struct Opened {
    pub(super) config: Config,
    pub(super) data: DataDir,
    pub(super) views: Views,
    /// Taken by the first run; later ones follow a log.
    pub(super) past: Option<Past>,
    /// How the log is, if the journal is one.
    pub(super) health: Option<kafka::Health>,
    pub(super) prepared: Vec<Prepared>,
    pub(super) progress: ProgressBars,
    pub(super) control: Arc<ProcessControl>,
    pub(super) sealed: watch::Sender<Sealed>,
    pub(super) asked: Option<tokio::sync::mpsc::Receiver<Uri>>,
    pub(super) embedding: Option<Stage>,
    pub(super) projects: Arc<Projects>,
    pub(super) agents: Agents,
    pub(super) feeds: Feeds,
    /// It reads sources into the log, and leaves to others what follows from it.
    pub(super) only_ingests: bool,
    /// The other processes, if there are any, and how it is with them.
    pub(super) mesh: Option<Mesh>,
    peers: Option<(Arc<SourceStatus>, tokio::sync::mpsc::Receiver<Command>)>,
}

impl Opened {
    /// Opens what the data folder holds, cuts the journal's torn tail, and fills the store from the snapshot if that
    /// is what recovery asks for.
    ///
    /// # Errors
    /// Something is damaged, in use, or does not fit together; a source's settings make no sense.
    pub fn open(
        config: Config,
        data: DataDir,
        progress: ProgressBars,
        metrics: Option<PrometheusHandle>,
    ) -> Result<Self, RuntimeError> {
        let embedding = Stage::open(&config.embedding)?;
        let (mut handles, prepared) = host::prepare(&config)?;
        let snapshot = Snapshot::newest(&data.snapshots())?;
        let (views, past, last) = match config.journal.kind {
            JournalKind::Embedded => open_embedded(&config, &data, snapshot.as_ref())?,
            JournalKind::Kafka => open_elsewhere(&config, &data, snapshot.as_ref())?,
        };
        let health = (config.journal.kind == JournalKind::Kafka).then(|| {
            let (health, log) = kafka::Health::new();
            handles.extend(log);
            health
        });
        let peers = (config.cluster.processes > 1).then(|| {
            let status = Arc::new(SourceStatus::new(SourceId::new(cluster::NAME), cluster::NAME));
            let (commands, inbox) = tokio::sync::mpsc::channel(4);
            handles.insert(cluster::NAME.to_owned(), host::Handle { status: status.clone(), commands });
            (status, inbox)
        });
        let feeds = Feeds::open(&config, &views, &data)?;
        views.switch_off(&config.views.off)?;
        let (sealed, sealed_now) = watch::channel(last);
        let labeler = Labeler::open(&config.labeler)?;
        let projects = Arc::new(Projects::new(&config.feedback)?);
        let agents = Agents::open(&config.agents)?;
        let (meet, asked) = acquaint::queue();
        let reader = views.reader();
        let intake = Intake::new(projects.clone(), reader.clone());
        let by_meaning = config.clusters.embedding == Embedding::Semantic;
        let asked_about = embedding.clone().filter(|_| by_meaning);
        let desks = Desks {
            metrics,
            labeler,
            intake,
            agents: agents.clone(),
            meet,
            embedding: asked_about,
            feeds: feeds.clone(),
        };
        let about = (health.is_some(), peers.is_some());
        let control = ProcessControl::new(reader, handles, sealed_now, desks, about);
        Ok(Self {
            config,
            data,
            views,
            past: Some(past),
            health,
            prepared,
            progress,
            control,
            sealed,
            asked: Some(asked),
            embedding,
            projects,
            agents,
            feeds,
            only_ingests: false,
            mesh: None,
            peers,
        })
    }

    /// Takes its place among several processes, if it is one of them: the store is made sure to be its share, and it
    /// listens for the others.
    ///
    /// # Errors
    /// The store is another share; the hosts' file or the secret can't be used; the address is not to be had.
    pub async fn join(mut self) -> Result<Self, RuntimeError> {
        let cluster = Cluster::open(&self.config.cluster, self.config.runtime.workers)?;
        let shard = cluster.as_ref().map(|cluster| Shard {
            process: cluster.process,
            processes: cluster.processes(),
            workers: cluster.workers,
        });
        cluster::claim(&self.views, shard)?;
        if let (Some(cluster), Some(shard), Some((status, commands))) = (cluster, shard, self.peers.take()) {
            let kept =
                (Redo::open(&self.data.redo()).map_err(cluster::ClusterError::from)?, self.views.clone());
            tokio::spawn(kafka::refuse(commands));
            let topic = self.config.journal.kafka.topic.clone();
            let definitions = format!("{:?}", self.config.definitions());
            self.mesh = Some(Mesh::open(cluster, kept, shard, topic, &definitions, status).await?);
        }
        Ok(self)
    }

    /// Reads sources into the log, and leaves the rest (what time does by itself, agents) to those who keep views.
    #[must_use]
    pub fn only_ingesting(self) -> Self {
        Self { only_ingests: true, ..self }
    }

    /// The processes that keep the views together, once it has joined them; none if this is the only one.
    #[must_use]
    pub fn cluster(&self) -> Option<&Cluster> {
        self.mesh.as_ref().map(|mesh| &mesh.cluster)
    }

    /// What queries read. Stored views are served while they catch up.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.views.reader()
    }

    /// What the server asks.
    #[must_use]
    pub fn control(&self) -> Arc<ProcessControl> {
        self.control.clone()
    }

    /// The stored views themselves.
    #[must_use]
    pub const fn views(&self) -> &Views {
        &self.views
    }
}

/// Opens journal and store, and decides from where the views go on.
fn open_embedded(
    config: &Config,
    data: &DataDir,
    snapshot: Option<&Snapshot>,
) -> Result<(Views, Past, Sealed), RuntimeError> {
    let journal = Journal::open(&data.journal(), config.journal.options())?;
    if journal.cut_bytes() > 0 {
        tracing::warn!(
            bytes = journal.cut_bytes(),
            "cut an epoch that was never finished from the journal's end"
        );
    }
    let rebuildable = journal.first() == Epoch(1) || snapshot.is_some();
    let views = open_store(config, data, rebuildable)?;
    let found = Found {
        applied: views.applied(),
        first: journal.first(),
        last: journal.last(),
        snapshot: snapshot.map(|snapshot| snapshot.manifest.epoch),
    };
    let decision = decide(found)?;
    tracing::info!(?found, ?decision, "recovery");
    let replay_from = match (decision, snapshot) {
        (Decision::Restore { replay_from, .. }, Some(snapshot)) => {
            restore(&views, snapshot)?;
            replay_from
        }
        (Decision::Restore { replay_from, .. } | Decision::Resume { replay_from }, _) => replay_from,
    };
    let at = journal.last_commit().map_or_else(|| views.reader().clock(), |commit| commit.at);
    let last = Sealed { epoch: journal.last(), at };
    Ok((views, Past::Embedded { journal, replay_from }, last))
}

/// Opens the store of a process whose journal is a log elsewhere, and decides whether a snapshot is nearer to its end.
fn open_elsewhere(
    config: &Config,
    data: &DataDir,
    snapshot: Option<&Snapshot>,
) -> Result<(Views, Past, Sealed), RuntimeError> {
    let topic = &config.journal.kafka.topic;
    let other = |found: String| LogError::OtherJournal { found, topic: topic.clone() };
    if data.journal().is_dir() {
        return Err(other("a journal of its own".into()).into());
    }
    let views = open_store(config, data, true)?;
    if let Some(found) = kafka::Place::new(topic).other(views.positions().keys()) {
        return Err(other(found).into());
    }
    let (applied, newest) = (views.applied(), snapshot.map(|snapshot| snapshot.manifest.epoch));
    let restored = decide_elsewhere(applied, newest);
    tracing::info!(%applied, ?newest, ?restored, topic, "recovery");
    if let (Some(_), Some(snapshot)) = (restored, snapshot) {
        restore(&views, snapshot)?;
    }
    let last = Sealed { epoch: views.applied(), at: views.reader().clock() };
    Ok((views, Past::Elsewhere, last))
}

/// Opens the store. One that is broken is put aside if everything in it can be rebuilt.
fn open_store(config: &Config, data: &DataDir, rebuildable: bool) -> Result<Views, RuntimeError> {
    let error = match Views::open(&config.store, &data.store()) {
        Ok(views) => return Ok(views),
        Err(error) => error,
    };
    if !error.is_corrupt() || !rebuildable {
        return Err(error.into());
    }
    let aside = data.path().join(format!("store.broken-{}", Timestamp::now().as_secs()));
    tracing::error!(error = %chain(&error), aside = %aside.display(), "the store is broken: put aside, and rebuilt from the journal");
    std::fs::rename(data.store(), &aside).map_err(|error| DataDirError::Io(aside, error))?;
    Ok(Views::open(&config.store, &data.store())?)
}

/// Fills an emptied store with a snapshot's ledger; the views are computed from it.
fn restore(views: &Views, snapshot: &Snapshot) -> Result<(), RuntimeError> {
    let mut tables: BTreeMap<Table, Vec<(Vec<u8>, Vec<u8>)>> = BTreeMap::new();
    snapshot.read(|table, key, value| tables.entry(table).or_default().push((key, value)))?;
    let manifest = &snapshot.manifest;
    views.restore(manifest.epoch, manifest.at, manifest.positions.iter().cloned().collect(), tables)?;
    tracing::info!(epoch = manifest.epoch.0, rows = manifest.rows, "store filled from the snapshot");
    Ok(())
}
