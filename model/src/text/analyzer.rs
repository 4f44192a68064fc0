//! From a record to its terms.

use super::{
    Lang, MAX_POSITIONS, MAX_SEARCHED_LINKS, MAX_TEXT_BYTES, MAX_TITLE_WORDS, MAX_WORDS, Segmenter, Shape,
    head,
    interner::Interner,
    language::Sample,
    stem::{StemCache, stem_language},
    term::{self, Filter},
};
use crate::{
    Link, LinkPath, Record, SourceId, Uri,
    node::stem,
    record::attr,
    rows::{PostingsRow, Terms, TermsBuilder},
};
use std::ops::ControlFlow;

/// Stands between two parts of a document in the stream of its words.
const GAP: u32 = u32::MAX;

/// Makes [`PostingsRow`]s of records. A pure function of the record and its source; what it holds is scratch
/// space and a bounded cache of stems (about 3 MB), so use one for many records.
pub struct Analyzer {
    segmenter: Segmenter,
    words: Interner,
    /// The words of the document in order, by number, with gaps. Its index is the position.
    stream: Vec<u32>,
    /// Every position, grouped by word.
    positions: Vec<u32>,
    sample: Sample,
    stems: StemCache,
    stemmed: Vec<Stemmed>,
    stem_names: Vec<u8>,
    builder: TermsBuilder,
    partial: bool,
}

/// A stem's name in `stem_names`, and the counts of a word that has it.
struct Stemmed {
    order: u64,
    start: u32,
    end: u32,
    title: u32,
    body: u32,
}

/// Which part of a document a word stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Title,
    Body,
    Path,
}

impl Default for Analyzer {
    fn default() -> Self {
        Self::new()
    }
}

impl Analyzer {
    /// A new one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            segmenter: Segmenter::new(),
            words: Interner::new(),
            stream: Vec::new(),
            positions: Vec::new(),
            sample: Sample::default(),
            stems: StemCache::new(),
            stemmed: Vec::new(),
            stem_names: Vec::new(),
            builder: TermsBuilder::new(),
            partial: false,
        }
    }

    /// The terms of a record.
    pub fn analyse(&mut self, record: &Record, source: &SourceId) -> PostingsRow {
        self.words.clear(record.text.len());
        self.stream.clear();
        self.sample.clear();
        self.partial = false;

        let mut length = self.read(&record.title, Part::Title, MAX_TITLE_WORDS);
        length += self.read_name(record);
        self.stream.push(GAP);
        length += self.read(&record.text, Part::Body, MAX_WORDS);
        if let Some(alt) = record.attrs.get(attr::ALT) {
            self.stream.push(GAP);
            length += self.read(alt, Part::Body, MAX_WORDS);
        }
        if let Some(path) = record.attrs.get(attr::RELATIVE) {
            self.stream.push(GAP);
            self.read(without_extension(path), Part::Path, MAX_TITLE_WORDS);
        }

        let langs: Vec<Lang> =
            match record.langs.iter().filter_map(|tag| Lang::from_tag(tag)).collect::<Vec<_>>() {
                told if !told.is_empty() => told,
                _ => self.sample.language().into_iter().collect(),
            };
        PostingsRow {
            uri: record.uri.clone(),
            at: record.at,
            length: u32::try_from(length).unwrap_or(u32::MAX),
            terms: self.terms(record, source, &langs),
        }
    }

    /// Takes in a part of the document; how many words it has.
    fn read(&mut self, text: &str, part: Part, limit: usize) -> usize {
        let Self { segmenter, words, stream, sample, partial, .. } = self;
        let indexed = head(text, MAX_TEXT_BYTES);
        *partial |= part == Part::Body && indexed.len() < text.len();
        let before = stream.len();
        let _ = segmenter.each(indexed, |word| {
            if stream.len() - before == limit {
                *partial |= part == Part::Body;
                return ControlFlow::Break(());
            }
            *partial |= word.cut && part == Part::Body;
            let number = words.intern(word.text);
            stream.push(number);
            let counts = words.get_mut(number);
            counts.all += 1;
            match part {
                Part::Title => counts.title += 1,
                Part::Body => counts.body += 1,
                Part::Path => {}
            }
            if part == Part::Body && !sample.is_full() {
                // A pair's second character comes again as the first of the next.
                let written = match word.shape {
                    Shape::Run => &indexed[word.start..word.end],
                    Shape::Pair | Shape::Last => head(&indexed[word.start..], 4),
                };
                sample.push(written, word.text);
            }
            ControlFlow::Continue(())
        });
        stream.len() - before
    }

    /// Takes in the name that people link to the document by, unless its title says the same.
    fn read_name(&mut self, record: &Record) -> usize {
        let file = record.attrs.get(attr::RELATIVE).map(|path| stem(path));
        let Some(name) = file.or(record.node.as_ref().map(super::super::node::NodeName::as_str)) else {
            return 0;
        };
        let title = self.stream.len();
        self.stream.push(GAP);
        let length = self.read(name, Part::Title, MAX_TITLE_WORDS);
        if self.stream[..title] != self.stream[title + 1..] {
            return length;
        }
        for number in self.stream.drain(title..).skip(1) {
            let counts = self.words.get_mut(number);
            counts.title -= 1;
            counts.all -= 1;
        }
        0
    }

    /// Every term, in the order of the names' bytes.
    fn terms(&mut self, record: &Record, source: &SourceId, langs: &[Lang]) -> Terms {
        self.builder.push(term::EVERY, 0, 0, []);
        if self.partial {
            self.builder.push(term::PARTIAL, 0, 0, []);
        }
        let filters = filters(record, source, langs);
        let (before, behind) = filters.split_at(filters.partition_point(|filter| filter[0] < term::STEM));
        before.iter().for_each(|filter| self.builder.push(filter, 0, 0, []));
        self.push_stems(langs.first().copied());
        behind.iter().for_each(|filter| self.builder.push(filter, 0, 0, []));
        self.push_words();
        self.builder.finish()
    }

    fn push_stems(&mut self, lang: Option<Lang>) {
        self.stemmed.clear();
        self.stem_names.clear();
        for number in 0..self.words.len() as u32 {
            let counts = self.words.get(number);
            let word = self.words.text(counts);
            let Some(lang) = stem_language(lang, word) else { continue };
            let Some(stem) = self.stems.stem(lang, word, counts.hash) else { continue };
            let start = self.stem_names.len() as u32;
            self.stem_names.push(term::STEM);
            self.stem_names.extend_from_slice(&lang.code());
            self.stem_names.extend_from_slice(stem.as_bytes());
            let end = self.stem_names.len() as u32;
            // Every name begins with the same letter: the order is in what follows.
            let order = first_bytes(&self.stem_names[start as usize + 1..]);
            self.stemmed.push(Stemmed { order, start, end, title: counts.title, body: counts.body });
        }
        let names = &self.stem_names;
        let name = |stem: &Stemmed| &names[stem.start as usize..stem.end as usize];
        self.stemmed.sort_unstable_by(|a, b| a.order.cmp(&b.order).then_with(|| name(a).cmp(name(b))));
        for group in self.stemmed.chunk_by(|a, b| name(a) == name(b)) {
            let title = group.iter().map(|stem| stem.title).sum();
            let body = group.iter().map(|stem| stem.body).sum();
            self.builder.push(name(&group[0]), saturated(title), saturated(body), []);
        }
    }

    fn push_words(&mut self) {
        // Counting sort of the stream: where each word's positions begin, then each position into its place.
        let count = self.words.len();
        let mut next = Vec::with_capacity(count);
        let mut total = 0;
        for number in 0..count as u32 {
            next.push(total);
            total += self.words.get(number).all;
        }
        self.positions.clear();
        self.positions.resize(total as usize, 0);
        for (position, &number) in self.stream.iter().enumerate() {
            if let Some(place) = next.get_mut(number as usize) {
                self.positions[*place as usize] = position as u32;
                *place += 1;
            }
        }
        let words = &self.words;
        let mut order: Vec<(u64, u32)> = (0..count as u32)
            .map(|number| (first_bytes(words.text(words.get(number)).as_bytes()), number))
            .collect();
        order.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| words.text(words.get(a.1)).cmp(words.text(words.get(b.1))))
        });
        let mut name = vec![term::WORD];
        for (_, number) in order {
            let counts = words.get(number);
            name.truncate(1);
            name.extend_from_slice(words.text(counts).as_bytes());
            let end = next[number as usize] as usize;
            let positions = &self.positions[end - counts.all as usize..end];
            let kept = positions.iter().copied().take(MAX_POSITIONS);
            self.builder.push(&name, saturated(counts.title), saturated(counts.body), kept);
        }
    }
}

