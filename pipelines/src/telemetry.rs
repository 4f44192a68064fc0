//! Logs and metrics of the process.

use crate::config::{LogConfig, LogFormat};
use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use springline_sources::ProgressBars;
use std::io::{self, Write};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// Buckets of every `*_seconds` histogram.
const SECONDS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// Starts logging to standard error. Lines and progress bars don't mix.
///
/// # Errors
/// The level is no filter.
pub fn logs(config: &LogConfig, bars: &ProgressBars) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.level)
        .with_context(|| format!("log.level: `{}` is no level and no filter", config.level))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Lines(bars.clone()));
    // A second start in one process (tests) keeps the first logger.
    let _ = match config.format {
        LogFormat::Text => lines.with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}

/// Installs the metrics recorder. `None` if the process has one already.
#[must_use]
pub fn metrics() -> Option<PrometheusHandle> {
    let builder = PrometheusBuilder::new();
    let builder = builder.set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS).ok()?;
    builder.install_recorder().ok()
}

#[derive(Clone)]
struct Lines(ProgressBars);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
