//! Agora node names: how a file stem or a wikilink's text becomes the name that subnodes share.
//!
//! ```text
//!   "Digital-Garden"  "digital  garden"  "Digital.Garden" ──► digital garden ──► slug digital-garden
//!   "2022_01_01"  "20220101"  "January 1st, 2022"         ──► 2022-01-01     ──► a journal of that day
//! ```
//!
//! The rules are agora-server's, oddities included, so that names agree with the Agora's: a text that starts
//! like a date and isn't one stays as it is, case and all (`2022-W01`, `2022-01-01.md`). What we do better:
//! `January 3rd, 2022` and `January 23rd, 2022` are dates too, and only days that exist are journals.
//!
//! Invariants: never fails, whatever the text; a canonical name has no two spaces in a row unless it starts
//! like a date; canonicalising is linear in the text and allocates once or twice.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt, sync::Arc};

/// The canonical name of an Agora node, e.g. `digital garden`, `2022-01-01`, `foo/bar`, `@flancian`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeName(Arc<str>);

impl NodeName {
    /// The name that a text stands for: a wikilink's text or a file's stem.
    #[must_use]
    pub fn canonical(text: &str) -> Self {
        if !looks_dated(text) {
            return Self(plain(text).as_ref().into());
        }
        match date_of(text) {
            Some((year, month, day)) => Self(format!("{year:04}-{month:02}-{day:02}").into()),
            None => Self(text.into()),
        }
    }

    /// The name that a file's path stands for: that of its stem. Folders don't count, and neither does the
    /// extension (what stands behind the last dot, unless that is the first character).
    #[must_use]
    pub fn of_path(path: &str) -> Self {
        Self::canonical(stem(path))
    }

    /// Takes a name that is canonical already (read back from a store or from a `node:` URI).
    #[must_use]
    pub fn from_canonical(name: &str) -> Self {
        Self(name.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as it stands in an address: runs of spaces become `-`.
    #[must_use]
    pub fn slug(&self) -> String {
        let mut slug = String::with_capacity(self.0.len());
        let mut in_gap = false;
        for c in self.0.chars() {
            match c {
                ' ' if in_gap => {}
                ' ' => slug.push('-'),
                c => slug.push(c),
            }
            in_gap = c == ' ';
        }
        slug
    }

    /// Midnight UTC of the day that the node is the journal of; `None` for anything but a day that exists.
    /// Days to come count: whether they do is up to the caller, who has a clock.
    #[must_use]
    pub fn journal_day(&self) -> Option<Timestamp> {
        let shaped = self.0.len() == 10
            && self.0.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        (shaped && !self.0.starts_with("0000")).then(|| Timestamp::parse(&self.0).ok()).flatten()
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[[{}]]", self.0)
    }
}

/// The file name of a path without its extension; a leading dot starts no extension.
#[must_use]
pub fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rfind('.') {
        Some(dot) if !name[..dot].bytes().all(|byte| byte == b'.') => &name[..dot],
        _ => name,
    }
}

/// A name that is no date: lower case, and every run of separators one space.
fn plain(text: &str) -> Cow<'_, str> {
    let settled = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'@' | b'#' | b'(' | b')');
    if text.bytes().all(settled) {
        return Cow::Borrowed(text);
    }
    let lower = text.to_lowercase();
    let mut name = String::with_capacity(lower.len());
    let mut in_gap = false;
    // A slash beside a space is a separator, but one space makes only one slash so.
    let mut space_before = false;
    let mut chars = lower.trim().chars().peekable();
    while let Some(c) = chars.next() {
        let separates = match c {
            '/' => chars.next_if_eq(&' ').is_some() || space_before,
            ' ' | '-' | '%' | '.' | ',' | ':' | '+' => true,
            _ => false,
        };
        space_before = c == ' ';
        if !separates {
            name.push(c);
        } else if !in_gap {
            name.push(' ');
        }
        in_gap = separates;
    }
    Cow::Owned(name)
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Whether agora-server would take the text for a date: four, two and two digits with at most one character
/// of any kind between them, a year and `-W`, or a day in words.
fn looks_dated(text: &str) -> bool {
    if !text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric) {
        return false;
    }
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return day_in_words(text).is_some();
    }
    let mut head = ['\n'; 10];
    for (place, c) in head.iter_mut().zip(text.chars()) {
        *place = c;
    }
    let digits = |from: usize, count: usize| head[from..from + count].iter().all(char::is_ascii_digit);
    digits(0, 4)
        && (head[4..6] == ['-', 'W']
            || [(0, 0), (1, 0), (0, 1), (1, 1)].into_iter().any(|(first, second)| {
                let month = 4 + first;
                let day = month + 2 + second;
                digits(month, 2)
                    && digits(day, 2)
                    && (first == 0 || head[4] != '\n')
                    && (second == 0 || head[month + 2] != '\n')
            }))
}

