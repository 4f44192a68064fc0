//! The clone of a garden: a bare repository of ours.
//!
//! ```text
//!  refs/springline/tip   what the upstream had at the last fetch
//!  sending               which commits may be in the ledger, in whole or in part
//! ```
//!
//! It is a cache: whatever is wrong with it, it can be thrown away and made again from the upstream.

use super::{
    command::{Git, GitError},
    config::{GardenConfig, GitConfig, Transport},
    plan::Sendings,
};
use gix::{ObjectId, ThreadSafeRepository};
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

const TIP: &str = "refs/springline/tip";
const SENDING: &str = "sending";

/// What a process of ours that was killed leaves behind. Nobody else works in the clone.
const LOCKS: [&str; 6] = [
    "index.lock",
    "shallow.lock",
    "packed-refs.lock",
    "config.lock",
    "HEAD.lock",
    "refs/springline/tip.lock",
];

/// What an upstream answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The branch is at this commit.
    At(ObjectId),
    /// There is a repository with other branches.
    NoSuchBranch,
    /// There is a repository with nothing in it.
    Empty,
}

/// Something is wrong with the clone itself.
#[derive(Debug, thiserror::Error)]
#[error("the clone can't be used: {0}")]
pub(crate) struct Unusable(String);

/// One clone.
#[derive(Clone, Debug)]
pub(crate) struct Mirror {
    directory: PathBuf,
    url: String,
    branch: Option<String>,
    transport: Transport,
    fetch_limit: Duration,
    clone_limit: Duration,
    max_bytes: u64,
    stop: CancellationToken,
}

impl Mirror {
    /// Of a garden whose settings were checked.
    pub(crate) fn new(
        directory: PathBuf,
        garden: &GardenConfig,
        config: &GitConfig,
        stop: CancellationToken,
    ) -> Result<Self, String> {
        let transport = Transport::of(&garden.url)?;
        // git runs in the clone: a path means what it means to us only if it is absolute.
        let url = match std::path::absolute(&garden.url) {
            Ok(path) if transport == Transport::File && !garden.url.contains("://") => {
                path.to_string_lossy().into_owned()
            }
            _ => garden.url.clone(),
        };
        Ok(Self {
            directory,
            url,
            branch: garden.branch.clone(),
            transport,
            fetch_limit: Duration::from_secs(config.fetch_timeout_secs),
            clone_limit: Duration::from_secs(config.clone_timeout_secs),
            max_bytes: config.max_clone_bytes,
            stop,
        })
    }

    /// Asks the upstream where the branch is.
    pub(crate) async fn ask(&self) -> Result<Answer, GitError> {
        self.prepare().await?;
        let wanted = self.wanted();
        let git = self.git(Some(self.transport), self.fetch_limit);
        let listing = git.run(&["ls-remote", "--quiet", "--", &self.url, "HEAD", &wanted]).await?;
        let lines = listing.lines().filter_map(|line| line.split_once('\t'));
        let mut answer = Answer::Empty;
        for (id, name) in lines {
            match ObjectId::from_hex(id.as_bytes()) {
                Ok(id) if name == wanted => return Ok(Answer::At(id)),
                _ => answer = Answer::NoSuchBranch,
            }
        }
        Ok(answer)
    }

