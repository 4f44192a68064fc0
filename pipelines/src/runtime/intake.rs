//! Feedback that is told to this process: each item once, whoever tells of it and however often.
//!
//! ```text
//!  told ─► payloads read (pure) ─► lock ─► what is here: store + what is in flight ─► news ─► outbox
//!                                    │                                                   │
//!                                    └────────── unlock ◄────────────────────────────────┘
//!  the journal has synced it ─► answered; a duplicate of what is in flight waits for the same epoch
//! ```
//!
//! Invariants:
//! 1. Of two that tell the same at one time one is news and the other a duplicate: deciding and sending are one step.
//! 2. Nobody is told that something is here (as news or as a duplicate) before it is durable.
//! 3. What is in flight is forgotten only when the store shows its epoch.
//! 4. A request that is given up does not leave the step half-way: it runs on a task of its own.

use super::lookup;
use serde_json::Value;
use springline_model::{
    Epoch, Event, EventBody, ItemName, Partition, Project, Record, Rev, SourceId, Timestamp, Uri,
};
use springline_queries::control::{ControlError, FeedbackError, Outcome, OutcomeStatus, Taken, Told, ToldBy};
use springline_sinks::views::{ReadError, Reader};
use springline_sources::{
    Batch, KnownItem, Outbox, chain,
    feedback::{self, Projects, Reading, Refusal, Rules, Teller, Verdict},
};
use std::{collections::HashMap, sync::Arc};
use tokio::sync::{Mutex, oneshot, watch};

/// Who tells of all that comes in here.
const SOURCE: &str = "feedback";

/// Takes feedback in.
pub(super) struct Intake {
    projects: Arc<Projects>,
    reader: Reader,
    flying: Mutex<HashMap<Uri, Flying>>,
}

/// The newest version of an item that is on its way to the store.
struct Flying {
    rev: Rev,
    /// None: deleted.
    record: Option<Arc<Record>>,
    sealed: Sealed,
}

type Sealed = watch::Receiver<Option<Epoch>>;

/// What is here of an item.
#[derive(Clone, Default)]
struct Here {
    rev: Rev,
    record: Option<Arc<Record>>,
    was_deleted: bool,
    /// It is not in the store yet.
    sealed: Option<Sealed>,
}

/// What somebody tells of an item, or what became of it without looking further.
enum Claim {
    Of { uri: Uri, reading: Reading, rules: Option<Rules>, teller: Teller },
    Not(Outcome),
}

impl Claim {
    const fn uri(&self) -> Option<&Uri> {
        match self {
            Self::Of { uri, .. } => Some(uri),
            Self::Not(_) => None,
        }
    }
}

fn outcome(status: OutcomeStatus, uri: Option<Uri>, reason: Option<String>) -> Outcome {
    Outcome { status, uri, reason }
}

fn stopping() -> ControlError {
    ControlError::Unavailable("the process is starting or stopping".into())
}

impl Intake {
    pub(super) fn new(projects: Arc<Projects>, reader: Reader) -> Arc<Self> {
        Arc::new(Self { projects, reader, flying: Mutex::new(HashMap::new()) })
    }

    /// Whether a project is configured.
    pub(super) fn has(&self, project: &Project) -> bool {
        self.projects.get(project).is_some()
    }

    /// The projects that are configured.
    pub(super) fn projects(&self) -> Vec<Project> {
        self.projects.names().cloned().collect()
    }

    /// Takes in what is told; answers when it is durable.
    pub(super) async fn take(self: &Arc<Self>, told: Told, out: Outbox) -> Result<Taken, FeedbackError> {
        let claims = self.read(told)?;
        Ok(self.settle(claims, out).await?)
    }

    /// Deletes an item; nothing if there is none.
    pub(super) async fn delete(
        self: &Arc<Self>,
        item: &ItemName,
        out: Outbox,
    ) -> Result<Option<Epoch>, ControlError> {
        let uri = item.uri();
        let reading = Reading::Gone(uri.clone());
        let claim = Claim::Of { uri, reading, rules: None, teller: Teller::Client };
        let taken = self.settle(vec![claim], out).await?;
        let is_gone = taken.items.iter().any(|item| item.status == OutcomeStatus::Accepted);
        Ok(is_gone.then_some(taken.epoch))
    }

