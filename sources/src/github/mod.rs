//! The issues of repositories, read over GitHub's API.
//!
//! ```text
//!  GET {base}/repos/{owner}/{repo}/issues?state=all&sort=updated&direction=desc&since=…&per_page=100
//!    └► pages by `Link: rel="next"` ─► feedback::github::read ─► what is news ─► outbox
//!  position = the newest `updated_at` of the walk's first page, sent when the walk is over
//! ```
//!
//! The newest come first: what is changed while a walk goes on moves to the front, where the next walk finds it, and
//! pushes others onto a later page, where they are read twice and told once. A walk that is cut short is begun again.
//! Pull requests are left out. `ETag` makes a walk in which nothing changed free.
//!
//! Limits: the API does not tell of issues that were deleted or moved away (webhooks do), nor are comments read (webhooks
//! bring them).

mod config;

pub use config::GithubConfig;

use crate::{
    PullReport, Pulled, SecretFrom, Source, SourceContext, SourceError, SourceState,
    atproto::identity::{Ask, Caps},
    feedback::{
        github,
        poll::{self, Answer, Api, Desk, Ended, Heard, LONGEST_WAIT, Poller, Trouble},
    },
};
use async_trait::async_trait;
use reqwest::{
    Url,
    header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, IF_NONE_MATCH},
};
use serde_json::Value;
use springline_model::{FeedbackSource, ItemName, Project, Secret, SourceId, Timestamp};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// The most bytes of a page: 100 issues of 64 Ki characters each.
const MAX_PAGE_BYTES: u64 = 32 * 1024 * 1024;
/// The most pages of a walk.
const MAX_PAGES: usize = 10_000;
/// How often a request that the API has no room for is made again.
const MAX_WAITS: u32 = 5;

/// Reads issues.
#[derive(Debug)]
pub struct Github {
    id: SourceId,
    config: GithubConfig,
    repos: BTreeMap<String, Project>,
    token: Option<Secret>,
}

impl Github {
    /// Of a configuration; reads the token.
    ///
    /// # Errors
    /// A setting makes no sense.
    pub fn new(id: SourceId, config: GithubConfig) -> Result<Self, SourceError> {
        let repos = config.check()?;
        let (file, env) = (config.token_file.as_ref(), config.token_env.as_ref());
        let token = SecretFrom { name: "token", file, env }.read()?;
        Ok(Self { id, config, repos, token })
    }
}

#[async_trait]
impl Source for Github {
    fn id(&self) -> &SourceId {
        &self.id
    }

