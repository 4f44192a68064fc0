//! The same garden over every way there is to a repository.

use crate::support::{DEADLINE, Host, Ledger, Upstream, difference, git_config};
use springline_sources::{SourceConfig, git::GitConfig};
use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

async fn follows(upstream: &Upstream, config: GitConfig) {
    let (ledger, data) = (Ledger::default(), tempfile::tempdir().unwrap());
    let host = Host::start(&SourceConfig::Git(config), &ledger, data.path());
    for n in 0..3 {
        let report = host.pull().await;
        assert_eq!(report.partitions[0].error, None);
        assert_eq!(difference(&ledger.records(), &upstream.records()), "");
        upstream.write("a.md", format!("change {n}"));
        upstream.commit();
    }
    host.stop().await;
}

fn garden() -> Upstream {
    let upstream = Upstream::new();
    upstream.write("a.md", "text");
    upstream.write("b/c.md", "more text");
    upstream.commit();
    upstream
}

#[tokio::test]
async fn over_file_urls() {
    let upstream = garden();
    follows(&upstream, git_config(&format!("file://{}", upstream.path().display()))).await;
}

#[tokio::test]
async fn from_a_bundle() {
    let upstream = garden();
    let bundle = upstream.path().join(".git/x.bundle");
    upstream.git(["bundle", "create", "--quiet", bundle.to_str().unwrap(), "main"]);
    let mut config = git_config(bundle.to_str().unwrap());
    config.gardens[0].branch = Some("main".into());
    let (ledger, data) = (Ledger::default(), tempfile::tempdir().unwrap());
    let host = Host::start(&SourceConfig::Git(config), &ledger, data.path());
    assert_eq!(host.pull().await.partitions[0].error, None);
    assert_eq!(difference(&ledger.records(), &upstream.records()), "");
    upstream.write("a.md", "in the next bundle");
    upstream.commit();
    upstream.git(["bundle", "create", "--quiet", bundle.to_str().unwrap(), "main"]);
    host.pull().await;
    assert_eq!(difference(&ledger.records(), &upstream.records()), "");
    host.stop().await;
}

/// Ends with the test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // It is a group leader: its children end with it.
        if let Some(group) = rustix::process::Pid::from_raw(self.0.id() as i32) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn over_the_git_protocol() {
    let upstream = garden();
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let mut command = Command::new("git");
    command
        .args(["daemon", "--export-all", "--reuseaddr", "--listen=127.0.0.1", &format!("--port={port}")])
        .arg(format!("--base-path={}", upstream.path().parent().unwrap().display()))
        .arg(upstream.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let _daemon = Daemon(command.spawn().unwrap());
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(start.elapsed() < DEADLINE, "git daemon does not listen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let name = upstream.path().file_name().unwrap().to_str().unwrap();
    follows(&upstream, git_config(&format!("git://127.0.0.1:{port}/{name}"))).await;
}

/// Serves one request by git's own CGI program.
async fn serve(mut stream: TcpStream, root: String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let request: Vec<&str> = lines.next().unwrap().split(' ').collect();
    let header = |name: &str| {
        let of = |line: &str| {
            line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v.to_owned())
        };
        head.lines().find_map(of)
    };
    let (path, query) = request[1].split_once('?').unwrap_or((request[1], ""));
    if header("expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
    }
    let mut body = Vec::new();
    if let Some(length) = header("content-length") {
        body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).await.unwrap();
    }
    let mut command = tokio::process::Command::new("git");
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", request[0])
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type").unwrap_or_default())
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding").unwrap_or_default())
        .env("GIT_PROTOCOL", header("git-protocol").unwrap_or_default())
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let feed = tokio::spawn(async move { drop(input.write_all(&body).await) });
    let output = child.wait_with_output().await.unwrap().stdout;
    feed.await.unwrap();
    let split = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(0);
    let headers = String::from_utf8_lossy(&output[..split]).into_owned();
    let status = headers.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let body = &output[split + 4..];
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    drop(stream.write_all(head.as_bytes()).await);
    drop(stream.write_all(body).await);
    drop(stream.shutdown().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http() {
    let upstream = garden();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let root = upstream.path().display().to_string();
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, root.clone()));
        }
    });
    follows(&upstream, git_config(&format!("http://127.0.0.1:{port}/.git"))).await;
    server.abort();
}

#[tokio::test]
async fn an_upstream_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = GitConfig {
        fetch_timeout_secs: 1,
        clone_timeout_secs: 1,
        ..git_config(&format!("http://me:secret@127.0.0.1:{port}/x"))
    };
    let (ledger, data) = (Ledger::default(), tempfile::tempdir().unwrap());
    let host = Host::start(&SourceConfig::Git(config), &ledger, data.path());
    let error = host.pull().await.partitions.remove(0).error.unwrap();
    assert!(error.contains("longer than 1 seconds"), "{error}");
    drop(listener);
    let error = host.pull().await.partitions.remove(0).error.unwrap();
    assert!(error.contains("127.0.0.1") && !error.contains("secret"), "{error}");
    host.stop().await;
}

#[tokio::test]
async fn stops_in_the_middle_of_a_fetch() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = git_config(&format!("http://127.0.0.1:{}/x", listener.local_addr().unwrap().port()));
    let (ledger, data) = (Ledger::default(), tempfile::tempdir().unwrap());
    let host = Host::start(&SourceConfig::Git(config), &ledger, data.path());
    let _asked = listener.accept().await.unwrap();
    let start = Instant::now();
    host.stop().await;
    assert!(start.elapsed() < Duration::from_secs(20));
}
