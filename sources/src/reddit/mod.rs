//! Submissions and comments of subreddits, each for a project, read over Reddit's API.
//!
//! ```text
//!  every round:  configured + named while running ─► subreddits
//!    each: /r/{name}/new, /r/{name}/comments ─ pages, the newest first, back to what was read before ─┐
//!  now and then: /api/info?id=… of what is here and young ─ edited? deleted? gone? ───────────────────┴─► Desk::tell
//!  position of a listing = when its newest was said, in seconds, sent when the walk is over
//! ```
//!
//! A walk goes back by time and not by name: the one that was the newest may be gone by now. It overlaps the walk before
//! by [`OVERLAP_SECS`], because what a filter held back appears at its own time later; what is here already is no news.
//! A walk that is cut short is begun again: nothing counts as read that is not in the journal.
//!
//! What is deleted there is deleted here: in the listings, by looking again at what is young, and if the API has nothing
//! of it any more (asked twice). What a subreddit held that is private now is kept until it can be seen again.
//!
//! Limits: a listing ends near 1,000; where more was said between two walks that is a gap (`/v1/gaps`).

mod client;
mod config;
mod window;

pub use config::RedditConfig;

use crate::{
    KnownItem, PullReport, Pulled, SecretFrom, Source, SourceContext, SourceError, SourceState,
    atproto::identity::Caps,
    delivery::blocking,
    feedback::{
        Reading,
        poll::{self, Api, Desk, Ended, Heard, Poller, Trouble},
        reddit,
    },
};
use async_trait::async_trait;
use client::Client;
use reqwest::header::HeaderValue;
use serde_json::Value;
use springline_model::{
    Epoch, EventBody, FeedbackSource, Gap, ItemName, Position, Project, SourceId, Timestamp, Uri,
    feedback::{attr, is_subreddit},
    time::DAY_MILLIS,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};
use tokio::time::Instant;

/// How far behind the newest of the walk before a walk goes back.
const OVERLAP_SECS: i64 = 600;
/// The most bytes of an answer: 100 submissions of 40,000 characters each, with all that is around them.
const MAX_ANSWER_BYTES: u64 = 32 * 1024 * 1024;
/// Things a request gives at most, and names that `/api/info` takes.
const PAGE: usize = 100;
/// Things that a listing ends near; more than these it does not give.
const LISTED: usize = 900;
/// A walk is given up beyond this many pages: a listing that leads in circles.
const MAX_PAGES: usize = 20;

/// Reads subreddits.
#[derive(Debug)]
pub struct Reddit {
    id: SourceId,
    config: RedditConfig,
    subreddits: BTreeMap<String, Project>,
}

impl Reddit {
    /// Of a configuration.
    ///
    /// # Errors
    /// A setting makes no sense.
    pub fn new(id: SourceId, config: RedditConfig) -> Result<Self, SourceError> {
        let subreddits = config.check()?;
        secret(&config)?;
        Ok(Self { id, config, subreddits })
    }
}

fn secret(config: &RedditConfig) -> Result<springline_model::Secret, SourceError> {
    let (file, env) = (config.client_secret_file.as_ref(), config.client_secret_env.as_ref());
    let secret = SecretFrom { name: "client_secret", file, env }.read()?;
    secret.ok_or_else(|| SourceError::Config("`client_secret_file` or `client_secret_env` is needed".into()))
}

#[async_trait]
impl Source for Reddit {
    fn id(&self) -> &SourceId {
        &self.id
    }

    async fn run(self: Box<Self>, context: SourceContext) -> Result<(), SourceError> {
        let Self { id, config, subreddits } = *self;
        let agent = HeaderValue::try_from(&config.user_agent);
        let agent = agent.map_err(|_| SourceError::Config("`user_agent` can be no header".into()))?;
        let caps = Caps { bytes: MAX_ANSWER_BYTES, time: Some(Duration::from_secs(120)) };
        let api = Api::new(caps, context.stop.clone())?;
        let client = Client::new(api, &config, agent, secret(&config)?);
        let walker =
            Walker { client, config, subreddits, paused: BTreeMap::new(), rechecked: None, afresh: false };
        poll::run(walker, id, context).await
    }
}