    async fn run(self: Box<Self>, context: SourceContext) -> Result<(), SourceError> {
        let caps = Caps { bytes: MAX_PAGE_BYTES, time: Some(Duration::from_secs(120)) };
        let api = Api::new(caps, context.stop.clone())?;
        let Self { id, config, repos, token } = *self;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
        headers.insert("x-github-api-version", HeaderValue::from_static("2022-11-28"));
        if let Some(token) = token {
            let value = HeaderValue::try_from(format!("Bearer {}", token.reveal()));
            let mut value = value.map_err(|_| {
                SourceError::Config("the token has characters that no header can have".into())
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let walker =
            Walker { api, config, repos, headers, etags: BTreeMap::new(), full: None, afresh: false };
        poll::run(walker, id, context).await
    }
}

struct Walker {
    api: Api,
    config: GithubConfig,
    repos: BTreeMap<String, Project>,
    headers: HeaderMap,
    /// By repository: the first page that was asked for last, and its tag.
    etags: BTreeMap<String, (String, HeaderValue)>,
    /// Until when the API has no room for us.
    full: Option<Instant>,
    /// The positions don't count.
    afresh: bool,
}

#[async_trait]
impl Poller for Walker {
    fn every(&self) -> Duration {
        Duration::from_secs(self.config.poll_secs)
    }

    async fn round(&mut self, desk: &Desk, only: Option<&str>) -> Result<PullReport, SourceError> {
        let mut report = PullReport::default();
        for (repo, project) in self.repos.clone() {
            if only.is_some_and(|only| only != repo) {
                continue;
            }
            let mut pulled = Pulled { partition: repo.clone(), ..Pulled::default() };
            let mut epoch = None;
            let (state, error) = match self.walk(desk, &repo, &project, &mut pulled, &mut epoch).await {
                Ok(()) => (SourceState::Live, None),
                Err(Ended::Source(error)) => return Err(error),
                Err(Ended::Trouble(Trouble::Stopped)) => return Err(SourceError::Closed),
                Err(Ended::Trouble(Trouble::Later(why))) => (SourceState::Live, Some(why)),
                Err(Ended::Trouble(Trouble::Gone(why))) => (SourceState::Paused, Some(why)),
            };
            if let Some(why) = &error {
                desk.status.error(format!("{repo}: {why}"));
            }
            desk.status.partition(&repo, |partition| {
                if error.is_none() {
                    partition.current_at = Some(Timestamp::now());
                }
                (partition.state, partition.error) = (state, error.clone());
            });
            pulled.error = error;
            report.add(pulled, epoch);
        }
        self.afresh = false;
        Ok(report)
    }

    fn reset(&mut self) {
        self.afresh = true;
        self.etags.clear();
    }
}

impl Walker {
    async fn walk(
        &mut self,
        desk: &Desk,
        repo: &str,
        project: &Project,
        pulled: &mut Pulled,
        epoch: &mut Option<springline_model::Epoch>,
    ) -> Result<(), Ended> {
        let since = desk.position(repo).filter(|_| !self.afresh);
        let first = self.first_page(repo, since.as_deref())?;
        let known =
            self.etags.get(repo).filter(|(url, _)| *url == first.as_str()).map(|(_, tag)| tag.clone());
        let mut page = Some(first.clone());
        let (mut newest, mut tag) = (None::<String>, None);
        for number in 0..MAX_PAGES {
            let Some(url) = page.take() else { break };
            let answer = self.ask(&url, known.clone().filter(|_| number == 0)).await?;
            if answer.status == 304 {
                return Ok(());
            }
            let issues: Vec<Value> = serde_json::from_slice(&answer.body)
                .map_err(|error| Trouble::Later(format!("it answers with no list of issues: {error}")))?;
            if number == 0 {
                tag = answer.headers.get("etag").cloned();
                newest = issues
                    .iter()
                    .filter_map(|issue| issue.get("updated_at")?.as_str())
                    .max()
                    .map(str::to_owned);
            }
            let now = Timestamp::now();
            let heard = issues.iter().map(|issue| heard(project, repo, issue, now)).collect();
            *epoch = desk.tell(repo, heard, pulled).await?.max(*epoch);
            page = next_page(&answer, &url)?;
        }
        if let Some(newest) = newest.filter(|newest| Timestamp::parse(newest).is_ok()) {
            if since.as_ref() != Some(&newest) {
                desk.advance(repo, Vec::new(), newest.clone()).await?;
            }
            desk.status.partition(repo, |partition| {
                partition.position = Some(springline_model::Position(newest));
            });
        }
        if let Some(tag) = tag {
            self.etags.insert(repo.to_owned(), (first.into(), tag));
        }
        Ok(())
    }

    fn first_page(&self, repo: &str, since: Option<&str>) -> Result<Url, Trouble> {
        let base = self.config.base_url.trim_end_matches('/');
        let mut url = Url::parse(&format!("{base}/repos/{repo}/issues"))
            .map_err(|error| Trouble::Gone(format!("its address makes no sense: {error}")))?;
        url.query_pairs_mut().extend_pairs([
            ("state", "all"),
            ("sort", "updated"),
            ("direction", "desc"),
            ("per_page", "100"),
        ]);
        if let Some(since) = since {
            url.query_pairs_mut().append_pair("since", since);
        }
        Ok(url)
    }

    /// Asks for a page; waits while the API has no room for us.
    async fn ask(&mut self, url: &Url, tag: Option<HeaderValue>) -> Result<Answer, Trouble> {
        let mut headers = self.headers.clone();
        if let Some(tag) = tag {
            headers.insert(IF_NONE_MATCH, tag);
        }
        let ask = Ask { url: url.as_str().to_owned(), headers, form: None };
        for _ in 0..=MAX_WAITS {
            if let Some(until) = self.full.take() {
                self.api.pause(until.saturating_duration_since(Instant::now())).await?;
            }
            let answer = self.api.send(&ask).await?;
            self.full = exhausted(&answer).map(|wait| Instant::now() + wait);
            match answer.status {
                200 | 304 => return Ok(answer),
                403 | 429 => match room_in(&answer) {
                    Some(wait) => self.api.pause(wait).await?,
                    None => {
                        return Err(Trouble::Gone(format!(
                            "it answers with status {}: not for us",
                            answer.status
                        )));
                    }
                },
                401 => return Err(Trouble::Gone("it does not take the token".into())),
                301 | 302 | 307 | 308 => {
                    return Err(Trouble::Gone("the repository has another name now".into()));
                }
                404 | 410 | 451 => {
                    return Err(Trouble::Gone(format!(
                        "there is no such repository for us ({})",
                        answer.status
                    )));
                }
                status => return Err(Trouble::Later(format!("it answers with status {status}"))),
            }
        }
        Err(Trouble::Later("it has no room for us".into()))
    }
}

/// How long to wait until there is room again, if that is what a refusal is about.
fn room_in(answer: &Answer) -> Option<Duration> {
    let told = crate::atproto::identity::retry_after(&answer.headers).map(|wait| wait.min(LONGEST_WAIT));
    told.or_else(|| exhausted(answer)).or((answer.status == 429).then_some(Duration::from_secs(60)))
}

/// How long the window still is in which no request is left.
fn exhausted(answer: &Answer) -> Option<Duration> {
    let is_empty = answer.number("x-ratelimit-remaining") == Some(0.0);
    let reset = answer.number("x-ratelimit-reset").filter(|_| is_empty)?;
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
    let left = reset - Timestamp::now().as_secs() as f64 + 1.0;
    Some(Duration::from_secs_f64(left.clamp(1.0, LONGEST_WAIT.as_secs_f64())))
}

/// Where `Link` leads on to: nowhere but to the same host.
fn next_page(answer: &Answer, from: &Url) -> Result<Option<Url>, Trouble> {
    let Some(links) = answer.header("link") else { return Ok(None) };
    let next = links.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters
            .split(';')
            .any(|parameter| matches!(parameter.trim().strip_prefix("rel="), Some("next" | "\"next\"")));
        is_next.then(|| from.join(target).ok())?
    });
    match next {
        Some(next) if next.origin() != from.origin() => Err(Trouble::Later(format!(
            "its next page is on another host: {}",
            next.host_str().unwrap_or_default()
        ))),
        next => Ok(next),
    }
}

fn heard(project: &Project, repo: &str, issue: &Value, now: Timestamp) -> Heard {
    // As webhooks name it, so that both tell of one item; it may be written otherwise in the configuration.
    let mut issue = issue.clone();
    if let Some(fields) = issue.as_object_mut() {
        fields.remove("external_id");
        if !["repository", "repository_url", "html_url"].iter().any(|field| fields.contains_key(*field)) {
            fields.insert("repo".into(), repo.into());
        }
    }
    match github::read(project, &issue, now) {
        Ok(reading) => Heard::Said(reading),
        Err(refusal) => {
            let sample = issue.to_string().into_bytes();
            let external = match issue.get("number").and_then(Value::as_u64) {
                Some(number) => format!("{repo}#{number}"),
                None => format!("{repo}#{}", &blake3::hash(&sample).to_hex()[..16]),
            };
            let name = ItemName { project: project.clone(), source: FeedbackSource::Github, external };
            Heard::Bad { uri: name.uri(), origin: repo.to_owned(), reason: refusal.0, sample }
        }
    }
}
