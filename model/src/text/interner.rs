//! The distinct words of one document, numbered as they come.

use std::hash::{BuildHasher, RandomState};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A set of words with their counts. Cleared, not dropped, between documents.
pub(super) struct Interner {
    /// Every word, one behind the other.
    bytes: String,
    words: Vec<Interned>,
    /// Word numbers plus one, by hash; open addressing, a power of two, at most half full.
    slots: Vec<u32>,
    /// Secret, so that nobody can write a text whose words all fall into one slot.
    seed: u64,
}

/// A word's place and counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interned {
    start: u32,
    end: u32,
    pub(super) hash: u64,
    pub(super) title: u32,
    pub(super) body: u32,
    /// In title, body and path.
    pub(super) all: u32,
}

impl Interner {
    pub(super) fn new() -> Self {
        let seed = RandomState::new().hash_one(0);
        Self { bytes: String::new(), words: Vec::new(), slots: vec![0; 64], seed }
    }

    /// Forgets every word; makes room for a text of so many bytes.
    pub(super) fn clear(&mut self, text_bytes: usize) {
        self.bytes.clear();
        self.words.clear();
        // A table as large as the largest text before would have to be wiped for each small one.
        let slots = (text_bytes / 8).next_power_of_two().clamp(64, 1 << 14);
        self.slots.clear();
        self.slots.resize(slots, 0);
    }

    /// The number of a word.
    pub(super) fn intern(&mut self, word: &str) -> u32 {
        let hash = xxh3_64_with_seed(word.as_bytes(), self.seed);
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while let Some(number) = self.slots[slot].checked_sub(1) {
            let known = self.words[number as usize];
            if known.hash == hash && self.bytes[known.start as usize..known.end as usize] == *word {
                return number;
            }
            slot = (slot + 1) & mask;
        }
        let number = self.words.len() as u32;
        let start = self.bytes.len() as u32;
        self.bytes.push_str(word);
        let end = self.bytes.len() as u32;
        self.words.push(Interned { start, end, hash, title: 0, body: 0, all: 0 });
        self.slots[slot] = number + 1;
        if self.words.len() * 2 > self.slots.len() {
            self.grow();
        }
        number
    }

    fn grow(&mut self) {
        let size = self.slots.len() * 4;
        self.slots.clear();
        self.slots.resize(size, 0);
        for (number, word) in self.words.iter().enumerate() {
            let mut slot = word.hash as usize & (size - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (size - 1);
            }
            self.slots[slot] = number as u32 + 1;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    pub(super) fn get(&self, number: u32) -> Interned {
        self.words[number as usize]
    }

    pub(super) fn get_mut(&mut self, number: u32) -> &mut Interned {
        &mut self.words[number as usize]
    }

    pub(super) fn text(&self, word: Interned) -> &str {
        &self.bytes[word.start as usize..word.end as usize]
    }
}
