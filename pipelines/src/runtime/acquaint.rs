//! Who accounts are, looked up when somebody asks for them: the network has more accounts than anybody looks at.

use parking_lot::Mutex;
use springline_model::{Event, Partition, SourceId, Timestamp, Uri};
use springline_sources::{Batch, Outbox, atproto::who::Identities};
use std::{collections::HashMap, sync::Arc, time::Instant};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// Accounts that may wait to be looked up; more are dropped, and asked for again when they are looked at again.
const WAITING: usize = 1024;
/// Lookups at a time.
const SIDE_BY_SIDE: usize = 8;
/// One that was looked up is not looked up again so soon.
const REST_SECS: u64 = 600;

/// Takes accounts to look up. Cheap to clone.
#[derive(Clone)]
pub struct Meet(mpsc::Sender<Uri>);

impl Meet {
    /// Asks for an account; does nothing if too many wait.
    pub fn meet(&self, did: &Uri) {
        let _ = self.0.try_send(did.clone());
    }
}

/// A queue, and the end that is worked off.
#[must_use]
pub fn queue() -> (Meet, mpsc::Receiver<Uri>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Meet(sender), receiver)
}

/// Looks accounts up until stopped, and gives the queue back.
pub async fn run(
    mut asked: mpsc::Receiver<Uri>,
    identities: Identities,
    out: Outbox,
    stop: CancellationToken,
) -> mpsc::Receiver<Uri> {
    let room = Arc::new(Semaphore::new(SIDE_BY_SIDE));
    let met: Arc<Mutex<HashMap<Uri, Instant>>> = Arc::default();
    loop {
        let did = tokio::select! {
            () = stop.cancelled() => return asked,
            did = asked.recv() => match did {
                Some(did) => did,
                None => return asked,
            },
        };
        {
            let mut met = met.lock();
            if met.len() >= 4 * WAITING {
                met.retain(|_, at| at.elapsed().as_secs() < REST_SECS);
            }
            if met.len() >= 16 * WAITING || met.get(&did).is_some_and(|at| at.elapsed().as_secs() < REST_SECS)
            {
                continue;
            }
            met.insert(did.clone(), Instant::now());
        }
        let permit = tokio::select! {
            () = stop.cancelled() => return asked,
            permit = room.clone().acquire_owned() => permit,
        };
        let (identities, out, stop) = (identities.clone(), out.clone(), stop.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let looking = async {
                let Some(body) = identities.met(did.as_str()).await else { return };
                let source = SourceId::new("identities");
                let partition = Partition { source: source.clone(), name: "looked up".into() };
                let events = vec![Event { source, observed: Timestamp::now(), body }];
                let _ = out.send(Batch { partition, events, position: None, sealed: None }).await;
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = looking => {}
            }
        });
    }
}
