//! An agent's processes: their record on disk, and their end.
//!
//! ```text
//!  spawn: sh waits for a word ─► record (pid, start, boot) synced ─► "go" ─► exec of the command
//!  killed in between: the pipe closes, sh ends, the command never ran
//! ```
//!
//! What belongs to an agent: its process group, and whatever else has its `JOB_ID` in the environment (a child that has
//! left the group). Numbers of processes come again: after a restart a group is only taken for the recorded one while
//! its leader is there, started when the record says, at the same start of the machine.

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use springline_model::JobId;
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How often it is looked whether processes have ended.
const EVERY: Duration = Duration::from_millis(50);
/// How long a killed process may take to be gone. One that hangs in the kernel never is.
const KILLED: Duration = Duration::from_secs(10);

/// What `sh` does with a command: waits for a line, and becomes it. Without the line it ends.
pub(super) const GATE: &str = "IFS= read -r go && exec \"$@\"";

/// A process group, as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Group {
    /// Its leader.
    pid: i32,
    /// When the leader was started, in the kernel's ticks since the machine was.
    start: u64,
    /// Which start of the machine.
    boot: String,
}

impl Group {
    /// Of a process that leads one and still lives.
    pub(super) fn of(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).map_err(io::Error::other)?;
        let start = Process::read(pid).map_or(0, |process| process.start);
        Ok(Self { pid, start, boot: boot() })
    }

    /// Of one whose leader was there a moment ago: while a group has members, its number is not given again.
    fn has(&self, process: &Process) -> bool {
        process.group == self.pid && process.start >= self.start
    }

    /// Whether its leader is there, and none that goes by the same number.
    fn is_led(&self) -> bool {
        self.boot == boot() && Process::read(self.pid).is_some_and(|leader| leader.start == self.start)
    }
}

/// The records of a data folder.
#[derive(Clone, Debug)]
pub(super) struct Records(PathBuf);

impl Records {
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        for entry in fs::read_dir(dir)?.filter_map(Result::ok) {
            if entry.path().extension().is_some_and(|extension| extension == "new") {
                fs::remove_file(entry.path())?; // a record half-written: what it is of never began
            }
        }
        Ok(Self(dir.to_path_buf()))
    }

    fn path(&self, job: JobId) -> PathBuf {
        self.0.join(format!("{job}.json"))
    }

    /// Jobs that processes may be left of.
    pub(super) fn jobs(&self) -> io::Result<Vec<JobId>> {
        let names = fs::read_dir(&self.0)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names.filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect())
    }

    /// Notes a group; durable when this returns.
    pub(super) fn put(&self, job: JobId, group: &Group) -> io::Result<()> {
        let (path, new) = (self.path(job), self.path(job).with_extension("new"));
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(group)?)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(&self.0)?.sync_all()
    }

    pub(super) fn remove(&self, job: JobId) {
        if let Err(error) = fs::remove_file(self.path(job))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, %job, "the record of an agent's process can't be removed");
        }
    }

    /// Kills what is left of an earlier attempt at a job. Blocks.
    ///
    /// # Errors
    /// Something of it lives on.
    pub(super) fn clear(&self, job: JobId) -> io::Result<()> {
        let group = match fs::read(self.path(job)) {
            Ok(bytes) => serde_json::from_slice::<Group>(&bytes).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let group = group.filter(Group::is_led);
        let started = Instant::now();
        loop {
            let left = members(group.as_ref(), job);
            if left.is_empty() {
                self.remove(job);
                return Ok(());
            }
            if started.elapsed() > KILLED {
                return Err(io::Error::other(format!("processes {left:?} can't be ended")));
            }
            tell(&left, Signal::KILL);
            std::thread::sleep(EVERY);
        }
    }
}

