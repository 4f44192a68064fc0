//! Which paths of a repository are read.

use crate::formats;
use std::borrow::Cow;

/// The folders that a garden is limited to; all without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    /// Each with a closing slash.
    prefixes: Vec<Vec<u8>>,
}

impl Scope {
    pub(crate) fn new(prefixes: &[String]) -> Self {
        Self { prefixes: prefixes.iter().map(|prefix| format!("{prefix}/").into_bytes()).collect() }
    }

    /// Whether a folder, with a closing slash, may hold something that is read.
    pub(crate) fn enters(&self, folder: &[u8]) -> bool {
        let name = &folder[..folder.len().saturating_sub(1)];
        let name = name.rsplit(|byte| *byte == b'/').next().unwrap_or(name);
        !name.starts_with(b".")
            && (self.prefixes.is_empty()
                || self
                    .prefixes
                    .iter()
                    .any(|prefix| folder.starts_with(prefix) || prefix.starts_with(folder)))
    }

    /// Whether a file is read, given that its folder is entered.
    pub(crate) fn wants(&self, path: &[u8]) -> bool {
        let inside = self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| path.starts_with(prefix));
        let name: Cow<'_, str> =
            String::from_utf8_lossy(path.rsplit(|byte| *byte == b'/').next().unwrap_or(path));
        inside && formats::wanted(&name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_to_folders() {
        let all = Scope::default();
        assert!(all.enters(b"a/") && all.enters(b"a/b/") && !all.enters(b"a/.git/"));
        assert!(
            all.wants(b"x.md") && all.wants(b"a/x.org") && !all.wants(b"a/x.rs") && !all.wants(b"a/.x.md")
        );
        let docs = Scope::new(&["docs/en".into(), "notes".into()]);
        assert!(docs.enters(b"docs/") && docs.enters(b"docs/en/") && docs.enters(b"docs/en/a/"));
        assert!(!docs.enters(b"docs/fr/") && !docs.enters(b"doc/") && !docs.enters(b"notes2/"));
        assert!(docs.wants(b"docs/en/x.md") && docs.wants(b"notes/x.md"));
        assert!(!docs.wants(b"x.md") && !docs.wants(b"docs/x.md") && !docs.wants(b"notes.md"));
    }
}
