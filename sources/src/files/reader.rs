//! Does the jobs of a folder: reads the file, makes it a record, or says why not.

use super::{
    layout::Layout,
    open::{self, Unreadable},
    tree::Job,
};
use crate::{
    delivery::{Reader, Writer},
    formats::{self, FileFacts},
};
use springline_model::Uri;
use std::path::{Path, PathBuf};

/// Reads files below a root.
#[derive(Debug)]
pub(crate) struct FileReader {
    pub(crate) root: PathBuf,
    pub(crate) layout: Layout,
    pub(crate) max_file_bytes: u64,
}

impl Reader for FileReader {
    type Job = Job;
    type Hand = ();

    fn hand(&self) -> Self::Hand {}

    fn read(&self, (): &mut (), job: &Job, out: &mut Writer) {
        match job {
            Job::Gone { path } => out.delete(self.layout.uri(path)),
            Job::Refuse { path, reason, delete } => {
                self.refuse(path, *delete, reason.clone(), 0, &[], out);
            }
            Job::Read { path, real, sent } => {
                let real = real.clone().unwrap_or_else(|| self.root.join(path));
                self.read_file(path, &real, *sent, out);
            }
        }
    }

    fn name(&self, job: &Job) -> (Uri, String) {
        (self.layout.uri(job.path()), self.origin(job.path()))
    }
}

impl FileReader {
    fn read_file(&self, path: &Path, real: &Path, sent: bool, out: &mut Writer) {
        let (bytes, stamp) = match open::read(real, self.max_file_bytes) {
            Ok(read) => read,
            // That it went is a change of its own, and comes by itself.
            Err(Unreadable::Gone) => return,
            Err(Unreadable::Refused { reason, bytes, head }) => {
                return self.refuse(path, sent, reason, bytes, &head, out);
            }
            // Perhaps only for now: what was read before stays.
            Err(Unreadable::Failed(error)) => {
                return self.refuse(path, false, format!("can't be read: {error}"), 0, &[], out);
            }
        };
        let (place, relative) = self.layout.locate(path);
        let facts = FileFacts { place, relative: &relative, at: stamp.at(), commit: None, committer: None };
        match formats::read(&facts, &bytes) {
            Ok(record) => out.put(record, stamp.bytes),
            Err(refused) => self.refuse(path, sent, refused.to_string(), stamp.bytes, &bytes, out),
        }
    }

    fn refuse(&self, path: &Path, delete: bool, reason: String, bytes: u64, head: &[u8], out: &mut Writer) {
        let uri = self.layout.uri(path);
        if delete {
            out.delete(uri.clone());
        }
        out.quarantine(uri, self.origin(path), reason, bytes, head);
    }

    fn origin(&self, path: &Path) -> String {
        self.root.join(path).to_string_lossy().into_owned()
    }
}
