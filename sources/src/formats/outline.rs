//! What a format's grammar says about a text.

use super::{MAX_TAGS, MAX_TITLE_BYTES, text::clip};
use springline_model::Context;
use std::{collections::BTreeSet, ops::Range};

/// Title, tags, and which parts of the text are not prose.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// For people; `None` when the text has none.
    pub title: Option<String>,
    /// Lower-cased, without `#`; at most [`MAX_TAGS`].
    pub tags: BTreeSet<String>,
    /// What was left out, for people.
    pub partial: Vec<String>,
    /// Where the front matter ends.
    pub body: usize,
    /// Code and comments, in order, apart from each other.
    regions: Vec<(Range<usize>, Context)>,
    /// What is taken already: no bare URL and no hashtag is looked for there. In order, apart.
    covered: Vec<Range<usize>>,
}

impl Outline {
    /// A text that is nothing but code.
    pub(super) fn code(text: &str) -> Self {
        Self { regions: vec![(0..text.len(), Context::Code)], ..Self::default() }
    }

    /// Sets the title if there is none yet and this one isn't blank.
    pub(super) fn offer_title(&mut self, title: &str) {
        if self.title.is_none() {
            let words: Vec<_> = title.split_whitespace().take(MAX_TITLE_BYTES).collect();
            let title = words.join(" ").replace("[[", "").replace("]]", "");
            self.title = (!title.is_empty()).then(|| clip(&title, MAX_TITLE_BYTES).to_owned());
        }
    }

    /// Adds tags, up to the bound.
    pub(super) fn add_tags(&mut self, tags: impl IntoIterator<Item = String>) {
        for tag in tags {
            if self.tags.len() < MAX_TAGS {
                self.tags.insert(tag);
            } else if !self.tags.contains(&tag) {
                self.partial.push(format!("more than {MAX_TAGS} tags: the rest is left out"));
                return;
            }
        }
    }

    /// Says where code and comments are, each in any order. Of two that overlap, the one that starts first
    /// counts.
    pub(super) fn set_regions(&mut self, mut regions: Vec<(Range<usize>, Context)>) {
        regions.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
        let mut end = 0;
        regions.retain(|(range, _)| {
            let apart = range.start >= end && !range.is_empty();
            if apart {
                end = range.end;
            }
            apart
        });
        self.regions = regions;
    }

    /// What a position stands in.
    pub(super) fn context(&self, at: usize) -> Context {
        let behind = self.regions.partition_point(|(range, _)| range.start <= at);
        match behind.checked_sub(1).map(|index| &self.regions[index]) {
            Some((range, context)) if at < range.end => *context,
            _ => Context::Prose,
        }
    }

    /// Whether a region starts at one of the positions.
    pub(super) fn region_starts_in(&self, range: &Range<usize>) -> bool {
        let index = self.regions.partition_point(|(region, _)| region.start < range.start);
        self.regions.get(index).is_some_and(|(region, _)| region.start < range.end)
    }

    /// Takes ranges, in any order.
    pub(super) fn cover(&mut self, ranges: impl IntoIterator<Item = Range<usize>>) {
        let mut all = std::mem::take(&mut self.covered);
        all.extend(ranges);
        all.sort_by_key(|range| range.start);
        for range in all {
            match self.covered.last_mut() {
                Some(last) if range.start < last.end => last.end = last.end.max(range.end),
                _ => self.covered.push(range),
            }
        }
    }

    /// If a position is taken, where that ends.
    pub(super) fn covered_until(&self, at: usize) -> Option<usize> {
        let behind = self.covered.partition_point(|range| range.start <= at);
        let range = &self.covered[behind.checked_sub(1)?];
        (at < range.end).then_some(range.end)
    }
}
