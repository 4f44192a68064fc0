//! Mycomarkup, as far as gardens use it: headings, lists, quotes, rocket links, code, emphasis, links.

use super::{
    Ids,
    anchor::{self, Destination},
    inline::Style,
    lines::{Blocks, indent},
    out::Out,
};

/// Writes a whole note.
pub(super) fn write(out: &mut Out, text: &str, ids: &mut Ids) {
    let mut lines = text.lines();
    let mut blocks = Blocks::new(out, Style::Myco);
    while let Some(line) = lines.next() {
        if blocks.out.is_full() {
            break;
        }
        let bare = line.trim();
        if bare.is_empty() {
            blocks.blank();
        } else if bare.starts_with("```") {
            blocks.verbatim(lines.by_ref().take_while(|line| !line.trim().starts_with("```")));
        } else if let Some((level, title)) = heading(bare) {
            blocks.close_all();
            let name = ["h3", "h4", "h5", "h6"][level.clamp(1, 4) - 1];
            match ids.take(anchor::heading_id(title)) {
                Some(id) => blocks.out.open(name, &[("id", &id)]),
                None => blocks.out.open(name, &[]),
            }
            blocks.inline(title);
            blocks.out.close();
        } else if let Some(link) = bare.strip_prefix("=>").or_else(|| bare.strip_prefix("<=")) {
            blocks.close_all();
            rocket(&mut blocks, link.trim());
        } else if let Some((level, name, text)) = item(bare) {
            blocks.item(indent(line) + level, name, text);
        } else if let Some(quoted) = bare.strip_prefix("> ") {
            blocks.close_all();
            blocks.out.open("blockquote", &[]);
            blocks.inline(quoted);
            blocks.out.close();
        } else if bare.len() >= 4 && bare.bytes().all(|byte| byte == b'-') {
            blocks.close_all();
            blocks.out.void("hr", &[]);
        } else {
            blocks.paragraph_line(line, indent(line));
        }
    }
    blocks.close_all();
}

/// `== title`: its level and title.
fn heading(line: &str) -> Option<(usize, &str)> {
    let title = line.trim_start_matches('=');
    let level = line.len() - title.len();
    (level > 0).then(|| title.strip_prefix(' ')).flatten().map(|title| (level, title.trim()))
}

/// `** text`, `*. text`, `*v text`: how deep, the list's element and the text.
fn item(line: &str) -> Option<(usize, &'static str, &str)> {
    let text = line.trim_start_matches('*');
    let level = line.len() - text.len();
    if level == 0 {
        return None;
    }
    let (name, text) = match text.strip_prefix('.') {
        Some(text) => ("ol", text),
        None => ("ul", text.strip_prefix(['v', 'x']).unwrap_or(text)),
    };
    text.strip_prefix(' ').map(|text| (level.min(16), name, text))
}

/// `=> target | label`: a link that stands on its own line; a transclusion is shown as one.
fn rocket(blocks: &mut Blocks<'_>, link: &str) {
    let (target, label) = link.split_once('|').unwrap_or((link, link));
    let (target, label) = (target.trim(), label.trim());
    let destination = match Destination::of_url(target) {
        Destination::Inside(_) => Destination::of_wikilink(target),
        other => other,
    };
    blocks.out.open("p", &[]);
    blocks.out.text("→ ");
    destination.write(blocks.out, "wikilink", if label.is_empty() { target } else { label });
    blocks.out.close();
}
