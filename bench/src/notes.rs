//! The edits that both sides are given, the queries that both are asked, and what both find in a tree.

use anyhow::{Context as _, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Queries, if there is no list of them.
const QUERIES: [&str; 12] = [
    "knowledge",
    "digital garden",
    "the",
    "plugin",
    "free software",
    "backlink",
    "query",
    "git",
    "state-of-the-art",
    "journal",
    "list of notes",
    "todo",
];
/// Between the notes that are edited: a prime, so that they lie all over the gardens.
const STRIDE: usize = 7919;
/// Notes beyond are not edited: they would measure the disk.
const MOST_BYTES: usize = 256 * 1024;

/// Files of a tree in the order of their paths, without hidden ones.
pub(crate) fn files(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut entries = fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    entries.retain(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut found = Vec::new();
    for entry in entries {
        match entry.file_type()? {
            kind if kind.is_dir() => found.extend(files(&entry.path())?),
            kind if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    Ok(found)
}

/// The queries of a list, or the built-in ones.
pub(crate) fn queries(path: Option<&Path>) -> anyhow::Result<Vec<String>> {
    let Some(path) = path else { return Ok(QUERIES.map(str::to_owned).to_vec()) };
    let text = fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no list of queries", path.display()))
}

/// An edit: a line more in a note, with a word and a link that were nowhere before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    /// The note's file.
    pub path: PathBuf,
    /// Stands nowhere else.
    pub word: String,
    /// The node that nothing else links to.
    pub target: String,
    /// All of the note.
    text: Vec<u8>,
}

/// The notes to edit: Markdown in which a line at the end is plain text.
pub(crate) struct Edits {
    notes: Vec<PathBuf>,
}

impl Edits {
    /// Those of a tree.
    ///
    /// # Errors
    /// The tree can't be read, or has no such note.
    pub(crate) fn of(tree: &Path) -> anyhow::Result<Self> {
        let mut notes = files(tree)?;
        notes.retain(|path| {
            let text =
                if path.extension().is_some_and(|end| end == "md") { fs::read(path) } else { return false };
            let plain = |text: &str| ["```", "~~~", "<!--", "$$"].iter().all(|opener| !text.contains(opener));
            text.is_ok_and(|text| text.len() <= MOST_BYTES && std::str::from_utf8(&text).is_ok_and(plain))
        });
        ensure!(!notes.is_empty(), "there is no Markdown note to edit in {}", tree.display());
        Ok(Self { notes })
    }

    /// The edit of a number: always the same for the same gardens.
    ///
    /// # Errors
    /// The note can't be read.
    pub(crate) fn number(&self, number: usize) -> anyhow::Result<Edit> {
        let path = self.notes[number.wrapping_mul(STRIDE) % self.notes.len()].clone();
        let (word, target) = (word(number), format!("bench target {number}"));
        let mut text = fs::read(&path)?;
        text.extend_from_slice(format!("\n\nThe line says {word} and links [[{target}]].\n").as_bytes());
        Ok(Edit { path, word, target, text })
    }
}

impl Edit {
    /// Writes the note as editors do: a new file in place of the old one.
    ///
    /// # Errors
    /// The disk says no.
    pub(crate) fn write(&self) -> anyhow::Result<()> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let temp = self.path.with_file_name(format!(".{name}.tmp"));
        fs::write(&temp, &self.text)?;
        fs::rename(&temp, &self.path)?;
        Ok(())
    }
}

/// A word that no language has and no stemmer cuts.
fn word(number: usize) -> String {
    let letter = |place: u32| char::from(b'a' + u8::try_from(number / 26usize.pow(place) % 26).unwrap_or(0));
    format!("zqx{}{}{}{}xq", letter(3), letter(2), letter(1), letter(0))
}

/// Up to `count` of some things: the first half of them as they come, the other from all over the rest.
pub(crate) fn pick<T: Clone>(things: &[T], count: usize) -> Vec<T> {
    let (first, rest) = things.split_at(things.len().min(count / 2));
    let step = (rest.len() / (count - count / 2).max(1)).max(1);
    first.iter().chain(rest.iter().step_by(step)).take(count).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_differ() {
        let words: std::collections::HashSet<String> = (0..2000).map(word).collect();
        assert_eq!(words.len(), 2000);
    }

    #[test]
    fn picks_the_first_and_some_of_the_rest() {
        let numbers: Vec<usize> = (0..100).collect();
        assert_eq!(pick(&numbers, 4), [0, 1, 2, 51]);
        assert_eq!(pick(&numbers[..3], 4), [0, 1, 2]);
        assert!(pick(&numbers[..0], 4).is_empty());
    }

    #[test]
    fn an_edit_adds_a_line() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("a.md"), "# a").unwrap();
        fs::write(temp.path().join("b.md"), "```\ncode").unwrap();
        let edits = Edits::of(temp.path()).unwrap();
        assert_eq!(edits.notes.len(), 1);
        let edit = edits.number(3).unwrap();
        edit.write().unwrap();
        let text = fs::read_to_string(temp.path().join("a.md")).unwrap();
        assert!(
            text.starts_with("# a\n\n") && text.contains("[[bench target 3]]") && text.contains(&edit.word)
        );
        assert_eq!(files(temp.path()).unwrap().len(), 2);
    }
}
