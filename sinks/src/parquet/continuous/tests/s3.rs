//! A server that speaks S3's protocol, behind a wire that is cut in the middle of uploads and of answers.

use super::*;
use crate::parquet::S3Config;
use springline_model::Secret;
use std::{
    env,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

/// moto, a stand-in for Amazon's services.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// None, with a note, without a Python that has it.
    fn start() -> Option<Self> {
        let python = env::var_os("SPRINGLINE_TEST_PYTHON").filter(|python| Path::new(python).exists());
        let has = |python: &std::ffi::OsString| {
            let asked =
                Command::new(python).args(["-c", "import moto.server"]).stderr(Stdio::null()).status();
            asked.is_ok_and(|status| status.success())
        };
        let Some(python) = python.filter(has) else {
            eprintln!("skipped: SPRINGLINE_TEST_PYTHON names no Python with moto[server]");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, port };
        for _ in 0..300 {
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
                let bucket = "PUT /lake HTTP/1.1\r\nhost: s3.amazonaws.com\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(bucket.as_bytes()).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                assert!(answer.contains(" 200 "), "{answer}");
                return Some(server);
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("moto does not listen");
    }
}

/// Forwards connections; every so many a cut one, if it is told to.
fn wire(to: u16, every: Arc<AtomicU64>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for (number, client) in listener.incoming().map_while(Result::ok).enumerate() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { continue };
            let number = number as u64;
            let every = every.load(Ordering::Relaxed);
            let is_cut = every > 0 && number.is_multiple_of(every);
            // Within a head, within a file, within the answer to the first or a later request.
            let (up, down) = match number / every.max(1) % 4 {
                _ if !is_cut => (usize::MAX, usize::MAX),
                0 => (100, usize::MAX),
                1 => (2500, usize::MAX),
                2 => (usize::MAX, 60),
                _ => (usize::MAX, 1500),
            };
            let (from, into) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || copy(from, into, up));
            thread::spawn(move || copy(server, client, down));
        }
    });
    port
}

fn copy(mut from: TcpStream, mut to: TcpStream, mut budget: usize) {
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        let sent = read.min(budget);
        budget -= sent;
        if to.write_all(&bytes[..sent]).is_err() || budget == 0 {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[test]
fn a_bucket_behind_a_wire_that_is_cut() {
    let Some(server) = Server::start() else { return };
    let every = Arc::new(AtomicU64::new(4));
    let wire = wire(server.port, every.clone());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _entered = runtime.enter();
    for form in [Form::Changelog, Form::Snapshot] {
        let at = |port: u16| ParquetSinkConfig {
            to: format!("s3://lake/some/{form:?}"),
            s3: S3Config {
                endpoint: Some(format!("http://127.0.0.1:{port}")),
                region: Some("us-east-1".into()),
                access_key_id: Some("test".into()),
                secret_access_key: Some(Secret::new("test")),
                virtual_hosted: false,
            },
            ..config(form, 1000)
        };
        let direct = Place::open(&at(server.port)).unwrap();
        let get = |path: &str| direct.get(path).ok();
        let sent = Progress { log: 1, at: At::default(), horizon: None };
        let mut writer = Writer { store: None, config: at(wire), feed: None, sent };
        let (mut view, mut failures) = (View::new(), 0);
        for round in 0..30_u16 {
            every.store(if round < 25 { 4 } else { 0 }, Ordering::Relaxed);
            let cells = (0..20).map(|cell| {
                let key = (round * 7 + cell * 3) % 60;
                ((usize::from(cell % 2), key), (!(round + cell).is_multiple_of(3)).then_some(round as u8))
            });
            view.epoch(&cells.collect(), 1);
            let event = if round % 5 == 4 { Event::Tend } else { Event::Commit };
            if writer.handle(&view, &event).is_err() {
                (failures, writer.feed) = (failures + 1, None);
            }
            if let Some(read) = read(&get, "manifest.json") {
                read.same(&view);
            }
        }
        writer.handle(&view, &Event::Commit).unwrap();
        let read = read(&get, "manifest.json").unwrap();
        read.same(&view);
        assert_eq!(read.manifest.progress.unwrap().at, view.at);
        eprintln!("{form:?}: {failures} of 30 calls failed, generation {}", read.manifest.generation);
    }
}
