//! Mycomarkup, as far as an index needs it: headings, preformatted text, rocket links.

use super::{
    links::{Found, Links},
    markdown::fences,
    outline::Outline,
    target::{self, Destination},
    text::lines,
};
use springline_model::{Context, LinkPath, Uri};
use std::ops::Range;

/// Reads what the grammar says: `= heading`, text between lines of three backticks, `` `code` ``, `=> target
/// label` and `<= target`.
pub(super) fn read(text: &str, links: &mut Links) -> Outline {
    let mut outline = Outline::default();
    let mut code = fences(text, 0);
    outline.set_regions(code.clone());
    let mut taken = Vec::new();
    links.pass();
    for line in lines(text) {
        let shown = &text[line.clone()];
        if outline.context(line.start) == Context::Code {
            continue;
        }
        if let Some(heading) = shown.strip_prefix('=').map(|rest| rest.trim_start_matches('=')) {
            outline.offer_title(heading.strip_prefix(' ').unwrap_or_default());
        }
        let rocket = [("=>", LinkPath::MARKDOWN), ("<=", LinkPath::EMBED)].into_iter();
        if let Some((target, path)) =
            rocket.filter_map(|(sign, path)| Some((shown.trim_start().strip_prefix(sign)?, path))).next()
        {
            launch(target.trim(), path, &line, links);
            taken.push(line);
        } else {
            code.extend(
                code_spans(shown).map(|span| (line.start + span.start..line.start + span.end, Context::Code)),
            );
        }
    }
    outline.set_regions(code);
    outline.cover(taken);
    outline
}

fn launch(rocket: &str, path: &'static str, line: &Range<usize>, links: &mut Links) {
    let (target, label) = match rocket.split_once('|').or_else(|| rocket.split_once(char::is_whitespace)) {
        Some((target, label)) => (target.trim(), Some(label)),
        None => (rocket, None),
    };
    let (path, target, fragment) = match target::understand(target) {
        Some(Destination::Outside(url)) if path == LinkPath::MARKDOWN => (LinkPath::URL, url, None),
        Some(Destination::Outside(url)) => (path, url, None),
        Some(Destination::Inside(node, fragment)) => (path, Uri::node(&node), fragment),
        None => return,
    };
    links.add(Found { path, context: Context::Prose, target, span: line.clone(), label, fragment });
}

/// What stands between two backticks of a line.
fn code_spans(line: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut ticks = memchr::memchr_iter(b'`', line.as_bytes());
    std::iter::from_fn(move || {
        let start = ticks.next()?;
        Some(start..ticks.next()? + 1)
    })
}
