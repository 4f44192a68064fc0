//! Which part of what was kept is read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::Timestamp;
use std::{fmt, str::FromStr};

/// A half-open range: what is at `since` is in it, what is at `until` is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Range {
    /// From here on: a number (an epoch, a line), or a time (`2026-08-19`, `2026-08-19T07:46:26Z`).
    pub since: Option<Bound>,
    /// Up to, and without, this one.
    pub until: Option<Bound>,
}

/// An end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Bound {
    /// By number; the first piece is 1.
    Offset(u64),
    /// By the time that a piece tells; one that tells none reaches it never.
    Time(Timestamp),
}

/// Neither a number nor a time.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is neither a number nor a time (2026-08-19, 2026-08-19T07:46:26Z)")]
pub struct BoundError(String);

impl Bound {
    /// Whether a piece is at it or behind.
    fn is_reached(self, offset: u64, at: Option<Timestamp>) -> bool {
        match self {
            Self::Offset(bound) => offset >= bound,
            Self::Time(bound) => at.is_some_and(|at| at >= bound),
        }
    }
}

impl FromStr for Bound {
    type Err = BoundError;

    fn from_str(text: &str) -> Result<Self, BoundError> {
        let offset = text.parse().map(Self::Offset);
        let bound = offset.or_else(|_| Timestamp::parse(text).map(Self::Time));
        bound.map_err(|_| BoundError(text.chars().take(64).collect()))
    }
}

impl TryFrom<String> for Bound {
    type Error = BoundError;

    fn try_from(text: String) -> Result<Self, BoundError> {
        text.parse()
    }
}

impl From<Bound> for String {
    fn from(bound: Bound) -> Self {
        bound.to_string()
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offset(offset) => write!(f, "{offset}"),
            Self::Time(at) => write!(f, "{at}"),
        }
    }
}

impl Range {
    /// Whether it is not cut off at its beginning.
    #[must_use]
    pub const fn is_from_the_beginning(self) -> bool {
        self.since.is_none()
    }

    /// Whether it asks for the time of pieces.
    #[must_use]
    pub const fn is_by_time(self) -> bool {
        matches!(self.since, Some(Bound::Time(_))) || matches!(self.until, Some(Bound::Time(_)))
    }

    /// Whether a piece is at its beginning or behind.
    #[must_use]
    pub fn begins(self, offset: u64, at: Option<Timestamp>) -> bool {
        self.since.is_none_or(|since| since.is_reached(offset, at))
    }

    /// Whether a piece is behind its end.
    #[must_use]
    pub fn ends(self, offset: u64, at: Option<Timestamp>) -> bool {
        self.until.is_some_and(|until| until.is_reached(offset, at))
    }

    /// Whether a piece is in it, by itself.
    #[must_use]
    pub fn has(self, offset: u64, at: Option<Timestamp>) -> bool {
        self.begins(offset, at) && !self.ends(offset, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(since: Option<&str>, until: Option<&str>) -> Range {
        let bound = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        Range { since: bound(since), until: bound(until) }
    }

    #[test]
    fn half_open() {
        let day = |text| Some(Timestamp::parse(text).unwrap());
        assert!(range(None, None).has(1, None));
        let by_number = range(Some("3"), Some("5"));
        assert_eq!((1..7).filter(|n| by_number.has(*n, None)).collect::<Vec<_>>(), [3, 4]);
        let by_time = range(Some("2026-01-02"), Some("2026-01-03T00:00:00Z"));
        assert!(!by_time.has(1, day("2026-01-01")) && by_time.has(1, day("2026-01-02")));
        assert!(!by_time.has(1, day("2026-01-03")) && !by_time.has(1, None));
        assert!("soon".parse::<Bound>().is_err());
    }

    #[test]
    fn as_text() {
        let one = range(Some("7"), Some("2026-01-02"));
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(text, r#"{"since":"7","until":"2026-01-02T00:00:00.000Z"}"#);
        assert_eq!(serde_json::from_str::<Range>(&text).unwrap(), one);
    }
}
