//! A command at work on a job: started, followed, ended.

use super::{
    group::{self, GATE, Group, Records},
    output,
    work::{Over, Work},
};
use springline_model::{
    JobId,
    job::{Act, Ending},
};
use springline_queries::control::InstancePhase;
use std::{
    io,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, ChildStdin, Command},
    time::Instant,
};

/// What a command has of our own environment: nothing that could be a secret of ours.
const INHERITED: [&str; 7] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"];
/// How long the pipes may stay open when all processes that we know of have ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What a command is given.
pub(super) struct Given<'a> {
    pub(super) command: &'a [String],
    pub(super) snapshot: String,
    pub(super) token: String,
    /// Where the server answers.
    pub(super) url: &'a str,
    /// What folders to work in are made in.
    pub(super) dir: &'a Path,
    pub(super) records: &'a Records,
}

/// How following it ended.
enum Outcome {
    Exited(io::Result<ExitStatus>),
    Over,
    TimedOut,
    Stopped,
}

/// Does the job.
pub(super) async fn run(work: &Work, given: Given<'_>) {
    // Of an attempt that a killed Springline has begun.
    let (records, id) = (given.records.clone(), work.job.id);
    let cleared = tokio::task::spawn_blocking(move || records.clear(id)).await;
    if let Ok(Err(error)) = cleared {
        return work.fail(format!("what is left of an earlier attempt can't be ended: {error}")).await;
    }
    let folder = match Folder::make(&given.dir.join(format!("{id}-{}", work.attempt))) {
        Ok(folder) => folder,
        Err(error) => return work.fail(format!("there is no folder to work in: {error}")).await,
    };
    let (mut child, group) = match start(work, &given, &folder.0) {
        Ok(started) => started,
        Err(error) => return work.fail(format!("the agent can't be started: {error}")).await,
    };
    work.at_work.change(|instance| (instance.phase, instance.pid) = (InstancePhase::Working, child.id()));
    let (Some(stdout), Some(stderr), Some(stdin)) =
        (child.stdout.take(), child.stderr.take(), child.stdin.take())
    else {
        return;
    };
    let feeding = feed(stdin, given.snapshot);
    let output = output::follow(work, stdout, stderr);
    tokio::pin!(feeding, output);
    let mut output_is_open = true;

    work.tell(vec![Act::Start { attempt: work.attempt }]).await;
    let outcome = {
        let supervising = supervise(work, &mut child);
        tokio::pin!(supervising);
        let mut is_fed = false;
        loop {
            tokio::select! {
                outcome = &mut supervising => break outcome,
                () = &mut feeding, if !is_fed => is_fed = true,
                () = &mut output, if output_is_open => output_is_open = false,
            }
        }
    };
    work.at_work.change(|instance| instance.phase = InstancePhase::Stopping);
    // Whatever it has forked goes with it.
    let mut is_gone = false;
    let ending = async {
        is_gone = group::end(group, id, work.agent.grace()).await;
        if is_gone {
            let _ = child.wait().await;
        }
    };
    {
        // It is ours until it has ended.
        let (heartbeat, is_ours) = (work.heartbeat(), !matches!(outcome, Outcome::Over));
        tokio::pin!(ending, heartbeat);
        loop {
            tokio::select! {
                () = &mut ending => break,
                () = &mut output, if output_is_open => output_is_open = false,
                () = &mut heartbeat, if is_ours => {}
            }
        }
    }
    if output_is_open {
        let _ = tokio::time::timeout(LAST_WORDS, output).await;
    }
    match outcome {
        Outcome::Exited(Ok(status)) if status.success() => work.finish(Ending::Success).await,
        Outcome::Exited(Ok(status)) => work.fail(ended(status)).await,
        Outcome::Exited(Err(error)) => work.fail(format!("the agent can't be waited for: {error}")).await,
        Outcome::TimedOut => {
            work.fail(format!("it took longer than {} s", work.agent.config.timeout_secs)).await;
        }
        Outcome::Stopped => work.tell(vec![Act::HandBack { attempt: work.attempt }]).await,
        Outcome::Over => {}
    }
    if is_gone {
        given.records.remove(id);
    } else {
        tracing::error!(job = %id, "processes of an agent can't be ended");
    }
}

/// Starts it and notes it: it begins when [`feed`] says so.
fn start(work: &Work, given: &Given<'_>, folder: &Path) -> io::Result<(Child, Group)> {
    let ours = INHERITED.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let mut child = Command::new("/bin/sh")
        .args(["-c", GATE, "sh"])
        .args(given.command)
        .current_dir(folder)
        .env_clear()
        .envs(ours)
        .envs(&work.agent.config.env)
        .env("SPRINGLINE_URL", given.url)
        .env("JOB_ID", work.job.id.to_string())
        .env("JOB_TOKEN", &given.token)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let group = child.id().ok_or_else(|| io::Error::other("it has ended already")).and_then(Group::of);
    let noted = group.and_then(|group| {
        given.records.put(work.job.id, &group)?;
        Ok(group)
    });
    match noted {
        Ok(group) => Ok((child, group)),
        Err(error) => {
            let _ = child.start_kill();
            Err(error)
        }
    }
}

/// Says that it may begin, and what it is given to know. It need not read it.
async fn feed(mut stdin: ChildStdin, snapshot: String) {
    let _ = stdin.write_all(b"go\n").await;
    let _ = stdin.write_all(snapshot.as_bytes()).await;
}

async fn supervise(work: &Work, child: &mut Child) -> Outcome {
    let deadline = Instant::now() + work.agent.timeout();
    let mut patience = None;
    let over = work.over();
    let heartbeat = work.heartbeat();
    tokio::pin!(over, heartbeat);
    loop {
        tokio::select! {
            biased;
            status = child.wait() => return Outcome::Exited(status),
            over = &mut over, if patience.is_none() => match over {
                // It has told how it went, and ends by itself, if it does.
                Over::Reported => patience = Some(Instant::now() + work.agent.grace()),
                Over::Lost => return Outcome::Over,
            },
            () = work.stop.cancelled() => return match patience {
                None => Outcome::Stopped,
                Some(_) => Outcome::Over,
            },
            () = tokio::time::sleep_until(patience.unwrap_or(deadline)) => return match patience {
                None => Outcome::TimedOut,
                Some(_) => Outcome::Over,
            },
            () = &mut heartbeat, if patience.is_none() => {}
        }
    }
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("the agent ended with status {code}"),
        (None, Some(signal)) => format!("the agent was ended by signal {signal}"),
        (None, None) => "the agent ended".to_owned(),
    }
}

/// Removes the folders that attempts of an earlier process have left in a folder, which may hold other things.
pub(super) fn remove_folders(dir: &Path) {
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    for entry in entries {
        let name = entry.file_name();
        let parts = name.to_str().and_then(|name| name.split_once('-'));
        if parts.is_some_and(|(job, attempt)| job.parse::<JobId>().is_ok() && attempt.parse::<u32>().is_ok())
        {
            drop(Folder(entry.path()));
        }
    }
}

/// A fresh folder, gone when dropped.
struct Folder(PathBuf);

impl Folder {
    fn make(path: &Path) -> io::Result<Self> {
        match std::fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => std::fs::create_dir_all(path)?,
        }
        Ok(Self(path.to_path_buf()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "an agent's folder can't be removed");
        }
    }
}
