//! Cutting text for rows that many links share, always between characters.

use std::{borrow::Cow, ops::Range};

/// The longest title or label in a row that repeats with every link of a record.
pub(crate) const TITLE_BYTES: usize = 512;

/// The character boundary at or before a byte.
fn boundary(text: &str, byte: usize) -> usize {
    let byte = byte.min(text.len());
    (0..=byte).rev().find(|byte| text.is_char_boundary(*byte)).unwrap_or(0)
}

/// The beginning of a text, at most so many bytes.
pub(crate) fn clip(text: &str, bytes: usize) -> &str {
    &text[..boundary(text, bytes)]
}

/// A text of at most so many bytes; what was cut shows as `…`.
pub(crate) fn shorten(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    format!("{}…", clip(text, bytes.saturating_sub('…'.len_utf8())).trim_end())
}

/// The line (or lines) that a range lies in, without the space around it: at most so many bytes (and the marks
/// of what was cut), the range in the middle of them. A range that does not fit the text is moved into it.
///
/// Looks at no more text than it gives back, whatever the length of the line.
pub(crate) fn line_around(text: &str, range: Range<usize>, bytes: usize) -> String {
    let start = boundary(text, range.start);
    let end = boundary(text, range.end.min(start + bytes)).max(start);
    let room = bytes - (end - start).min(bytes);
    let from =
        (start.saturating_sub(room / 2)..=start).find(|byte| text.is_char_boundary(*byte)).unwrap_or(start);
    let to = boundary(text, end + (room - (start - from).min(room)));
    let (before, after) = (&text[from..start], &text[end..to]);
    let (line, left) = before.rfind('\n').map_or((from, from > 0), |newline| (from + newline + 1, false));
    let (stop, right) = after.find('\n').map_or((to, to < text.len()), |newline| (end + newline, false));
    let mark = |cut: bool| Cow::Borrowed(if cut { "…" } else { "" });
    format!("{}{}{}", mark(left), text[line..stop].trim(), mark(right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_range_of_any_text(text in "[a é中\n\u{0}]{0,60}", start in 0..90_usize, end in 0..90_usize, bytes in 0..40_usize) {
            let line = line_around(&text, start..end, bytes);
            prop_assert!(line.len() <= bytes + 2 * '…'.len_utf8(), "{line:?}");
            prop_assert!(text.contains(line.trim_matches('…')));
            prop_assert!(shorten(&text, bytes).len() <= bytes.max('…'.len_utf8()));
            prop_assert!(text.starts_with(clip(&text, bytes)));
        }
    }

    #[test]
    fn the_line_and_nothing_else() {
        let text = "one\n two [[x]] three \r\nfour";
        assert_eq!(line_around(text, 9..14, 100), "two [[x]] three");
        assert_eq!(line_around(text, 9..14, 11), "…wo [[x]] th…");
        assert_eq!(line_around(text, 0..0, 100), "one");
        assert_eq!(line_around(text, 500..502, 100), "four");
        assert_eq!(shorten("abcdefgh", 6), "abc…");
    }
}