    /// From payloads to claims.
    fn read(&self, told: Told) -> Result<Vec<Claim>, FeedbackError> {
        let Told { source, project, by } = told;
        let named =
            project.map(|name| self.project(&name).map_err(FeedbackError::UnknownProject)).transpose()?;
        let now = Timestamp::now();
        match by {
            ToldBy::Client(items) => {
                let one = |payload: Value| {
                    let project = named.clone().map_or_else(|| self.project_of(&payload), Ok);
                    let (project, rules) = match project {
                        Ok(found) => found,
                        Err(why) => return Claim::Not(outcome(OutcomeStatus::Refused, None, Some(why))),
                    };
                    claim(feedback::read(source, &project, &payload, now), rules, Teller::Client)
                };
                // A single item of an unknown project is told as such, as one for a project in the address is.
                if let ([item], None) = (&items[..], &named) {
                    self.project_of(item).map_err(FeedbackError::UnknownProject)?;
                }
                Ok(items.into_iter().map(one).collect())
            }
            ToldBy::Hook { kind, signature, body } => {
                let (project, rules) =
                    named.ok_or_else(|| FeedbackError::UnknownProject("none is named".into()))?;
                let secret = rules.secret(source).ok_or(FeedbackError::NoSecret(source))?;
                feedback::verify(secret, &body, signature.as_deref())
                    .map_err(|error| FeedbackError::Signature(error.to_string()))?;
                let payload: Value = serde_json::from_slice(&body)
                    .map_err(|error| FeedbackError::Malformed(format!("the body is no JSON: {error}")))?;
                let reading = feedback::read_hook(source, &project, kind.as_deref(), &payload, now);
                Ok(vec![claim(reading, rules, Teller::Hook(feedback::delivery(&body)))])
            }
        }
    }

    fn project(&self, name: &str) -> Result<(Project, Rules), String> {
        let project = Project::new(name.trim()).map_err(|error| error.to_string())?;
        match self.projects.get(&project) {
            Some(rules) => Ok((project, rules.clone())),
            None => Err(format!("`{project}` is not configured; there are: {}", self.names())),
        }
    }

    /// The project that an item names; the only one if it names none.
    fn project_of(&self, item: &Value) -> Result<(Project, Rules), String> {
        if let Some(name) = ["project", "project_id"].iter().find_map(|field| item.get(field)?.as_str()) {
            return self.project(name);
        }
        let only = self.projects.only().ok_or_else(|| format!("name a `project`: {}", self.names()))?;
        self.project(only.as_str())
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.projects.names().map(Project::as_str).take(20).collect();
        if names.is_empty() { "none".into() } else { names.join(", ") }
    }

    async fn settle(self: &Arc<Self>, claims: Vec<Claim>, out: Outbox) -> Result<Taken, ControlError> {
        let intake = self.clone();
        let settling = tokio::spawn(async move { intake.decide(claims, out).await });
        settling.await.map_err(|error| ControlError::Failed(error.to_string()))?
    }

