//! Running git on what strangers wrote: no prompt, no hook, no configuration but ours, no protocol but the one that
//! the URL has, bounded in time, in disk and in what it may print.

use super::config::Transport;
use std::{
    ffi::OsStr,
    fs, io,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
    time,
};
use tokio_util::sync::CancellationToken;

/// The most that is kept of what git prints on either channel.
const MAX_OUTPUT_BYTES: u64 = 256 * 1024;

/// How often the size of a growing clone is looked at.
const SIZE_POLL: Duration = Duration::from_millis(250);

/// The most memory that git may ask for at once: an object that claims to be larger is made to exhaust it.
const MAX_ALLOCATION: &str = "512m";

/// Settings for every run; the command line beats what stands in any file.
const SETTINGS: [&str; 11] = [
    "protocol.allow=never",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.bigFileThreshold=32m",
    "credential.helper=",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "fetch.showForcedUpdates=false",
    "gc.autoDetach=false",
    "gc.pruneExpire=1.day.ago",
    "http.lowSpeedLimit=1",
];

/// What git may see of our environment: how to find programs and the way out of the network.
const ENVIRONMENT: [&str; 13] = [
    "PATH",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "GIT_EXEC_PATH",
    "TMPDIR",
];

/// Why git gave nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    /// It could not be started, or waited for.
    #[error("git can't be run: {0}")]
    Run(io::Error),
    /// The clone's own folder makes trouble.
    #[error("the clone's folder can't be made or removed: {0}")]
    Folder(io::Error),
    /// It said no.
    #[error("{message}")]
    Failed { message: String },
    /// It took too long.
    #[error("git {what} took longer than {} seconds", .limit.as_secs())]
    Timeout { what: String, limit: Duration },
    /// The clone grew too large.
    #[error("the clone grew larger than {0} bytes")]
    TooLarge(u64),
    /// The source was told to stop.
    #[error("stopped")]
    Stopped,
}

/// One run of git in a bare repository.
pub(crate) struct Git<'a> {
    pub(crate) directory: &'a Path,
    /// What may be spoken; none for what stays on this machine.
    pub(crate) transport: Option<Transport>,
    pub(crate) limit: Duration,
    /// The most bytes that the repository may grow to.
    pub(crate) max_bytes: Option<u64>,
    pub(crate) stop: &'a CancellationToken,
}

impl Git<'_> {
    /// Runs it; gives what it printed.
    pub(crate) async fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<String, GitError> {
        let what =
            arguments.first().map_or_else(String::new, |first| first.as_ref().to_string_lossy().into_owned());
        let mut child = self.command(arguments).spawn().map_err(GitError::Run)?;
        let mut group = Group(child.id());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let finished = async {
            let (status, stdout, stderr) = tokio::join!(child.wait(), read(stdout), read(stderr));
            Ok::<_, io::Error>((status?, stdout, stderr))
        };
        let (status, stdout, stderr) = tokio::select! {
            finished = finished => finished.map_err(GitError::Run)?,
            () = time::sleep(self.limit) => return Err(GitError::Timeout { what, limit: self.limit }),
            bytes = self.outgrown() => return Err(GitError::TooLarge(bytes)),
            () = self.stop.cancelled() => return Err(GitError::Stopped),
        };
        group.0 = None;
        if let Some(max) = self.max_bytes
            && self.has_outgrown(max).await
        {
            return Err(GitError::TooLarge(max));
        }
        if status.success() {
            return Ok(stdout);
        }
        Err(GitError::Failed { message: complaint(&what, status, &stderr) })
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new("git");
        command.env_clear();
        for name in ENVIRONMENT {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        // A home of our own, so that no `.netrc` or key of the user is used unasked.
        let home = match self.transport {
            Some(Transport::Ssh) => std::env::var_os("HOME"),
            _ => Some(self.directory.into()),
        };
        command.env("HOME", home.unwrap_or_else(|| self.directory.into()));
        if let (Some(Transport::Ssh), Some(agent)) = (self.transport, std::env::var_os("SSH_AUTH_SOCK")) {
            command.env("SSH_AUTH_SOCK", agent);
        }
        command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "false")
            .env("SSH_ASKPASS", "false")
            .env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
            .env("GIT_ALLOC_LIMIT", MAX_ALLOCATION)
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_LFS_SKIP_SMUDGE", "1")
            .env("LC_ALL", "C");
        for setting in SETTINGS {
            command.arg("-c").arg(setting);
        }
        command.arg("-c").arg(format!("http.lowSpeedTime={}", self.limit.as_secs().max(1)));
        if let Some(transport) = self.transport {
            command.arg("-c").arg(format!("protocol.{}.allow=always", transport.name()));
        }
        // The folder may be named from where this process is; git is inside it.
        command.args(["--git-dir", "."]).args(arguments);
        command.current_dir(self.directory);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that its helpers (git-remote-https, ssh) end with it.
        command.process_group(0).kill_on_drop(true);
        command
    }

    /// Returns once the repository has outgrown its limit.
    async fn outgrown(&self) -> u64 {
        let Some(max) = self.max_bytes else { return std::future::pending().await };
        loop {
            time::sleep(SIZE_POLL).await;
            if self.has_outgrown(max).await {
                return max;
            }
        }
    }

    async fn has_outgrown(&self, max: u64) -> bool {
        let objects = self.directory.join("objects");
        // A task that died measured nothing.
        tokio::task::spawn_blocking(move || object_bytes(&objects)).await.is_ok_and(|bytes| bytes > max)
    }
}

