//! Org, as far as gardens use it: headlines, lists, tables, blocks, drawers, emphasis, links.
//!
//! A renderer of its own, line by line and linear, because the crate that parses org whole builds a tree as deep
//! as a stranger's note.

use super::{
    Ids, anchor,
    inline::Style,
    lines::{Blocks, indent},
    out::Out,
};

/// Keywords that stand for a state in front of a headline.
const STATES: &[&str] = &["TODO", "DONE", "NEXT", "WAITING", "CANCELLED"];

/// Writes a whole note.
pub(super) fn write(out: &mut Out, text: &str, ids: &mut Ids) {
    let mut lines = text.lines().peekable();
    let mut blocks = Blocks::new(out, Style::Org);
    let mut quotes = 0_usize;
    while let Some(line) = lines.next() {
        if blocks.out.is_full() {
            break;
        }
        let bare = line.trim();
        if bare.is_empty() {
            blocks.blank();
        } else if let Some(keyword) = strip_ascii_prefix(bare, "#+begin_") {
            let kind = keyword.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
            if matches!(kind.as_str(), "quote" | "verse" | "center") {
                blocks.close_all();
                blocks.out.open("blockquote", &[]);
                quotes += 1;
            } else {
                let inside =
                    lines.by_ref().take_while(|line| strip_ascii_prefix(line.trim(), "#+end_").is_none());
                blocks.verbatim(inside);
            }
        } else if strip_ascii_prefix(bare, "#+end_").is_some() {
            blocks.close_all();
            if quotes > 0 {
                quotes -= 1;
                blocks.out.close();
            }
        } else if bare.starts_with("#+") || bare == "#" || bare.starts_with("# ") {
            blocks.blank();
        } else if is_drawer(bare) {
            lines.by_ref().find(|line| line.trim().eq_ignore_ascii_case(":end:"));
        } else if let Some((level, title)) = headline(line) {
            blocks.close_all();
            write_headline(&mut blocks, level, title, ids);
        } else if let Some((name, item)) = item(line) {
            blocks.item(indent(line), name, item);
        } else if let Some(row) = bare.strip_prefix('|') {
            if !row.starts_with('-') {
                blocks.row(row.strip_suffix('|').unwrap_or(row).split('|'));
            }
        } else if bare.len() >= 5 && bare.bytes().all(|byte| byte == b'-') {
            blocks.close_all();
            blocks.out.void("hr", &[]);
        } else if bare == ":" || bare.starts_with(": ") {
            let next = std::iter::from_fn(|| lines.next_if(|line| line.trim_start().starts_with(": ")));
            let fixed = std::iter::once(line).chain(next);
            blocks.verbatim(fixed.map(|line| line.trim_start().get(2..).unwrap_or_default()));
        } else {
            blocks.paragraph_line(line, indent(line));
        }
    }
    blocks.close_all();
}

fn write_headline(blocks: &mut Blocks<'_>, level: usize, title: &str, ids: &mut Ids) {
    let (title, tags) = split_tags(title);
    let name = ["h3", "h4", "h5", "h6"][level.clamp(1, 4) - 1];
    match ids.take(anchor::heading_id(title)) {
        Some(id) => blocks.out.open(name, &[("id", &id)]),
        None => blocks.out.open(name, &[]),
    }
    let (state, title) = title.split_once(' ').unwrap_or((title, ""));
    if STATES.contains(&state) {
        blocks.out.open("small", &[]);
        blocks.out.text(state);
        blocks.out.close();
        blocks.out.text(" ");
        blocks.inline(title);
    } else {
        blocks.inline(state);
        blocks.out.text(" ");
        blocks.inline(title);
    }
    for tag in tags {
        blocks.inline(&format!(" #{tag}"));
    }
    blocks.out.close();
    blocks.out.newline();
}

/// `** title`: its level and title.
fn headline(line: &str) -> Option<(usize, &str)> {
    let title = line.trim_start_matches('*');
    let level = line.len() - title.len();
    (level > 0).then(|| title.strip_prefix(' ')).flatten().map(|title| (level, title.trim()))
}

/// The tags at the end of a headline, `:a:b:`.
fn split_tags(title: &str) -> (&str, impl Iterator<Item = &str>) {
    let tags = title.rsplit(' ').next().filter(|tags| {
        tags.len() > 2 && tags.starts_with(':') && tags.ends_with(':') && !tags.contains("::")
    });
    let tags = tags.unwrap_or("");
    (title[..title.len() - tags.len()].trim_end(), tags.split(':').filter(|tag| !tag.is_empty()))
}

/// `- text`, `+ text`, `1. text`, indented `* text`: the list's element and the text.
pub(super) fn item(line: &str) -> Option<(&'static str, &str)> {
    let bare = line.trim_start();
    let indented = bare.len() < line.len();
    let bullet = bare.strip_prefix("- ").or_else(|| bare.strip_prefix("+ "));
    let bullet = bullet.or_else(|| bare.strip_prefix("* ").filter(|_| indented));
    if let Some(text) = bullet {
        return Some(("ul", text));
    }
    let digits = bare.bytes().take(9).take_while(u8::is_ascii_digit).count();
    let text = bare[digits..].strip_prefix(". ").or_else(|| bare[digits..].strip_prefix(") "))?;
    (digits > 0).then_some(("ol", text))
}

fn is_drawer(line: &str) -> bool {
    [":properties:", ":logbook:"].iter().any(|drawer| line.eq_ignore_ascii_case(drawer))
}

fn strip_ascii_prefix<'l>(line: &'l str, prefix: &str) -> Option<&'l str> {
    let start = line.get(..prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then(|| &line[prefix.len()..])
}