    async fn decide(&self, claims: Vec<Claim>, out: Outbox) -> Result<Taken, ControlError> {
        let mut flying = self.flying.lock().await;
        let applied = self.reader.applied();
        flying.retain(|_, flying| match *flying.sealed.borrow() {
            Some(epoch) => epoch > applied,
            None => flying.sealed.has_changed().is_ok(),
        });
        let uris = claims.iter().filter_map(Claim::uri).cloned().collect();
        let mut here = self.here(uris, &flying).await?;

        let mut events = Vec::new();
        let mut items = Vec::with_capacity(claims.len());
        let mut waits: Vec<Sealed> = Vec::new();
        let mut news: Vec<(Uri, Rev, Option<Arc<Record>>)> = Vec::new();
        for claim in claims {
            let (uri, reading, rules, teller) = match claim {
                Claim::Of { uri, reading, rules, teller } => (uri, reading, rules, teller),
                Claim::Not(outcome) => {
                    items.push(outcome);
                    continue;
                }
            };
            let known = here.entry(uri.clone()).or_default();
            let place = feedback::Here { record: known.record.as_deref(), was_deleted: known.was_deleted };
            let record = match feedback::judge(reading, place, rules.as_ref(), &teller) {
                Verdict::Put(record) => Some(Arc::new(*record)),
                Verdict::Delete => None,
                Verdict::Duplicate(why) => {
                    waits.extend(known.sealed.clone());
                    items.push(outcome(OutcomeStatus::Duplicate, Some(uri), Some(why.into())));
                    continue;
                }
                Verdict::Filtered(why) => {
                    items.push(outcome(OutcomeStatus::Filtered, Some(uri), Some(why)));
                    continue;
                }
            };
            let observed = Timestamp::now();
            let rev = next_rev(observed, known.rev);
            let body = match record.clone() {
                Some(record) => EventBody::Put { rev, record },
                None => EventBody::Delete { rev, uri: uri.clone() },
            };
            events.push(Event { source: SourceId::new(SOURCE), observed, body });
            *known = Here { rev, was_deleted: record.is_none(), record: record.clone(), sealed: None };
            news.push((uri.clone(), rev, record));
            items.push(outcome(OutcomeStatus::Accepted, Some(uri), None));
        }
        let mut epoch = applied;
        let sent = if events.is_empty() {
            None
        } else {
            let (sealed, done) = oneshot::channel();
            let partition = Partition { source: SourceId::new("api"), name: "feedback".into() };
            let batch = Batch { partition, events, position: None, sealed: Some(sealed) };
            out.send(batch).await.map_err(|_| stopping())?;
            let (tell, told) = watch::channel(None);
            for (uri, rev, record) in news {
                flying.insert(uri, Flying { rev, record, sealed: told.clone() });
            }
            Some((done, tell))
        };
        drop((flying, out));
        if let Some((done, tell)) = sent {
            let sealed = done.await.map_err(|_| stopping())?;
            tell.send_replace(Some(sealed));
            epoch = epoch.max(sealed);
        }
        for mut wait in waits {
            let sealed = *wait.wait_for(Option::is_some).await.map_err(|_| stopping())?;
            epoch = epoch.max(sealed.unwrap_or_default());
        }
        Ok(Taken { epoch, items })
    }

    /// What is here of items: in flight, or else in the store.
    async fn here(
        &self,
        uris: Vec<Uri>,
        flying: &HashMap<Uri, Flying>,
    ) -> Result<HashMap<Uri, Here>, ControlError> {
        let reader = self.reader.clone();
        let stored = tokio::task::spawn_blocking(move || {
            let items = lookup::items(&reader, &uris)?;
            let here =
                |KnownItem { rev, record, was_deleted }| Here { rev, record, was_deleted, sealed: None };
            Ok::<_, ReadError>(uris.into_iter().zip(items.into_iter().map(here)).collect())
        });
        let failed = |error: &dyn std::error::Error| ControlError::Failed(chain(error));
        let stored = stored.await.map_err(|error| failed(&error))?;
        let mut here: HashMap<Uri, Here> = stored.map_err(|error| failed(&error))?;
        for (uri, known) in &mut here {
            // What another source told meanwhile may be newer than what is in flight.
            if let Some(Flying { rev, record, sealed }) =
                flying.get(uri).filter(|flying| flying.rev >= known.rev)
            {
                let (record, was_deleted) = (record.clone(), record.is_none());
                *known = Here { rev: *rev, record, was_deleted, sealed: Some(sealed.clone()) };
            }
        }
        Ok(here)
    }
}

/// What a reading claims.
fn claim(reading: Result<Reading, Refusal>, rules: Rules, teller: Teller) -> Claim {
    let not = |status, why| Claim::Not(outcome(status, None, Some(why)));
    match reading {
        Ok(reading) => match reading.uri() {
            Ok(uri) => Claim::Of { uri: uri.clone(), reading, rules: Some(rules), teller },
            Err(why) => not(OutcomeStatus::Filtered, why.to_owned()),
        },
        Err(Refusal(why)) => not(OutcomeStatus::Refused, why),
    }
}

/// Microseconds of now, and above the version that is known.
fn next_rev(now: Timestamp, known: Rev) -> Rev {
    let micros = now.0.max(0).cast_unsigned().saturating_mul(1000);
    Rev(micros.max(known.0.saturating_add(1)))
}
