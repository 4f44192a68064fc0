//! A repository that somebody writes in, and what its records are, asked of the git program.

use super::{Records, plain_files};
use springline_model::Timestamp;
use springline_sources::{
    SourceConfig,
    formats::{self, FileFacts, Place},
    git::{GardenConfig, GitConfig},
};
use std::{
    cell::Cell,
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

pub(crate) struct Upstream {
    dir: TempDir,
    /// Seconds since 2020, rising with each commit.
    clock: Cell<u64>,
}

impl Upstream {
    pub(crate) fn new() -> Self {
        let upstream = Self { dir: tempfile::tempdir().unwrap(), clock: Cell::new(0) };
        upstream.git(["init", "--quiet", "--initial-branch=main"]);
        for (key, value) in [("gc.auto", "0"), ("core.autocrlf", "false"), ("commit.gpgsign", "false")] {
            upstream.git(["config", key, value]);
        }
        upstream
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Runs git in the working tree; gives what it printed.
    pub(crate) fn git<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Vec<u8> {
        let (bytes, ok) = self.try_git(arguments, &[]);
        assert!(ok, "{}", String::from_utf8_lossy(&bytes));
        bytes
    }

    pub(crate) fn try_git<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        input: &[u8],
    ) -> (Vec<u8>, bool) {
        let at = format!("{} +0100", 1_577_836_800 + self.clock.get());
        let author = ["Ann", "Bö Ö", "Cy"][(self.clock.get() / 60 % 3) as usize];
        let mut command = Command::new("git");
        command
            .args(["-c", "protocol.file.allow=always"])
            .args(arguments)
            .current_dir(self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", author)
            .env("GIT_AUTHOR_EMAIL", "a@example.org")
            .env("GIT_AUTHOR_DATE", &at)
            .env("GIT_COMMITTER_NAME", "Committer")
            .env("GIT_COMMITTER_EMAIL", "c@example.org")
            .env("GIT_COMMITTER_DATE", "1600000000 +0000")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input).unwrap();
        let output = child.wait_with_output().unwrap();
        let ok = output.status.success();
        (if ok { output.stdout } else { [output.stdout, output.stderr].concat() }, ok)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Commits whatever changed; gives the commit.
    pub(crate) fn commit(&self) -> String {
        self.clock.set(self.clock.get() + 60);
        self.git(["add", "--all"]);
        self.git(["commit", "--quiet", "--allow-empty", "--message", "change"]);
        self.head()
    }

    pub(crate) fn head(&self) -> String {
        String::from_utf8(self.git(["rev-parse", "HEAD"])).unwrap().trim().to_owned()
    }

    /// Lets time go by, so that a merge has a time of its own.
    pub(crate) fn tick(&self) {
        self.clock.set(self.clock.get() + 60);
    }

    /// What the working tree's records are, as the garden `me`, with times and authors by `git log`.
    pub(crate) fn records(&self) -> Records {
        let log = self.git([
            "log",
            "--first-parent",
            "-m",
            "--no-renames",
            "--name-only",
            "-z",
            "--format=format:%x01%H%x02%at%x02%an%x02",
        ]);
        let mut last: BTreeMap<Vec<u8>, (String, i64, String)> = BTreeMap::new();
        for commit in log.split(|byte| *byte == 1).skip(1) {
            let mut parts = commit.splitn(4, |byte| *byte == 2);
            let mut text = || String::from_utf8(parts.next().unwrap().to_vec()).unwrap();
            let (id, at, author) = (text(), text().parse().unwrap(), text());
            let names = parts.next().unwrap_or_default();
            for name in names.split(|byte| *byte == 0 || *byte == b'\n').filter(|name| !name.is_empty()) {
                last.entry(name.to_vec()).or_insert_with(|| (id.clone(), at, author.clone()));
            }
        }
        plain_files(self.path())
            .into_iter()
            .map(|path| {
                let relative = path.to_str().unwrap();
                let (id, at, author) = &last[relative.as_bytes()];
                let facts = FileFacts {
                    place: Place::Garden("me".into()),
                    relative,
                    at: Timestamp::from_secs(*at),
                    commit: Some(id),
                    committer: Some(author),
                };
                let record = formats::read(&facts, &fs::read(self.path().join(&path)).unwrap()).unwrap();
                (record.uri.clone(), record)
            })
            .collect()
    }
}

/// A git source of one garden, `garden/me`, that is pulled only on demand.
pub(crate) fn git_config(url: &str) -> GitConfig {
    GitConfig {
        gardens: vec![GardenConfig {
            target: "garden/me".into(),
            url: url.into(),
            branch: None,
            path_prefixes: Vec::new(),
        }],
        poll_secs: 0,
        allow_file: true,
        allow_insecure: true,
        ..GitConfig::default()
    }
}

impl Upstream {
    /// A source of this repository, by its path.
    pub(crate) fn config(&self) -> SourceConfig {
        SourceConfig::Git(git_config(self.path().to_str().unwrap()))
    }
}
