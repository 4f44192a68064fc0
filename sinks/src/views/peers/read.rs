//! Reading until all that is read is of one epoch.

use super::{Across, Heard, Peers};
use crate::views::{Reader, Snapshot, reader::Sight};
use springline_model::Epoch;
use std::time::{Duration, Instant};

/// How long a read may take that is done again.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long to wait each time before processes that were at several epochs are read again.
const AGAIN: [Duration; 3] = [Duration::from_millis(2), Duration::from_millis(8), Duration::from_millis(32)];

impl Reader {
    /// Reads, and reads again while the answers are of several epochs, a few times within the deadline. What is read the
    /// last time goes by the oldest epoch that was heard of.
    pub fn settled<T>(&self, mut read: impl FnMut(&Snapshot<'_>) -> T) -> (T, Heard) {
        let Some(peers) = &self.peers else { return self.heard(read) };
        let (start, deadline) = (Instant::now(), peers.deadline());
        let until = start + deadline;
        let mut floor: Option<Epoch> = None;
        for wait in AGAIN {
            let (answer, heard) = self.once(&**peers, until, None, &mut read);
            if !heard.is_mixed() || start.elapsed() + wait > PATIENCE.min(deadline / 2) {
                return (answer, heard);
            }
            floor = Some(floor.map_or(heard.epoch(), |floor| floor.min(heard.epoch())));
            std::thread::sleep(wait);
        }
        self.once(&**peers, until, floor, read)
    }

    pub(in crate::views) fn once<T>(
        &self,
        peers: &dyn Peers,
        until: Instant,
        floor: Option<Epoch>,
        read: impl FnOnce(&Snapshot<'_>) -> T,
    ) -> (T, Heard) {
        let sight = Sight::Across(Box::new(Across::new(&self.shared, peers, until, floor)));
        let snapshot = Snapshot { shared: &self.shared, sight };
        let answer = read(&snapshot);
        (answer, snapshot.heard())
    }
}
