//! A broker of one's own: a process over a folder, killed at the end.

use anyhow::{Context as _, bail};
use std::{
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long it may take to start.
const START: Duration = Duration::from_secs(60);

pub(super) struct Broker {
    child: Child,
    port: u16,
}

impl Broker {
    /// Starts noida-db, and waits until it listens.
    pub(super) fn start(program: &Path, dir: &Path) -> anyhow::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(program);
        command.args(["start", "--only", "kafka", "--kafka-port", &port.to_string(), "--data-dir"]).arg(dir);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().with_context(|| {
            format!(
                "starting {}: `tests/broker.sh DIR` places it, --brokers names another",
                program.display()
            )
        })?;
        let broker = Self { child, port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begun.elapsed() > START {
                bail!("the broker does not listen");
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(broker)
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
