//! What the parts of the log need to know, and the clients they make of it.

use crate::{
    config::{Config, KafkaLogConfig},
    runtime::cluster::Share,
};
use rdkafka::{
    ClientConfig,
    consumer::BaseConsumer,
    error::KafkaError,
    producer::{BaseProducer, ProducerContext},
};
use springline_model::KafkaClient;
use springline_sources::kafka::client::{self, Quiet};

/// Beside its value a message has a key, headers and a frame.
const MESSAGE_SLACK_BYTES: usize = 64 * 1024;

/// The log, and which of its writers this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(super) client: KafkaClient,
    pub(super) log: KafkaLogConfig,
    /// `ingest` or `run`.
    role: &'static str,
    /// What part of it is read.
    pub(super) share: Share,
}

impl Settings {
    /// Of a process that reads sources, or does not.
    pub(crate) fn new(config: &Config) -> Self {
        let role = if config.journal.kafka.sources { "ingest" } else { "run" };
        let share = Share { process: config.cluster.process, processes: config.cluster.processes.max(1) };
        Self { client: config.kafka.clone(), log: config.journal.kafka.clone(), role, share }
    }

    /// The transactional id of this writer.
    pub(super) fn writer(&self) -> String {
        let id = format!("{}.{}", self.log.transactional_id, self.role);
        if self.share == Share::WHOLE { id } else { format!("{id}.{}", self.share.process) }
    }

    /// The group that offsets are told to: sources' own ledger is not what people look at.
    pub(super) fn group(&self) -> String {
        let group = &self.log.group;
        if self.role == "run" { group.clone() } else { format!("{group}.{}", self.role) }
    }

    /// The largest message that brokers and clients have to take.
    pub(super) fn message_limit(&self) -> usize {
        self.log.max_message_bytes + MESSAGE_SLACK_BYTES
    }

    /// What the brokers know our clients by.
    fn name(&self) -> String {
        format!("springline-{}", self.role)
    }

    /// What all clients have in common.
    pub(super) fn client(&self) -> ClientConfig {
        client::client(&self.client, &self.name())
    }

    /// Reads what is committed, from where it is told to and never from elsewhere.
    pub(super) fn consumer(&self, group: &str) -> Result<BaseConsumer<Quiet>, KafkaError> {
        client::consumer(&self.client, &self.name(), group).create_with_context(Quiet)
    }

    /// Asks where partitions end, with what is not committed there: [`Self::consumer`] knows no end behind an open
    /// transaction.
    pub(super) fn surveyor(&self) -> Result<BaseConsumer<Quiet>, KafkaError> {
        let mut config = client::consumer(&self.client, &self.name(), &self.group());
        config.set("isolation.level", "read_uncommitted").create_with_context(Quiet)
    }

    /// Writes in transactions.
    pub(super) fn producer<C: ProducerContext>(&self, context: C) -> Result<BaseProducer<C>, KafkaError> {
        let mut config = self.client();
        config
            .set("transactional.id", self.writer())
            .set("transaction.timeout.ms", self.log.transaction_timeout().as_millis().to_string())
            .set("message.max.bytes", self.message_limit().to_string())
            .set("compression.type", "zstd")
            .set("linger.ms", "5")
            // The hash that Java's clients use: others can tell the partition of an authority.
            .set("partitioner", "murmur2");
        config.create_with_context(context)
    }
}
