//! A sink's rounds: when there is something to do again, and how long to wait behind a failure.

use springline_model::Epoch;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Between tries that fail, the first and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
/// How often a sink with nothing to do looks around.
const IDLE: Duration = Duration::from_secs(30);

/// What came of a round.
pub(crate) enum Round {
    /// It was told to rest, or can't go on.
    Rests,
    /// How long there may be nothing to do.
    Done(Duration),
    /// It is to be tried again.
    Failed,
    /// There is nobody any more to do anything for.
    Over,
}

/// Does rounds until `stop`: again when an epoch is applied, somebody has changed something, or the time is over. A round
/// is told how long the pause is if it fails. To be called on a thread of the runtime that may block.
pub(crate) fn rounds(
    mut applied: watch::Receiver<Epoch>,
    changed: &Notify,
    stop: &CancellationToken,
    mut round: impl FnMut(Duration) -> Round,
) {
    let mut wait = BACKOFF.0;
    while !stop.is_cancelled() {
        applied.borrow_and_update();
        let (pause, has_failed) = match round(wait) {
            Round::Over => return,
            Round::Rests => (IDLE, false),
            Round::Done(pause) => {
                wait = BACKOFF.0;
                (pause.min(IDLE), false)
            }
            Round::Failed => {
                let pause = wait;
                wait = BACKOFF.1.min(wait * 2);
                (pause, true)
            }
        };
        if pause.is_zero() {
            continue;
        }
        tokio::runtime::Handle::current().block_on(async {
            tokio::select! {
                () = stop.cancelled() => {}
                () = changed.notified() => {}
                _ = applied.changed(), if !has_failed => {}
                () = tokio::time::sleep(pause) => {}
            }
        });
    }
}
