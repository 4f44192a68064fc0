//! What a touch is worth: half as much for each half-life that it is older.
//!
//! Forward decay (Cormode, Shkapenyuk, Srivastava, Xu, "Forward decay: a practical time decay model for streaming
//! systems", ICDE 2009): a touch is weighed once, against a landmark in the past, instead of again and again
//! against the present. All scores shrink alike while time passes, so their order stays and no timer is needed.
//!
//! ```text
//!            landmark - 32 half-lives       landmark                landmark + 8 half-lives
//!  ───────────────┼────────────────────────────┼───────────── now ────────────┼──────────────► time of the touch
//!      weight 0   │ 1                          │ 2^32                         │ 2^40       2^40
//! ```
//!
//! The landmark is the clock rounded down to 8 half-lives: a pure function of the clock. When the clock passes the
//! next one, whoever keeps sums weighs the touches that are left again. Weights are integers, so that what was
//! added can be taken away exactly, and come out of integer tables, so that every machine agrees.
//!
//! Limits: a touch from the future (a clock that is wrong, a note for tomorrow) weighs at most what one at the next
//! landmark does, so that a node's weights add up in 64 bits for 16 million touches of the greatest weight.

use springline_model::Timestamp;

/// Bits of the weight of a touch at the landmark: it falls to nothing after as many half-lives.
const SCALE: i64 = 32;

/// Half-lives from one landmark to the next.
const GRANULE: i64 = 8;

/// Binary places of the exponent: 2 to the power of -2^-16 is the finest step, one in 100,000.
const PLACES: usize = 16;

/// 2^(1/2), 2^(1/4), 2^(1/8), … with 62 binary places.
const ROOTS: [u64; PLACES] = {
    let mut roots = [0; PLACES];
    let mut root: u128 = 2 << 62;
    let mut at = 0;
    while at < PLACES {
        root = (root << 62).isqrt();
        roots[at] = root as u64;
        at += 1;
    }
    roots
};

/// The scale on which touches are weighed for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    half_life: i64,
    landmark: i64,
}

impl Scale {
    /// The scale that holds at a time.
    ///
    /// # Panics
    /// Never: a half-life below one millisecond counts as one.
    pub(crate) fn at(clock: Timestamp, half_life_ms: u64) -> Self {
        let half_life = i64::try_from(half_life_ms).unwrap_or(i64::MAX).clamp(1, i64::MAX / 1024);
        let granule = half_life * GRANULE;
        Self { half_life, landmark: clock.0.div_euclid(granule).saturating_mul(granule) }
    }

    /// The last moment whose touches weigh nothing.
    pub(crate) fn forgotten(self) -> i64 {
        self.landmark.saturating_sub(self.half_life * SCALE).saturating_sub(1)
    }

    /// What a touch is worth: 2^(32 + (at - landmark) / half-life), rounded down, and at most 2^40.
    pub(crate) fn weight(self, at: i64) -> u64 {
        let age = at.saturating_sub(self.landmark);
        let halvings = SCALE + age.div_euclid(self.half_life);
        if halvings < 0 {
            return 0;
        }
        if halvings >= SCALE + GRANULE {
            return 1 << (SCALE + GRANULE);
        }
        // The rest of the exponent, in [0, 1), as a binary fraction, and 2 to its power, in [1, 2), with 62 places.
        let fraction = (i128::from(age.rem_euclid(self.half_life)) << PLACES) / i128::from(self.half_life);
        let mut power: u128 = 1 << 62;
        for (place, root) in ROOTS.iter().enumerate() {
            if fraction >> (PLACES - 1 - place) & 1 == 1 {
                power = (power * u128::from(*root)) >> 62;
            }
        }
        u64::try_from(power >> (62 - halvings)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK: u64 = 7 * 86_400_000;

    #[test]
    fn halves() {
        let clock = Timestamp::from_secs(1_800_000_000);
        let scale = Scale::at(clock, WEEK);
        let landmark = scale.landmark;
        assert!(landmark <= clock.0 && clock.0 < landmark + 8 * WEEK as i64);
        assert_eq!(scale.weight(landmark), 1 << 32);
        assert_eq!(scale.weight(landmark + 8 * WEEK as i64), 1 << 40);
        assert_eq!(scale.weight(landmark - 32 * WEEK as i64), 1);
        assert_eq!(scale.weight(scale.forgotten()), 0);
        assert_eq!(scale.weight(scale.forgotten() + 1), 1);
        assert_eq!(scale.weight(i64::MIN), 0);
        assert_eq!(scale.weight(landmark + 8 * WEEK as i64 - 1) >> 39, 1);
        assert_eq!(scale.weight(i64::MAX), 1 << 40, "the future weighs no more");
    }

    #[test]
    fn agrees_with_floating_point() {
        let scale = Scale::at(Timestamp(0), WEEK);
        let mut last = 0;
        for step in -400..80i64 {
            let at = step * WEEK as i64 / 10 + step * 977;
            let expected = (32.0 + at as f64 / WEEK as f64).exp2();
            let weight = scale.weight(at);
            assert!((weight as f64 - expected).abs() <= 1.0 + expected * 2e-5, "{at}: {weight} {expected}");
            assert!(weight >= last, "an older touch is worth no more");
            last = weight;
        }
    }

    #[test]
    fn the_landmark_is_the_same_within_a_granule() {
        let granule = 8 * WEEK as i64;
        for clock in [-granule, 0, 5 * granule] {
            let scales = [0, 1, granule - 1].map(|later| Scale::at(Timestamp(clock + later), WEEK));
            assert!(scales.iter().all(|scale| *scale == scales[0]));
            assert_ne!(Scale::at(Timestamp(clock + granule), WEEK), scales[0]);
        }
        for clock in [i64::MIN, i64::MAX] {
            for half_life in [0, 1, u64::MAX] {
                let scale = Scale::at(Timestamp(clock), half_life);
                assert!(scale.weight(clock) > 0 || half_life < 1024);
            }
        }
    }
}
