//! From documents with their terms to terms with their documents.

use super::{Document, Posting, Segment, SegmentWriter};
use springline_model::{
    Uri,
    rows::{PostingsRow, Term},
};
use std::{
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState},
    sync::LazyLock,
};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The first byte of the terms that say where a document is. No namespace of [`springline_model::text::term`].
pub(super) const LOCATOR: u8 = b'u';

/// The term that only documents of this URI have (and, hardly ever, others: compare the URIs).
pub(in crate::search) fn locator(uri: &Uri) -> [u8; 9] {
    let mut name = [LOCATOR; 9];
    name[1..].copy_from_slice(&xxh3_64(uri.as_str().as_bytes()).to_be_bytes());
    name
}

/// The segment of some documents, which rise by number, in memory.
pub(in crate::search) fn invert(id: u32, rows: &[(u32, PostingsRow)]) -> Segment {
    let mut writer = SegmentWriter::new(id);
    for (number, row) in rows {
        let uri = row.uri.as_str().as_bytes().to_vec();
        writer.document(&Document { number: *number, at: row.at, length: row.length, uri });
    }

    // Number the names as they come; then bring the occurrences together by counting, and sort only the names.
    let locators: Vec<[u8; 9]> = rows.iter().map(|(_, row)| locator(&row.uri)).collect();
    let mut numbers: HashMap<&[u8], u32, BuildHasherDefault<NameHasher>> = HashMap::default();
    let mut names: Vec<Name<'_>> = Vec::new();
    let mut occurrences: Vec<(u32, u32, Term<'_>)> = Vec::new();
    for (index, (_, row)) in rows.iter().enumerate() {
        let locator = Term { name: &locators[index], title: 0, body: 0, positions: Default::default() };
        for term in row.terms.iter().chain([locator]) {
            let number = *numbers.entry(term.name).or_insert_with(|| {
                names.push(Name { name: term.name, number: names.len() as u32, count: 0 });
                names.len() as u32 - 1
            });
            names[number as usize].count += 1;
            occurrences.push((number, index as u32, term));
        }
    }
    let mut next = Vec::with_capacity(names.len());
    let mut total = 0;
    for name in &names {
        next.push(total);
        total += name.count;
    }
    let mut order = vec![0_u32; occurrences.len()];
    for (at, (number, ..)) in occurrences.iter().enumerate() {
        let place = &mut next[*number as usize];
        order[*place as usize] = at as u32;
        *place += 1;
    }

    names.sort_unstable_by(|a, b| a.name.cmp(b.name));
    for name in names {
        writer.begin(name.name);
        let end = next[name.number as usize] as usize;
        for &at in &order[end - name.count as usize..end] {
            let (_, index, term) = occurrences[at as usize];
            let (document, row) = &rows[index as usize];
            let (title, body, length) = (term.title, term.body, row.length);
            let posting = Posting { document: *document, title, body, length };
            writer.posting(posting, term.positions.as_bytes());
        }
        writer.end();
    }
    let (info, head, pages) = writer.finish();
    Segment::in_memory(info, head, pages)
}

struct Name<'a> {
    name: &'a [u8],
    number: u32,
    count: u32,
}

/// Hashes a name in one go; seeded a process, so that nobody can write notes whose words all fall together.
#[derive(Default)]
struct NameHasher(u64);

static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, *SEED);
    }

    // A name's length says nothing that the name does not.
    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
