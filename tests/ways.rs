//! The commands of docs/ways.md do what it says.

use springline_tests::{Broker, binary};
use std::{env, net::TcpListener, path::Path, process::Command};
use tempfile::TempDir;

/// The blocks of a page, each with what stands behind its fence.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let mut parts = page.split("\n```");
    let mut blocks = Vec::new();
    parts.next();
    while let (Some(block), Some(_)) = (parts.next(), parts.next()) {
        blocks.push(block.split_once('\n').unwrap());
    }
    blocks
}

#[test]
fn each_way_of_use_works_as_it_is_told() {
    let dir = TempDir::new().unwrap();
    let broker = Broker::start(&dir.path().join("broker"));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let path = format!("{}:{}", binary().parent().unwrap().display(), env::var("PATH").unwrap());
    let python = env::var_os("SPRINGLINE_TEST_PYTHON").filter(|python| Path::new(python).exists());
    let work = dir.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/ways.md")).unwrap();
    let all = blocks(&page);
    assert_eq!(all.iter().map(|(what, _)| *what).collect::<Vec<_>>(), ["sh", "sh", "sh", "sh kafka", "sh"]);
    for (what, block) in all {
        if block.contains("duckdb") && python.is_none() {
            eprintln!("skipped: SPRINGLINE_TEST_PYTHON names no Python with duckdb");
            continue;
        }
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", block]).current_dir(&work);
        command.env("PATH", &path).env("PORT", port.to_string());
        if let Some(python) = &python {
            command.env("PYTHON", python);
        }
        match &broker {
            Some(broker) => {
                command.env("BROKERS", broker.address());
            }
            None if what == "sh kafka" => continue,
            None => {}
        }
        let output = command.output().unwrap();
        let [said, erred] = [&output.stdout, &output.stderr].map(|out| String::from_utf8_lossy(out));
        assert!(output.status.success(), "{block}\n{said}\n{erred}");
    }
}
