//! Which touches count now: sliding windows over the clock, and decay.
//!
//! A *touch* is a note that belongs to a node or links to it, at the time of the note.
//!
//! ```text
//!   forgotten           in no window,       in the last 30 days, 7 days, …         pending
//!  ◄────────────┼─── still worth a bit ───┼────────────────────────┼────────────┼────────────► time of the touch
//!         forgotten()                  since[Month]             the clock     arrived
//! ```
//!
//! What a touch counts for is a pure function of its time and the clock:
//! - The clock counts in whole granules: a minute for the hour, ten minutes for the day, an hour for the longer
//!   windows. Between them an idle process does nothing.
//! - A window holds the touches later than the (rounded) clock less the window's length.
//! - Clocks and time zones disagree, so a touch up to a day later than the clock (in minutes) counts as one of
//!   now. A later one is *pending*: it counts for nothing until the clock comes that near. So nobody gains from a
//!   date in the future, and notes that are ahead show up in time.
//!
//! Touches lie in one set ordered by time, of which each boundary passes over what changes sides as the clock goes
//! on: the cost is in proportion to what enters and expires. When the landmark of [`Scale`] moves on, all of it is
//! weighed again, once in 8 half-lives. Touches that can count for nothing any more are not kept at all.
//!
//! Memory: about 32 bytes a touch that is not forgotten.

use crate::trending::Scale;
use springline_model::{Timestamp, rows::Order};
use std::collections::BTreeMap;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How far ahead of the clock a touch may be.
const AHEAD: i64 = DAY;

/// The windows: their order, their length and the granule of their clock.
pub(crate) const WINDOWS: [(Order, i64, i64); 4] = [
    (Order::Hour, HOUR, MINUTE),
    (Order::Day, DAY, 10 * MINUTE),
    (Order::Week, 7 * DAY, HOUR),
    (Order::Month, 30 * DAY, HOUR),
];

/// What touches count for, summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heat {
    /// The number of touches in each of [`WINDOWS`].
    pub(crate) within: [i64; WINDOWS.len()],
    /// The sum of their weights.
    pub(crate) decayed: i128,
}

impl Heat {
    /// Adds the heat of so many touches (taken away if negative).
    pub(crate) fn add(&mut self, one: Self, touches: i64) {
        for (sum, within) in self.within.iter_mut().zip(one.within) {
            *sum += within * touches;
        }
        self.decayed += one.decayed * i128::from(touches);
    }
}

/// Where the boundaries lie at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Boundaries {
    /// The last moment that is not pending.
    arrived: i64,
    /// For each window the last moment before it.
    since: [i64; WINDOWS.len()],
    scale: Scale,
}

impl Boundaries {
    fn at(clock: Timestamp, half_life_ms: u64) -> Self {
        let rounded = |granule: i64| clock.0.saturating_sub(clock.0.rem_euclid(granule));
        Self {
            arrived: rounded(MINUTE).saturating_add(AHEAD),
            since: WINDOWS.map(|(_, length, granule)| rounded(granule).saturating_sub(length)),
            scale: Scale::at(clock, half_life_ms),
        }
    }

    /// The last moment whose touches count for nothing, for ever.
    fn forgotten(&self) -> i64 {
        self.since.into_iter().fold(self.scale.forgotten(), i64::min)
    }

    fn heat(&self, at: i64) -> Heat {
        if at > self.arrived {
            return Heat::default();
        }
        let within = self.since.map(|since| i64::from(at > since));
        Heat { within, decayed: i128::from(self.scale.weight(at)) }
    }
}

/// The touches of a set of nodes that are not forgotten.
#[derive(Debug)]
pub(crate) struct Touches {
    half_life_ms: u64,
    clock: Timestamp,
    /// Those of the clock.
    boundaries: Boundaries,
    /// How many, by time and node.
    touches: BTreeMap<(i64, u32), i64>,
}

impl Touches {
    /// None, at a time before all times: everything is pending.
    pub(crate) fn new(half_life_ms: u64) -> Self {
        let clock = Timestamp(i64::MIN);
        let boundaries = Boundaries::at(clock, half_life_ms);
        Self { half_life_ms, clock, boundaries, touches: BTreeMap::new() }
    }

    /// Adds touches (takes them away if negative), and tells what one of them counts for.
    pub(crate) fn touch(&mut self, at: Timestamp, node: u32, touches: i64) -> Heat {
        if at.0 <= self.boundaries.forgotten() {
            return Heat::default();
        }
        let count = self.touches.entry((at.0, node)).or_default();
        *count += touches;
        if *count == 0 {
            self.touches.remove(&(at.0, node));
        }
        self.boundaries.heat(at.0)
    }

