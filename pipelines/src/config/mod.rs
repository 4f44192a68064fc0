//! The configuration: what it can say, where it comes from, what is wrong with it.
//!
//! ```text
//!  defaults ◄── springline.toml ◄── SPRINGLINE__SECTION__KEY ◄── flags          later ones win
//! ```
//!
//! The doc comments of the fields are the reference: `springline config schema` and `config generate` are made of
//! them. Every key says its unit in its name; an unknown key is refused with the nearest known one.

mod cluster;
mod generate;
mod journal;
mod load;

pub use cluster::ClusterConfig;
pub use generate::{example, schema};
pub use journal::{JournalConfig, JournalKind, KafkaLogConfig};
pub use load::{ConfigError, Origin, load, nearest};

use crate::{
    agents::AgentConfig, embedding::EmbeddingConfig, replay::History, runtime::sealer::Bounds,
    views::Definitions,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{KafkaClient, View};
use springline_operators::{ClustersConfig, HotConfig, RankingsConfig, Representation};
use springline_queries::ServerConfig;
use springline_sinks::{StoreConfig, follow::SinkConfig, views::Follow};
use springline_sources::{SourceConfig, atproto::identity::IdentityConfig, feedback::FeedbackConfig};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

/// Springline's configuration.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where everything is kept: journal, snapshots, store, clones. Made if it is not there. One process at a time.
    pub data_dir: PathBuf,
    /// What is read, by a name of your choice: `[sources.gardens]`.
    pub sources: BTreeMap<String, SourceConfig>,
    /// Who is told what changes in the views, by a name of your choice: `[sinks.events]`, `[sinks.lake]`.
    pub sinks: BTreeMap<String, SinkConfig>,
    /// Who can be set to work on jobs, by a name of your choice: `[agents.fixer]`.
    pub agents: BTreeMap<String, AgentConfig>,
    /// How accounts of the AT Protocol are looked up.
    pub identity: IdentityConfig,
    /// The operator's own labels.
    pub labeler: LabelerConfig,
    /// What people say of projects.
    pub feedback: FeedbackConfig,
    /// How long records of the network are kept.
    pub retention: RetentionConfig,
    /// The query server and its web page.
    pub server: ServerConfig,
    /// The store of the materialised views.
    pub store: StoreConfig,
    /// The journal and its snapshots.
    pub journal: JournalConfig,
    /// The Kafka cluster that the journal is in, if it is in one, and where sinks of that kind write.
    pub kafka: KafkaClient,
    /// The other processes, if this is one of several.
    pub cluster: ClusterConfig,
    /// The dataflow.
    pub runtime: RuntimeConfig,
    /// What counts as important.
    pub rankings: RankingsSection,
    /// Vectors of texts, for clusters by meaning.
    pub embedding: EmbeddingConfig,
    /// Which views are kept.
    pub views: ViewsConfig,
    /// What is kept of the views' changes, for those who follow them.
    pub changes: ChangesConfig,
    /// What says the same.
    pub clusters: ClustersSection,
    /// What is written to standard error.
    pub log: LogConfig,
    /// What `springline replay` was given; no setting.
    #[serde(skip)]
    pub history: Option<History>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("springline-data"),
            sources: BTreeMap::new(),
            sinks: BTreeMap::new(),
            agents: BTreeMap::new(),
            identity: IdentityConfig::default(),
            labeler: LabelerConfig::default(),
            feedback: FeedbackConfig::default(),
            retention: RetentionConfig::default(),
            server: ServerConfig::default(),
            store: StoreConfig::default(),
            journal: JournalConfig::default(),
            kafka: KafkaClient::default(),
            cluster: ClusterConfig::default(),
            runtime: RuntimeConfig::default(),
            rankings: RankingsSection::default(),
            embedding: EmbeddingConfig::default(),
            views: ViewsConfig::default(),
            changes: ChangesConfig::default(),
            clusters: ClustersSection::default(),
            log: LogConfig::default(),
            history: None,
        }
    }
}

