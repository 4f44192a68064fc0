//! A real browser without a screen.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Chromium, with a profile of its own.
#[derive(Debug)]
pub struct Browser {
    profile: PathBuf,
}

/// What came of a page.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The document after it was loaded, scripts and all.
    pub document: String,
    /// What the browser wrote to its console: refused by the policy, failed to load, thrown.
    pub complaints: Vec<String>,
}

impl Browser {
    /// With a profile in a folder.
    #[must_use]
    pub fn new(profile: &Path) -> Self {
        Self { profile: profile.to_path_buf() }
    }

    /// Loads a page, scripts allowed.
    ///
    /// # Panics
    /// There is no browser, or it fails.
    #[must_use]
    pub fn open(&self, url: &str) -> Seen {
        let output = Command::new(chromium())
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--enable-logging=stderr",
            ])
            .arg(format!("--user-data-dir={}", self.profile.display()))
            .args(["--virtual-time-budget=2000", "--dump-dom", url])
            .stdin(Stdio::null())
            .output()
            .expect("chromium runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "chromium failed:\n{said}");
        let complaint = |line: &&str| line.contains("CONSOLE");
        Seen {
            document: String::from_utf8_lossy(&output.stdout).into_owned(),
            complaints: said.lines().filter(complaint).map(str::to_owned).collect(),
        }
    }
}

/// Debian's name, or another's.
fn chromium() -> PathBuf {
    let folders = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&folders)
        .flat_map(|folder| ["chromium", "chromium-browser", "google-chrome"].map(|name| folder.join(name)))
        .find(|path| path.is_file());
    found.expect("chromium is needed: tests/setup.sh installs it")
}
