//! The formats of strings that lexicons name.
//!
//! As the specifications have them, with two liberties: a `uri` may have letters outside ASCII in it, as those
//! that people paste do, and a `language` is checked for its syntax, not for repeated subtags. All of them are
//! bounded in length, and need one pass.

/// A format that is known.
#[derive(Debug)]
pub(super) struct Format {
    pub(super) name: &'static str,
    accepts: fn(&str) -> bool,
}

static FORMATS: [Format; 11] = [
    Format { name: "at-identifier", accepts: is_at_identifier },
    Format { name: "at-uri", accepts: is_at_uri },
    Format { name: "cid", accepts: is_cid },
    Format { name: "datetime", accepts: is_datetime },
    Format { name: "did", accepts: is_did },
    Format { name: "handle", accepts: is_handle },
    Format { name: "language", accepts: is_language },
    Format { name: "nsid", accepts: is_nsid },
    Format { name: "record-key", accepts: is_record_key },
    Format { name: "tid", accepts: is_tid },
    Format { name: "uri", accepts: is_uri },
];

impl Format {
    /// The format of this name; others than these may come, and accept anything.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        FORMATS.iter().find(|format| format.name == name)
    }

    pub(super) fn accepts(&self, text: &str) -> bool {
        (self.accepts)(text)
    }
}

/// `did:method:identifier`.
pub(in crate::atproto) fn is_did(text: &str) -> bool {
    let Some((method, rest)) = text.strip_prefix("did:").and_then(|rest| rest.split_once(':')) else {
        return false;
    };
    text.len() <= 2048
        && !method.is_empty()
        && method.bytes().all(|byte| byte.is_ascii_lowercase())
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:%-".contains(&byte))
        && rest.bytes().last().is_some_and(|last| !b":%".contains(&last))
}

/// A domain name of at least two labels, whose last doesn't start with a digit.
pub(in crate::atproto) fn is_handle(text: &str) -> bool {
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= 253
        && text.contains('.')
        && text.split('.').all(is_label)
        && last.starts_with(|first: char| first.is_ascii_alphabetic())
}

/// One to 63 letters, digits and hyphens, the hyphens inside.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn is_at_identifier(text: &str) -> bool {
    if text.starts_with("did:") { is_did(text) } else { is_handle(text) }
}

/// A domain name backwards, of at least two labels, and a name.
pub(in crate::atproto) fn is_nsid(text: &str) -> bool {
    let Some((authority, name)) = text.rsplit_once('.') else { return false };
    text.len() <= 317
        && authority.contains('.')
        && authority.split('.').all(is_label)
        && authority.starts_with(|first: char| first.is_ascii_alphabetic())
        && (1..=63).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
}

/// `at://authority/collection/rkey`, the last one or two parts of which may be missing.
fn is_at_uri(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("at://") else { return false };
    let mut parts = rest.splitn(3, '/');
    text.len() <= 8192
        && parts.next().is_some_and(is_at_identifier)
        && parts.next().is_none_or(is_nsid)
        && parts.next().is_none_or(is_record_key)
}

fn is_record_key(text: &str) -> bool {
    (1..=512).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:~-".contains(&byte))
        && text != "."
        && text != ".."
}

fn is_tid(text: &str) -> bool {
    text.len() == 13
        && text.bytes().all(|byte| matches!(byte, b'2'..=b'7' | b'a'..=b'z'))
        // The topmost bit is 0.
        && text.starts_with(|first: char| first.is_ascii_digit() || first <= 'j')
}

/// A CID in any base, as far as that shows without decoding it; version 0 isn't used.
pub(super) fn is_cid(text: &str) -> bool {
    (8..=256).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+=".contains(&byte))
        && !(text.len() == 46 && text.starts_with("Qm"))
}

/// `en`, `pt-BR`, `i-navajo`, `x-…`.
fn is_language(text: &str) -> bool {
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    let is_private = matches!(first, "i" | "x" | "X");
    let is_code = (2..=3).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_lowercase());
    text.len() <= 128
        && (is_code || (is_private && text.len() > 2))
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

/// A scheme, a colon, and something without spaces.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    text.len() <= 8192
        && scheme.len() <= 81
        && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte))
        && !rest.is_empty()
        && !rest.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// `1985-04-12T23:20:50.123Z`, or with an offset: what RFC 3339 and ISO 8601 have in common.
fn is_datetime(text: &str) -> bool {
    parse_datetime(text).is_some()
}

fn parse_datetime(text: &str) -> Option<()> {
    if text.len() > 64 || !text.is_ascii() {
        return None;
    }
    let (start, mut rest) = text.split_at_checked(19)?;
    let start = start.as_bytes();
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let number = |range: std::ops::Range<usize>| digits(start.get(range)?);
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let in_range = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour <= 23
        && minute <= 59
        && second <= 60
        && marks.iter().all(|(place, mark)| start[*place] == *mark);
    if !in_range {
        return None;
    }
    if let Some(fraction) = rest.strip_prefix('.') {
        rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
        if rest.len() == fraction.len() {
            return None;
        }
    }
    if rest == "Z" {
        return Some(());
    }
    let [sign, offset_hour @ .., _, _, _] = rest.as_bytes() else { return None };
    let (hours, minutes) = (digits(offset_hour)?, digits(&rest.as_bytes()[4..])?);
    let is_offset = rest.len() == 6 && rest.as_bytes()[3] == b':' && hours <= 23 && minutes <= 59;
    let is_known = match sign {
        // In UTC this must not be before the year 0.
        b'+' => (year, month, day) != (0, 1, 1) || hours * 60 + minutes <= hour * 60 + minute,
        // `-00:00` is how RFC 3339 writes an unknown offset.
        b'-' => hours + minutes > 0,
        _ => false,
    };
    (is_offset && is_known).then_some(())
}

/// The number that at most four digits write.
fn digits(bytes: &[u8]) -> Option<u32> {
    let is_number = (1..=4).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_digit);
    is_number.then(|| bytes.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}
