//! Does the jobs of a garden: reads blobs, makes them records, or says why not.

use super::{
    history::{Commit, State, Touched},
    work::cache,
};
use crate::{
    delivery::{Reader, Writer},
    formats::{self, FileFacts, Place},
};
use gix::{ObjectId, Repository, ThreadSafeRepository, objs::Find};
use springline_model::Uri;
use std::borrow::Cow;

/// What a thread keeps of blobs that others are made from.
const BLOB_CACHE_BYTES: usize = 4 * 1024 * 1024;

/// Something to be sent.
#[derive(Debug)]
pub(crate) enum Job {
    /// What reading the blob gives, or that the path is gone.
    Path {
        path: Box<[u8]>,
        touched: Touched,
        /// A record may have been sent of it before.
        sent: bool,
    },
    /// That a record is gone.
    Gone(Uri),
}

/// Reads blobs of one garden's clone.
pub(crate) struct BlobReader {
    pub(crate) repository: ThreadSafeRepository,
    pub(crate) place: Place,
    pub(crate) commits: Vec<Commit>,
    pub(crate) max_file_bytes: u64,
}

impl BlobReader {
    fn uri(&self, path: &[u8]) -> Uri {
        self.place.uri(&String::from_utf8_lossy(path))
    }

    fn origin(&self, path: &[u8], touched: Touched) -> String {
        let commit = &self.commits[touched.commit as usize];
        format!("{}@{}", self.place.agora_path(&String::from_utf8_lossy(path)), commit.id)
    }

    /// What the blob is, or why it can't be a record, with its size and first bytes.
    fn read_blob(
        &self,
        hand: &mut Hand,
        id: ObjectId,
        path: &[u8],
        touched: Touched,
        out: &mut Writer,
    ) -> Result<(), Refusal> {
        let relative = std::str::from_utf8(path).map_err(|_| Refusal::because("the name is not UTF-8"))?;
        let damaged = |error: &dyn std::fmt::Display| {
            let reason = format!("its blob can't be read: {error}");
            Refusal { keep: true, ..Refusal::because(reason) }
        };
        let size = hand.repository.find_header(id).map_err(|error| damaged(&error))?.size();
        if size > self.max_file_bytes {
            let reason = format!("larger than {} bytes", self.max_file_bytes);
            return Err(Refusal { bytes: size, ..Refusal::because(reason) });
        }
        let found =
            hand.repository.objects.try_find(&id, &mut hand.buffer).map_err(|error| damaged(&error))?;
        let data = found.ok_or_else(|| damaged(&"it is missing"))?.data;
        let commit = &self.commits[touched.commit as usize];
        let facts = FileFacts {
            place: self.place.clone(),
            relative,
            at: commit.at,
            commit: Some(&commit.id),
            committer: Some(&commit.author),
        };
        match formats::read(&facts, data) {
            Ok(record) => out.put(record, size),
            Err(refused) => {
                let head = data[..data.len().min(springline_model::event::QUARANTINE_SAMPLE_BYTES)].to_vec();
                return Err(Refusal { bytes: size, head, ..Refusal::because(refused.to_string()) });
            }
        }
        Ok(())
    }
}

/// Why a blob can't be a record.
struct Refusal {
    reason: Cow<'static, str>,
    bytes: u64,
    head: Vec<u8>,
    /// What was read before stays: the clone is to blame, not the note.
    keep: bool,
}

impl Refusal {
    fn because(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: reason.into(), bytes: 0, head: Vec::new(), keep: false }
    }
}

/// What a thread reads with.
pub(crate) struct Hand {
    repository: Repository,
    buffer: Vec<u8>,
}

impl Reader for BlobReader {
    type Job = Job;
    type Hand = Hand;

    fn hand(&self) -> Hand {
        let mut repository = self.repository.to_thread_local();
        cache(&mut repository, BLOB_CACHE_BYTES);
        Hand { repository, buffer: Vec::new() }
    }

    fn read(&self, hand: &mut Hand, job: &Job, out: &mut Writer) {
        let (path, touched, sent) = match job {
            Job::Gone(uri) => return out.delete(uri.clone()),
            Job::Path { path, touched, sent } => (path, *touched, *sent),
        };
        let refusal = match touched.state {
            State::Gone => return out.delete(self.uri(path)),
            State::TooDeep => Some(Refusal::because("a folder that is nested too deep")),
            State::File(id) => self.read_blob(hand, id, path, touched, out).err(),
        };
        if let Some(Refusal { reason, bytes, head, keep }) = refusal {
            if sent && !keep {
                out.delete(self.uri(path));
            }
            let origin = self.origin(path, touched);
            out.quarantine(self.uri(path), origin, reason.into_owned(), bytes, &head);
        }
    }

    fn name(&self, job: &Job) -> (Uri, String) {
        match job {
            Job::Gone(uri) => (uri.clone(), uri.to_string()),
            Job::Path { path, touched, .. } => (self.uri(path), self.origin(path, *touched)),
        }
    }
}

/// Says of records that they are gone, without looking.
pub(crate) struct Farewell;

impl Reader for Farewell {
    type Job = Uri;
    type Hand = ();

    fn hand(&self) -> Self::Hand {}

    fn read(&self, (): &mut (), uri: &Uri, out: &mut Writer) {
        out.delete(uri.clone());
    }

    fn name(&self, uri: &Uri) -> (Uri, String) {
        (uri.clone(), uri.to_string())
    }
}