struct Walker {
    client: Client,
    config: RedditConfig,
    /// Those of the configuration.
    subreddits: BTreeMap<String, Project>,
    /// Until when those are left alone that can't be read.
    paused: BTreeMap<String, Instant>,
    rechecked: Option<Instant>,
    /// The positions don't count.
    afresh: bool,
}

/// What a walk, or a look at what is young, adds up to.
#[derive(Default)]
struct Sum {
    pulled: Pulled,
    epoch: Option<Epoch>,
}

#[async_trait]
impl Poller for Walker {
    fn every(&self) -> Duration {
        Duration::from_secs(self.config.poll_secs)
    }

    async fn round(&mut self, desk: &Desk, only: Option<&str>) -> Result<PullReport, SourceError> {
        let mut report = PullReport::default();
        let subreddits = self.chosen(desk).await?;
        for (name, project) in &subreddits {
            if only.is_some_and(|only| !only.eq_ignore_ascii_case(name)) {
                continue;
            }
            if only.is_none() && self.paused.get(name).is_some_and(|until| Instant::now() < *until) {
                continue;
            }
            let mut sum = Sum::default();
            sum.pulled.partition.clone_from(name);
            let walked = self.subreddit(desk, name, project, &mut sum).await;
            sum.pulled.error = self.told(desk, name, walked)?;
            report.add(sum.pulled, sum.epoch);
        }
        let every = Duration::from_secs(self.config.recheck_secs);
        let due = self.rechecked.is_none_or(|last| last.elapsed() >= every);
        if only.is_none() && due && self.config.recheck_days > 0 {
            let projects: BTreeSet<Project> =
                desk.projects.names().chain(subreddits.values()).cloned().collect();
            let mut sum = Sum::default();
            sum.pulled.partition = RECHECKS.into();
            let mut ended = Ok(());
            for project in &projects {
                ended = self.recheck(desk, project, &mut sum).await;
                if ended.is_err() {
                    break;
                }
            }
            // Cut short it is begun again with the next round.
            if ended.is_ok() {
                self.rechecked = Some(Instant::now());
            }
            sum.pulled.error = self.told(desk, RECHECKS, ended)?;
            report.add(sum.pulled, sum.epoch);
        }
        self.afresh = false;
        Ok(report)
    }

    fn reset(&mut self) {
        (self.afresh, self.rechecked) = (true, None);
        self.paused.clear();
    }
}

/// What looking again is called beside the subreddits; no subreddit can have this name.
const RECHECKS: &str = "re-checks";

impl Walker {
    /// The subreddits to be read: those of the configuration, as the operator has changed them since.
    async fn chosen(&mut self, desk: &Desk) -> Result<BTreeMap<String, Project>, SourceError> {
        let known = desk.known.clone();
        let rows = blocking(move || known.subreddits()).await??;
        let mut chosen = self.subreddits.clone();
        for row in rows {
            match row.project {
                // It becomes part of a path.
                Some(project) if is_subreddit(&row.name) => drop(chosen.insert(row.name, project)),
                _ => drop(chosen.remove(&row.name)),
            }
        }
        for name in desk.status.snapshot().partitions.into_keys().filter(|name| *name != RECHECKS) {
            if !chosen.contains_key(&name) {
                desk.status.forget(&name);
                self.paused.remove(&name);
            }
        }
        Ok(chosen)
    }

    /// Tells in the status how it went; why it did not go well.
    fn told(
        &mut self,
        desk: &Desk,
        name: &str,
        ended: Result<(), Ended>,
    ) -> Result<Option<String>, SourceError> {
        let (state, error) = match ended {
            Ok(()) => (SourceState::Live, None),
            Err(Ended::Source(error)) => return Err(error),
            Err(Ended::Trouble(Trouble::Stopped)) => return Err(SourceError::Closed),
            Err(Ended::Trouble(Trouble::Later(why))) => (SourceState::Live, Some(why)),
            Err(Ended::Trouble(Trouble::Gone(why))) => (SourceState::Paused, Some(why)),
        };
        if state == SourceState::Paused {
            let until = Instant::now() + Duration::from_secs(self.config.pause_secs);
            self.paused.insert(name.to_owned(), until);
        } else {
            self.paused.remove(name);
        }
        if let Some(why) = &error {
            desk.status.error(format!("{name}: {why}"));
        }
        desk.status.partition(name, |partition| {
            if error.is_none() {
                partition.current_at = Some(Timestamp::now());
            }
            (partition.state, partition.error) = (state, error.clone());
        });
        Ok(error)
    }