    /// Sets the clock forward and tells how the heat of nodes changes: what one touch gains, and how many do. A
    /// clock that falls is left alone.
    pub(crate) fn advance(&mut self, clock: Timestamp, mut change: impl FnMut(u32, Heat, i64)) {
        if clock <= self.clock {
            return;
        }
        self.clock = clock;
        let (old, new) = (self.boundaries, Boundaries::at(clock, self.half_life_ms));
        if old == new {
            return;
        }
        let mut pass = |from: i64, to: i64, heat: &dyn Fn(i64) -> Heat| {
            if from < to {
                for (&(at, node), &touches) in self.touches.range((from + 1, 0)..=(to, u32::MAX)) {
                    change(node, heat(at), touches);
                }
            }
        };
        pass(old.arrived, new.arrived, &|at| new.heat(at));
        for window in 0..WINDOWS.len() {
            let mut expired = Heat::default();
            expired.within[window] = -1;
            pass(old.since[window], new.since[window].min(old.arrived), &|_| expired);
        }
        if old.scale != new.scale {
            let decayed = |at| i128::from(new.scale.weight(at)) - i128::from(old.scale.weight(at));
            pass(old.forgotten(), old.arrived, &|at| Heat { decayed: decayed(at), ..Heat::default() });
        }
        self.boundaries = new;
        let forgotten = new.forgotten();
        while let Some(first) = self.touches.first_entry()
            && first.key().0 <= forgotten
        {
            first.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the module says, word by word.
    fn oracle(touches: &[(i64, i64)], clock: i64, half_life_ms: u64) -> Heat {
        let rounded = |granule: i64| clock.div_euclid(granule) * granule;
        let mut heat = Heat::default();
        for &(at, count) in touches {
            if at > rounded(MINUTE) + DAY {
                continue;
            }
            for (sum, (_, length, granule)) in heat.within.iter_mut().zip(WINDOWS) {
                *sum += count * i64::from(at > rounded(granule) - length);
            }
            let landmark = clock.div_euclid(8 * half_life_ms as i64) * 8 * half_life_ms as i64;
            let age = (at - landmark) as f64 / half_life_ms as f64;
            if age >= -32.0 {
                heat.decayed +=
                    i128::from(Scale::at(Timestamp(clock), half_life_ms).weight(at)) * i128::from(count);
            }
        }
        heat
    }

    proptest! {
        #[test]
        fn is_a_function_of_touches_and_clock(
            steps in prop::collection::vec(
                (prop_oneof![0..100_000i64, 0..50_000_000i64, 0..3_000_000_000i64],
                 prop::collection::vec((-4_000_000_000..3_000_000_000i64, 1..4i64), 0..6)),
                1..12),
            half_life_ms in prop_oneof![Just(HOUR as u64), Just(7 * DAY as u64), 1..100_000u64],
        ) {
            let mut touches = Touches::new(half_life_ms);
            let (mut heat, mut live, mut clock) = (Heat::default(), Vec::new(), 1_800_000_000_000);
            for (later, new) in steps {
                clock += later;
                touches.advance(Timestamp(clock), |_, one, count| heat.add(one, count));
                for (offset, count) in new {
                    let at = clock + offset;
                    heat.add(touches.touch(Timestamp(at), 7, count), count);
                    live.push((at, count));
                    if at % 3 == 0 {
                        let (at, count) = live.swap_remove(at as usize % live.len());
                        heat.add(touches.touch(Timestamp(at), 7, -count), -count);
                    }
                }
                prop_assert_eq!(heat, oracle(&live, clock, half_life_ms));
            }
            for (at, count) in live {
                heat.add(touches.touch(Timestamp(at), 7, -count), -count);
            }
            prop_assert_eq!(heat, Heat::default());
            prop_assert!(touches.touches.is_empty());
        }
    }

    #[test]
    fn the_ends_of_time() {
        let mut touches = Touches::new(7 * DAY as u64);
        for at in [i64::MIN, i64::MAX] {
            touches.touch(Timestamp(at), 1, 1);
        }
        for clock in [i64::MIN, 0, i64::MAX] {
            let mut heat = Heat::default();
            touches.advance(Timestamp(clock), |_, one, count| heat.add(one, count));
            assert!(heat.within.iter().all(|within| *within <= 1));
        }
    }
}
