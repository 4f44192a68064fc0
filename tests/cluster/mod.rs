//! Several processes as one: the same views as one process alone has, whoever is killed.

mod events;
mod faults;
mod same;
mod sinks;
mod told;

use crate::kafka::on;
use springline_tests::{Broker, Server, Springline};
use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Rows and sum of each view.
type Sums = BTreeMap<String, (u64, u128)>;

/// Several processes on one log.
struct Cluster {
    processes: Vec<Springline>,
    hosts: PathBuf,
    /// Where each answers.
    addresses: Vec<String>,
}

impl Cluster {
    /// Their data folders are `name-0`, `name-1`, ….
    fn new(broker: &Broker, dir: &Path, name: &str, processes: usize) -> Self {
        let ports: Vec<[TcpListener; 2]> = (0..processes)
            .map(|_| [0, 0].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap()))
            .collect();
        let at = |port: &TcpListener| port.local_addr().unwrap().to_string();
        let addresses = ports.iter().map(|[_, port]| at(port)).collect();
        let host = |[dataflow, port]: &[TcpListener; 2]| format!("{} http://{}\n", at(dataflow), at(port));
        let (hosts, secret) = (dir.join(format!("{name}-{processes}.hosts")), dir.join("secret"));
        fs::write(&hosts, ports.iter().map(host).collect::<String>()).unwrap();
        fs::write(&secret, "what only these processes know\n").unwrap();
        let process = |number: usize| {
            on(broker, &dir.join(format!("{name}-{number}")))
                .with("journal.kafka.transactional_id", name)
                .with("cluster.secret_file", secret.to_str().unwrap())
                .with("cluster.patience_secs", &3)
                .with("runtime.epoch_events", &64)
        };
        Self { processes: (0..processes).map(process).collect(), hosts, addresses }
    }

    /// The same processes, each changed.
    fn each(self, change: impl Fn(Springline) -> Springline) -> Self {
        Self { processes: self.processes.into_iter().map(change).collect(), ..self }
    }

    fn flags<'a>(&'a self, numbers: &'a [String; 2]) -> [&'a str; 9] {
        let [processes, process] = numbers;
        let (hosts, address) =
            (self.hosts.to_str().unwrap(), &self.addresses[process.parse::<usize>().unwrap()]);
        ["run", "--listen", address, "--processes", processes, "--process", process, "--hosts", hosts]
    }

    fn start(&self, process: usize) -> Server {
        let numbers = [self.processes.len().to_string(), process.to_string()];
        self.processes[process].start(&self.flags(&numbers))
    }

    fn start_all(&self) -> Vec<Server> {
        (0..self.processes.len()).map(|process| self.start(process)).collect()
    }
}

/// What all have together, as any of them says; nothing while they don't say the same.
fn sums(servers: &[Server]) -> Sums {
    let of = |server: &Server| {
        let views = server.get("/v1/views").json()["views"].as_array().unwrap().clone();
        let of = |view: &serde_json::Value| {
            let sum = u128::from_str_radix(view["sum"].as_str().unwrap(), 16).unwrap();
            (view["name"].as_str().unwrap().to_owned(), (view["rows"].as_u64().unwrap(), sum))
        };
        views.iter().map(of).collect::<Sums>()
    };
    let mut all: Vec<Sums> = servers.iter().map(of).collect();
    all.dedup();
    if all.len() == 1 { all.remove(0) } else { Sums::new() }
}

/// Waits until all servers together have what is expected.
#[track_caller]
fn reach(servers: &[Server], expected: &Sums) {
    let (started, mut found) = (Instant::now(), sums(servers));
    while found != *expected {
        assert!(started.elapsed() < Duration::from_secs(120), "{found:?} is not {expected:?}");
        std::thread::sleep(Duration::from_millis(50));
        found = sums(servers);
    }
}

/// What one process alone makes of the log; its views are right.
fn alone(broker: &Broker, dir: &Path) -> Sums {
    alone_and_asked(broker, dir, |_| ()).0
}

/// The same, and what it answers.
fn alone_and_asked<T>(broker: &Broker, dir: &Path, ask: impl FnOnce(&Server) -> T) -> (Sums, T) {
    follow_alone(&on(broker, dir), ask)
}

fn follow_alone<T>(alone: &Springline, ask: impl FnOnce(&Server) -> T) -> (Sums, T) {
    let alone = alone.clone().with("journal.kafka.transactional_id", "alone").with("runtime.workers", &2);
    crate::kafka::follow(&alone);
    let _ = springline_tests::fingerprints(&alone);
    let server = alone.start(&["run", "--listen", "127.0.0.1:0"]);
    let found = (sums(std::slice::from_ref(&server)), ask(&server));
    server.stop();
    found
}
