//! Reading how far a feed has got.

use super::{client::Quiet, topics::ANSWER};
use crate::follow::{FeedError, Progress};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
};
use std::time::Instant;

/// The last progress that was committed under a name. The topic is read to its end.
pub(super) fn read(
    consumer: &BaseConsumer<Quiet>,
    topic: &str,
    name: &str,
) -> Result<Option<Progress>, FeedError> {
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset(topic, 0, Offset::Beginning)?;
    consumer.assign(&partitions)?;
    let (mut last, mut heard) = (None, Instant::now());
    loop {
        match consumer.poll(ANSWER / 10) {
            Some(Ok(message)) => {
                heard = Instant::now();
                if message.key() == Some(name.as_bytes()) {
                    last = message.payload().map(serde_json::from_slice).transpose()?;
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => break,
            Some(Err(error)) if heard.elapsed() > ANSWER => return Err(error.into()),
            None if heard.elapsed() > ANSWER => {
                return Err(format!("the end of topic `{topic}` was not reached").into());
            }
            Some(Err(_)) | None => {}
        }
    }
    consumer.unassign()?;
    Ok(last)
}