    async fn subreddit(
        &mut self,
        desk: &Desk,
        name: &str,
        project: &Project,
        sum: &mut Sum,
    ) -> Result<(), Ended> {
        self.walk(desk, name, project, "new", sum).await?;
        if self.config.comments {
            self.walk(desk, name, project, "comments", sum).await?;
        }
        Ok(())
    }

    /// Reads a listing back to what was read before, or to its end.
    async fn walk(
        &mut self,
        desk: &Desk,
        name: &str,
        project: &Project,
        listing: &str,
        sum: &mut Sum,
    ) -> Result<(), Ended> {
        let partition = format!("{name}/{listing}");
        let before: Option<i64> = desk.position(&partition).and_then(|position| position.parse().ok());
        let before = before.filter(|_| !self.afresh);
        let path = format!("/r/{name}/{listing}");
        let (mut after, mut newest) = (None::<String>, before);
        let (mut seen, mut listed, mut reached) = (HashSet::new(), 0, false);
        for _ in 0..MAX_PAGES {
            let mut parameters = vec![("limit", "100")];
            parameters.extend(after.as_deref().map(|after| ("after", after)));
            let page = self.client.get(&path, &parameters).await?;
            let things = things(&page)?;
            listed += things.len();
            let times: Vec<i64> = things.iter().filter_map(created).collect();
            newest = newest.max(times.iter().copied().max());
            // Pages shift while they are read. What has no name is looked at each time.
            let mut is_fresh =
                |thing: &Value| fullname(thing).is_none_or(|name| seen.insert(name.to_owned()));
            let fresh = things.iter().filter(|thing| is_fresh(thing));
            let heard = fresh.map(|thing| heard(project, &partition, thing)).collect();
            sum.epoch = desk.tell(&partition, heard, &mut sum.pulled).await?.max(sum.epoch);
            reached = before.zip(times.last()).is_some_and(|(before, last)| *last < before - OVERLAP_SECS);
            let next = page.pointer("/data/after").and_then(Value::as_str).map(str::to_owned);
            if reached || next.is_none() || next == after {
                break;
            }
            after = next;
        }
        let Some(newest) = newest else { return Ok(()) };
        let gap = before.filter(|_| !reached && listed >= LISTED).map(|before| {
            EventBody::Gap(Box::new(Gap {
                partition: partition.clone(),
                from: before.to_string(),
                to: newest.to_string(),
                at: Timestamp::now(),
                reason: format!("more was said than the {listed} that the listing gives"),
            }))
        });
        if before != Some(newest) || gap.is_some() {
            desk.advance(&partition, gap.into_iter().collect(), newest.to_string()).await?;
        }
        desk.status.partition(name, |status| {
            status.position = Some(Position(newest.to_string()));
            status.event_at = Some(Timestamp::from_secs(newest));
        });
        Ok(())
    }

