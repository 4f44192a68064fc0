//! A Kafka broker as a process: `tests/broker.sh` places it. Everybody talks to it through a [`Proxy`].

use crate::{Network, Proxy, eventually};
use std::{
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Where the broker itself is; the proxy is at 127.0.0.1.
const HOST: &str = "127.0.0.2";

/// A broker with a folder and a port of its own. What it was told outlives [`Broker::stop`], not a kill.
pub struct Broker {
    dir: PathBuf,
    proxy: Proxy,
    child: Option<Child>,
}

impl Broker {
    /// Starts one over a folder; none, with a note, if the program is not there.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(dir: &Path) -> Option<Self> {
        if !program().is_file() {
            eprintln!("skipped: no broker; tests/setup.sh places one");
            return None;
        }
        let mut broker = Self { dir: dir.to_path_buf(), proxy: Proxy::start(HOST), child: None };
        broker.start_again();
        Some(broker)
    }

    /// `127.0.0.1:9092`
    #[must_use]
    pub fn address(&self) -> String {
        self.proxy.address().to_string()
    }

    /// The same without the proxy: only who wants to see what the broker does by itself needs it.
    #[must_use]
    pub fn bare_address(&self) -> String {
        format!("{HOST}:{}", self.port())
    }

    fn port(&self) -> u16 {
        self.proxy.address().port()
    }

    /// From now on the network to it is like this.
    pub fn network(&self, network: Network) {
        self.proxy.set(network);
    }

    /// Ends all connections to it where they are.
    pub fn cut(&self) {
        self.proxy.cut();
    }

    /// Starts it where it was.
    ///
    /// # Panics
    /// It does not start.
    pub fn start_again(&mut self) {
        let child = Command::new(program())
            .args(["start", "--only", "kafka", "--host", HOST])
            .args(["--kafka-port", &self.port().to_string(), "--data-dir"])
            .arg(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.expect("the broker starts"));
        eventually("the broker listens", Duration::from_secs(60), || {
            TcpStream::connect((HOST, self.port())).ok()
        });
    }

    /// Ends it in order.
    ///
    /// # Panics
    /// It does not run.
    pub fn stop(&mut self) {
        let mut child = self.child.take().expect("it runs");
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        child.wait().expect("it ends");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn program() -> PathBuf {
    let tests = std::env::current_exe().expect("a test has a path");
    let target = tests.ancestors().nth(3).expect("a test lies in the target folder");
    target.join("test-broker/noida-db")
}
