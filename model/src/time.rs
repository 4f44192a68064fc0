//! Wall-clock time as data.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A day.
pub const DAY_MILLIS: i64 = 86_400_000;

/// Milliseconds since the Unix epoch. Data, never the dataflow's own time (that is [`crate::Epoch`]).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The current wall clock. Only the edges call it (a source that observes, the sealer that closes an
    /// epoch): everything behind them takes time from the data, so that a replay gives the same result.
    #[must_use]
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_millisecond())
    }

    /// From whole seconds, as git commits and file systems give them; saturates.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Whole seconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// RFC 3339 in UTC with milliseconds, e.g. `2026-08-19T07:46:26.000Z`.
    ///
    /// Times outside of the years -9999 to 9999 are clamped to that range.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        let clamped =
            self.0.clamp(jiff::Timestamp::MIN.as_millisecond(), jiff::Timestamp::MAX.as_millisecond());
        let at = jiff::Timestamp::from_millisecond(clamped).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        format!("{at:.3}")
    }

    /// Parses RFC 3339 (`2026-08-19T07:46:26Z`), or a plain date (`2026-08-19`, its start in UTC).
    ///
    /// # Errors
    /// The text is neither.
    pub fn parse(text: &str) -> Result<Self, ParseTimeError> {
        if let Ok(at) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(at.as_millisecond()));
        }
        text.parse::<jiff::civil::Date>()
            .ok()
            .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok())
            .map(|zoned| Self(zoned.timestamp().as_millisecond()))
            .ok_or_else(|| ParseTimeError(text.chars().take(64).collect()))
    }

    /// The UTC date, `YYYY-MM-DD`.
    #[must_use]
    pub fn date(self) -> String {
        self.to_rfc3339().chars().take_while(|c| *c != 'T').collect()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

/// A text that is no RFC 3339 time and no date.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is neither a date (2026-08-19) nor an RFC 3339 time (2026-08-19T07:46:26Z)")]
pub struct ParseTimeError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_and_parses() {
        let at = Timestamp::from_secs(1_787_173_586);
        assert_eq!(at.to_rfc3339(), "2026-08-19T21:06:26.000Z");
        assert_eq!(Timestamp::parse(&at.to_rfc3339()).unwrap(), at);
        assert_eq!(at.date(), "2026-08-19");
        assert_eq!(Timestamp::parse("1970-01-02").unwrap(), Timestamp::from_secs(86_400));
        assert!(Timestamp::parse("yesterday").is_err());
        assert!(!Timestamp(i64::MAX).to_rfc3339().is_empty());
    }
}
