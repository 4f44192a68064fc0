//! Which paths of a folder are none of our business: hidden ones, editors' temporary files, and what
//! `.springlineignore` and `.gitignore` name.
//!
//! The rules are git's: a file in each folder, the deepest that says something decides, a later line beats an
//! earlier one, `!` takes back, and nothing inside an excluded folder comes back. Where both files stand in a
//! folder, `.springlineignore` counts as the later.

use super::open;
use ignore::{Match, gitignore::Gitignore, gitignore::GitignoreBuilder};
use std::{
    collections::HashMap,
    ffi::OsStr,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

/// Longer ignore files are not read.
const MAX_IGNORE_BYTES: u64 = 1024 * 1024;

const GITIGNORE: &str = ".gitignore";
const OWN: &str = ".springlineignore";

/// Whether a file name is that of a file with rules.
pub(crate) fn has_rules(name: &OsStr) -> bool {
    name == GITIGNORE || name == OWN
}

/// Whether a name is hidden.
pub(crate) fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Whether a file name is one that editors and synchronisers use for a moment. (Most others are no notes by their
/// extension: `x.md~`, `x.swp`, `4913`, `x.tmp`.)
pub(crate) fn is_temporary(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    let ends = |mark: &[u8]| name.ends_with(mark);
    (name.len() > 1 && name.starts_with(b"#") && ends(b"#"))
        || name.starts_with(b"~$")
        || name.starts_with(b"~syncthing~")
        || name.starts_with(b"___jb_")
        || ends(b"~")
        || ends(b".tmp")
        || ends(b".swp")
        || ends(b".swx")
}

/// The rules of a folder tree, read as they are needed.
#[derive(Debug)]
pub(crate) struct Ignores {
    root: PathBuf,
    gitignore: bool,
    /// By folder, relative to the root; none where there are no rules.
    rules: HashMap<PathBuf, Option<Arc<Gitignore>>>,
}

impl Ignores {
    pub(crate) fn new(root: PathBuf, gitignore: bool) -> Self {
        Self { root, gitignore, rules: HashMap::new() }
    }

    /// Forgets all rules: they changed on disk.
    pub(crate) fn reload(&mut self) {
        self.rules.clear();
    }

    /// Whether a path is left out, given that its folder is not.
    pub(crate) fn leaves_out(&mut self, path: &Path, is_dir: bool) -> bool {
        let Some(name) = path.file_name() else { return false };
        if is_hidden(name) || (!is_dir && is_temporary(name)) {
            return true;
        }
        let mut folder = path.parent();
        while let Some(dir) = folder {
            if let Some(rules) = self.rules(dir)
                && let Ok(inside) = path.strip_prefix(dir)
            {
                match rules.matched(inside, is_dir) {
                    Match::Ignore(_) => return true,
                    Match::Whitelist(_) => return false,
                    Match::None => {}
                }
            }
            folder = dir.parent();
        }
        false
    }

    /// Whether one of the folders above a path is left out.
    pub(crate) fn leaves_out_above(&mut self, path: &Path) -> bool {
        let mut above = PathBuf::new();
        let Some(parent) = path.parent() else { return false };
        for component in parent.components() {
            let Component::Normal(name) = component else { return true };
            above.push(name);
            if self.leaves_out(&above, true) {
                return true;
            }
        }
        false
    }

    fn rules(&mut self, dir: &Path) -> Option<Arc<Gitignore>> {
        if let Some(rules) = self.rules.get(dir) {
            return rules.clone();
        }
        let rules = self.read(dir).map(Arc::new);
        self.rules.insert(dir.to_owned(), rules.clone());
        rules
    }

    fn read(&self, dir: &Path) -> Option<Gitignore> {
        let mut builder = GitignoreBuilder::new("");
        let mut lines = 0;
        for name in [GITIGNORE, OWN] {
            if name == GITIGNORE && !self.gitignore {
                continue;
            }
            let Ok((bytes, _)) = open::read(&self.root.join(dir).join(name), MAX_IGNORE_BYTES) else {
                continue;
            };
            for line in String::from_utf8_lossy(&bytes).lines() {
                // A line that makes no sense is no reason to index what the others leave out.
                if builder.add_line(None, line).is_ok() {
                    lines += 1;
                }
            }
        }
        if lines == 0 { None } else { builder.build().ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn rules_follow_git() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join(".gitignore"), "*.org\nprivate/\n/top.md\n").unwrap();
        fs::write(root.join("a/.gitignore"), "!kept.org\n").unwrap();
        fs::write(root.join("a/.springlineignore"), "drafts\nkept.org\n").unwrap();
        fs::write(root.join("a/b/.springlineignore"), "!kept.org\n").unwrap();

        let mut ignores = Ignores::new(root.to_owned(), true);
        let mut out = |path: &str, is_dir: bool| ignores.leaves_out(Path::new(path), is_dir);
        assert!(out("x.org", false) && out("a/x.org", false) && !out("a/x.md", false));
        assert!(out("top.md", false) && !out("a/top.md", false));
        assert!(out("a/private", true) && !out("a/private", false));
        assert!(out("a/drafts", true) && out("a/kept.org", false) && !out("a/b/kept.org", false));
        assert!(out(".git", true) && out("a/.obsidian", true) && out("#x.md#", false) && out("x.md~", false));
        assert!(!out("#", false) && !out("# x.md", false));
        assert!(ignores.leaves_out_above(Path::new("a/drafts/x.md")));
        assert!(ignores.leaves_out_above(Path::new("a/../x.md")));
        assert!(!ignores.leaves_out_above(Path::new("a/b/x.md")));

        let mut only_own = Ignores::new(root.to_owned(), false);
        assert!(!only_own.leaves_out(Path::new("x.org"), false));
        assert!(only_own.leaves_out(Path::new("a/kept.org"), false));

        fs::write(root.join(".gitignore"), "").unwrap();
        assert!(ignores.leaves_out(Path::new("x.org"), false));
        ignores.reload();
        assert!(!ignores.leaves_out(Path::new("x.org"), false));
    }
}
