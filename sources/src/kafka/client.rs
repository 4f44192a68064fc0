//! What all that read from Kafka have in common.

use rdkafka::{
    ClientConfig, ClientContext,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::KafkaError,
    types::RDKafkaErrorCode,
};
use springline_model::KafkaClient;
use std::time::Duration;

/// What a consumer may have fetched and not yet given, in KiB.
const QUEUED_KIB: &str = "32768";

/// Tells of a client's trouble quietly: what comes of it is told where it is dealt with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        quiet(&error, reason);
    }
}

impl ConsumerContext for Quiet {}

/// What [`Quiet`] does, for contexts that do more.
pub fn quiet(error: &KafkaError, reason: &str) {
    tracing::debug!(%error, reason, "a client of Kafka");
}

/// How a cluster is reached.
#[must_use]
pub fn client(client: &KafkaClient, id: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("client.id", id);
    for (key, value) in client.properties() {
        config.set(key, value);
    }
    config
}

/// A member of a group that is not heard of for so long is taken for lost.
const SESSION_MS: &str = "10000";

/// A consumer reads what is committed, from where it is told to and never from elsewhere.
#[must_use]
pub fn consumer(cluster: &KafkaClient, id: &str, group: &str) -> ClientConfig {
    let mut config = client(cluster, id);
    // What is configured as it is wins, but where the promises hang on it.
    if config.get("session.timeout.ms").is_none() {
        config.set("session.timeout.ms", SESSION_MS);
    }
    config
        .set("group.id", group)
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .set("queued.max.messages.kbytes", QUEUED_KIB);
    config
}

/// The partitions of a topic; none if there is no such topic.
///
/// # Errors
/// No broker answers.
pub fn partitions<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    patience: Duration,
) -> Result<Option<i32>, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), patience)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
    let count = found.map(|found| found.partitions().len()).filter(|count| *count > 0);
    Ok(count.map(|count| i32::try_from(count).unwrap_or(i32::MAX)))
}

/// Whether trouble may go away by itself. That of networks, brokers and leaders does; who may not do something, or asks
/// for what makes no sense, will not do better later.
#[must_use]
pub fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{
        ClusterAuthorizationFailed, Fatal, GroupAuthorizationFailed, InvalidTransactionTimeout,
        SaslAuthenticationFailed, TopicAuthorizationFailed, TransactionalIdAuthorizationFailed,
        UnsupportedSASLMechanism,
    };
    if matches!(error, KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_)) {
        return false;
    }
    let code = error.rdkafka_error_code();
    !code.is_some_and(|code| {
        matches!(
            code,
            ClusterAuthorizationFailed
                | Fatal
                | GroupAuthorizationFailed
                | InvalidTransactionTimeout
                | SaslAuthenticationFailed
                | TopicAuthorizationFailed
                | TransactionalIdAuthorizationFailed
                | UnsupportedSASLMechanism
        )
    })
}
