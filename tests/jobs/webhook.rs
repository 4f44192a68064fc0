//! Another machine as the agent.

use super::{Site, cluster, start, until};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use springline_tests::write;
use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};
use tempfile::TempDir;

const SECRET: &str = "a secret of some length";

/// What the other machine was told, checked to be from us.
struct Machine {
    url: String,
    told: Receiver<Value>,
}

impl Machine {
    /// That answers so.
    fn answering(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (sender, told) = channel();
        std::thread::spawn(move || serve(&listener, status, &sender));
        Self { url, told }
    }

    fn site(&self) -> Site {
        let dir = TempDir::new().unwrap();
        let config = format!(
            "[identity]\noffline = true\n[agents.fixer]\nwebhook = {:?}\nsecret = {SECRET:?}\n",
            self.url
        );
        let file = dir.path().join("springline.toml");
        std::fs::write(&file, config).unwrap();
        let springline = springline_tests::Springline::new(&dir.path().join("data")).configured(&file);
        Site { dir, springline }
    }
}

fn serve(listener: &TcpListener, status: &str, told: &Sender<Value>) {
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut length, mut signature) = (0, String::new());
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim().split_once(": ") else {
                if line.trim().is_empty() {
                    break;
                }
                continue;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "x-springline-signature-256" => signature = value.to_owned(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(&body);
        let mut expected = "sha256=".to_owned();
        for byte in mac.finalize().into_bytes() {
            write!(expected, "{byte:02x}").unwrap();
        }
        assert_eq!(signature, expected);
        told.send(serde_json::from_slice(&body).unwrap()).unwrap();
        write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    }
}

#[test]
fn is_told_once_and_reports_later() {
    let machine = Machine::answering("202 Accepted");
    let site = machine.site();
    let server = site.serve();
    let id = start(&server, "c1");
    let told = machine.told.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!((&told["job"], &told["cluster"], &told["attempt"]), (&json!(id), &json!("c1"), &json!(1)));
    assert_eq!(told["snapshot"]["title"], "It is broken");
    assert!(told["url"].as_str().unwrap().ends_with(&format!("/v1/jobs/{id}")), "{told}");
    springline_tests::eventually("it is at work", Duration::from_secs(30), || {
        (!super::job(&server, &id)["started"].is_null()).then_some(())
    });
    // It is at work whatever becomes of us: stopped in order, or not.
    server.stop();
    let server = site.serve();
    server.kill();
    drop(server);
    let server = site.serve();
    let job = until(&server, &id, "running");
    assert_eq!((&job["attempt"], &job["lost"]), (&json!(1), &json!(0)), "{job}");
    let report = json!({ "state": "success", "pr_url": "https://git.example/1" }).to_string();
    let token = told["token"].as_str().unwrap();
    let answer = write(server.address, "PATCH", &format!("/v1/jobs/{id}"), token, &report).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(cluster(&server, "c1"), "pr_opened");
    assert!(machine.told.try_recv().is_err(), "told once");
    server.stop();
}

#[test]
fn that_refuses_has_failed() {
    let machine = Machine::answering("500 Internal Server Error");
    let site = machine.site();
    let server = site.serve();
    let id = start(&server, "c1");
    let job = until(&server, &id, "failed");
    assert!(job["reason"].as_str().unwrap().contains("500"), "{job}");
    server.stop();
}
