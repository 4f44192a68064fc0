//! How places in the log are called.

use springline_model::{Partition, Position, SourceId, Timestamp, Uri};

/// What the log is called among the sources.
pub(crate) const NAME: &str = "log";

/// How far a partition is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spot {
    /// The next offset.
    pub(crate) next: i64,
    /// When the message before it was written: by that it is recognised, so that a topic that was made anew is not
    /// taken for this one.
    pub(crate) seen: Option<Timestamp>,
}

impl Spot {
    /// From a position.
    pub(super) fn read(position: &Position) -> Option<Self> {
        let (next, seen) = match position.0.split_once('@') {
            Some((next, seen)) => (next, Some(Timestamp(seen.parse().ok()?))),
            None => (position.0.as_str(), None),
        };
        Some(Self { next: next.parse().ok()?, seen })
    }

    /// `17@1767225600000`
    pub(super) fn position(self) -> Position {
        let next = self.next;
        Position(self.seen.map_or_else(|| next.to_string(), |seen| format!("{next}@{}", seen.0)))
    }
}

/// A topic as the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) topic: String,
}

impl Place {
    pub(crate) fn new(topic: &str) -> Self {
        Self { topic: topic.to_owned() }
    }

    /// A partition as the store has it: its position is a [`Spot`].
    pub(super) fn partition(&self, number: i32) -> Partition {
        Partition { source: SourceId::new(NAME), name: format!("{}/{number}", self.topic) }
    }

    /// The number of a partition of this topic, and how far it is read.
    fn read(&self, partition: &Partition, position: &Position) -> Option<(i32, Spot)> {
        let (topic, number) = partition.name.rsplit_once('/')?;
        let is_here = partition.source.as_str() == NAME && topic == self.topic;
        if is_here { Some((number.parse().ok()?, Spot::read(position)?)) } else { None }
    }

    /// How far a store has read this topic, by partition.
    pub(crate) fn spots<'a>(
        &self,
        positions: impl IntoIterator<Item = (&'a Partition, &'a Position)>,
    ) -> impl Iterator<Item = (i32, Spot)> {
        positions.into_iter().filter_map(|(partition, position)| self.read(partition, position))
    }

    /// What else than this topic a store was written from, if anything.
    pub(crate) fn other<'a>(&self, partitions: impl IntoIterator<Item = &'a Partition>) -> Option<String> {
        partitions.into_iter().find_map(|Partition { source, name }| match name.rsplit_once('/') {
            _ if source.as_str() != NAME => Some("another kind of journal".to_owned()),
            Some((topic, _)) if topic == self.topic => None,
            _ => Some(format!("the topic of {name}")),
        })
    }

    /// What a message would be called that can't be taken.
    pub(super) fn uri(&self, partition: i32, offset: i64) -> Uri {
        Uri::new(format!("log://{}/{partition}/{offset}", self.topic))
    }

    /// Where a message lies that was called so: what is said of it later has to come behind it.
    pub(super) fn partition_of(&self, uri: &str) -> Option<i32> {
        let rest = uri.strip_prefix("log://")?.strip_prefix(&self.topic)?.strip_prefix('/')?;
        rest.split_once('/')?.0.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_calls_things() {
        let place = Place::new("a.b");
        let spot = Spot { next: 17, seen: Some(Timestamp(5)) };
        let positions = [
            (place.partition(3), spot.position()),
            (place.partition(4), Spot::default().position()),
            (Place::new("other").partition(1), Position("1".into())),
            (Partition { source: SourceId::new("git"), name: "a.b/4".into() }, Position("9".into())),
        ];
        let read: Vec<_> = place.spots(positions.iter().map(|(partition, at)| (partition, at))).collect();
        assert_eq!(read, [(3, spot), (4, Spot::default())]);
        assert_eq!(place.partition_of(place.uri(3, 17).as_str()), Some(3));
        assert_eq!(place.partition_of("log://other/3/17"), None);
    }
}
