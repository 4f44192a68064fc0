//! One log, kept by one process with one worker, and by two with one each: the same views from the same events.
//!
//! What counts is the time from the first one's start until every one is ready, with the whole log in the views, and the
//! most memory that any of them took.

use super::{Bench, LOOK, PATIENCE, TOKEN, TOPIC};
use crate::{measure, process::Served};
use anyhow::ensure;
use std::{
    fs,
    net::TcpListener,
    time::{Duration, Instant},
};

/// What processes run on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cores {
    /// Whatever there is.
    All,
    /// One each, and not another's: as machines of one core would.
    OneEach,
}

/// What processes took together.
pub(super) struct Shared {
    pub(super) wall: f64,
    pub(super) cpu: f64,
    /// Bytes, of the one that had most.
    pub(super) resident: u64,
    pub(super) peak: u64,
}

impl Bench {
    /// Reads the log by so many processes, each with a folder of its own.
    pub(super) async fn shared(&self, processes: usize, cores: Cores) -> anyhow::Result<Shared> {
        let ports: Vec<[TcpListener; 2]> = (0..processes)
            .map(|_| Ok([TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?]))
            .collect::<anyhow::Result<_>>()?;
        let mut lines = String::new();
        let mut addresses = Vec::new();
        for [dataflow, queries] in &ports {
            addresses.push(queries.local_addr()?.to_string());
            lines += &format!("{} http://{}\n", dataflow.local_addr()?, queries.local_addr()?);
        }
        drop(ports);
        let (hosts, secret) = (self.dir.join("hosts"), self.dir.join("secret"));
        fs::write(&hosts, lines)?;
        fs::write(&secret, "what only the processes of the benchmark know\n")?;
        let (hosts, secret) = (hosts.to_string_lossy().into_owned(), secret.to_string_lossy().into_owned());
        let (begun, before) = (Instant::now(), measure::cpu_of_children()?);
        let mut servers = Vec::new();
        let group = if cores == Cores::All { format!("of-{processes}") } else { format!("each-{processes}") };
        for (process, address) in addresses.iter().enumerate() {
            let log = format!(
                "[journal]\nkind = \"kafka\"\n[journal.kafka]\ntopic = \"{TOPIC}\"\ngroup = \"{group}\"\n\
                 transactional_id = \"{group}\"\n[runtime]\nworkers = 1\n"
            );
            let file = self.configure(&format!("{group}-{process}"), &log)?;
            let numbers = [processes.to_string(), process.to_string()];
            let mut arguments = vec!["run", "--listen", address];
            if processes > 1 {
                let [processes, process] = &numbers;
                arguments.extend(["--processes", processes, "--process", process]);
                arguments.extend(["--hosts", &hosts, "--secret", &secret]);
            }
            let core = (cores == Cores::OneEach).then_some(process);
            servers.push(Served::begin(&self.springline, &file, TOKEN, &arguments, core)?);
        }
        for server in &servers {
            while !self.get(server, "/readyz").await?.status().is_success() {
                ensure!(begun.elapsed() < PATIENCE, "{processes} processes: not there in time");
                tokio::time::sleep(LOOK).await;
            }
        }
        let wall = begun.elapsed().as_secs_f64();
        let mut shared = Shared { wall, cpu: 0.0, resident: 0, peak: 0 };
        // What is given back after the work is no part of what it takes to keep the views.
        tokio::time::sleep(Duration::from_secs(2)).await;
        for server in &servers {
            let (resident, peak) = server.memory()?;
            shared.resident = shared.resident.max(resident);
            shared.peak = shared.peak.max(peak);
        }
        for server in servers {
            server.stop()?;
        }
        shared.cpu = measure::cpu_of_children()?.saturating_sub(before).as_secs_f64();
        Ok(shared)
    }
}
