//! `springline jobs logs --follow`: to the end of the job, whatever becomes of the server meanwhile.

use super::{PATIENCE, Site, start, until};
use springline_tests::eventually;
use std::{
    fs::{self, File},
    net::TcpListener,
    process::{Child, Stdio},
};

/// An agent that says a piece, waits, and says another.
const AGENT: &str = r#"
echo "first of $$"; while [ ! -e "$DIR/go" ]; do sleep 0.05; done; echo "second of $$"
"#;

fn follow(site: &Site, job: &str, into: &str) -> Child {
    let out = File::create(site.path(into)).unwrap();
    let mut command = site.springline.command(&["jobs", "logs", "--follow", job]);
    command.stdout(out).stderr(Stdio::null()).spawn().unwrap()
}

fn said(site: &Site, file: &str) -> String {
    fs::read_to_string(site.path(file)).unwrap_or_default()
}

#[test]
fn a_log_is_followed_over_a_restart() {
    let mut site = Site::new(AGENT, "");
    // The same address again: a port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    site.springline = site.springline.with("server.listen", &address);
    let server = site.springline.start(&["run"]);
    server.ready();
    let job = start(&server, "c1");
    let mut patient = follow(&site, &job, "patient");
    let mut leaving = follow(&site, &job, "leaving");
    for file in ["patient", "leaving"] {
        eventually("it follows", PATIENCE, || said(&site, file).contains("first of").then_some(()));
    }
    // Who has seen enough leaves, and that is no error.
    let leaver = rustix::process::Pid::from_child(&leaving);
    rustix::process::kill_process(leaver, rustix::process::Signal::INT).unwrap();
    assert!(leaving.wait().unwrap().success());

    server.stop();
    let server = site.springline.start(&["run"]);
    server.ready();
    site.go();
    until(&server, &job, "success");
    assert!(patient.wait().unwrap().success());
    let (whole, followed) = (server.get(&format!("/v1/jobs/{job}/logs")).text(), said(&site, "patient"));
    assert_eq!(followed, whole, "each piece once");
    assert!(whole.matches("first of").count() == 2 && whole.contains("second of"), "{whole}");
    let unknown = site.springline.output(&["jobs", "logs", "--follow", "00000000000000000000000000"]);
    assert!(!unknown.status.success());
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no job"), "{unknown:?}");
    server.stop();
    // Without a server, what is there.
    assert_eq!(site.springline.run(&["jobs", "logs", "--follow", &job]), whole);
}
