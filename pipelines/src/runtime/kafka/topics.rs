//! The two topics of the log: made if they are not there, and looked at if they are.

use super::{LogError, settings::Settings};
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    types::RDKafkaErrorCode,
};
use springline_sources::kafka::client::Quiet;
use std::time::Duration;

/// How long the brokers may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Makes what is not there, and refuses a log that forgets: compaction would take all but the last event of an
/// authority.
///
/// # Errors
/// [`LogError::Compacted`], or the cluster can't be asked.
pub(super) async fn prepare(settings: &Settings) -> Result<(), LogError> {
    let admin: AdminClient<Quiet> = settings.client().create_with_context(Quiet)?;
    let options = AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE));
    let (topic, positions) = (&settings.log.topic, settings.log.positions_topic());
    let largest = settings.message_limit().to_string();
    let replicas = match settings.log.replication {
        0 => -1,
        replicas => i32::from(replicas),
    };
    let events = NewTopic::new(topic, i32::from(settings.log.partitions), TopicReplication::Fixed(replicas))
        .set("cleanup.policy", "delete")
        .set("retention.ms", "-1")
        .set("retention.bytes", "-1")
        .set("max.message.bytes", &largest);
    let progress =
        NewTopic::new(&positions, 1, TopicReplication::Fixed(replicas)).set("cleanup.policy", "compact");
    for made in admin.create_topics([&events, &progress], &options).await? {
        match made {
            Ok(topic) => tracing::info!(topic, "topic made"),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(LogError::Topic { topic, reason: code.to_string() }),
        }
    }
    if is_compacted(&admin, topic, &options).await {
        return Err(LogError::Compacted(topic.clone()));
    }
    Ok(())
}

/// Whether a topic says that it is compacted. Who may not ask, or whose brokers don't say, is not told.
async fn is_compacted(admin: &AdminClient<Quiet>, topic: &str, options: &AdminOptions) -> bool {
    let described = match admin.describe_configs([&ResourceSpecifier::Topic(topic)], options).await {
        Ok(described) => described,
        Err(error) => {
            tracing::debug!(%error, topic, "the topic's settings can't be read");
            return false;
        }
    };
    let policy = |resource: &rdkafka::admin::ConfigResource| resource.get("cleanup.policy")?.value.clone();
    described
        .into_iter()
        .flatten()
        .any(|resource| policy(&resource).is_some_and(|value| value.contains("compact")))
}
