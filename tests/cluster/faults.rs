//! Processes that are killed anywhere, or fall silent: nothing is lost, nothing is there twice.

use super::{Cluster, alone, events::Teller, reach};
use crate::{
    dice::Dice,
    kafka::{ingest, on},
};
use springline_tests::{Broker, Server, eventually};
use std::time::Duration;
use tempfile::TempDir;

fn set_up(dir: &TempDir) -> Option<(Broker, Cluster, Teller)> {
    let broker = Broker::start(&dir.path().join("broker"))?;
    ingest(&on(&broker, &dir.path().join("ingest")), dir.path());
    let cluster = Cluster::new(&broker, dir.path(), "two", 2);
    Some((broker, cluster, Teller::new(7)))
}

#[test]
fn either_process_is_killed_again_and_again() {
    let dir = TempDir::new().unwrap();
    let Some((broker, cluster, mut teller)) = set_up(&dir) else { return };
    let mut dice = Dice::new(0x5EED);
    let mut servers: Vec<Server> = cluster.start_all();
    for round in 0..10 {
        if round % 3 > 0 {
            servers.iter().for_each(Server::ready);
        }
        teller.tell(&broker, 150);
        std::thread::sleep(Duration::from_millis(dice.roll(900)));
        let killed = dice.roll(3) as usize;
        for number in (0..2).filter(|number| [*number, 2].contains(&killed)) {
            drop(servers.remove(number)); // which kills it
            servers.insert(number, cluster.start(number));
        }
    }
    teller.tell(&broker, 50);
    let expected = alone(&broker, &dir.path().join("alone"));
    reach(&servers, &expected);
    for server in servers {
        server.stop();
    }
}

#[test]
fn who_is_left_serves_what_it_has_and_says_for_whom_it_waits() {
    let dir = TempDir::new().unwrap();
    let Some((broker, cluster, mut teller)) = set_up(&dir) else { return };
    let mut servers = cluster.start_all();
    teller.tell(&broker, 500);
    let expected = alone(&broker, &dir.path().join("alone"));
    reach(&servers, &expected);
    let lost = servers.pop().unwrap();
    lost.kill();
    drop(lost);
    let left = &servers[0];
    eventually("it is told", Duration::from_secs(20), || {
        let answer = left.get("/readyz");
        (answer.status == 503 && answer.text().contains("waiting for process 1")).then_some(())
    });
    assert_eq!(left.get("/v1/latest").status, 200);
    teller.tell(&broker, 100);
    servers.push(cluster.start(1));
    let expected = alone(&broker, &dir.path().join("alone later"));
    reach(&servers, &expected);

    // One that falls silent is lost, too; when it is back they find together again.
    let pid = rustix::process::Pid::from_raw(servers[0].id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    eventually("it is told", Duration::from_secs(30), || {
        (servers[1].get("/readyz").status == 503).then_some(())
    });
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    teller.tell(&broker, 100);
    let expected = alone(&broker, &dir.path().join("alone at last"));
    reach(&servers, &expected);
}