/// Ends a job's processes: tells them to, and kills those that have not after `grace`. Whether all are gone (one that
/// nobody has waited for yet is).
pub(super) async fn end(group: Group, job: JobId, grace: Duration) -> bool {
    for (signal, patience) in [(Signal::TERM, grace), (Signal::KILL, KILLED)] {
        let started = Instant::now();
        let mut told: Vec<i32> = Vec::new();
        loop {
            let of = group.clone();
            let left = tokio::task::spawn_blocking(move || members(Some(&of), job)).await.unwrap_or_default();
            if left.is_empty() {
                return true;
            }
            if started.elapsed() >= patience {
                break;
            }
            // SIGTERM once to each; what keeps forking is killed as long as it takes.
            let new: Vec<i32> =
                left.into_iter().filter(|pid| signal == Signal::KILL || !told.contains(pid)).collect();
            tell(&new, signal);
            told.extend(new);
            tokio::time::sleep(EVERY).await;
        }
    }
    false
}

fn tell(pids: &[i32], signal: Signal) {
    for pid in pids {
        // One that has ended meanwhile needs no telling.
        let _ = Pid::from_raw(*pid).map(|pid| kill_process(pid, signal));
    }
}

/// The processes of a job that live.
fn members(group: Option<&Group>, job: JobId) -> Vec<i32> {
    let marker = format!("JOB_ID={job}");
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let is_ours = |pid: &i32| {
        let Some(process) = Process::read(*pid).filter(|process| !process.is_dead) else { return false };
        group.is_some_and(|group| group.has(&process)) || has_environment(*pid, &marker)
    };
    pids.filter(is_ours).collect()
}

/// Whether a process of ours was given this in its environment. Those of others can't be read.
fn has_environment(pid: i32, marker: &str) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes())
}

/// As much of `/proc/<pid>/stat` as is needed.
struct Process {
    group: i32,
    start: u64,
    /// Ended, and nobody has asked for its status yet.
    is_dead: bool,
}

impl Process {
    fn read(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The fields behind the name, which may hold anything, parentheses too: state, parent, group, … start.
    fn parse(stat: &str) -> Option<Self> {
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let is_dead = matches!(*fields.first()?, "Z" | "X");
        Some(Self { group: fields.get(2)?.parse().ok()?, start: fields.get(19)?.parse().ok()?, is_dead })
    }
}

fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_what_is_left_and_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::open(dir.path()).unwrap();
        let spawn = |variable: &str| {
            let mut command = std::process::Command::new("sleep");
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
            command.arg("1000").env("JOB_ID", variable).spawn().unwrap()
        };
        let job = |number| JobId::new(springline_model::Timestamp(1), number);
        // One in the recorded group, one known by its environment; one that has the recorded number and is another.
        let (mut grouped, mut marked, mut other) =
            (spawn("x"), spawn(&job(1).to_string()), spawn(&job(3).to_string()));
        records.put(job(1), &Group::of(grouped.id()).unwrap()).unwrap();
        let stale = Group { start: 1, ..Group::of(other.id()).unwrap() };
        records.put(job(2), &stale).unwrap();
        let another_boot = Group { boot: "b".into(), ..Group::of(other.id()).unwrap() };
        let mut jobs = records.jobs().unwrap();
        jobs.sort();
        assert_eq!(jobs, [job(1), job(2)]);
        let waiting = std::thread::spawn(move || (grouped.wait().unwrap(), marked.wait().unwrap()));
        records.clear(job(1)).unwrap();
        records.clear(job(2)).unwrap();
        records.put(job(2), &another_boot).unwrap();
        records.clear(job(2)).unwrap();
        let (grouped, marked) = waiting.join().unwrap();
        assert!(!grouped.success() && !marked.success());
        assert!(other.try_wait().unwrap().is_none(), "not ours");
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(records.jobs().unwrap().is_empty());
    }

    #[test]
    fn reads_a_name_with_parentheses() {
        let stat = "42 (a) b (c) R 1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 12345 1 1";
        let process = Process::parse(stat).unwrap();
        assert_eq!((process.group, process.start, process.is_dead), (7, 12345, false));
        assert!(Process::parse("42 (a").is_none() && Process::parse("").is_none());
    }
}
