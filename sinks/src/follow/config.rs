//! Which sinks there can be.

use super::Feed;
use crate::{
    kafka::{KafkaFeed, KafkaSinkConfig},
    parquet::{EventsFeed, ParquetFeed, ParquetSinkConfig, Subject},
    views::followed_tables,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{KafkaClient, Table, View};
use thiserror::Error;

/// `[sinks.<name>]`: somebody who is told what changes in a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum SinkConfig {
    /// A topic of a Kafka cluster (the section `kafka` says which).
    Kafka(KafkaSinkConfig),
    /// A dataset of Parquet files, in a folder or an object store.
    Parquet(ParquetSinkConfig),
}

/// A sink's settings make no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("sink `{name}`: {why}")]
pub struct SinkError {
    /// Its name.
    pub name: String,
    /// What is wrong.
    pub why: String,
}

impl SinkConfig {
    /// `kafka` or `parquet`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Kafka(_) => "kafka",
            Self::Parquet(_) => "parquet",
        }
    }

    /// The view that it follows; none if it is told what came in.
    #[must_use]
    pub const fn view(&self) -> Option<View> {
        match self {
            Self::Kafka(config) => Some(config.view),
            Self::Parquet(config) => config.view.view(),
        }
    }

    /// What is told what came in, not yet begun; none if it follows a view.
    ///
    /// # Errors
    /// The settings make no sense.
    pub fn events(&self, name: &str) -> Result<Option<EventsFeed>, SinkError> {
        let why = |why: String| SinkError { name: name.to_owned(), why };
        match self {
            Self::Parquet(config) if config.view == Subject::Events => {
                EventsFeed::new(name, config).map(Some).map_err(why)
            }
            _ => Ok(None),
        }
    }

    /// The tables of the view that it is told of; none if it is told what came in.
    ///
    /// # Errors
    /// There is no such table, or the view can't be followed.
    pub fn tables(&self, name: &str) -> Result<Vec<Table>, SinkError> {
        let wanted = match self {
            Self::Kafka(config) => &config.tables,
            Self::Parquet(config) => &config.tables,
        };
        let refuse = |why: String| SinkError { name: name.to_owned(), why };
        let Some(view) = self.view() else { return Ok(Vec::new()) };
        // Records are many: not without being named.
        let records = (view == View::Ledger && !wanted.is_empty()).then_some(Table::Records);
        let known: Vec<Table> = records.into_iter().chain(followed_tables(view)).collect();
        if known.is_empty() {
            return Err(refuse(format!("the view `{}` can't be followed: it has no rows", view.name())));
        }
        if wanted.is_empty() {
            return Ok(known);
        }
        if let Some(wrong) = wanted.iter().find(|name| !known.iter().any(|table| table.name() == *name)) {
            let names: Vec<&str> = known.iter().map(|table| table.name()).collect();
            return Err(refuse(format!(
                "there is no table `{wrong}` to follow: there are {}",
                names.join(", ")
            )));
        }
        Ok(known.into_iter().filter(|table| wanted.iter().any(|name| name == table.name())).collect())
    }

    /// Whether it is told of the records that can be seen.
    #[must_use]
    pub fn follows_records(&self) -> bool {
        self.tables("").is_ok_and(|tables| tables.contains(&Table::Records))
    }

    /// Where one of several processes, which has a share of the rows, tells of it: topics, or a folder, of its own. So what
    /// begins anew there forgets nothing of the others.
    #[must_use]
    pub fn of_process(&self, name: &str, process: usize) -> Self {
        match self.clone() {
            Self::Kafka(mut config) => {
                config.topic = format!("{}.{process}", config.topic);
                let id = config.transactional_id.unwrap_or_else(|| KafkaSinkConfig::usual_id(name));
                config.transactional_id = Some(format!("{id}.{process}"));
                config.progress_topic = format!("{}.{process}", config.progress_topic);
                Self::Kafka(config)
            }
            Self::Parquet(mut config) => {
                config.to = format!("{}/process={process}", config.to.trim_end_matches('/'));
                Self::Parquet(config)
            }
        }
    }

    /// The feed of a view itself, not yet begun.
    ///
    /// # Errors
    /// The settings make no sense.
    pub fn feed(&self, name: &str, kafka: &KafkaClient) -> Result<Box<dyn Feed>, SinkError> {
        let why = |why: String| SinkError { name: name.to_owned(), why };
        let tables = self.tables(name)?;
        Ok(match self {
            Self::Kafka(config) => Box::new(KafkaFeed::new(name, config, kafka, &tables).map_err(why)?),
            Self::Parquet(config) => Box::new(ParquetFeed::new(name, config, &tables).map_err(why)?),
        })
    }
}
