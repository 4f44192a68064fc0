//! Texts of strangers, made fit to be shown.

use std::borrow::Cow;

/// The longest beginning that stands for a text without a title, in characters.
const HEAD_CHARS: usize = 120;

/// Characters that show nothing themselves and change how others show: control characters, and those that turn the
/// direction of what follows. (Marks of direction and joiners stay: languages need them.)
fn misleads(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

/// A text without what misleads its reader.
#[must_use]
pub fn shown(text: &str) -> Cow<'_, str> {
    if text.chars().any(misleads) {
        Cow::Owned(text.chars().filter(|c| !misleads(*c)).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// The first line of a text that has no title, as far as a list shows it.
#[must_use]
pub fn head_line(text: &str) -> String {
    let shown = shown(text.get(..text.floor_char_boundary(4 * HEAD_CHARS)).unwrap_or(text));
    let line = shown.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let mut head: String = line.chars().take(HEAD_CHARS).collect();
    if head.len() < line.len() {
        head.push('…');
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_can_be_read() {
        assert_eq!(shown("a\u{0}b\u{202E}c\nd"), "abc\nd");
        assert!(matches!(shown("plain 中文 👩‍🌾"), Cow::Borrowed(_)));
        assert_eq!(head_line("\n  \n first \nsecond"), "first");
        assert_eq!(head_line(&"é".repeat(500)).chars().count(), HEAD_CHARS + 1);
        assert_eq!(head_line("\u{0}\u{202E}"), "");
    }
}
