//! A log in Kafka as something that was kept: `kafka://broker:9092,broker/topic?partitions=0,2`.

use super::Input;
use crate::{config::Config, runtime::kafka};
use springline_model::{Partition, Position};
use springline_sources::{Range, SourceError};
use std::collections::BTreeMap;

/// How far a log's sources were, behind all of its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPositions {
    /// Where they stand.
    pub name: String,
    /// By the sequences of the sources.
    pub positions: BTreeMap<Partition, Position>,
    /// Rises with the log.
    pub offset: u64,
}

/// A topic, as it is named.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named<'a> {
    /// Empty for those of the configuration.
    brokers: Vec<String>,
    topic: &'a str,
    partitions: Option<Vec<i32>>,
}

fn read(url: &str) -> Option<Named<'_>> {
    let rest = url.strip_prefix("kafka://")?;
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (brokers, topic) = place.split_once('/')?;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !(1..250).contains(&topic.len()) || !topic.chars().all(legal) {
        return None;
    }
    let partitions = match query {
        "" => None,
        query => {
            let list = query.strip_prefix("partitions=")?;
            Some(list.split(',').map(|number| number.parse().ok()).collect::<Option<Vec<i32>>>()?)
        }
    };
    let brokers = brokers.split(',').filter(|broker| !broker.is_empty()).map(str::to_owned).collect();
    Some(Named { brokers, topic, partitions })
}

impl Input {
    /// A log in Kafka, as it is now: each partition is one of them. Read whole, they end with how far its sources were.
    /// How the cluster is reached but for its brokers is configured (`[kafka]`). Blocks.
    ///
    /// # Errors
    /// The URL can't be read; the cluster or the topic is not there.
    pub fn topic(url: &str, config: &Config, range: Range) -> Result<Vec<Self>, SourceError> {
        let named = read(url).ok_or_else(|| {
            let form = "kafka://BROKER:PORT[,…]/TOPIC[?partitions=0,2]";
            SourceError::Config(format!("{url}: that is no {form}"))
        })?;
        let mut config = config.clone();
        if !named.brokers.is_empty() {
            config.kafka.brokers = named.brokers;
        }
        let past = kafka::survey(&config, named.topic, named.partitions.as_deref());
        let past = past.map_err(|error| SourceError::Kept(Box::new(error)))?;
        let offset = past.parts.iter().map(|part| part.end().unsigned_abs()).sum::<u64>().max(1);
        let positions = LogPositions {
            name: format!("kafka://{}/{}", config.kafka.brokers.join(","), named.topic),
            positions: past.positions,
            offset,
        };
        let is_whole = range.is_from_the_beginning() && range.until.is_none();
        let positions = (is_whole && !positions.positions.is_empty()).then_some(Self::Positions(positions));
        Ok(past.parts.into_iter().map(|part| Self::Topic(Box::new(part))).chain(positions).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let named = read("kafka://a:1,b:2/events.x?partitions=0,2").unwrap();
        let brokers = vec!["a:1".to_owned(), "b:2".to_owned()];
        assert_eq!(named, Named { brokers, topic: "events.x", partitions: Some(vec![0, 2]) });
        assert_eq!(read("kafka:///t").unwrap(), Named { brokers: vec![], topic: "t", partitions: None });
        for wrong in
            ["", "kafka://a", "kafka://a/", "kafka://a/b/c", "kafka://a/t?x=1", "kafka://a/t?partitions=a"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
