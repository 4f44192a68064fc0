//! The network on this machine, for a program that runs beside the test.

use serde_json::Value;
use springline_tests::{
    Server, Springline,
    atproto::{Directory, Stream},
    eventually, fingerprints,
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The view that tells the way as well: whose key was looked up when, what was refused.
const LEDGER: &str = "ledger";

pub(super) struct World {
    /// What runs the others.
    runtime: Runtime,
    pub(super) directory: Directory,
    pub(super) stream: Stream,
    pub(super) dir: TempDir,
}

impl World {
    pub(super) fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (directory, stream) =
            runtime.block_on(async { (Directory::start().await, Stream::relay().await) });
        Self { runtime, directory, stream, dir: TempDir::new().unwrap() }
    }

    /// One more stream.
    pub(super) fn another_stream(&self) -> Stream {
        self.runtime.block_on(Stream::relay())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A program that follows the stream, fetches what it missed if asked to, and looks accounts up here.
    pub(super) fn follower(&self, name: &str, verification: &str, more: &str) -> Springline {
        let (plc, stream) = (self.directory.url(), self.stream.url());
        let text = format!(
            "[identity]\nplc_url = '{plc}'\nrefresh_min_secs = 0\nretry_secs = 0\nnegative_secs = 0\n\
             [identity.http]\nallow_private = true\ndns_servers = ['127.0.0.1:9']\nper_host_per_sec = 100000\n\
             [sources.replay]\ntype = 'relay'\nhosts = ['{stream}']\nfrom = 0\nverification = '{verification}'\n\
             socket.backoff_secs = [1, 1]\n{more}"
        );
        let config = self.path(&format!("{name}.toml"));
        fs::write(&config, text).unwrap();
        Springline::new(&self.path(name)).configured(&config)
    }
}

/// A program that reads recordings and asks nobody.
pub(super) fn replayer(data: &Path) -> Springline {
    Springline::new(data).with("identity.offline", "true")
}

/// Replays files, to their end.
pub(super) fn replay(springline: &Springline, verification: &str, paths: &[&Path]) {
    let mut arguments = vec!["replay", "--verification", verification];
    let paths: Vec<_> = paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    arguments.extend(paths.iter().map(String::as_str));
    springline.run(&arguments);
}

/// Rows and fingerprints of the views that are made of the records.
pub(super) fn views(springline: &Springline) -> BTreeMap<String, String> {
    let mut views = fingerprints(springline);
    views.remove(LEDGER);
    views
}

/// Waits until a relay's stream was read, and shows, up to a number.
pub(super) fn followed(server: &Server, stream: &Stream, seq: u64) {
    let partition = stream.url();
    eventually("the stream is read", Duration::from_secs(60), || {
        let sources = server.get("/v1/sources").json();
        let found = find(&sources, &partition)?.get("position")?.as_str()?.to_owned();
        (found == seq.to_string()).then_some(())
    });
}

/// Waits until nothing has to be fetched any more.
pub(super) fn complete(server: &Server) {
    eventually("all is fetched", Duration::from_secs(60), || {
        let waiting = server.get("/v1/backfill").json();
        (waiting["waiting"] == 0).then_some(())
    });
}

/// What is said of a name, wherever it stands.
fn find<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Object(fields) => {
            fields.get(name).or_else(|| fields.values().find_map(|field| find(field, name)))
        }
        Value::Array(items) => items.iter().find_map(|item| find(item, name)),
        _ => None,
    }
}

/// Frames as they are recorded.
pub(super) fn framed<'f>(frames: impl IntoIterator<Item = &'f Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in frames {
        bytes.extend(u32::try_from(frame.len()).unwrap().to_le_bytes());
        bytes.extend(frame);
    }
    bytes
}
