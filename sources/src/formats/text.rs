//! Bytes as text, whatever they are: UTF-8, or UTF-16 if a byte order mark says so, as some editors of Windows write.

use encoding_rs::{Encoding, UTF_8};
use std::borrow::Cow;

/// How much of a text is kept, in bytes.
pub const MAX_TEXT_BYTES: usize = 8 * 1024 * 1024;

/// The text, and what of it isn't as it was written.
pub(super) fn decode(bytes: &[u8]) -> (String, Vec<String>) {
    let mut partial = Vec::new();
    let (encoding, mark) = Encoding::for_bom(bytes).unwrap_or((UTF_8, 0));
    let bytes = &bytes[mark..];
    let whole = bytes.len() <= MAX_TEXT_BYTES;
    let bytes = if whole { bytes } else { &bytes[..MAX_TEXT_BYTES] };
    let (mut text, broken) = if encoding == UTF_8 {
        // A character that the cut went through is cut off, and is not broken text.
        let text = String::from_utf8_lossy(match std::str::from_utf8(bytes) {
            Err(error) if !whole && error.error_len().is_none() => &bytes[..error.valid_up_to()],
            _ => bytes,
        });
        let broken = matches!(text, Cow::Owned(_));
        (text, broken)
    } else {
        encoding.decode_without_bom_handling(bytes)
    };
    if broken {
        let name = encoding.name();
        partial.push(format!("not {name}: what could not be read stands as U+FFFD"));
    }
    if memchr::memchr(0, text.as_bytes()).is_some() {
        partial.push("has NUL bytes: they stand as U+FFFD".to_owned());
        text = text.replace('\0', "\u{FFFD}").into();
    }
    let mut text = text.into_owned();
    // The replacement is longer than what it replaces.
    let kept = clip(&text, MAX_TEXT_BYTES).len();
    if !whole || kept < text.len() {
        text.truncate(kept);
        partial.push(format!("longer than {MAX_TEXT_BYTES} bytes: the rest is left out"));
    }
    (text, partial)
}

/// The longest beginning of at most so many bytes.
pub(super) fn clip(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The lines of a text as ranges without their ends (`\n` or `\r\n`).
pub(super) fn lines(text: &str) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
    let bytes = text.as_bytes();
    let mut start = 0;
    std::iter::from_fn(move || {
        if start >= bytes.len() {
            return None;
        }
        let end = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |newline| start + newline);
        let line = start..end - usize::from(end > start && bytes[end - 1] == b'\r');
        start = end + 1;
        Some(line)
    })
}

/// Where the line of a position ends.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    memchr::memchr2(b'\n', b'\r', &text.as_bytes()[at..]).map_or(text.len(), |end| at + end)
}

/// Where the line of a position starts.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    memchr::memrchr2(b'\n', b'\r', &text.as_bytes()[..at]).map_or(0, |end| end + 1)
}
