//! Datetimes: what RFC 3339 and ISO 8601 have in common, `2026-07-04T14:38:08.999Z`.
//!
//! Fractions of any length are accepted, and cut off at microseconds. Not accepted: local times, `-00:00`, leap
//! seconds, lower-case letters, and instants before the year 0.

use super::SyntaxError;
use jiff::{Timestamp, civil::DateTime, tz::Offset};

/// Of the longest one.
pub const MAX_BYTES: usize = 64;

/// The instant, in microseconds since 1970.
///
/// # Errors
/// The text isn't well-formed, or there is no such day or time of day.
pub fn micros(text: &str) -> Result<i64, SyntaxError> {
    const FORM: SyntaxError = SyntaxError::Datetime("not YYYY-MM-DDTHH:MM:SS with a time zone");
    const RANGE: SyntaxError = SyntaxError::Datetime("no such time");
    if text.len() > MAX_BYTES {
        return Err(SyntaxError::Datetime("too long"));
    }
    let (civil, rest) = text.as_bytes().split_at_checked(19).ok_or(FORM)?;
    let is_separated = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if !is_separated.iter().all(|(at, separator)| civil[*at] == *separator) {
        return Err(FORM);
    }
    let year = i16::try_from(number(&civil[..4]).ok_or(FORM)?).map_err(|_| RANGE)?;
    let two = |at: usize| number(&civil[at..at + 2]).map(|two| two as i8).ok_or(FORM);
    let (fraction, zone) = fraction(rest).ok_or(FORM)?;
    let offset = offset(zone).ok_or(FORM)?;
    let civil =
        DateTime::new(year, two(5)?, two(8)?, two(11)?, two(14)?, two(17)?, fraction).map_err(|_| RANGE)?;
    let offset = Offset::from_seconds(offset).map_err(|_| RANGE)?;
    let instant: Timestamp = offset.to_timestamp(civil).map_err(|_| RANGE)?;
    if Offset::UTC.to_datetime(instant).year() < 0 {
        return Err(RANGE);
    }
    Ok(instant.as_microsecond())
}

/// The same, of what was said on the network: nothing before 1970 was. None if it can't be read.
#[must_use]
pub fn micros_of(text: &str) -> Option<u64> {
    micros(text).ok().and_then(|micros| u64::try_from(micros).ok())
}

/// Whether the text is a datetime.
///
/// # Errors
/// It isn't.
pub fn check(text: &str) -> Result<(), SyntaxError> {
    micros(text).map(drop)
}

/// Of digits only, four at most.
fn number(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0, |number: u16, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u16::from(digit - b'0'))
    })
}

/// The nanoseconds, and what follows them.
fn fraction(rest: &[u8]) -> Option<(i32, &[u8])> {
    let Some((b'.', rest)) = rest.split_first() else { return Some((0, rest)) };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let nanos = (0..9).fold(0, |nanos: i32, at| {
        let digit = rest[..digits].get(at).map_or(0, |digit| i32::from(digit - b'0'));
        nanos * 10 + digit
    });
    (digits > 0).then_some((nanos, &rest[digits..]))
}

/// In seconds to the east.
fn offset(zone: &[u8]) -> Option<i32> {
    match zone {
        b"Z" => Some(0),
        b"-00:00" => None,
        [sign @ (b'+' | b'-'), hours @ .., b':', m, n] if hours.len() == 2 => {
            let (hours, minutes) = (i32::from(number(hours)?), i32::from(number(&[*m, *n])?));
            let seconds = (hours < 24 && minutes < 60).then_some((hours * 60 + minutes) * 60)?;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}