/// Which views are kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ViewsConfig {
    /// Views that are neither computed nor served: `backlinks`, `search`, `rankings`, `catalog`, `feedback`,
    /// `clusters`, `notifications`. One that is switched on again is computed from the records at the start.
    #[schemars(with = "Vec<String>")]
    pub off: BTreeSet<View>,
}

/// What is kept of the views' changes, for those who follow them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChangesConfig {
    /// Views whose changes can be followed over `/v1/changes/{view}`: `clusters`, `feedback`, `backlinks`, `rankings`,
    /// `catalog`, `notifications`, and `ledger`, of which jobs are followed. Those that a sink follows are added. Each
    /// change is written twice more then: before and after.
    #[schemars(with = "Vec<String>")]
    pub views: BTreeSet<View>,
    /// Bytes of a view's changes that are kept.
    pub keep_bytes: u64,
    /// Bytes of a view's changes that are kept at most for a sink that is behind; beyond that it is lost and needs
    /// `springline sinks reset`. So many bytes of the journal are kept for one that is told what came in; beyond that
    /// there is a gap in it.
    pub hold_bytes: u64,
}

impl Default for ChangesConfig {
    fn default() -> Self {
        let Follow { keep_bytes, hold_bytes, .. } = Follow::default();
        Self { views: BTreeSet::from([View::Clusters, View::Feedback]), keep_bytes, hold_bytes }
    }
}

/// The operator's own labels: `POST /v1/labels`, and whoever follows them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LabelerConfig {
    /// The account that says them. Its DID document must name the key as `#atproto_label`.
    pub did: Option<String>,
    /// A file with the secret key, as `openssl rand -hex 32` makes one. What it is in public is logged at the start.
    pub key_file: Option<PathBuf>,
    /// Labels of these values hide their subject.
    pub hides: Vec<String>,
}

impl Default for LabelerConfig {
    fn default() -> Self {
        Self { did: None, key_file: None, hides: vec!["!takedown".into()] }
    }
}

/// How long records of the network are kept. Gardens are never touched.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// Records older than this, by their own time, are removed. 0 keeps all; otherwise at least 7.
    pub days: u32,
    /// Kinds that are kept whatever their age; `app.bsky.graph.*` is all that begin so.
    pub keep: Vec<String>,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self { days: 0, keep: vec!["app.bsky.actor.profile".into(), "app.bsky.graph.*".into()] }
    }
}

/// The dataflow.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RuntimeConfig {
    /// Worker threads of the dataflow. The views are the same for any number.
    #[schemars(range(min = 1, max = 256))]
    pub workers: usize,
    /// An epoch is closed at the latest with this many events.
    #[schemars(range(min = 1))]
    pub epoch_events: usize,
    /// An epoch is closed at the latest with this many encoded bytes.
    #[schemars(range(min = 1))]
    pub epoch_bytes: usize,
    /// Epochs that may be in the dataflow and not yet in the store.
    #[schemars(range(min = 1))]
    pub epochs_in_flight: u64,
    /// Batches that may wait between the sources and the journal; then the sources wait.
    #[schemars(range(min = 1))]
    pub queued_batches: usize,
    /// How often the clock moves on when nobody writes, for windows and trends.
    #[schemars(range(min = 1))]
    pub clock_secs: u64,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            workers: 1,
            epoch_events: 4096,
            epoch_bytes: 12 * 1024 * 1024,
            epochs_in_flight: 2,
            queued_batches: 8,
            clock_secs: 60,
        }
    }
}

impl RuntimeConfig {
    /// The sealer's bounds. Zeros count as one.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        Bounds {
            events: self.epoch_events.max(1),
            bytes: self.epoch_bytes.max(1),
            in_flight: self.epochs_in_flight.max(1),
            clock_every: Duration::from_secs(self.clock_secs.max(1)),
        }
    }
}

