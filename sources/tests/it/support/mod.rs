//! A host for sources, and what tests need around it.

mod chance;
mod host;
mod ledger;
mod upstream;

pub(crate) use chance::Chance;
pub(crate) use host::{DEADLINE, Host, HostOptions, wait_for};
pub(crate) use ledger::Ledger;
pub(crate) use upstream::{Upstream, git_config};

use springline_model::{Record, Timestamp, Uri};
use springline_sources::formats::{self, FileFacts, Place};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Records by name.
pub(crate) type Records = BTreeMap<Uri, Record>;

/// All plain files below a folder that a source should read, relative to it, without links and hidden ones.
pub(crate) fn plain_files(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            if name.to_string_lossy().starts_with('.') {
                continue;
            }
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(folder.join(name));
            } else if kind.is_file() && name.to_str().is_some_and(|name| formats::wanted(name).is_some()) {
                files.push(folder.join(name));
            }
        }
    }
    files.sort();
    files
}

/// What a folder's records are, read the naive way.
pub(crate) fn read_folder(root: &Path, locate: impl Fn(&str) -> (Place, String)) -> Records {
    plain_files(root)
        .into_iter()
        .map(|path| {
            let file = root.join(&path);
            let meta = fs::metadata(&file).unwrap();
            let at = Timestamp(meta.mtime() * 1000 + meta.mtime_nsec() / 1_000_000);
            let (place, relative) = locate(path.to_str().unwrap());
            let facts = FileFacts { place, relative: &relative, at, commit: None, committer: None };
            let record = formats::read(&facts, &fs::read(&file).unwrap()).unwrap();
            (record.uri.clone(), record)
        })
        .collect()
}

/// A folder's records when it is the garden `me`.
pub(crate) fn my_folder(root: &Path) -> Records {
    read_folder(root, |path| (Place::Garden("me".into()), path.to_owned()))
}

/// What two sets of records differ in, for people; empty if they are equal.
pub(crate) fn difference(found: &Records, wanted: &Records) -> String {
    let mut lines = Vec::new();
    for (uri, record) in wanted {
        match found.get(uri) {
            None => lines.push(format!("missing: {uri}")),
            Some(other) if other != record => lines.push(format!("found {other:?}\nwanted {record:?}")),
            Some(_) => {}
        }
    }
    lines.extend(found.keys().filter(|uri| !wanted.contains_key(*uri)).map(|uri| format!("too many: {uri}")));
    lines.truncate(8);
    lines.join("\n")
}
