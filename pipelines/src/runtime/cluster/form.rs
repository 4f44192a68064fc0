//! How the processes find together, and where they begin.
//!
//! ```text
//!  each:  gather   two links (control, data) to every other process; the one with the higher number calls
//!         agree    all have heard the same of all ─► the newest epoch that every process has: C
//!         catch up redo: apply up to C, drop what is behind
//!         ready    all are at C; how many ticks hydration takes
//!         ─► Formed: hub, sockets
//! ```
//!
//! Whatever goes wrong on the way (a process goes away, restarts, was heard of in two states) ends this try; the next one
//! begins from the start, with a new session number, so that nothing of two tries is mixed. It waits for the others as long
//! as it takes, and says for whom and why.

use super::{
    Cluster, ClusterError, Hub, Lost, Net, Redo, Shard,
    gather::{Link, PAUSE, text},
    hello::{Hello, Purpose},
    hub::Paced,
    wire,
};
use crate::runtime::recompute::CHUNK;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use springline_model::{Epoch, Table, View};
use springline_sinks::views::Views;
use springline_sources::{SourceState, SourceStatus};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// How long the others may take to hear of all, and to be ready.
const AGREE: Duration = Duration::from_secs(10);
const READY: Duration = Duration::from_secs(300);
/// What a process needs to find the others.
pub(crate) struct Mesh {
    pub(crate) cluster: Cluster,
    pub(crate) redo: Redo,
    views: Views,
    pub(super) listener: TcpListener,
    workers: usize,
    topic: String,
    definitions: String,
    pub(super) status: Arc<SourceStatus>,
}

/// The processes, together.
pub(crate) struct Formed {
    pub(crate) hub: Hub,
    pub(crate) net: Net,
    /// What process 0 closes.
    pub(crate) ticks: mpsc::UnboundedReceiver<Paced>,
    /// How many ticks hydration has, everywhere.
    pub(crate) hydration: u64,
}

/// Why a try ended.
enum End {
    /// The next one may go better.
    Again(String),
    /// No other one would.
    Fatal(ClusterError),
}

impl<E: Into<ClusterError>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Fatal(error.into())
    }
}

#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Agree([u8; 32]);

#[derive(Serialize, Deserialize)]
struct Ready {
    hydration: u64,
}

impl Mesh {
    /// Listens for the others.
    ///
    /// # Errors
    /// The address is not to be had.
    pub(crate) async fn open(
        cluster: Cluster,
        (redo, views): (Redo, Views),
        shard: Shard,
        topic: String,
        definitions: &str,
        status: Arc<SourceStatus>,
    ) -> Result<Self, ClusterError> {
        let address =
            cluster.listen.clone().unwrap_or_else(|| cluster.hosts[cluster.process].dataflow.clone());
        let listener = TcpListener::bind(&address).await;
        let listener = listener.map_err(|error| ClusterError::Listen(address, error))?;
        let versions: Vec<u16> = View::ALL.iter().map(|view| view.version()).collect();
        let definitions = format!("{definitions} {versions:?} {}", Table::ALL.len());
        let definitions = blake3::hash(definitions.as_bytes()).to_hex().to_string();
        Ok(Self { cluster, redo, views, listener, workers: shard.workers, topic, definitions, status })
    }

