//! `#word` in running text.

use super::{
    links::{Found, Links},
    outline::Outline,
};
use springline_model::{Context, LinkPath, Uri};
use std::collections::BTreeSet;

/// The longest tag, in bytes: what is longer is no tag.
const MAX_TAG_BYTES: usize = 128;

/// Links the hashtags of a text's prose, and gives their names (also those of `#[[two words]]`, which the
/// wikilinks have linked).
pub(super) fn link(text: &str, outline: &Outline, links: &mut Links) -> BTreeSet<String> {
    links.pass();
    let mut tags = links.targets(LinkPath::HASHTAG);
    for start in memchr::memchr_iter(b'#', &text.as_bytes()[outline.body..]).map(|at| outline.body + at) {
        let len = tag_len(&text[start + 1..]);
        if len == 0
            || !may_start_behind(&text[..start])
            || outline.context(start) != Context::Prose
            || outline.covered_until(start).is_some()
        {
            continue;
        }
        let tag = text[start + 1..start + 1 + len].to_lowercase();
        links.add(Found {
            path: LinkPath::HASHTAG,
            context: Context::Prose,
            target: Uri::tag(&tag),
            span: start..start + 1 + len,
            label: None,
            fragment: None,
        });
        tags.insert(tag);
    }
    tags
}

/// A tag starts a word: `a#b`, `&#39;`, `/#x` and `](#x)` are none.
fn may_start_behind(before: &str) -> bool {
    match before.chars().next_back() {
        None | Some(',' | ';' | '*' | '_' | '|') => true,
        Some('(') => !before.ends_with("]("),
        Some(c) => c.is_whitespace(),
    }
}

/// How much of a text is a tag: letters, digits, `_`, `-`, `/` and pictographs, but not digits alone.
fn tag_len(text: &str) -> usize {
    let belongs = |c: char| {
        c.is_alphanumeric()
            || matches!(c, '_' | '-' | '/' | '\u{200D}' | '\u{FE0F}')
            || ('\u{1F000}'..='\u{1FAFF}').contains(&c)
    };
    let mut len = 0;
    for c in text.chars() {
        if !belongs(c) {
            break;
        }
        len += c.len_utf8();
        if len > MAX_TAG_BYTES {
            return 0;
        }
    }
    let tag = text[..len].trim_end_matches(['-', '/', '_']);
    let says_something = tag.chars().any(|c| !c.is_numeric() && !matches!(c, '_' | '-' | '/'));
    if says_something { tag.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_words_behind_a_hash() {
        let tags = |text: &str| {
            let tags = link(text, &Outline::default(), &mut Links::new());
            tags.into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(tags("#Foo/Bar, (#b-c) *#d_e* #🌱. #42 #4a #中文"), "4a b-c d_e foo/bar 中文 🌱");
        assert_eq!(tags("# a ## b a#b &#39; [a](#b c) x/#y #-- #! ##c"), "");
        assert_eq!(tags(&format!("#{}", "x".repeat(200))), "");
    }
}
