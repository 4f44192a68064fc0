//! Past what can't be read.
//!
//! A socket that meets a message above the limit can't read on, and would meet it again at every new connection. Its
//! number is not known: only that it is above that of the last one read, and above every place from behind which it
//! came again. So the host is asked for what is behind a place that gallops ahead, until something else comes; how far
//! that was is told as a gap. A place that is beyond all that the host has is no place: then one goes on by small steps.

use parking_lot::Mutex;
use std::collections::VecDeque;

/// The stride of times in microseconds.
pub(super) const MILLISECOND: u64 = 1_000;

/// A message to get past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Skip {
    /// It is behind this.
    behind: u64,
    step: u64,
    /// The smallest step: 1 for numbers, more for times.
    stride: u64,
    /// How long it is, at least.
    pub(super) bytes: usize,
}

impl Skip {
    /// Of a message that came behind a place.
    const fn of(place: u64, stride: u64, bytes: usize) -> Self {
        Self { behind: place, step: stride, stride, bytes }
    }

    /// From behind which place the host is asked.
    pub(super) const fn place(&self) -> u64 {
        self.behind.saturating_add(self.step)
    }

    /// What is to be passed over after a connection: one that came from behind the place of `before`, may have come
    /// further (`moved`), is now at `place`, and ended with what was `too_long`.
    pub(super) fn after(
        before: Option<Self>,
        moved: bool,
        too_long: Option<usize>,
        place: Option<u64>,
        stride: u64,
    ) -> Option<Self> {
        match (before.filter(|_| !moved), too_long) {
            (Some(skip), Some(bytes)) => Some(skip.again(bytes)),
            (Some(skip), None) => Some(skip.slower()),
            (None, Some(bytes)) => place.map(|place| Self::of(place, stride, bytes)),
            (None, None) => None,
        }
    }

    /// It came again.
    const fn again(self, bytes: usize) -> Self {
        let bytes = if bytes > self.bytes { bytes } else { self.bytes };
        Self { behind: self.place(), step: self.step.saturating_mul(2), bytes, ..self }
    }

    /// Nothing came.
    const fn slower(self) -> Self {
        Self { step: self.stride, ..self }
    }
}

/// Of how many messages that were none it is remembered.
const BROKEN: usize = 64;

/// The digests of the last messages that were none. The first time one ends the connection; should it come again, it is
/// passed over.
#[derive(Default)]
pub(super) struct Broken(Mutex<VecDeque<blake3::Hash>>);

impl Broken {
    /// Whether it was not seen of late.
    pub(super) fn is_new(&self, bytes: &[u8]) -> bool {
        let digest = blake3::hash(bytes);
        let mut broken = self.0.lock();
        if broken.contains(&digest) {
            return false;
        }
        if broken.len() == BROKEN {
            broken.pop_front();
        }
        broken.push_back(digest);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gallops_past_and_never_over_what_is_far_ahead_of_it() {
        // Where the message is, and the newest of the host.
        for (at, newest) in [(11, 11), (11, 90), (13, 13), (19, 30), (700, 700), (1_000_000, 1_000_001)] {
            let mut skip = Skip::of(10, 1, 5);
            let mut asked = 0;
            while skip.place() < at || skip.place() > newest {
                skip = if skip.place() < at { skip.again(5) } else { skip.slower() };
                asked += 1;
                assert!(asked < 400, "{at} of {newest}: {skip:?}");
            }
            assert!(skip.place() - 10 <= 2 * (at - 10), "{at} of {newest}: {skip:?}");
        }
    }
}