    /// Waits until all processes are there and at the same epoch; none if it was stopped before.
    ///
    /// # Errors
    /// What they have does not go together, or this process' disk fails.
    pub(crate) async fn form(&self, stop: &CancellationToken) -> Result<Option<Formed>, ClusterError> {
        loop {
            let tried = tokio::select! {
                () = stop.cancelled() => return Ok(None),
                tried = self.attempt() => tried,
            };
            match tried {
                Ok(formed) => {
                    self.status.set(SourceState::Live, None);
                    metrics::counter!("springline_cluster_formed_total").increment(1);
                    return Ok(Some(formed));
                }
                Err(End::Fatal(error)) => {
                    self.status.set(SourceState::Failed, Some(error.to_string()));
                    return Err(error);
                }
                Err(End::Again(reason)) => {
                    tracing::warn!(reason, "the processes did not find together: trying again");
                    self.status.set(SourceState::Paused, Some(reason));
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn attempt(&self) -> Result<Formed, End> {
        let mine = self.hello()?;
        let mut links = self.gather(&mine).await;
        let common = agree(&mine, &mut links).await?;
        let (views, redo) = (self.views.clone(), self.redo.clone());
        let caught_up = tokio::task::spawn_blocking(move || catch_up(&views, &redo, common)).await;
        caught_up.map_err(|_| ClusterError::System("the redo could not be applied".into()))??;
        let hydration = exchange(&mut links, &Ready { hydration: self.hydration() }, READY).await?;
        let hydration = hydration.iter().map(|ready: &Ready| ready.hydration).max().unwrap_or(0);
        let hydration = hydration.max(self.hydration());
        tracing::info!(processes = mine.processes, epoch = %common, "all processes are together");
        self.formed(links, hydration).map_err(|error| End::Again(format!("the links can't be used: {error}")))
    }

    fn hello(&self) -> Result<Hello, ClusterError> {
        let mut session = [0; 8];
        getrandom::fill(&mut session)
            .map_err(|_| ClusterError::System("the system has no random numbers".into()))?;
        let applied = self.views.applied();
        Ok(Hello {
            processes: self.cluster.processes(),
            process: self.cluster.process,
            to: self.cluster.process,
            workers: self.workers,
            program: env!("CARGO_PKG_VERSION").into(),
            topic: self.topic.clone(),
            definitions: self.definitions.clone(),
            session: u64::from_le_bytes(session),
            purpose: Purpose::Control,
            applied,
            reach: self.redo.reach(applied),
        })
    }

    /// Ticks that are enough for the records here.
    fn hydration(&self) -> u64 {
        let rows = self.views.status(View::Ledger).fingerprint.rows;
        if self.views.applied() == Epoch::ZERO { 0 } else { rows / CHUNK as u64 + 1 }
    }

    fn formed(&self, links: BTreeMap<usize, Link>, hydration: u64) -> std::io::Result<Formed> {
        let (process, lost) = (self.cluster.process, Lost::default());
        let mut sockets: Vec<_> = (0..self.cluster.processes()).map(|_| None).collect();
        let mut control = BTreeMap::new();
        for (process, link) in links {
            let socket = link.data.into_std()?;
            socket.set_nonblocking(false)?;
            sockets[process] = Some(socket);
            control.insert(process, link.control);
        }
        let (hub, ticks) = Hub::start(process, control, self.cluster.patience, &lost);
        let net = Net::new(process, sockets, lost)?;
        Ok(Formed { hub, net, ticks, hydration })
    }
}

/// Says something to all, and hears what they say.
async fn exchange<T: Serialize + DeserializeOwned>(
    links: &mut BTreeMap<usize, Link>,
    mine: &T,
    patience: Duration,
) -> Result<Vec<T>, End> {
    let again = |process: usize, why: &str| End::Again(format!("process {process} has gone again: {why}"));
    for (process, link) in &mut *links {
        wire::write(&mut link.control, mine).await.map_err(|error| again(*process, &text(error)))?;
    }
    let mut all = Vec::new();
    for (process, link) in links {
        let heard = timeout(patience, wire::read(&mut link.control)).await;
        let heard = heard.map_err(|_| again(*process, "it says nothing"))?;
        all.push(heard.map_err(|error| again(*process, &text(error)))?);
    }
    Ok(all)
}

/// Makes sure that all have heard the same of all: the newest epoch that every process has.
async fn agree(mine: &Hello, links: &mut BTreeMap<usize, Link>) -> Result<Epoch, End> {
    let mut hellos: Vec<&Hello> = links.values().map(|link| &link.hello).chain([mine]).collect();
    hellos.sort_by_key(|hello| hello.process);
    let said: Vec<_> =
        hellos.iter().map(|hello| (hello.process, hello.session, hello.applied, hello.reach)).collect();
    let common = common(
        &said.iter().map(|(process, _, applied, reach)| (*process, *applied, *reach)).collect::<Vec<_>>(),
    )?;
    let digest = postcard::to_stdvec(&said).map_err(|error| End::Again(text(error)))?;
    let digest = Agree(blake3::hash(&digest).into());
    if exchange(links, &digest, AGREE).await?.iter().any(|theirs| *theirs != digest) {
        return Err(End::Again("a process has started again meanwhile".into()));
    }
    Ok(common)
}

/// The newest epoch that every process has: each by its number, what it has applied and how far it can get.
fn common(all: &[(usize, Epoch, Epoch)]) -> Result<Epoch, ClusterError> {
    let last = all.iter().min_by_key(|(_, _, reach)| *reach);
    let (process, _, reach) = last.copied().unwrap_or_default();
    let applied = all.iter().map(|(_, applied, _)| *applied).max().unwrap_or_default();
    if applied > reach { Err(ClusterError::Behind { process, reach, applied }) } else { Ok(reach) }
}

/// Applies what all have, and drops what they don't.
fn catch_up(views: &Views, redo: &Redo, common: Epoch) -> Result<(), ClusterError> {
    redo.cut_behind(common)?;
    redo.replay(views.applied(), |commit, mut changes| {
        // What another version wrote is made anew, or refused, later.
        changes.tables.retain(|table, _| is_current(views, table.view()));
        if !is_current(views, View::Search) {
            changes.postings.clear();
        }
        views.apply(&commit, changes)?;
        Ok::<(), ClusterError>(())
    })
}

/// The ledger is made of nothing else: what does not fit it is refused.
fn is_current(views: &Views, view: View) -> bool {
    view == View::Ledger || views.status(view).version == Some(view.version())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_begin_where_all_are() {
        let common = |all: &[(u64, u64)]| {
            let all = all.iter().enumerate();
            let all = all.map(|(process, (applied, reach))| (process, Epoch(*applied), Epoch(*reach)));
            common(&all.collect::<Vec<_>>()).map_err(|error| error.to_string())
        };
        assert_eq!(common(&[(0, 0), (0, 0)]), Ok(Epoch(0)), "a first start");
        assert_eq!(common(&[(7, 7), (7, 7)]), Ok(Epoch(7)), "a clean stop");
        assert_eq!(common(&[(7, 9), (7, 8)]), Ok(Epoch(8)), "one has written down more");
        assert_eq!(common(&[(6, 7), (7, 7)]), Ok(Epoch(7)), "one has applied more");
        let error = common(&[(7, 9), (0, 0)]).unwrap_err();
        assert!(error.contains("process 1 has nothing behind epoch 0"), "{error}");
    }
}
