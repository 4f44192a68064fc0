//! Where reading begins in each partition.

use super::{
    super::{From, spot::Spot},
    Following, PATIENCE, Place, Stretch, Trouble, name,
};
use crate::status::Sent;
use rdkafka::{Offset, TopicPartitionList, consumer::Consumer as _, error::KafkaError};
use springline_model::{Rev, Timestamp};

impl Following<'_> {
    /// Begins with partitions: each where it was left, or where the configuration says.
    pub(super) fn take_on(&mut self, places: Vec<Place>) -> Result<(), Trouble> {
        for place in places {
            let spot = match self.spots.get(&place) {
                Some(spot) => self.at_least_committed(&place, *spot)?,
                None => Spot { next: self.first(&place)?, rev: Rev::default() },
            };
            let stretch = Stretch {
                spot,
                is_at_end: false,
                may_end: false,
                surveyed: -1,
                lag: 1,
                events: vec![],
                sent: Sent::default(),
            };
            self.stretches.insert(place.clone(), stretch);
            // Where it began is to be known, also if nothing comes.
            self.send(&place)?;
        }
        (self.is_placed, self.is_live) = (true, false);
        Ok(self.assign()?)
    }

    /// Another member of the group may have read on.
    fn at_least_committed(&self, place: &Place, spot: Spot) -> Result<Spot, KafkaError> {
        let next = self.committed(place)?.map_or(spot.next, |committed| committed.max(spot.next));
        Ok(Spot { next, ..spot })
    }

    fn committed(&self, (topic, number): &Place) -> Result<Option<i64>, KafkaError> {
        if self.with.config.group.is_none() || self.afresh {
            return Ok(None);
        }
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, *number);
        let committed = self.consumer.committed_offsets(list, PATIENCE)?;
        Ok(committed.find_partition(topic, *number).and_then(|part| match part.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }))
    }

    /// Where a partition begins that was never read.
    fn first(&self, place: &Place) -> Result<i64, KafkaError> {
        if let Some(committed) = self.committed(place)? {
            return Ok(committed);
        }
        let (topic, number) = place;
        let (low, high) = self.consumer.fetch_watermarks(topic, *number, PATIENCE)?;
        Ok(match &self.with.config.from {
            _ if self.afresh => low,
            From::Earliest => low,
            From::Latest => high,
            From::Offsets(offsets) => offsets.get(&name(place)).copied().unwrap_or(low).clamp(low, high),
            From::Timestamp(text) => {
                let at = Timestamp::parse(text).map_or(0, |at| at.0);
                let mut list = TopicPartitionList::new();
                list.add_partition_offset(topic, *number, Offset::Offset(at))?;
                let found = self.consumer.offsets_for_times(list, PATIENCE)?;
                match found.find_partition(topic, *number).map(|part| part.offset()) {
                    Some(Offset::Offset(offset)) => offset,
                    _ => high,
                }
            }
        })
    }

    pub(super) fn assign(&self) -> Result<(), KafkaError> {
        self.consumer.assign(&self.list(|stretch| Offset::Offset(stretch.spot.next))?)
    }

    pub(super) fn list(&self, offset: impl Fn(&Stretch) -> Offset) -> Result<TopicPartitionList, KafkaError> {
        let mut list = TopicPartitionList::new();
        for ((topic, number), stretch) in &self.stretches {
            list.add_partition_offset(topic, *number, offset(stretch))?;
        }
        Ok(list)
    }
}
