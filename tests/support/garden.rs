//! Agora trees to read and to change.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// An Agora tree in a folder of its own.
#[derive(Debug)]
pub struct Garden {
    root: PathBuf,
}

impl Garden {
    /// An empty one.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    /// The tree.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Writes a note in place.
    ///
    /// # Panics
    /// The disk refuses.
    pub fn write(&self, note: &str, text: impl AsRef<[u8]>) {
        let path = self.root.join(note);
        fs::create_dir_all(path.parent().expect("a note lies in a garden")).expect("the folder can be made");
        fs::write(path, text).expect("the note can be written");
    }

    /// Writes a note as careful editors do: beside it, then renamed over it.
    ///
    /// # Panics
    /// The disk refuses.
    pub fn replace(&self, note: &str, text: &str) {
        let temporary = self.root.join(format!("{note}.tmp~"));
        fs::write(&temporary, text).expect("the note can be written");
        fs::rename(temporary, self.root.join(note)).expect("the note can be renamed");
    }

    /// Deletes a note.
    ///
    /// # Panics
    /// It is not there.
    pub fn delete(&self, note: &str) {
        fs::remove_file(self.root.join(note)).expect("the note is there");
    }
}

/// The folder of recorded gardens, if `SPRINGLINE_TEST_DATA` names one. Says so if not.
#[must_use]
pub fn data() -> Option<PathBuf> {
    let data = env::var_os("SPRINGLINE_TEST_DATA").map(PathBuf::from);
    if data.is_none() {
        eprintln!("skipped: SPRINGLINE_TEST_DATA names no folder of recorded gardens");
    }
    data
}

/// Clones the recorded gardens into an Agora tree.
///
/// # Panics
/// git fails.
pub fn ten_gardens(data: &Path, agora: &Path) {
    for bundle in fs::read_dir(data.join("gardens/bundles")).expect("there are bundles") {
        let bundle = bundle.expect("the folder can be read").path();
        let stem = bundle.file_stem().expect("a bundle has a name").to_string_lossy().into_owned();
        let (place, user) = stem.split_once('_').expect("a bundle is named place_user");
        let target = agora.join(place).join(user);
        let cloned = Command::new("git")
            .args(["-c", "init.defaultBranch=main", "clone", "-q", "-b", "main"])
            .arg(&bundle)
            .arg(&target)
            .status();
        assert!(cloned.expect("git runs").success(), "{} can't be cloned", bundle.display());
        fs::remove_dir_all(target.join(".git")).expect("the clone has a .git");
    }
}
