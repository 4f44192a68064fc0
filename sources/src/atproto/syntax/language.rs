//! Language tags: BCP 47, well-formed (RFC 5646, 2.1) and without a variant or an extension twice (2.2.9).
//!
//! ```text
//!   zh-cmn   -Hant   -TW    -rozaj   -u-co-phonebk   -x-any
//!   language  script region variants extensions       private use
//! ```
//!
//! The registry isn't asked. Primary languages are in lower case and of two or three letters, as the protocol's own
//! tests demand.

use super::SyntaxError;

const MAX_BYTES: usize = 128;

/// Tags of before the grammar, that it doesn't cover.
const IRREGULAR: [&str; 17] = [
    "en-GB-oed",
    "i-ami",
    "i-bnn",
    "i-default",
    "i-enochian",
    "i-hak",
    "i-klingon",
    "i-lux",
    "i-mingo",
    "i-navajo",
    "i-pwn",
    "i-tao",
    "i-tay",
    "i-tsu",
    "sgn-BE-FR",
    "sgn-BE-NL",
    "sgn-CH-DE",
];

/// Whether the text is a language tag.
///
/// # Errors
/// It isn't.
pub fn check_language(text: &str) -> Result<(), SyntaxError> {
    if text.len() > MAX_BYTES {
        return Err(SyntaxError::Language("too long"));
    }
    if !text.is_ascii() || text.split('-').any(|subtag| subtag.is_empty() || subtag.len() > 8) {
        return Err(SyntaxError::Language("its parts are of 1 to 8 letters and digits"));
    }
    let is_known = IRREGULAR.iter().any(|tag| tag.eq_ignore_ascii_case(text));
    if is_known || is_private(text) || is_regular(text) {
        return Ok(());
    }
    Err(SyntaxError::Language("not a tag of BCP 47"))
}

fn is_private(text: &str) -> bool {
    let mut subtags = text.split('-');
    subtags.next().is_some_and(|first| first.eq_ignore_ascii_case("x"))
        && subtags.clone().next().is_some()
        && subtags.all(is_alphanumeric)
}

fn is_alphanumeric(subtag: &str) -> bool {
    subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn is_alphabetic(subtag: &str, length: usize) -> bool {
    subtag.len() == length && subtag.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn is_region(subtag: &str) -> bool {
    is_alphabetic(subtag, 2) || (subtag.len() == 3 && subtag.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_variant(subtag: &str) -> bool {
    let starts_with_digit = subtag.starts_with(|first: char| first.is_ascii_digit());
    is_alphanumeric(subtag) && (subtag.len() >= 5 || (subtag.len() == 4 && starts_with_digit))
}

fn is_regular(text: &str) -> bool {
    let mut subtags = text.split('-').peekable();
    let primary = subtags.next().unwrap_or_default();
    if !matches!(primary.len(), 2 | 3) || !primary.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return false;
    }
    for _ in 0..3 {
        let _ = subtags.next_if(|subtag| is_alphabetic(subtag, 3));
    }
    let _ = subtags.next_if(|subtag| is_alphabetic(subtag, 4));
    let _ = subtags.next_if(|subtag| is_region(subtag));
    let mut seen: Vec<&str> = Vec::new();
    let mut is_new = |subtag| {
        let is_new = !seen.iter().any(|other: &&str| other.eq_ignore_ascii_case(subtag));
        seen.push(subtag);
        is_new
    };
    while let Some(variant) = subtags.next_if(|subtag| is_variant(subtag)) {
        if !is_new(variant) {
            return false;
        }
    }
    while let Some(singleton) = subtags.next() {
        if singleton.len() != 1 || !is_alphanumeric(singleton) {
            return false;
        }
        if singleton.eq_ignore_ascii_case("x") {
            return subtags.peek().is_some() && subtags.all(is_alphanumeric);
        }
        let mut length = 0;
        while subtags.next_if(|subtag| subtag.len() > 1 && is_alphanumeric(subtag)).is_some() {
            length += 1;
        }
        if length == 0 || !is_new(singleton) {
            return false;
        }
    }
    true
}