/// What counts as important.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RankingsSection {
    /// How many nodes, and how many records, each ranking keeps.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub top: usize,
    /// A touch counts half as much for trending after this time.
    #[schemars(range(min = 1))]
    pub half_life_hours: u32,
    /// A like, a repost, a reply or a quote counts half as much for what is hot after this time.
    #[schemars(range(min = 1))]
    pub hot_half_life_hours: u32,
    /// Random walkers that start at each node. More are finer and dearer.
    #[schemars(range(min = 1, max = 1000))]
    pub walkers: u32,
}

impl Default for RankingsSection {
    fn default() -> Self {
        Self { top: 1000, half_life_hours: 168, hot_half_life_hours: 12, walkers: 10 }
    }
}

/// Clusters of records that say the same. Feedback is clustered by project, without being asked.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClustersSection {
    /// What else is clustered, by a name of your choice: `[clusters.spaces.notes]`. A space of a project's name takes
    /// the project in. After a change the view is computed anew at the next start.
    pub spaces: BTreeMap<String, SpaceSection>,
    /// What texts are compared by. After a change the view is computed anew at the next start.
    pub embedding: Embedding,
    /// An item counts half as much for a cluster's growth after this time.
    #[schemars(range(min = 1))]
    pub half_life_hours: u32,
}

impl Default for ClustersSection {
    fn default() -> Self {
        Self { spaces: BTreeMap::new(), embedding: Embedding::Lexical, half_life_hours: 24 }
    }
}

/// What is clustered together.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpaceSection {
    /// Kinds of records: `note`, `app.bsky.feed.post`; `app.bsky.*` is all that begin so.
    pub kinds: Vec<String>,
}

/// What texts are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Embedding {
    /// Their words.
    Lexical,
    /// What they mean, by the vectors of `[embedding]`: set `model_dir` there, and name the kinds of every space. What
    /// was taken in before there was a model has no vector: it is compared with its like, by words.
    Semantic,
}

impl Config {
    /// For commands that only read what is stored: nothing is fetched, and the texts' model, which takes a second and
    /// some memory and may not be there, is not loaded.
    #[must_use]
    pub fn at_rest(mut self) -> Self {
        self.sources.clear();
        self.history = None;
        self.embedding.model_dir = None;
        self
    }

    /// Whose changes are kept for whom. A view that is off has none.
    #[must_use]
    pub fn follow(&self) -> Follow {
        let ChangesConfig { views, keep_bytes, hold_bytes } = &self.changes;
        Follow {
            views: views.difference(&self.views.off).copied().collect(),
            followers: self
                .sinks
                .iter()
                .filter_map(|(name, sink)| Some((name.clone(), sink.view()?)))
                .collect(),
            records: self.sinks.values().any(SinkConfig::follows_records),
            keep_bytes: *keep_bytes,
            hold_bytes: *hold_bytes,
        }
    }

    /// What the operators need to know.
    #[must_use]
    pub fn definitions(&self) -> Definitions {
        let millis = |hours: u32| u64::from(hours.max(1)) * 3_600_000;
        let Self { rankings, clusters, .. } = self;
        let top = rankings.top.max(1);
        let nodes = RankingsConfig {
            top,
            half_life_ms: millis(rankings.half_life_hours),
            walkers: rankings.walkers.max(1),
            ..RankingsConfig::default()
        };
        let spaces = clusters.spaces.iter().map(|(name, space)| (name.clone(), space.kinds.clone()));
        let representation = match clusters.embedding {
            Embedding::Lexical => Representation::Lexical,
            Embedding::Semantic => Representation::Semantic,
        };
        let half_life_ms = millis(clusters.half_life_hours);
        Definitions {
            nodes,
            records: HotConfig { top, half_life_ms: millis(rankings.hot_half_life_hours) },
            clusters: ClustersConfig { spaces: spaces.collect(), representation, half_life_ms },
            off: self.views.off.clone(),
            anew: BTreeSet::new(),
            tells_records: self.follow().records,
        }
    }
}

/// What is written to standard error.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `text` for people, `json` for machines.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,springline_sources=debug`.
    pub level: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".into() }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

#[cfg(test)]
mod tests;