    /// Fetches the branch.
    pub(crate) async fn fetch(&self) -> Result<(), GitError> {
        self.prepare().await?;
        let limit =
            if self.tip().is_ok_and(|tip| tip.is_some()) { self.fetch_limit } else { self.clone_limit };
        let refspec = format!("+{}:{TIP}", self.wanted());
        let git = Git { max_bytes: Some(self.max_bytes), ..self.git(Some(self.transport), limit) };
        let options = ["--quiet", "--force", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"];
        let arguments: Vec<&str> =
            ["fetch"].into_iter().chain(options).chain(["--", &self.url, &refspec]).collect();
        let fetched = git.run(&arguments).await;
        if matches!(fetched, Err(GitError::TooLarge(_))) {
            self.remove().map_err(GitError::Folder)?;
        }
        fetched.map(drop)
    }

    /// Packs loose objects and drops old ones, when there are enough of them.
    pub(crate) async fn tidy(&self) -> Result<(), GitError> {
        self.git(None, self.clone_limit).run(&["gc", "--auto", "--quiet"]).await.map(drop)
    }

    /// Opens it for reading.
    pub(crate) fn open(&self) -> Result<ThreadSafeRepository, Unusable> {
        let options = gix::open::Options::isolated().open_path_as_is(true);
        options.open(&self.directory).map_err(|error| Unusable(error.to_string()))
    }

    /// The commit of the last fetch.
    pub(crate) fn tip(&self) -> Result<Option<ObjectId>, Unusable> {
        if !self.directory.join("HEAD").exists() {
            return Ok(None);
        }
        let repository = self.open()?.to_thread_local();
        let found = repository.try_find_reference(TIP).map_err(|error| Unusable(error.to_string()))?;
        Ok(found.and_then(|found| found.try_id().map(gix::Id::detach)))
    }

    /// The commits whose sending began.
    pub(crate) fn sendings(&self) -> Sendings {
        // What can't be read is not known, and then everything is sent.
        fs::read_to_string(self.directory.join(SENDING))
            .map_or_else(|_| Sendings::default(), |t| Sendings::parse(&t))
    }

    /// Writes that list.
    pub(crate) fn note(&self, sendings: &Sendings) -> Result<(), Unusable> {
        let (path, new) = (self.directory.join(SENDING), self.directory.join("sending.new"));
        let written = fs::write(&new, sendings.text()).and_then(|()| fs::rename(&new, &path));
        written.map_err(|error| Unusable(error.to_string()))
    }

    /// Throws it away.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes it if it is not there, and cleans up behind a process that was killed.
    async fn prepare(&self) -> Result<(), GitError> {
        self.remove_litter();
        if self.directory.join("HEAD").exists() {
            return Ok(());
        }
        self.remove().and_then(|()| fs::create_dir_all(&self.directory)).map_err(GitError::Folder)?;
        let arguments =
            ["init", "--bare", "--quiet", "--template=", "--object-format=sha1", "--initial-branch=main"];
        self.git(None, self.fetch_limit).run(&arguments).await.map(drop)
    }

    fn remove_litter(&self) {
        // What is not there needs no cleaning, and what can't be cleaned makes git complain.
        for lock in LOCKS {
            let _ = fs::remove_file(self.directory.join(lock));
        }
        let packs = fs::read_dir(self.directory.join("objects/pack")).into_iter().flatten().flatten();
        for entry in packs.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"tmp_")) {
            let _ = fs::remove_file(entry.path());
        }
    }

    fn git(&self, transport: Option<Transport>, limit: Duration) -> Git<'_> {
        Git { directory: &self.directory, transport, limit, max_bytes: None, stop: &self.stop }
    }

    fn wanted(&self) -> String {
        self.branch.as_ref().map_or_else(|| "HEAD".to_owned(), |branch| format!("refs/heads/{branch}"))
    }
}

/// Where the clone of a partition is: a folder name that no other partition has, on any file system.
pub(crate) fn directory(data_dir: &Path, partition: &str) -> PathBuf {
    let plain: String = partition
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "._-@".contains(c) { c } else { '_' })
        .take(80)
        .collect();
    let hash = blake3::hash(partition.as_bytes()).to_hex();
    data_dir.join(format!("{plain}-{}.git", &hash[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_have_names_of_their_own() {
        let at = |partition| directory(Path::new("/d"), partition).display().to_string();
        assert!(at("garden/flancian").starts_with("/d/garden_flancian-"));
        assert_ne!(at("garden/A"), at("garden/a").to_uppercase());
        assert_ne!(at("garden/é"), at("garden/è"));
    }
}