/// The filters of a record, sorted.
fn filters(record: &Record, source: &SourceId, langs: &[Lang]) -> Vec<Vec<u8>> {
    let mut filters = vec![
        Filter::Author.term(record.author.as_str()),
        Filter::Kind.term(&record.kind),
        Filter::Source.term(source.as_str()),
    ];
    filters.extend(record.node.iter().map(|node| Filter::Node.term(node.as_str())));
    filters.extend(langs.iter().map(|lang| Filter::Lang.term(lang.as_str())));
    filters.extend(record.tags.iter().map(|tag| Filter::Tag.term(tag)));
    let pages = record.links.iter().map(|link| &link.target).filter(|target| is_page(target));
    for page in pages.take(MAX_SEARCHED_LINKS) {
        filters.extend([Filter::Domain.term(page.as_str()), Filter::Url.term(page.as_str())]);
    }
    let people = record.links.iter().filter(|link| is_mention(link)).map(|link| link.target.as_str());
    filters.extend(people.take(MAX_SEARCHED_LINKS).map(|who| Filter::Mentions.term(who)));
    filters.sort_unstable();
    filters.dedup();
    filters
}

fn is_page(target: &Uri) -> bool {
    matches!(target.scheme(), "http" | "https")
}

/// Whether a link names somebody: in gardens by its kind, on the AT Protocol network by the feature of a facet.
fn is_mention(link: &Link) -> bool {
    let path = link.path.as_str();
    matches!(link.target.scheme(), "did" | "user")
        && (path == LinkPath::MENTION || path.ends_with("#mention].did"))
}

/// A path without its extension.
fn without_extension(path: &str) -> &str {
    let folders = path.len() - path.rsplit('/').next().map_or(0, str::len);
    &path[..folders + stem(path).len()]
}

/// The first eight bytes as a number that sorts as they do; ties need the rest.
fn first_bytes(bytes: &[u8]) -> u64 {
    let mut first = [0; 8];
    let length = bytes.len().min(8);
    first[..length].copy_from_slice(&bytes[..length]);
    u64::from_be_bytes(first)
}

fn saturated(count: u32) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}
