//! What is there: walks a folder, or a part of it.
//!
//! Invariants:
//! 1. A folder is watched before it is listed: what appears after the listing is an event.
//! 2. A symbolic link is never followed but by [`links::follow`]: a scan starts only at paths above which there
//!    are no links ([`Scanner::starts`]).
//! 3. What can't be looked at is reported as such, never left out.

use super::{
    ignores::{Ignores, is_hidden},
    layout::Layout,
    links::{self, Leads},
    open::{Stamp, not_regular},
    watch::Watch,
};
use crate::formats;
use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
};

/// What is at a path.
#[derive(Debug)]
pub(crate) enum Found {
    /// A file that may be a record; `real` is where it is, if a link led there.
    File { stamp: Stamp, real: Option<PathBuf> },
    /// Something that will not be taken.
    Refused { reason: String },
    /// It, or what is in it, can't be looked at now.
    OutOfReach { reason: String },
}

/// What a scan found, by path.
pub(crate) type Findings = BTreeMap<PathBuf, Found>;

/// A path under examination.
struct Spot {
    /// As the garden shows it, relative to the root.
    path: PathBuf,
    /// Where it is on disk, without links but perhaps in the last component.
    real: PathBuf,
    /// In a folder that was reached by a link.
    linked: bool,
}

/// Walks one root.
#[derive(Debug)]
pub(crate) struct Scanner {
    /// Without links in its path.
    pub(crate) root: PathBuf,
    pub(crate) layout: Layout,
    pub(crate) ignores: Ignores,
    pub(crate) watch: Option<Watch>,
    /// Why not all folders are watched, if so.
    pub(crate) unwatched: Option<String>,
    /// Links that were followed, and where they lead, relative to the root.
    links: BTreeMap<PathBuf, PathBuf>,
}

impl Scanner {
    pub(crate) fn new(root: PathBuf, layout: Layout, gitignore: bool) -> Self {
        let ignores = Ignores::new(root.clone(), gitignore);
        Self { root, layout, ignores, watch: None, unwatched: None, links: BTreeMap::new() }
    }

    /// Where scans for changed paths have to start: nowhere below a link, and also at the links that lead to what
    /// changed. In order; none lies below another.
    pub(crate) fn starts(&self, paths: &[PathBuf]) -> Vec<PathBuf> {
        let mut starts: Vec<PathBuf> = paths.iter().map(|path| self.above_links(path)).collect();
        for (link, target) in &self.links {
            if paths.iter().any(|path| path.starts_with(target) || target.starts_with(path)) {
                starts.push(link.clone());
            }
        }
        starts.sort();
        starts.dedup_by(|path, above| path.starts_with(above));
        starts
    }

    fn above_links(&self, path: &Path) -> PathBuf {
        let mut start = PathBuf::new();
        for component in path.components() {
            start.push(component);
            if fs::symlink_metadata(self.root.join(&start)).is_ok_and(|meta| meta.is_symlink()) {
                break;
            }
        }
        start
    }

    /// Everything at and below a path.
    pub(crate) fn scan(&mut self, start: &Path) -> Findings {
        let mut found = Findings::new();
        let mut folders = Vec::new();
        self.links.retain(|link, _| !link.starts_with(start));
        if !self.ignores.leaves_out_above(start) {
            let spot = Spot { path: start.to_owned(), real: self.root.join(start), linked: false };
            self.look(spot, &mut folders, &mut found);
        }
        // A stack of our own: folders may be nested deeper than a thread's stack allows.
        while let Some(folder) = folders.pop() {
            self.list(&folder, &mut folders, &mut found);
        }
        found
    }

    fn list(&mut self, folder: &Spot, folders: &mut Vec<Spot>, found: &mut Findings) {
        if let Some(watch) = &self.watch
            && let Err(error) = watch.cover(&folder.real)
            && !matches!(error.kind, notify::ErrorKind::PathNotFound)
        {
            self.unwatched = Some(error.to_string());
        }
        let out_of_reach = |error: io::Error, found: &mut Findings| {
            let reason = format!("can't be listed: {error}");
            found.insert(folder.path.clone(), Found::OutOfReach { reason });
        };
        let entries = match fs::read_dir(&folder.real) {
            Ok(entries) => entries,
            Err(error) if is_gone(&error) => return,
            Err(error) => return out_of_reach(error, found),
        };
        for entry in entries {
            match entry {
                Ok(entry) if is_hidden(&entry.file_name()) => {}
                Ok(entry) => {
                    let path = folder.path.join(entry.file_name());
                    self.look(Spot { path, real: entry.path(), linked: folder.linked }, folders, found);
                }
                Err(error) => out_of_reach(error, found),
            }
        }
    }

    fn look(&mut self, spot: Spot, folders: &mut Vec<Spot>, found: &mut Findings) {
        let meta = match fs::symlink_metadata(&spot.real) {
            Ok(meta) => meta,
            Err(error) if is_gone(&error) => return,
            Err(error) => {
                let reason = format!("can't be looked at: {error}");
                found.insert(spot.path, Found::OutOfReach { reason });
                return;
            }
        };
        if meta.is_symlink() {
            return self.look_along(spot, folders, found);
        }
        if self.ignores.leaves_out(&spot.path, meta.is_dir()) {
            return;
        }
        if !meta.is_dir() && !self.is_wanted(&spot.path) {
            return;
        }
        if spot.path.to_str().is_none() {
            found.insert(spot.path, Found::Refused { reason: "the name is not UTF-8".to_owned() });
        } else if meta.is_dir() {
            folders.push(spot);
        } else {
            let what = found_file(&meta, spot.linked.then_some(spot.real));
            found.insert(spot.path, what);
        }
    }

    /// Looks at a symbolic link.
    fn look_along(&mut self, spot: Spot, folders: &mut Vec<Spot>, found: &mut Findings) {
        let leads = match fs::canonicalize(self.root.join(self.layout.home(&spot.path))) {
            Ok(boundary) => links::follow(&spot.real, &boundary, spot.linked),
            Err(error) => {
                Leads::Refused(format!("a symbolic link in a garden that can't be entered: {error}"))
            }
        };
        if self.ignores.leaves_out(&spot.path, matches!(leads, Leads::Folder(_))) {
            return;
        }
        let wanted = self.is_wanted(&spot.path);
        let what = match leads {
            _ if spot.path.to_str().is_none() => {
                Found::Refused { reason: "the name is not UTF-8".to_owned() }
            }
            Leads::Folder(real) => {
                self.remember(&spot.path, &real);
                folders.push(Spot { path: spot.path, real, linked: true });
                return;
            }
            Leads::File(real, stamp) if wanted => {
                self.remember(&spot.path, &real);
                Found::File { stamp, real: Some(real) }
            }
            // Only its name tells what a refused link was meant to be; a folder's has no extension.
            Leads::Refused(reason) if wanted || spot.path.extension().is_none() => Found::Refused { reason },
            Leads::File(..) | Leads::Refused(_) => return,
        };
        found.insert(spot.path, what);
    }

    fn is_wanted(&self, path: &Path) -> bool {
        formats::wanted(&self.layout.locate(path).1).is_some()
    }

    fn remember(&mut self, link: &Path, target: &Path) {
        if let Ok(target) = target.strip_prefix(&self.root) {
            self.links.insert(link.to_owned(), target.to_owned());
        }
    }
}

fn found_file(meta: &Metadata, real: Option<PathBuf>) -> Found {
    if meta.is_file() {
        Found::File { stamp: Stamp::of(meta), real }
    } else {
        Found::Refused { reason: not_regular(meta) }
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
