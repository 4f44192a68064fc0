//! Names of places: what may stand behind `garden/`, `stoa/` and `stream/`, and what a place is called as a
//! partition.

use crate::formats::Place;

/// Whether a text can be the name of a garden, a stoa or a stream: one path component that can't be mistaken for
/// anything else, in a path or in a URI.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && !name.starts_with('.')
        && name.trim() == name
        && !name.contains(|c: char| c.is_control() || matches!(c, '/' | '\\' | '?' | '#'))
}

/// The place that `garden/flancian` names.
pub(crate) fn of_target(target: &str) -> Option<Place> {
    let path = format!("{target}/_");
    match Place::parse(&path) {
        (Place::Root, _) => None,
        (place, inside) => (inside == "_").then_some(place),
    }
}

/// The name of a place as a partition: `garden/flancian`; `agora` for an Agora's own files.
pub(crate) fn partition(place: &Place) -> String {
    match place {
        Place::Root => ROOT.to_owned(),
        place => place.agora_path("").trim_end_matches('/').to_owned(),
    }
}

/// The place of a partition.
pub(crate) fn of_partition(name: &str) -> Option<Place> {
    if name == ROOT { Some(Place::Root) } else { of_target(name) }
}

const ROOT: &str = "agora";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_places() {
        for name in ["garden/flancian", "stoa/doc.anagora.org", "stream/bot@x.org", "agora"] {
            assert_eq!(partition(&of_partition(name).unwrap()), name);
        }
        for name in
            ["", "garden", "garden/", "garden/.x", "garden/a/b", "garden/..", "gardens/x", "garden/a?b"]
        {
            assert_eq!(of_partition(name), None, "{name}");
        }
        assert_eq!(of_target("agora"), None);
    }
}