/// The day that a text names, if the rest of the text is nothing or only a time or weekday.
fn date_of(text: &str) -> Option<(i16, i8, i8)> {
    let (year, month, day, rest) = day_in_digits(text).or_else(|| day_in_words(text))?;
    let exists = year > 0 && jiff::civil::Date::new(year, month, day).is_ok();
    (exists && adds_nothing(rest)).then_some((year, month, day))
}

/// `2022-01-01`, `2022_01_01`, `20220101` and so on, and what stands behind.
fn day_in_digits(text: &str) -> Option<(i16, i8, i8, &str)> {
    let separated = |text: &'_ str| text.starts_with(['-', '_', '.', '/', ',', ' ']);
    let year = text.get(..4)?;
    let gap = usize::from(separated(&text[4..]));
    let month = text.get(4 + gap..6 + gap)?;
    if gap == 1 && !separated(&text[6 + gap..]) {
        return None;
    }
    let day = text.get(6 + 2 * gap..8 + 2 * gap)?;
    Some((number(year)?, number(month)?, number(day)?, &text[8 + 2 * gap..]))
}

/// `January 1st, 2022` or `january-1st-2022`, and what stands behind.
fn day_in_words(text: &str) -> Option<(i16, i8, i8, &str)> {
    let lower = text.as_bytes().first()?.is_ascii_lowercase();
    let (index, rest) = MONTHS.iter().enumerate().find_map(|(index, name)| {
        let head = text.get(..name.len())?;
        let matches = head[1..] == name[1..] && head[..1].eq_ignore_ascii_case(&name[..1]);
        matches.then(|| (index, &text[name.len()..]))
    })?;
    let rest = rest.strip_prefix(if lower { '-' } else { ' ' })?;
    let digits = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let (day, rest) = rest.split_at(digits);
    let rest = ["st", "nd", "rd", "th"].into_iter().find_map(|suffix| rest.strip_prefix(suffix))?;
    let rest = rest.strip_prefix(if lower { "-" } else { ", " })?;
    let year = rest.get(..4)?;
    Some((number(year)?, i8::try_from(index + 1).ok()?, number(day)?, &rest[4..]))
}

