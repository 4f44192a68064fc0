//! The topics: whether they are there, and making them.

use super::client::Quiet;
use crate::follow::FeedError;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    consumer::{BaseConsumer, Consumer as _},
    metadata::MetadataTopic,
    types::RDKafkaErrorCode,
};
use std::time::Duration;

/// How long a broker may take to answer.
pub(super) const ANSWER: Duration = Duration::from_secs(30);

/// A topic as it should be.
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) partitions: i32,
    pub(super) replication: Option<i32>,
    /// Whether its segments are closed early, so that it stays short.
    pub(super) is_short: bool,
}

/// How many partitions a topic has, if it is there.
pub(super) fn partitions(consumer: &BaseConsumer<Quiet>, topic: &str) -> Result<Option<usize>, FeedError> {
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    match found.and_then(MetadataTopic::error) {
        None => Ok(found.map(|found| found.partitions().len()).filter(|partitions| *partitions > 0)),
        Some(error) => match RDKafkaErrorCode::from(error) {
            RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => Ok(None),
            code => Err(format!("topic `{topic}`: {code}").into()),
        },
    }
}

/// Makes a topic.
pub(super) fn make(client: &ClientConfig, wanted: &Wanted<'_>) -> Result<(), FeedError> {
    let admin: AdminClient<Quiet> = client.create_with_context(Quiet)?;
    let replication = TopicReplication::Fixed(wanted.replication.unwrap_or(-1));
    let mut topic =
        NewTopic::new(wanted.name, wanted.partitions, replication).set("cleanup.policy", "compact");
    if wanted.is_short {
        topic = topic.set("segment.ms", "3600000").set("min.cleanable.dirty.ratio", "0.1");
    }
    let options = AdminOptions::new().request_timeout(Some(ANSWER)).operation_timeout(Some(ANSWER));
    let making = admin.create_topics([&topic], &options);
    let made = tokio::runtime::Handle::current().block_on(making)?;
    for made in made {
        match made {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(format!("topic `{topic}` can't be made: {code}").into()),
        }
    }
    Ok(())
}
