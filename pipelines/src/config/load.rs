//! Where the configuration comes from.

use super::{ClusterConfig, Config, Embedding, JournalKind, KafkaLogConfig};
use crate::runtime::cluster::MAX_PROCESSES;
use figment::{
    Figment, Metadata,
    error::Kind,
    providers::{Env, Format, Serialized, Toml},
};
use springline_model::View;
use std::path::{Path, PathBuf};

/// The file that is read when none is named, if it is there.
pub(super) const DEFAULT_FILE: &str = "springline.toml";
/// What environment variables begin with.
const PREFIX: &str = "SPRINGLINE__";

/// Where to look.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The file named with `--config`.
    pub file: Option<PathBuf>,
    /// What flags set: dotted key and value.
    pub flags: Vec<(String, figment::value::Value)>,
}

/// A configuration that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file named is not there.
    #[error("there is no configuration file {}", .0.display())]
    Missing(PathBuf),
    /// One or more keys or values are wrong: a line each.
    #[error("the configuration is not right:\n{}", .0.join("\n"))]
    Wrong(Vec<String>),
}

/// Reads defaults, file, environment and flags, in this order.
///
/// # Errors
/// The file named is not there, or a key or value is wrong: all that are found are listed.
pub fn load(origin: &Origin) -> Result<Config, ConfigError> {
    let mut figment = Figment::new();
    match &origin.file {
        Some(file) if !file.is_file() => return Err(ConfigError::Missing(file.clone())),
        Some(file) => figment = figment.merge(Toml::file_exact(file)),
        None if Path::new(DEFAULT_FILE).is_file() => figment = figment.merge(Toml::file_exact(DEFAULT_FILE)),
        None => {}
    }
    figment = figment.merge(Env::prefixed(PREFIX).split("__"));
    for (key, value) in &origin.flags {
        figment = figment.merge(Serialized::default(key, value));
    }
    let config: Config = figment
        .extract()
        .map_err(|errors| ConfigError::Wrong(errors.into_iter().map(|error| explain(&error)).collect()))?;
    check(&config)?;
    Ok(config)
}

fn explain(error: &figment::Error) -> String {
    let at = error.path.join(".");
    let from = error.metadata.as_ref().map(origin_of).unwrap_or_default();
    let what = match &error.kind {
        Kind::UnknownField(field, known) => {
            let near = nearest(field, known).map_or_else(
                || format!("known are: {}", known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            format!("there is no key `{field}`; {near}")
        }
        Kind::UnknownVariant(variant, known) => {
            format!("`{variant}` is not known here; known are: {}", known.join(", "))
        }
        other => other.to_string(),
    };
    let at = if at.is_empty() { String::new() } else { format!("{at}: ") };
    format!("  {at}{what}{from}")
}

fn origin_of(metadata: &Metadata) -> String {
    match &metadata.source {
        Some(source) => format!(" (in {source})"),
        None if metadata.name.contains("environment") => " (in the environment)".to_owned(),
        None => String::new(),
    }
}

/// The known name that a wrong one is most likely meant to be.
#[must_use]
pub fn nearest<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    let scored = known.iter().map(|name| (strsim::damerau_levenshtein(wrong, name), *name));
    scored.min().filter(|(distance, name)| *distance <= 1 + name.len() / 3).map(|(_, name)| name)
}

/// What the types can't say.
fn check(config: &Config) -> Result<(), ConfigError> {
    let mut wrong = Vec::new();
    for name in config.sources.keys() {
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if name.is_empty() || name.len() > 64 || !plain {
            wrong.push(format!(
                "  sources.{name}: a source's name has 1 to 64 letters, digits, `-`, `_` or `.`"
            ));
        }
    }
    if config.runtime.workers == 0 || config.runtime.workers > 256 {
        wrong.push(format!("  runtime.workers: {} is not between 1 and 256", config.runtime.workers));
    }
    if config.views.off.contains(&View::Ledger) {
        wrong.push("  views.off: the ledger is what all views are made of".to_owned());
    }
    if (1..7).contains(&config.retention.days) {
        wrong.push(format!(
            "  retention.days: {} is neither 0 (keep all) nor at least 7",
            config.retention.days
        ));
    }
    if config.clusters.embedding == Embedding::Semantic && config.embedding.model_dir.is_none() {
        wrong.push(
            "  clusters.embedding: \"semantic\" needs a model: set `embedding.model_dir` (`make model` places one)"
                .to_owned(),
        );
    }
    if config.journal.kind == JournalKind::Kafka {
        check_log(config, &mut wrong);
    }
    check_cluster(config, &mut wrong);
    if wrong.is_empty() { Ok(()) } else { Err(ConfigError::Wrong(wrong)) }
}

fn check_cluster(config: &Config, wrong: &mut Vec<String>) {
    let ClusterConfig { processes, process, .. } = config.cluster;
    if !(1..=MAX_PROCESSES).contains(&processes) {
        wrong.push(format!("  cluster.processes: {processes} is not between 1 and {MAX_PROCESSES}"));
    }
    if process >= processes.max(1) {
        wrong.push(format!("  cluster.process: there is no number {process} of {processes}, the first is 0"));
    }
    if processes > 1 && config.journal.kind != JournalKind::Kafka {
        wrong.push(
            "  cluster.processes: several processes read one log, so the journal has to be in Kafka: set \
             journal.kind = \"kafka\" (a journal in a data folder is one process' own)"
                .to_owned(),
        );
    }
    if processes > 1 && config.sources.contains_key("cluster") {
        wrong.push("  sources.cluster: with several processes this name is their own".to_owned());
    }
}

fn check_log(config: &Config, wrong: &mut Vec<String>) {
    let KafkaLogConfig { topic, group, transactional_id, partitions, max_message_bytes, .. } =
        &config.journal.kafka;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if topic.is_empty() || topic.len() > 200 || !topic.chars().all(plain) {
        wrong.push("  journal.kafka.topic: a topic has 1 to 200 letters, digits, `-`, `_` or `.`".to_owned());
    }
    for (key, value) in [("group", group), ("transactional_id", transactional_id)] {
        if value.trim().is_empty() {
            wrong.push(format!("  journal.kafka.{key}: it is empty"));
        }
    }
    if *partitions == 0 || *partitions > 1000 {
        wrong.push(format!("  journal.kafka.partitions: {partitions} is not between 1 and 1000"));
    }
    if !(1024..=500_000_000).contains(max_message_bytes) {
        wrong.push(format!(
            "  journal.kafka.max_message_bytes: {max_message_bytes} is not between 1024 and 500000000"
        ));
    }
    if !(2..=900).contains(&config.journal.kafka.transaction_timeout_secs) {
        wrong.push("  journal.kafka.transaction_timeout_secs: it is not between 2 and 900".to_owned());
    }
    if config.kafka.brokers.is_empty() {
        wrong.push("  kafka.brokers: no broker is named".to_owned());
    }
    for name in ["log", "log-writer"] {
        if config.sources.contains_key(name) {
            wrong.push(format!("  sources.{name}: with a journal in Kafka this name is the journal's own"));
        }
    }
}