/// Kills a process group unless told that it has ended.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let leader = self.0.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(leader) = leader {
            // It may have ended by itself just now.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}

/// Reads to the end, so that the writer never blocks, and keeps the beginning.
async fn read(channel: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut channel) = channel else { return String::new() };
    let mut kept = Vec::new();
    // What can't be read is as good as not printed.
    let _ = (&mut channel).take(MAX_OUTPUT_BYTES).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut channel, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).into_owned()
}

/// What git complained about, in one line without passwords.
fn complaint(what: &str, status: ExitStatus, stderr: &str) -> String {
    let said: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let line = said
        .iter()
        .find_map(|line| line.strip_prefix("fatal: ").or_else(|| line.strip_prefix("error: ")))
        .or_else(|| said.last().copied());
    match line {
        Some(line) => redact(&line.chars().take(500).collect::<String>()),
        None => format!("git {what} ended with {status}"),
    }
}

/// Takes user names and passwords out of URLs.
pub(crate) fn redact(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        clean.push_str(before);
        let end = after
            .find(|c: char| c == '/' || c == '\'' || c == '"' || c.is_whitespace())
            .unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(at) => &after[at + 1..],
            None => after,
        };
    }
    clean.push_str(rest);
    clean
}

/// What the packs and the loose objects of a repository take.
fn object_bytes(objects: &Path) -> u64 {
    let list = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let files = list(objects).flat_map(|folder| list(&folder.path()));
    files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn git<'a>(directory: &'a Path, stop: &'a CancellationToken) -> Git<'a> {
        Git { directory, transport: None, limit: Duration::from_secs(20), max_bytes: None, stop }
    }

    #[test]
    fn takes_passwords_out() {
        assert_eq!(
            redact("unable to access 'https://me:secret@example.org/x@y.git/': no"),
            "unable to access 'https://example.org/x@y.git/': no"
        );
        assert_eq!(redact("https://example.org a@b ssh://git@h/x"), "https://example.org a@b ssh://h/x");
    }

    #[tokio::test]
    async fn sees_no_configuration_but_ours() {
        let (dir, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let git = git(dir.path(), &stop);
        git.run(&["init", "--bare", "--quiet"]).await.unwrap();
        let hooks = git.run(&["config", "--show-scope", "--get-all", "core.hooksPath"]).await.unwrap();
        assert_eq!(hooks.trim(), "command\t/dev/null");
        let scopes = git.run(&["config", "--list", "--show-scope"]).await.unwrap();
        assert!(
            scopes.lines().all(|line| line.starts_with("command") || line.starts_with("local")),
            "{scopes}"
        );
        let refused = git.run(&["ls-remote", "--", "https://127.0.0.1:1/x"]).await.unwrap_err();
        assert!(refused.to_string().contains("not allowed"), "{refused}");
    }

    #[tokio::test]
    async fn ends_a_whole_group_in_time() {
        let (dir, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let pid = dir.path().join("pid");
        let alias = format!("alias.hang=!sleep 300 & echo $! > {}; wait", pid.display());
        let start = Instant::now();
        let hung = Git { limit: Duration::from_millis(500), ..git(dir.path(), &stop) };
        let error = hung.run(&["-c", &alias, "hang"]).await.unwrap_err();
        assert!(matches!(error, GitError::Timeout { .. }), "{error}");
        assert!(start.elapsed() < Duration::from_secs(10));
        let pid: i32 = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
        let process = std::path::PathBuf::from(format!("/proc/{pid}/stat"));
        let gone = || std::fs::read_to_string(&process).map_or(true, |stat| stat.contains(") Z"));
        while !gone() {
            assert!(start.elapsed() < Duration::from_secs(20), "the helper outlived its git");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
