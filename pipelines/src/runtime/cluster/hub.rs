//! What the processes say to each other while the dataflow runs: few words, on links of their own.
//!
//! ```text
//!  process 0 ── Tick ─────────► all           the tick is closed, and this is its clock
//!  others ──── Nudge ─────────► process 0     I have something and no tick to put it in
//!  all ─────── Durable ───────► all           I have everything before this tick on disk
//!  all ─────── Reached ───────► all           so far my partitions of the log are applied
//!  all ─────── Beat ──────────► all           I am here
//! ```
//!
//! Who breaks off, or says nothing for longer than `patience`, is lost, and with that the dataflow ([`Lost`]).
//!
//! Limits: what is to be said waits in memory, at most for as long as a link may take to send one message.

use super::wire;
use crate::runtime::collect::Report;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use springline_model::{Epoch, Timestamp};
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock, mpsc as std_mpsc},
    time::Duration,
};
use tokio::{
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// What is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Say {
    Beat,
    Tick(Paced),
    /// The first tick that may take what is there.
    Nudge(u64),
    /// The first tick that is not on disk.
    Durable(u64),
    Reached(Reached),
}

/// A tick that is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Paced {
    pub(crate) tick: u64,
    pub(crate) at: Timestamp,
}

/// How far a partition of the log is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reached {
    pub(crate) partition: i32,
    /// The first offset that is not.
    pub(crate) next: i64,
    /// The epoch that shows it.
    pub(crate) epoch: Epoch,
}

/// Tells that another process is gone; the first reason counts. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lost {
    token: CancellationToken,
    reason: Arc<OnceLock<String>>,
}

impl Lost {
    pub(crate) fn tell(&self, reason: String) {
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    /// Cancelled when it is told.
    pub(crate) const fn token(&self) -> &CancellationToken {
        &self.token
    }

    pub(crate) fn reason(&self) -> String {
        self.reason.get().cloned().unwrap_or_default()
    }
}

/// The links to all other processes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Inner>);

struct Inner {
    process: usize,
    links: BTreeMap<usize, mpsc::UnboundedSender<Say>>,
    /// The first tick that each process has not on disk.
    durable: Mutex<Vec<u64>>,
    /// Where the committer is told what all have.
    reports: Mutex<Option<std_mpsc::Sender<Report>>>,
    ticks: mpsc::UnboundedSender<Paced>,
    /// One behind the newest tick that somebody else needs.
    wanted: watch::Sender<u64>,
    reached: watch::Sender<BTreeMap<i32, Reached>>,
    lost: Lost,
}

impl Hub {
    /// Over one link to each other process. What process 0 closes comes out of the receiver.
    pub(super) fn start(
        process: usize,
        links: BTreeMap<usize, TcpStream>,
        patience: Duration,
        lost: &Lost,
    ) -> (Self, mpsc::UnboundedReceiver<Paced>) {
        let (ticks, paced) = mpsc::unbounded_channel();
        let (mut senders, mut tasks) = (BTreeMap::new(), Vec::new());
        let count = links.len() + 1;
        for (peer, stream) in links {
            let (sender, said) = mpsc::unbounded_channel();
            senders.insert(peer, sender);
            tasks.push((peer, stream.into_split(), said));
        }
        let hub = Self(Arc::new(Inner {
            process,
            links: senders,
            durable: Mutex::new(vec![0; count]),
            reports: Mutex::default(),
            ticks,
            wanted: watch::Sender::new(0),
            reached: watch::Sender::new(BTreeMap::new()),
            lost: lost.clone(),
        }));
        for (peer, (reader, writer), said) in tasks {
            tokio::spawn(hub.clone().hear(peer, reader, patience));
            tokio::spawn(speak(peer, writer, said, patience, lost.clone()));
        }
        (hub, paced)
    }

    /// Has the committer told what every process has on disk.
    pub(crate) fn attach(&self, reports: std_mpsc::Sender<Report>) {
        *self.0.reports.lock() = Some(reports);
    }

    /// Ends it; also what waits for it.
    pub(crate) fn close(&self, reason: &str) {
        self.0.lost.tell(reason.to_owned());
        self.0.reports.lock().take();
    }

    /// Why it is over, and when.
    pub(crate) fn lost(&self) -> &Lost {
        &self.0.lost
    }

    /// A tick is closed everywhere.
    pub(crate) fn tick(&self, paced: Paced) {
        self.say(Say::Tick(paced));
    }

    /// Asks for the tick that `next` is, if there is none yet.
    pub(crate) fn nudge(&self, next: u64) {
        if let Some(leader) = self.0.links.get(&0) {
            let _ = leader.send(Say::Nudge(next)); // who is gone is told elsewhere
        }
    }

    /// Everything before a tick is on disk here.
    pub(crate) fn durable(&self, before: u64) {
        self.say(Say::Durable(before));
        self.has(self.0.process, before);
    }

    /// A partition of ours is applied so far.
    pub(crate) fn reach(&self, reached: Reached) {
        self.say(Say::Reached(reached));
    }

