//! Gathers the links of one note, within bounds.

use super::text::clip;
use springline_model::{Context, Link, LinkPath, Uri, record::Span};
use std::{collections::BTreeSet, ops::Range};

/// The most links of one note that are kept: the first ones.
pub(super) const MAX_LINKS: usize = 20_000;

/// The longest target that is kept, in bytes.
pub(super) const MAX_TARGET_BYTES: usize = 4 * 1024;

/// The longest label or fragment, in bytes; the rest is cut off.
const MAX_LABEL_BYTES: usize = 1024;

/// How many bytes all targets of a note may have together: a text can name one long target very often.
const MAX_ALL_TARGETS_BYTES: usize = 4 * 1024 * 1024;

/// The links so far.
///
/// Each part of the reader is a pass over the text and offers its links in order, so keeping the first
/// [`MAX_LINKS`] of each pass keeps the first of all.
pub(super) struct Links {
    links: Vec<Link>,
    paths: Vec<LinkPath>,
    in_pass: usize,
    bytes_in_pass: usize,
    beyond: usize,
    too_long: usize,
}

/// One link as a pass finds it.
pub(super) struct Found<'a> {
    pub path: &'static str,
    pub context: Context,
    pub target: Uri,
    pub span: Range<usize>,
    pub label: Option<&'a str>,
    pub fragment: Option<&'a str>,
}

impl Links {
    pub(super) fn new() -> Self {
        Self { links: Vec::new(), paths: Vec::new(), in_pass: 0, bytes_in_pass: 0, beyond: 0, too_long: 0 }
    }

    /// A new pass over the text starts.
    pub(super) fn pass(&mut self) {
        self.in_pass = 0;
        self.bytes_in_pass = 0;
    }

    /// Counts links that are not kept because there are too many.
    pub(super) fn skip(&mut self, links: usize) {
        self.beyond += links;
    }

    /// Counts a link whose target is too long, unseen.
    pub(super) fn skip_long(&mut self) {
        self.too_long += 1;
    }

    /// Takes a link.
    pub(super) fn add(&mut self, found: Found<'_>) {
        let bytes = found.target.as_str().len();
        if bytes > MAX_TARGET_BYTES {
            return self.skip_long();
        }
        if self.in_pass == MAX_LINKS || self.bytes_in_pass + bytes > MAX_ALL_TARGETS_BYTES {
            return self.skip(1);
        }
        self.in_pass += 1;
        self.bytes_in_pass += bytes;
        let cut = |text: &str| clip(text.trim(), MAX_LABEL_BYTES).to_owned();
        let path = self.path(found.path);
        self.links.push(Link {
            path,
            context: found.context,
            target: found.target,
            span: span(found.span),
            label: found.label.map(cut),
            fragment: found.fragment.map(cut),
        });
    }

    /// The names that the targets of the links at a path have so far: what stands behind the scheme.
    pub(super) fn targets(&self, path: &str) -> BTreeSet<String> {
        let at_path = self.links.iter().filter(|link| link.path.as_str() == path);
        at_path.map(|link| link.target.rest().to_owned()).collect()
    }

    /// The links of a note share the texts of their paths.
    fn path(&mut self, path: &'static str) -> LinkPath {
        if let Some(known) = self.paths.iter().find(|known| known.as_str() == path) {
            return known.clone();
        }
        self.paths.push(path.into());
        path.into()
    }

    /// The links in the order of the text, and what was left out.
    pub(super) fn finish(self, partial: &mut Vec<String>) -> Vec<Link> {
        let Self { mut links, mut beyond, too_long, .. } = self;
        links.sort_by_key(|link| link.span.start);
        if links.len() > MAX_LINKS {
            beyond += links.len() - MAX_LINKS;
            links.truncate(MAX_LINKS);
        }
        if beyond > 0 {
            partial.push(format!("more than {MAX_LINKS} links: {beyond} are left out"));
        }
        if too_long > 0 {
            partial.push(format!("{too_long} links lead to more than {MAX_TARGET_BYTES} bytes: left out"));
        }
        links.shrink_to_fit();
        links
    }
}

/// The text is at most [`super::MAX_TEXT_BYTES`], so its positions fit.
fn span(range: Range<usize>) -> Span {
    let fit = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Span { start: fit(range.start), end: fit(range.end) }
}
