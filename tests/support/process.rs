//! The program as a process.

use crate::{
    Answer, eventually,
    http::{get, post, send},
};
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

/// The program with a data folder and settings of its own.
#[derive(Clone, Debug)]
pub struct Springline {
    data: PathBuf,
    settings: Vec<(String, String)>,
    config: Option<PathBuf>,
    within: Option<PathBuf>,
}

/// The bearer token that its servers want for whatever writes.
pub(crate) const TOKEN: &str = "a token for the tests";

impl Springline {
    /// Over a data folder.
    #[must_use]
    pub fn new(data: &Path) -> Self {
        Self { data: data.to_path_buf(), settings: Vec::new(), config: None, within: None }
    }

    /// With a setting: `store.engine`, `fjall`.
    #[must_use]
    pub fn with(mut self, key: &str, value: &(impl ToString + ?Sized)) -> Self {
        let key = format!("SPRINGLINE__{}", key.replace('.', "__").to_uppercase());
        self.settings.push((key, value.to_string()));
        self
    }

    /// With a configuration file.
    #[must_use]
    pub fn configured(mut self, file: &Path) -> Self {
        self.config = Some(file.to_path_buf());
        self
    }

    /// Started in a folder: relative paths begin there.
    #[must_use]
    pub fn within(mut self, folder: &Path) -> Self {
        self.within = Some(folder.to_path_buf());
        self
    }

    /// A command of it.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.arg("--data-dir").arg(&self.data).args(["--log-level", "warn"]).args(arguments);
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        if let Some(folder) = &self.within {
            command.current_dir(folder);
        }
        command
            .env("SPRINGLINE__SERVER__TOKEN", TOKEN)
            .envs(self.settings.iter().cloned())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// It can't be run.
    #[must_use]
    pub fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program runs")
    }

    /// Runs a command that must succeed, and gives what it printed.
    ///
    /// # Panics
    /// It fails.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?} failed:\n{said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Reads an Agora tree until all is indexed and on disk.
    pub fn index(&self, agora: &Path) {
        self.run(&["run", "--once", "--no-server", "--agora", &agora.to_string_lossy()]);
    }

    /// Reads what the configuration names until all is indexed and on disk.
    pub fn index_configured(&self) {
        self.run(&["run", "--once", "--no-server"]);
    }

    /// Starts serving an Agora tree, and waits for the address (not for the views).
    #[must_use]
    pub fn serve(&self, agora: &Path) -> Server {
        self.start(&["run", "--listen", "127.0.0.1:0", "--agora", &agora.to_string_lossy()])
    }

    /// Starts serving what the configuration names.
    #[must_use]
    pub fn serve_configured(&self) -> Server {
        self.start(&["run", "--listen", "127.0.0.1:0"])
    }

    /// Starts a command that serves, and waits for the address.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(&self, arguments: &[&str]) -> Server {
        let mut child = self.command(arguments).stderr(Stdio::piped()).spawn().expect("the program runs");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let address = loop {
            let line = lines.next().expect("it says where it is").expect("it writes text");
            if let Some((_, address)) = line.split_once("http://") {
                break address.trim().parse().expect("an address");
            }
        };
        // Whatever it says later must not fill the pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("  | {line}")));
        Server { child, address }
    }
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Asks a route.
    ///
    /// # Panics
    /// Nobody answers.
    #[track_caller]
    pub fn get(&self, target: &str) -> Answer {
        get(self.address, target).expect("the server answers")
    }

    /// What a metric says, e.g. `springline_source_up{source="log"}`; without labels the sum of all. `None` while nothing
    /// was counted.
    #[must_use]
    #[track_caller]
    pub fn metric(&self, metric: &str) -> Option<f64> {
        let text = self.get("/metrics").text();
        let is_it =
            |name: &str| name == metric || name.split_once('{').is_some_and(|(name, _)| name == metric);
        let value = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            is_it(name).then(|| value.parse::<f64>().ok())?
        };
        text.lines().filter_map(value).fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
    }

    /// Makes a source look upstream, and waits for what it found; `None` if the server ended meanwhile.
    #[must_use]
    pub fn pull(&self, source: &str) -> Option<Answer> {
        post(self.address, &format!("/v1/sources/{source}/pull"), TOKEN, "{}")
    }

    /// Tells a route.
    ///
    /// # Panics
    /// Nobody answers.
    #[track_caller]
    pub fn post(&self, target: &str, body: &str) -> Answer {
        post(self.address, target, TOKEN, body).expect("the server answers")
    }

    /// Deletes, with the token.
    ///
    /// # Panics
    /// Nobody answers.
    #[track_caller]
    pub fn delete(&self, target: &str) -> Answer {
        let token = format!("Bearer {TOKEN}");
        send(self.address, "DELETE", target, &[("authorization", &token)], "").expect("the server answers")
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until all is indexed.
    pub fn ready(&self) {
        eventually("ready", Duration::from_secs(120), || (self.get("/readyz").status == 200).then_some(()));
    }

    /// Ends it in order.
    ///
    /// # Panics
    /// It ends with an error.
    #[track_caller]
    pub fn stop(self) {
        self.terminate();
        let status = self.ended();
        assert!(status.success(), "the server ended with {status}");
    }

    /// Asks it to end.
    ///
    /// # Panics
    /// It does not run.
    pub fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// It can't be waited for.
    #[must_use]
    pub fn ended(mut self) -> ExitStatus {
        self.child.wait().expect("it ends")
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// It can't be waited for.
    pub fn wait(&mut self) {
        self.child.wait().expect("it ends");
    }

    /// Ends it where it stands.
    ///
    /// # Panics
    /// It does not run.
    pub fn kill(&self) {
        self.signal(rustix::process::Signal::KILL);
    }

    /// Holds it where it stands, as a machine does that was put to sleep.
    ///
    /// # Panics
    /// It does not run.
    pub fn hold(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// It does not run.
    pub fn let_go(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("it runs");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Rows and fingerprint of each view, from `views verify`, which must find all of them right.
#[must_use]
#[track_caller]
pub fn fingerprints(springline: &Springline) -> BTreeMap<String, String> {
    let said = springline.run(&["views", "verify"]);
    let line = |line: &str| {
        let (view, rest) = line.split_once(' ')?;
        let rest = rest.strip_suffix("right")?;
        Some((view.to_owned(), rest.split_whitespace().collect::<Vec<_>>().join(" ")))
    };
    said.lines().map(|text| line(text).unwrap_or_else(|| panic!("{said}"))).collect()
}

/// The program that was built with these tests.
///
/// # Panics
/// It was not.
#[must_use]
pub fn binary() -> PathBuf {
    let tests = std::env::current_exe().expect("a test has a path");
    let folder = tests.parent().and_then(Path::parent).expect("a test lies in the target folder");
    let binary = folder.join("springline");
    assert!(
        binary.is_file(),
        "{} is not there: run `cargo build --workspace --bins` first",
        binary.display()
    );
    binary
}