    /// One behind the newest tick that another process needs.
    pub(crate) fn wanted(&self) -> watch::Receiver<u64> {
        self.0.wanted.subscribe()
    }

    /// How far the others have applied their partitions.
    pub(crate) fn reached(&self) -> watch::Receiver<BTreeMap<i32, Reached>> {
        self.0.reached.subscribe()
    }

    fn say(&self, say: Say) {
        for link in self.0.links.values() {
            let _ = link.send(say); // who is gone is told elsewhere
        }
    }

    fn has(&self, process: usize, before: u64) {
        let all = {
            let mut durable = self.0.durable.lock();
            durable[process] = before;
            durable.iter().copied().min().unwrap_or(0)
        };
        if let Some(reports) = &*self.0.reports.lock() {
            let _ = reports.send(Report::Durable { before: all }); // a committer that is gone has said why
        }
    }

    async fn hear(self, peer: usize, mut from: OwnedReadHalf, patience: Duration) {
        let lost = self.0.lost.clone();
        let why = loop {
            let heard = tokio::select! {
                () = lost.token().cancelled() => return,
                heard = timeout(patience, wire::read::<Say>(&mut from)) => heard,
            };
            match heard {
                Ok(Ok(Say::Beat)) => {}
                Ok(Ok(Say::Tick(paced))) => drop(self.0.ticks.send(paced)),
                Ok(Ok(Say::Nudge(next))) => {
                    let next = next.saturating_add(1);
                    self.0.wanted.send_if_modified(|wanted| {
                        let is_newer = next > *wanted;
                        *wanted = next.max(*wanted);
                        is_newer
                    });
                }
                Ok(Ok(Say::Durable(before))) => self.has(peer, before),
                Ok(Ok(Say::Reached(reached))) => {
                    self.0.reached.send_modify(|all| {
                        all.insert(reached.partition, reached);
                    });
                }
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                    break "it has ended".to_owned();
                }
                Ok(Err(error)) => break error.to_string(),
                Err(_) => break format!("it has said nothing for {} seconds", patience.as_secs()),
            }
        };
        lost.tell(format!("process {peer} is gone: {why}"));
    }
}

/// Says what there is to say, and now and then that there is nothing.
async fn speak(
    peer: usize,
    mut to: OwnedWriteHalf,
    mut said: mpsc::UnboundedReceiver<Say>,
    patience: Duration,
    lost: Lost,
) {
    let mut beat = tokio::time::interval((patience / 5).min(Duration::from_secs(1)));
    loop {
        let say = tokio::select! {
            () = lost.token().cancelled() => return,
            _ = beat.tick() => Say::Beat,
            say = said.recv() => match say {
                Some(say) => say,
                None => return,
            },
        };
        let why = match timeout(patience, wire::write(&mut to, &say)).await {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it has taken nothing for {} seconds", patience.as_secs()),
        };
        return lost.tell(format!("process {peer} is gone: {why}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (one, other) = tokio::join!(TcpStream::connect(address), listener.accept());
        (one.unwrap(), other.unwrap().0)
    }

    fn start(process: usize, stream: TcpStream) -> (Hub, mpsc::UnboundedReceiver<Paced>) {
        let links = BTreeMap::from([(1 - process, stream)]);
        Hub::start(process, links, Duration::from_secs(2), &Lost::default())
    }

    #[tokio::test]
    async fn an_epoch_counts_when_both_have_it() {
        let (left, right) = pair().await;
        let ((one, _ticks), (other, mut ticks)) = (start(0, left), start(1, right));
        let (reports, told) = std_mpsc::channel();
        one.attach(reports);
        let paced = Paced { tick: 3, at: Timestamp(9) };
        one.tick(paced);
        assert_eq!(ticks.recv().await, Some(paced));
        other.nudge(4);
        assert_eq!(*one.wanted().wait_for(|wanted| *wanted > 0).await.unwrap(), 5);
        let all = || match told.try_recv() {
            Ok(Report::Durable { before }) => before,
            _ => panic!("nothing is told"),
        };
        one.durable(4);
        assert_eq!(all(), 0);
        other.durable(2);
        let reached = Reached { partition: 1, next: 7, epoch: Epoch(2) };
        other.reach(reached);
        one.reached().wait_for(|all| all.get(&1) == Some(&reached)).await.unwrap();
        assert_eq!(all(), 2);
    }

    #[tokio::test]
    async fn who_ends_or_falls_silent_is_lost() {
        let (left, right) = pair().await;
        let (one, _ticks) = start(0, left);
        drop(right);
        one.lost().token().cancelled().await;
        assert!(one.lost().reason().starts_with("process 1 is gone"), "{}", one.lost().reason());
        let (left, _silent) = pair().await;
        let (one, _ticks) = start(0, left);
        one.lost().token().cancelled().await;
        assert!(one.lost().reason().contains("said nothing for 2 seconds"), "{}", one.lost().reason());
    }
}