fn number<N: std::str::FromStr>(digits: &str) -> Option<N> {
    // `parse` alone would take a sign.
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// Whether what stands behind a date leaves it the same day: nothing, punctuation, a weekday, a time.
fn adds_nothing(rest: &str) -> bool {
    let rest = rest.trim_matches(|c: char| c == ' ' || ",.;:!?()_-#/".contains(c));
    let weekday = |name: &&str| rest.eq_ignore_ascii_case(name) || rest.eq_ignore_ascii_case(&name[..3]);
    rest.is_empty() || WEEKDAYS.iter().any(weekday) || is_clock(rest)
}

/// `18:00`, `T18:52:43.120Z`, `9:05 pm`, `18:00 UTC`, `10:00+02:00`.
fn is_clock(text: &str) -> bool {
    fn below(text: &str, limit: u8) -> Option<&str> {
        let digits = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
        let value: u8 = number(text.get(..digits)?)?;
        (value < limit).then(|| &text[digits..])
    }
    let text = text.strip_prefix(['T', 't']).unwrap_or(text);
    let Some(rest) = below(text, 24).and_then(|rest| below(rest.strip_prefix(':')?, 60)) else {
        return false;
    };
    let rest = rest.strip_prefix(':').and_then(|rest| below(rest, 60)).unwrap_or(rest);
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let zone = rest.trim();
    zone.is_empty()
        || zone.eq_ignore_ascii_case("am")
        || zone.eq_ignore_ascii_case("pm")
        || (zone.len() <= 4 && zone.bytes().all(|byte| byte.is_ascii_uppercase()))
        || (zone.starts_with(['+', '-'])
            && zone.len() <= 6
            && zone[1..].bytes().all(|byte| byte.is_ascii_digit() || byte == b':'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn is(text: &str, name: &str) {
        assert_eq!(NodeName::canonical(text).as_str(), name, "{text}");
    }

    #[test]
    fn names_share_what_looks_alike() {
        is("Foo  Bar", "foo bar");
        is("foo - bar", "foo bar");
        is("foo.bar", "foo bar");
        is("foo / bar", "foo bar");
        is("foo/ bar/baz", "foo bar/baz");
        is("a /b //c / /d", "a b /c /d");
        is("-dash", " dash");
        is("ΣΊΣΥΦΟΣ", "σίσυφος");
    }

    #[test]
    fn days_are_days_and_nothing_else_is() {
        for day in [
            "2022-01-03",
            "2022_01_03",
            "20220103",
            "2022/01/03",
            "2022 01_03",
            "January 3rd, 2022",
            "January 03rd, 2022",
            "january-3rd-2022",
            "2022-01-03 18:52:43",
            "2022-01-03T18:52:43.5+02:00",
            "2022-01-03 18:00 UTC",
            "2022-01-03 9:00 pm",
            "2022-01-03 (Mon)",
            "2022-01-03, Monday",
        ] {
            is(day, "2022-01-03");
        }
        for same in [
            "2022-13-45",
            "2022-02-30",
            "February 30th, 2022",
            "2022-W01",
            "2022-01-01.md",
            "2022-01-01 Note",
            "2022-0101",
            "2022-01-01 25:00",
            "202201011030",
            "0009-0005-5880-1614",
            "2022年01月01",
            "0000-01-01",
        ] {
            is(same, same);
            assert_eq!(NodeName::canonical(same).journal_day(), None, "{same}");
        }
        is("January 1, 2022", "january 1 2022");
        is("2022-1-1", "2022 1 1");
        is("2022-1\n01", "2022 1\n01");
        let leap = NodeName::canonical("2024_02_29").journal_day();
        assert_eq!(leap.map(Timestamp::date).as_deref(), Some("2024-02-29"));
    }

    #[test]
    fn stems_are_cut_from_paths() {
        assert_eq!(stem("a/b.c/foo.bar.md"), "foo.bar");
        assert_eq!(stem(".hidden.md"), ".hidden");
        assert_eq!(stem("a/.hidden"), ".hidden");
        assert_eq!(stem("a/README"), "README");
        assert_eq!(NodeName::of_path("journals/2022_01_01.md").as_str(), "2022-01-01");
        assert_eq!(NodeName::canonical("A.I.").slug(), "a-i-");
    }

    /// agora-server's own wording of the rule for names that are no dates, pass by pass.
    fn by_passes(text: &str) -> String {
        let mut name = text.to_lowercase().trim().to_owned();
        for (what, by) in
            [("/ ", "-"), (" /", "-"), (" ", "-"), ("%", "-"), (".", "-"), (",", "-"), (":", "-")]
        {
            name = name.replace(what, by);
        }
        name = name.replace('+', "-");
        while name.contains("--") {
            name = name.replace("--", "-");
        }
        name.replace('-', " ")
    }

    proptest! {
        #[test]
        fn one_pass_gives_what_many_do(text in "[aB/ .,:%+_-]{0,12}") {
            prop_assert_eq!(NodeName::canonical(&text), NodeName::from_canonical(&by_passes(&text)));
        }

        #[test]
        fn any_text_has_a_name(text in any::<String>(), date in "[0-9]{4}.?[0-9]{2}.?[0-9]{2}.{0,6}") {
            for text in [text, date] {
                let name = NodeName::canonical(&text);
                prop_assert!(name.slug().len() <= name.as_str().len());
                let _ = name.journal_day();
                let _ = NodeName::of_path(&text);
            }
        }
    }
}