    /// Looks again at what is young: what was edited, what was deleted, what is gone.
    async fn recheck(&mut self, desk: &Desk, project: &Project, sum: &mut Sum) -> Result<(), Ended> {
        let oldest = Timestamp::now().0 - i64::from(self.config.recheck_days) * DAY_MILLIS;
        let (known, authority) = (desk.known.clone(), project.authority());
        let records =
            blocking(move || known.records(authority.as_str())).await?.map_err(SourceError::from)?;
        let young = records.into_iter().filter(|record| record.at.0 >= oldest);
        let names: BTreeMap<String, Uri> =
            young.filter_map(|record| Some((of_reddit(&record.uri)?, record.uri))).collect();
        let names: Vec<(String, Uri)> = names.into_iter().collect();
        for chunk in names.chunks(PAGE) {
            let mut heard = Vec::new();
            let mut missing: Vec<&(String, Uri)> = chunk.iter().collect();
            // What is not in an answer is asked for once more: an answer may be a part of one.
            for _ in 0..2 {
                let ids: Vec<&str> = missing.iter().map(|(name, _)| name.as_str()).collect();
                if ids.is_empty() {
                    break;
                }
                let answer = self.client.get("/api/info", &[("id", &ids.join(","))]).await?;
                let things = things(&answer)?;
                let told: HashSet<&str> = things.iter().filter_map(fullname).collect();
                heard.extend(things.iter().map(|thing| self::heard(project, RECHECKS, thing)));
                missing.retain(|(name, _)| !told.contains(name.as_str()));
            }
            heard.extend(self.gone(desk, missing).await?);
            sum.epoch = desk.tell(RECHECKS, heard, &mut sum.pulled).await?.max(sum.epoch);
        }
        Ok(())
    }

    /// What the API has nothing of any more is gone, unless its subreddit can't be read (any more): that is asked
    /// behind the answer, so that one that was closed in between takes nothing along.
    async fn gone(&mut self, desk: &Desk, missing: Vec<&(String, Uri)>) -> Result<Vec<Heard>, Ended> {
        let uris: Vec<Uri> = missing.into_iter().map(|(_, uri)| uri.clone()).collect();
        let (known, asked) = (desk.known.clone(), uris.clone());
        let items = blocking(move || known.items(&asked)).await?.map_err(SourceError::from)?;
        let mut open: BTreeMap<String, bool> = BTreeMap::new();
        let mut gone = Vec::new();
        for (uri, KnownItem { record, .. }) in uris.into_iter().zip(items) {
            let name = record.and_then(|record| record.attrs.get(attr::SUBREDDIT).cloned());
            let is_open = match name.filter(|name| is_subreddit(name)) {
                None => true,
                Some(name) => match open.get(&name) {
                    Some(is_open) => *is_open,
                    None => {
                        let asked = self.client.get(&format!("/r/{name}/new"), &[("limit", "1")]).await;
                        let is_open = match asked {
                            Ok(_) => true,
                            Err(Trouble::Gone(_)) => false,
                            Err(trouble) => return Err(trouble.into()),
                        };
                        open.insert(name, is_open);
                        is_open
                    }
                },
            };
            if is_open {
                gone.push(Heard::Said(Reading::Gone(uri)));
            }
        }
        Ok(gone)
    }
}

/// The name of an item of Reddit's.
fn of_reddit(uri: &Uri) -> Option<String> {
    let name = ItemName::parse(uri).filter(|name| name.source == FeedbackSource::Reddit)?;
    reddit::is_fullname(&name.external).then_some(name.external)
}

/// The things of a listing.
fn things(listing: &Value) -> Result<&Vec<Value>, Trouble> {
    let things = listing.pointer("/data/children").and_then(Value::as_array);
    things.ok_or_else(|| Trouble::Later("it answers with no listing".into()))
}

fn fullname(thing: &Value) -> Option<&str> {
    thing.pointer("/data/name").and_then(Value::as_str)
}

#[expect(clippy::cast_possible_truncation, reason = "it saturates; whole seconds are meant")]
fn created(thing: &Value) -> Option<i64> {
    thing.pointer("/data/created_utc").and_then(Value::as_f64).map(|secs| secs as i64)
}

fn heard(project: &Project, origin: &str, thing: &Value) -> Heard {
    reddit::read(project, thing, Timestamp::now()).map_or_else(
        |refusal| {
            let sample = thing.to_string().into_bytes();
            let name = fullname(thing).filter(|name| reddit::is_fullname(name));
            let external = name
                .map_or_else(|| format!("unnamed-{}", &blake3::hash(&sample).to_hex()[..16]), str::to_owned);
            let name = ItemName { project: project.clone(), source: FeedbackSource::Reddit, external };
            Heard::Bad { uri: name.uri(), origin: origin.to_owned(), reason: refusal.0, sample }
        },
        Heard::Said,
    )
}
