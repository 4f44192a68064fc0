//! Where the partitions begin and end, and how far what is durable reaches.

use super::{super::client, Following, PATIENCE, Place, Trouble, name};
use crate::SourceState;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{CommitMode, Consumer as _},
};
use springline_model::{Event, EventBody, Gap, Timestamp};
use std::{collections::BTreeMap, mem};
use tokio::sync::oneshot;

impl Following<'_> {
    /// Looks for partitions, and at where those that are read begin and end; tells the group what is durable.
    pub(super) fn survey(&mut self) -> Result<(), Trouble> {
        if self.with.config.group.is_none() {
            let mut new = Vec::new();
            for topic in &self.with.config.topics {
                let count = client::partitions(&*self.consumer, topic, PATIENCE)?;
                let count = count.ok_or_else(|| Trouble::NoTopic(topic.clone()))?;
                new.extend((0..count).map(|number| (topic.clone(), number)));
            }
            new.retain(|place| !self.stretches.contains_key(place));
            if !new.is_empty() {
                self.take_on(new)?;
            }
        }
        let mut has_gap = false;
        for (place, stretch) in &mut self.stretches {
            let (low, high) = self.consumer.fetch_watermarks(&place.0, place.1, PATIENCE)?;
            let next = stretch.spot.next;
            let reason = if next < low {
                "the brokers have deleted it before it was read (retention)"
            } else if next > high {
                "the topic ends before what was read of it: it was made anew, and is read from its beginning"
            } else {
                // What lies between the last message and the end may be marks of transactions.
                let stands = stretch.may_end && mem::replace(&mut stretch.surveyed, next) == next;
                stretch.is_at_end |= stands || high == next;
                stretch.lag = if stretch.is_at_end { 0 } else { (high - next).cast_unsigned() };
                continue;
            };
            let at = Timestamp::now();
            let (from, to) = ((next - 1).max(0).to_string(), low.to_string());
            let gap = Gap { partition: name(place), from, to, at, reason: reason.into() };
            tracing::error!(source = %self.with.id, partition = gap.partition, reason, "a gap in a topic");
            let body = EventBody::Gap(Box::new(gap));
            stretch.events.push(Event { source: self.with.id.clone(), observed: at, body });
            (stretch.spot.next, has_gap) = (low, true);
        }
        if has_gap {
            self.flush()?;
            self.assign()?;
        }
        for (place, stretch) in &self.stretches {
            let (lag, is_at_end) = (stretch.lag, stretch.is_at_end);
            #[expect(clippy::cast_precision_loss, reason = "a gauge")]
            metrics::gauge!("springline_source_lag_events", "source" => self.with.id.to_string(), "partition" => name(place))
                .set(lag as f64);
            self.with.status.partition(&name(place), |status| {
                status.waiting = lag;
                status.current_at = if is_at_end { Some(Timestamp::now()) } else { status.current_at };
                status.state = if is_at_end { SourceState::Live } else { SourceState::Indexing };
            });
        }
        self.commit();
        Ok(())
    }

    /// Tells the group how far what is durable reaches.
    fn commit(&mut self) {
        let mut durable: BTreeMap<Place, i64> = BTreeMap::new();
        self.sealing.retain_mut(|(place, next, sealed)| match sealed.try_recv() {
            Ok(_) => {
                durable.insert(place.clone(), *next);
                false
            }
            Err(oneshot::error::TryRecvError::Empty) => true,
            Err(oneshot::error::TryRecvError::Closed) => false,
        });
        durable.retain(|place, _| self.stretches.contains_key(place));
        if self.with.config.group.is_none() || durable.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::new();
        let add = durable.iter().try_for_each(|((topic, number), next)| {
            list.add_partition_offset(topic, *number, Offset::Offset(*next))
        });
        if let Err(error) = add.and_then(|()| self.consumer.commit(&list, CommitMode::Async)) {
            tracing::debug!(%error, "offsets can't be told to the group");
        }
    }
}
