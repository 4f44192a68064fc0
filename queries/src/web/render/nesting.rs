//! Cuts the nesting of Markdown before a parser sees it.
//!
//! A parser of nested containers does work in proportion to the depth on every line: a note of 10,000 nested
//! quotes above 100,000 empty lines costs seconds. No person nests deeper than a dozen, so a line keeps at most
//! [`MAX_MARKERS`] container markers (`>`, `-`, `1.`) and [`MAX_INDENT`] columns of indentation; what is beyond
//! is dropped, the text behind it stays. An indentation step is at least two columns, so lists end up at most
//! `MAX_INDENT / 2 + MAX_MARKERS` deep.

use std::borrow::Cow;

/// Container markers that a line may begin with.
const MAX_MARKERS: usize = 16;

/// Columns of indentation that a line keeps.
const MAX_INDENT: usize = 64;

/// The same text with the nesting cut; borrowed if there was nothing to cut.
pub(super) fn cut(text: &str) -> Cow<'_, str> {
    let mut kept: Option<String> = None;
    let mut done = 0;
    for line in text.split_inclusive('\n') {
        let whole = match too_deep(line) {
            None => line.len(),
            Some((indent, from, to)) => {
                let kept = kept.get_or_insert_with(|| text[..done].to_owned());
                kept.extend(std::iter::repeat_n(' ', indent));
                kept.push_str(&line[from..to.0]);
                kept.push_str(&line[to.1..]);
                done += line.len();
                continue;
            }
        };
        if let Some(kept) = &mut kept {
            kept.push_str(line);
        }
        done += whole;
    }
    kept.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// For a line that nests too deep: the indentation to write, where its markers begin, and the range of bytes of
/// the markers to drop.
fn too_deep(line: &str) -> Option<(usize, usize, (usize, usize))> {
    let bytes = line.as_bytes();
    let (first, columns) = skip_blanks(bytes, 0);
    let (mut at, mut markers, mut drop_from) = (first, 0, None);
    while let Some(end) = marker(bytes, at) {
        markers += 1;
        if markers > MAX_MARKERS && drop_from.is_none() {
            drop_from = Some(at);
        }
        at = skip_blanks(bytes, end).0;
    }
    if columns <= MAX_INDENT && drop_from.is_none() {
        return None;
    }
    // Blanks between the kept markers can hold as much indentation as those before them, but no line of a list
    // that deep can follow it: its own indentation is cut.
    let indent = columns.min(MAX_INDENT);
    let drop_from = drop_from.unwrap_or(at);
    Some((indent, first, (drop_from, at)))
}

/// The first byte behind spaces and tabs, and how many columns those take.
fn skip_blanks(bytes: &[u8], from: usize) -> (usize, usize) {
    let (mut at, mut columns) = (from, 0);
    while let Some(blank @ (b' ' | b'\t')) = bytes.get(at) {
        columns = if *blank == b'\t' { columns / 4 * 4 + 4 } else { columns + 1 };
        at += 1;
    }
    (at, columns)
}

/// If a container marker begins here, where it ends.
fn marker(bytes: &[u8], at: usize) -> Option<usize> {
    let end = match bytes.get(at)? {
        b'>' => return Some(at + 1),
        b'-' | b'*' | b'+' => at + 1,
        b'0'..=b'9' => {
            let digits = bytes[at..].iter().take(10).take_while(|byte| byte.is_ascii_digit()).count();
            match bytes.get(at + digits) {
                Some(b'.' | b')') if digits < 10 => at + digits + 1,
                _ => return None,
            }
        }
        _ => return None,
    };
    matches!(bytes.get(end), None | Some(b' ' | b'\t' | b'\n' | b'\r')).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn usual_text_is_not_touched() {
        let text = "# a\n\n- b\n    - c\n\t\t- d\n> > e\n1. f\n- - - -\n***\n```\n        x\n```";
        assert!(matches!(cut(text), Cow::Borrowed(_)));
    }

    #[test]
    fn deep_lines_keep_their_text() {
        let text = format!("a\n{}b\n{}c\n{}d", "> ".repeat(10_000), " ".repeat(500), "- ".repeat(99));
        let kept = cut(&text);
        let lines: Vec<&str> = kept.lines().collect();
        assert_eq!(lines[0], "a");
        assert_eq!(lines[1], format!("{}b", "> ".repeat(MAX_MARKERS)));
        assert_eq!(lines[2], format!("{}c", " ".repeat(MAX_INDENT)));
        assert_eq!(lines[3], format!("{}d", "- ".repeat(MAX_MARKERS)));
    }

    proptest! {
        #[test]
        fn only_blanks_and_markers_are_dropped(text in "[-> \t*1.a\n]{0,400}") {
            let kept = cut(&text);
            let letters = |text: &str| text.chars().filter(|c| *c == 'a' || *c == '\n').count();
            prop_assert_eq!(letters(&kept), letters(&text));
            let again = cut(&kept);
            prop_assert_eq!(again.as_ref(), kept.as_ref());
        }
    }
}
