//! Org mode, as far as an index needs it, line by line: title, tags, blocks, comments, verbatim text.
//!
//! A full parser (orgize 0.10) was tried and takes time that grows with the square of the text on a few
//! inputs that a stranger can write (`[[` or `:a:` very often), so this reads only what changes the meaning
//! of a link.

use super::{
    links::{Found, Links},
    outline::Outline,
    text::lines,
};
use springline_model::{Context, LinkPath, Uri};
use std::ops::Range;

/// Reads what the grammar says: `#+title:`, headlines and their tags, `#+filetags:`, blocks, `# comments`, `:
/// code`, `=code=`, `~code~`.
pub(super) fn read(text: &str, links: &mut Links) -> Outline {
    let mut outline = Outline::default();
    links.pass();
    let mut headline = None;
    let mut regions = Vec::new();
    let mut block: Option<Block> = None;
    for line in lines(text) {
        let raw = &text[line.clone()];
        let shown = raw.trim();
        if let Some(open) = &block {
            if keyword(shown, "end_").is_some_and(|(name, _)| name.eq_ignore_ascii_case(&open.name)) {
                regions.push((open.start..line.end, open.context));
                block = None;
            }
        } else if let Some((name, _)) = keyword(shown, "begin_") {
            block = Block::open(name, line.start);
        } else if let Some((name, value)) = keyword(shown, "") {
            match name.to_ascii_lowercase().as_str() {
                "title:" => outline.offer_title(value),
                "filetags:" => tag(value, &line, &mut outline, links),
                _ => {}
            }
        } else if shown == "#" || shown.starts_with("# ") {
            regions.push((line, Context::Comment));
        } else if shown == ":" || shown.starts_with(": ") {
            regions.push((line, Context::Code));
        } else {
            if let Some((title, value)) = headline_of(raw) {
                tag(value, &line, &mut outline, links);
                headline.get_or_insert(title);
            }
            verbatim(raw, line.start, &mut regions);
        }
    }
    // As in Emacs, a block that never ends is none.
    if let Some(title) = headline {
        outline.offer_title(title);
    }
    outline.set_regions(regions);
    outline
}

struct Block {
    name: String,
    start: usize,
    context: Context,
}

impl Block {
    /// Of those blocks whose content is not prose.
    fn open(name: &str, start: usize) -> Option<Self> {
        let context = match name.to_ascii_lowercase().as_str() {
            "src" | "example" | "export" => Context::Code,
            "comment" => Context::Comment,
            _ => return None,
        };
        Some(Self { name: name.to_owned(), start, context })
    }
}

/// `#+name value`, where the name starts with a prefix that is not part of what is given.
fn keyword<'a>(line: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    let rest = line.strip_prefix("#+")?;
    let head = rest.get(..prefix.len())?;
    let rest = &rest[prefix.len()..];
    head.eq_ignore_ascii_case(prefix).then(|| rest.split_once(char::is_whitespace).unwrap_or((rest, "")))
}

/// The title of a `* TODO Headline :tag:` and its tags as they stand.
fn headline_of(line: &str) -> Option<(&str, &str)> {
    let title = line.strip_prefix('*')?.trim_start_matches('*').strip_prefix(' ')?.trim();
    let title = ["TODO ", "DONE "].into_iter().find_map(|state| title.strip_prefix(state)).unwrap_or(title);
    let last = title.rsplit(char::is_whitespace).next()?;
    let tagged = last.len() > 2 && last.starts_with(':') && last.ends_with(':');
    let tags = if tagged { last } else { "" };
    Some((title[..title.len() - tags.len()].trim_end(), tags))
}

/// Takes `:a:b:`, or words, for the tags of the note; each is a link that stands in its line.
fn tag(value: &str, line: &Range<usize>, outline: &mut Outline, links: &mut Links) {
    let words = value.split(|c: char| c == ':' || c.is_whitespace());
    for tag in words.filter(|word| !word.is_empty()).map(str::to_lowercase) {
        links.add(Found {
            path: LinkPath::TAG,
            context: Context::Prose,
            target: Uri::tag(&tag),
            span: line.clone(),
            label: None,
            fragment: None,
        });
        outline.add_tags([tag]);
    }
}

/// `=code=` and `~code~`: the marks stand at the edges of words.
fn verbatim(line: &str, base: usize, regions: &mut Vec<(Range<usize>, Context)>) {
    let bytes = line.as_bytes();
    let edge = |byte: Option<&u8>| {
        byte.is_none_or(|byte| byte.is_ascii_whitespace() || b"-('\"{.,;:!?)}[]\\".contains(byte))
    };
    // For both marks where an opening one stands.
    let mut open: [Option<usize>; 2] = [None, None];
    for at in memchr::memchr2_iter(b'=', b'~', bytes) {
        let slot = usize::from(bytes[at] == b'~');
        let touches = |byte: Option<&u8>| byte.is_some_and(|byte| !byte.is_ascii_whitespace());
        let before = at.checked_sub(1).map(|before| &bytes[before]);
        match open[slot] {
            Some(start) if at > start + 1 && touches(before) && edge(bytes.get(at + 1)) => {
                regions.push((base + start..base + at + 1, Context::Code));
                open = [None, None];
            }
            None if edge(before) && touches(bytes.get(at + 1)) => open[slot] = Some(at),
            _ => {}
        }
    }
}
