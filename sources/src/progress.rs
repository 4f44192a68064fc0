//! Progress bars for a first index; silent when standard error is not a terminal.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{borrow::Cow, io::IsTerminal, time::Duration};

/// A stack of bars that all sources of the process share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ProgressBars(MultiProgress);

impl ProgressBars {
    /// Draws on standard error if that is a terminal, nowhere otherwise.
    #[must_use]
    pub fn new() -> Self {
        if std::io::stderr().is_terminal() { Self(MultiProgress::new()) } else { Self::hidden() }
    }

    /// Draws nowhere.
    #[must_use]
    pub fn hidden() -> Self {
        Self(MultiProgress::with_draw_target(ProgressDrawTarget::hidden()))
    }

    /// Runs `f` with the bars taken off the screen, so that log lines and bars don't mix.
    pub fn suspend<R>(&self, f: impl FnOnce() -> R) -> R {
        self.0.suspend(f)
    }

    /// A bar over `total` files.
    #[must_use]
    pub fn files(&self, name: impl Into<Cow<'static, str>>, total: u64) -> ProgressBar {
        let style = ProgressStyle::with_template("{prefix:28!} {bar:24} {pos:>7}/{len} files {elapsed:>4}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        self.0.add(ProgressBar::new(total).with_style(style).with_prefix(name))
    }

    /// A bar that tells how fast it goes and how long it takes yet, if it is known how much there is.
    #[must_use]
    pub fn rated(&self, name: impl Into<Cow<'static, str>>, total: Option<u64>) -> ProgressBar {
        let template = match total {
            Some(_) => "{prefix:28!} {bar:24} {pos:>9}/{len} {per_sec} {eta:>4} left",
            None => "{prefix:28!} {spinner} {pos:>9} {per_sec} {elapsed:>4}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        self.0.add(bar.with_style(style).with_prefix(name))
    }

    /// A bar that tells how much of so many bytes was read.
    #[must_use]
    pub fn bytes(&self, name: impl Into<Cow<'static, str>>, total: u64) -> ProgressBar {
        let template = "{prefix:28!} {bar:24} {bytes:>9}/{total_bytes} {bytes_per_sec} {eta:>4} left";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.0.add(ProgressBar::new(total).with_style(style).with_prefix(name))
    }

    /// A bar for work of unknown size.
    #[must_use]
    pub fn spinner(&self, name: impl Into<Cow<'static, str>>, message: &'static str) -> ProgressBar {
        let style = ProgressStyle::with_template("{prefix:28!} {spinner} {msg} {elapsed:>4}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = ProgressBar::new_spinner().with_style(style).with_prefix(name).with_message(message);
        let bar = self.0.add(bar);
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }
}

impl Default for ProgressBars {
    fn default() -> Self {
        Self::new()
    }
}
