//! What the reader makes of files: the Agora's recorded behaviour, hostile input, and (with
//! `SPRINGLINE_TEST_DATA`) ten real gardens.

mod fixtures;
mod hostile;
mod notes;
mod peer;
mod truth;

use super::{FileFacts, Place, read};
use springline_model::{LinkPath, Record, Timestamp};

/// Reads a file of the garden `alice`.
fn note(relative: &str, bytes: impl AsRef<[u8]>) -> Record {
    let place = Place::Garden("alice".into());
    let facts = FileFacts { place, relative, at: Timestamp(1000), commit: None, committer: None };
    let record = read(&facts, bytes.as_ref()).unwrap();
    for link in &record.links {
        let span = link.span.start as usize..link.span.end as usize;
        assert!(record.text.get(span).is_some(), "{link:?} is not in the text");
        assert!(link.target.as_str().len() <= super::links::MAX_TARGET_BYTES);
    }
    assert!(record.links.is_sorted_by_key(|link| link.span.start));
    assert!(!record.title.is_empty());
    record
}

/// The targets of the links at a path, in order, without their scheme.
fn targets<'a>(record: &'a Record, path: &str) -> Vec<&'a str> {
    let at_path = record.links.iter().filter(|link| link.path.as_str() == path);
    at_path.map(|link| link.target.as_str().strip_prefix("node:").unwrap_or(link.target.as_str())).collect()
}

/// The nodes that agora-server would say a note links to.
fn agora_view(record: &Record) -> Vec<&str> {
    let links = record.links.iter().filter(|link| match link.path.as_str() {
        LinkPath::AGORA => true,
        LinkPath::WIKILINK => link.label.is_none() && link.fragment.is_none(),
        _ => false,
    });
    links.filter_map(|link| link.target.as_str().strip_prefix("node:")).collect()
}
