//! Who closes ticks. Process 0 does, as a process alone would; the others close theirs when they hear of it, with the
//! same clock and what they have.
//!
//! ```text
//!  process 0: something to seal, the clock, or a nudge ─► Tick ─► its own share
//!  others:    something gathered ─► Nudge (once a tick)      Tick ─► [room in flight?] ─► their share, perhaps empty
//! ```
//!
//! So nothing is closed while nobody has anything, but for the clock. Who is slow holds back all: process 0 closes no tick
//! before the one `in_flight` ticks ago is on disk everywhere.

use super::hub::{Hub, Paced};
use springline_model::Timestamp;
use tokio::sync::{mpsc, watch};

/// Of process 0.
pub(crate) struct Leader {
    hub: Hub,
    wanted: watch::Receiver<u64>,
}

impl Leader {
    pub(crate) fn new(hub: Hub) -> Self {
        Self { wanted: hub.wanted(), hub }
    }

    /// Whether another process has something for a tick that is not closed.
    pub(crate) fn is_wanted(&self, next: u64) -> bool {
        *self.wanted.borrow() > next
    }

    /// Waits until one has.
    pub(crate) async fn until_wanted(&mut self, next: u64) {
        if self.wanted.wait_for(|wanted| *wanted > next).await.is_err() {
            std::future::pending::<()>().await; // nobody is left who could
        }
    }

    /// Tells all that a tick is closed.
    pub(crate) fn close(&self, tick: u64, at: Timestamp) {
        self.hub.tick(Paced { tick, at });
    }
}

/// Of the others.
pub(crate) struct Follower {
    hub: Hub,
    ticks: mpsc::UnboundedReceiver<Paced>,
    /// The tick that was asked for.
    nudged: Option<u64>,
}

impl Follower {
    pub(crate) const fn new(hub: Hub, ticks: mpsc::UnboundedReceiver<Paced>) -> Self {
        Self { hub, ticks, nudged: None }
    }

    /// There is something for the next tick.
    pub(crate) fn nudge(&mut self, next: u64) {
        if self.nudged != Some(next) {
            self.nudged = Some(next);
            self.hub.nudge(next);
        }
    }

    /// The next tick that is closed, and its clock; none if process 0 is gone.
    pub(crate) async fn tick(&mut self) -> Option<(u64, Timestamp)> {
        self.ticks.recv().await.map(|Paced { tick, at }| (tick, at))
    }
}
