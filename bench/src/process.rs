//! What is measured is a process: this one, this program once more, or `springline` itself.
//!
//! | | in it |
//! |---|---|
//! | [`running`] | Springline within this process, so that its views can be watched from inside |
//! | [`again`] | this program once more, so that one run's memory is not another's |
//! | [`Served`] | the program that people start, with nothing of ours in it |

use crate::measure;
use anyhow::{Context as _, bail, ensure};
use serde::de::DeserializeOwned;
use springline_pipelines::{
    config::Config,
    runtime::{DataDir, Opened, ProcessControl},
};
use springline_queries::{Server, control::Control as _};
use springline_sinks::{Reader, Views};
use springline_sources::ProgressBars;
use std::{
    env,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tokio::task::block_in_place;
use tokio_util::sync::CancellationToken;

/// All is indexed when nothing more was applied for so long.
const QUIET: Duration = Duration::from_millis(300);
/// What is wrong when the program ends before that.
const START: &str = "springline did not say where it listens";

/// Springline, within this process.
pub(crate) struct Inside {
    /// The views.
    pub(crate) reader: Reader,
    /// What it does.
    pub(crate) control: Arc<ProcessControl>,
    /// The views as they are written.
    pub(crate) views: Views,
    /// Where it serves.
    pub(crate) address: SocketAddr,
}

/// Opens Springline and serves, until what is to be done with it is done.
///
/// # Errors
/// It does not start, stops by itself or not in order; what is done has failed.
pub(crate) async fn running<T>(
    config: Config,
    with: impl AsyncFnOnce(&Inside) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let stop = CancellationToken::new();
    let (data, server) = (DataDir::take(&config.data_dir)?, config.server.clone());
    let opened = block_in_place(|| Opened::open(config, data, ProgressBars::hidden(), None))?;
    let (reader, control, views) = (opened.reader(), opened.control(), opened.views().clone());
    let server = Server::bind(server, reader.clone(), control.clone()).await?;
    let inside = Inside { reader, control, views, address: server.address() };
    let serving = tokio::spawn(server.run(stop.child_token()));
    let mut process = tokio::spawn(opened.run(stop.child_token()));
    let done = tokio::select! {
        ended = &mut process => {
            ended??;
            bail!("springline has stopped by itself");
        }
        done = with(&inside) => done,
    };
    stop.cancel();
    process.await?.context("springline did not stop in order")?;
    serving.await?;
    done
}

impl Inside {
    /// Waits until every source has caught up and what they sent is in the views; when the last of it came there.
    pub(crate) async fn indexed(&self) -> Instant {
        let (mut epoch, mut since) = (self.reader.applied(), Instant::now());
        loop {
            tokio::time::sleep(Duration::from_millis(2)).await;
            let applied = self.reader.applied();
            if applied != epoch {
                (epoch, since) = (applied, Instant::now());
            } else if since.elapsed() >= QUIET && self.control.ready() {
                // The source may still have been at it, or the sealer: then the next epoch is on its way.
                if self.control.status().sealed == applied {
                    return since;
                }
            }
        }
    }
}

/// Runs this program again, and reads the figures from the last line that it prints.
///
/// # Errors
/// It fails, or says something else.
pub(crate) fn again<T: DeserializeOwned>(arguments: impl FnOnce(&mut Command)) -> anyhow::Result<T> {
    let mut command = Command::new(env::current_exe()?);
    arguments(&mut command);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "it ended with {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    let last = text.lines().last().context("it said nothing")?;
    Ok(serde_json::from_str(last)?)
}

/// The program `springline`, serving; killed when dropped.
pub(crate) struct Served {
    child: Child,
    /// Where it serves.
    pub(crate) address: SocketAddr,
}

impl Served {
    /// Starts it with a configuration, and waits until it says where it listens.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn start(program: &Path, config: &Path, token: &str) -> anyhow::Result<Self> {
        Self::begin(program, config, token, &["run", "--listen", "127.0.0.1:0"], None)
    }

    /// Starts a command of it that serves, likewise; on one core if one is named, by util-linux' `taskset`.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn begin(
        program: &Path,
        config: &Path,
        token: &str,
        arguments: &[&str],
        core: Option<usize>,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        if let Some(core) = core {
            command = Command::new("taskset");
            command.args(["--cpu-list", &core.to_string()]).arg(program);
        }
        command.arg("--config").arg(config).args(["--log-level", "warn"]).args(arguments);
        command.env("SPRINGLINE__SERVER__TOKEN", token).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        let mut lines = BufReader::new(child.stderr.take().context(START)?).lines();
        let address = loop {
            let line = lines.next().context(START)??;
            if let Some((_, address)) = line.split_once("http://") {
                break address.trim().parse()?;
            }
        };
        // Whatever it says later must not fill the pipe.
        thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("  | {line}")));
        Ok(Self { child, address })
    }

    /// Its resident bytes now, and the most there ever were.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn memory(&self) -> anyhow::Result<(u64, u64)> {
        measure::memory_of(&self.child.id().to_string())
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// It ends with an error.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::TERM)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "it ended with {status}");
        Ok(())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself; its files are thrown away.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
