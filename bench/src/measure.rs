//! What is measured: processor time, memory, disk, and how long things take.

use anyhow::Context as _;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::{fs, path::Path, time::Duration};

/// What one side of one scale came to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Notes and images indexed.
    pub subnodes: u64,
    /// Processor seconds of the full index, user and system.
    pub cpu: f64,
    /// Seconds of the full index.
    pub wall: f64,
    /// Resident bytes when it was done.
    pub rss: u64,
    /// The most resident bytes up to then.
    pub rss_peak: u64,
    /// Resident bytes when all else was measured too.
    pub rss_end: u64,
    /// Bytes on disk after the index, by what they are.
    pub disk: Vec<(String, u64)>,
    /// From the write of a file until all views show it.
    pub edits: Times,
    /// Edits that were not seen in time.
    pub missed: usize,
    /// The links to a node.
    pub backlinks: Times,
    /// A page of hits with snippets.
    pub search: Times,
    /// A node's web page.
    pub node: Option<Times>,
    /// Hits of a query without spaces between its words.
    pub cjk: Option<u64>,
    /// Requests that were not answered with success.
    pub refused: usize,
}

/// Percentiles in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Times {
    /// How many were timed.
    pub count: usize,
    /// Half were as fast.
    pub p50: f64,
    /// 95 of 100 were.
    pub p95: f64,
    /// 99 of 100 were.
    pub p99: f64,
}

impl Times {
    /// Of some durations, by nearest rank.
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1);
            times.get(rank - 1).map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        Self { count: times.len(), p50: at(50), p95: at(95), p99: at(99) }
    }
}

/// The processor time that this process has had, all threads together.
pub(crate) fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    // Of a process, neither is negative.
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The same of the processes that this one has started and that have ended.
pub(crate) fn cpu_of_children() -> anyhow::Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").context("this needs Linux' /proc")?;
    // Behind the name, which may hold anything: the children's times of user and system are the 14th and 15th.
    let (_, rest) = stat.rsplit_once(')').context("no such field")?;
    let ticks: Vec<u64> =
        rest.split_whitespace().skip(13).take(2).map(str::parse).collect::<Result<_, _>>()?;
    let a_second = rustix::param::clock_ticks_per_second().max(1);
    Ok(Duration::from_millis(ticks.iter().sum::<u64>() * 1000 / a_second))
}

/// Resident bytes now, and the most there ever were.
pub(crate) fn memory() -> anyhow::Result<(u64, u64)> {
    memory_of("self")
}

/// The same of another process, by its number.
pub(crate) fn memory_of(process: &str) -> anyhow::Result<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).context("this needs Linux' /proc")?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such field")?;
        let kib: u64 = line.trim_start_matches(':').trim().trim_end_matches("kB").trim().parse()?;
        anyhow::Ok(kib * 1024)
    };
    Ok((field("VmRSS")?, field("VmHWM")?))
}

/// Bytes of all files in a folder, 0 if there is none. Files that go meanwhile are left out.
pub(crate) fn disk(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => disk(&entry.path()),
        _ => entry.metadata().map_or(0, |data| data.len()),
    };
    entries.flatten().map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let times = Times::of((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!(times, Times { count: 200, p50: 100.0, p95: 190.0, p99: 198.0 });
        assert_eq!(Times::of(vec![Duration::from_millis(7)]).p99, 7.0);
        assert_eq!(Times::of(vec![]), Times::default());
    }

    #[test]
    fn this_process_has_memory_and_time() {
        let (now, peak) = memory().unwrap();
        assert!(now > 0 && peak >= now);
        assert!(cpu() > Duration::ZERO);
    }
}
