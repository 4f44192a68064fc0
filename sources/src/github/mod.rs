//! The issues of repositories and the comments on them, read over GitHub's API.
//!
//! ```text
//!  GET {base}/repos/{owner}/{repo}/issues?state=all&sort=updated&direction=desc&since=…&per_page=100
//!  GET …/issues/comments?sort=updated&direction=desc&since=…&per_page=100
//!    └► pages by `Link: rel="next"` ─► feedback::github::read, read_comment ─► what is news ─► outbox
//!  position = the newest `updated_at` of the walk's first page, sent when the walk is over
//!  now and then: open issues, young comments ─► what is here and not there (`recheck`)
//! ```
//!
//! The newest come first: what is changed while a walk goes on moves to the front, where the next walk finds it, and
//! pushes others onto a later page, where they are read twice and told once. A walk that is cut short is begun again.
//! Pull requests are left out. `ETag` makes a walk in which nothing changed free.
//!
//! A comment is an item of its own, which has its issue's title and says what it answers; the API tells it without the
//! title, so that comes from the issue's item. A comment moves its issue to the front, and comments are never counted as
//! read further than issues are: whose issue is not here then is a pull request's, or one's that the project did not want,
//! and is passed over.
//!
//! | module | what |
//! |---|---|
//! | `client` | requests: the token, room, pages |
//! | `recheck` | what was deleted or moved away |
//! | `config` | what can be told |

mod client;
mod config;
mod recheck;

pub use config::GithubConfig;

use crate::{
    KnownItem, PullReport, Pulled, SecretFrom, Source, SourceContext, SourceError, SourceState,
    atproto::identity::Caps,
    delivery::blocking,
    feedback::{
        Reading, Refusal, github,
        poll::{self, Answer, Api, Desk, Ended, Heard, Poller, Trouble},
    },
};
use async_trait::async_trait;
use client::{Client, next_page};
use reqwest::header::HeaderValue;
use serde_json::Value;
use springline_model::{
    Epoch, FeedbackSource, ItemName, Position, Project, Secret, SourceId, Timestamp, Uri,
};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// The most bytes of a page: 100 issues of 64 Ki characters each.
const MAX_PAGE_BYTES: u64 = 32 * 1024 * 1024;
/// The most pages of a walk.
const MAX_PAGES: usize = 10_000;

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
        let client = Client::new(api, &config.base_url, token.as_ref())?;
        let (etags, rechecked) = (BTreeMap::new(), BTreeMap::new());
        let walker = Walker { client, config, repos, etags, rechecked, afresh: false };
        poll::run(walker, id, context).await
    }
}

/// What a repository lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listing {
    Issues,
    Comments,
}

impl Listing {
    /// Its path in the repository.
    const fn path(self) -> &'static str {
        match self {
            Self::Issues => "issues",
            Self::Comments => "issues/comments",
        }
    }

    /// What its position is kept under.
    fn partition(self, repo: &str) -> String {
        match self {
            Self::Issues => repo.to_owned(),
            Self::Comments => format!("{repo}/comments"),
        }
    }
}

struct Walker {
    client: Client,
    config: GithubConfig,
    repos: BTreeMap<String, Project>,
    /// By partition: the first page that was asked for last, and its tag.
    etags: BTreeMap<String, (String, HeaderValue)>,
    /// By repository: when it was last looked for what is gone.
    rechecked: BTreeMap<String, Instant>,
    /// The positions don't count.
    afresh: bool,
}

/// What a look at a repository adds up to.
#[derive(Default)]
struct Sum {
    pulled: Pulled,
    epoch: Option<Epoch>,
}

impl Sum {
    async fn tell(&mut self, desk: &Desk, partition: &str, heard: Vec<Heard>) -> Result<(), SourceError> {
        self.epoch = desk.tell(partition, heard, &mut self.pulled).await?.max(self.epoch);
        Ok(())
    }
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
            let mut sum = Sum::default();
            sum.pulled.partition.clone_from(&repo);
            let (state, error) = match self.look(desk, &repo, &project, only.is_some(), &mut sum).await {
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
            sum.pulled.error = error;
            report.add(sum.pulled, sum.epoch);
        }
        self.afresh = false;
        Ok(report)
    }

    fn reset(&mut self) {
        self.afresh = true;
        self.etags.clear();
        self.rechecked.clear();
    }
}

impl Walker {
    /// All that a round does with a repository. One that was asked for is not searched for what is gone.
    async fn look(
        &mut self,
        desk: &Desk,
        repo: &str,
        project: &Project,
        asked: bool,
        sum: &mut Sum,
    ) -> Result<(), Ended> {
        self.walk(desk, Listing::Issues, repo, project, sum).await?;
        if self.config.comments {
            self.walk(desk, Listing::Comments, repo, project, sum).await?;
        }
        let every = Duration::from_secs(self.config.recheck_secs);
        let due = self.rechecked.get(repo).is_none_or(|last| last.elapsed() >= every);
        if !asked && due && !every.is_zero() {
            self.recheck(desk, repo, project, sum).await?;
            self.rechecked.insert(repo.to_owned(), Instant::now());
        }
        Ok(())
    }

    /// Reads a listing back to what was read before, or to its end.
    async fn walk(
        &mut self,
        desk: &Desk,
        listing: Listing,
        repo: &str,
        project: &Project,
        sum: &mut Sum,
    ) -> Result<(), Ended> {
        let partition = listing.partition(repo);
        let since = desk.position(&partition).filter(|_| !self.afresh);
        let mut query = vec![("sort", "updated"), ("direction", "desc"), ("per_page", "100")];
        query.extend((listing == Listing::Issues).then_some(("state", "all")));
        query.extend(since.as_deref().map(|since| ("since", since)));
        let first = self.client.address(repo, listing.path(), &query)?;
        let tagged = self.etags.get(&partition).filter(|(url, _)| *url == first.as_str());
        let mut known = tagged.map(|(_, tag)| tag.clone());
        let mut page = Some(first.clone());
        let (mut newest, mut tag, mut is_first) = (None, None, true);
        for _ in 0..MAX_PAGES {
            let Some(url) = page.take() else { break };
            let answer = self.client.page(&url, known.take()).await?;
            if answer.status == 304 {
                return Ok(());
            }
            let things = things(&answer)?;
            if std::mem::take(&mut is_first) {
                tag = answer.headers.get("etag").cloned();
                newest = things.iter().filter_map(updated).max().map(|(_, text)| text.to_owned());
            }
            let heard = match listing {
                Listing::Issues => things.iter().map(|issue| heard(project, repo, issue)).collect(),
                Listing::Comments => comments(desk, project, repo, &things).await?,
            };
            sum.tell(desk, &partition, heard).await?;
            page = next_page(&answer, &url)?;
        }
        if listing == Listing::Comments {
            // Its issue may be newer than the walk of issues before: then it has to be read again.
            let issues = desk.position(repo);
            let at = |text: &Option<String>| Timestamp::parse(text.as_deref()?).ok();
            if at(&newest) > at(&issues) {
                (newest, tag) = (issues, None);
            }
        }
        if let Some(newest) = newest {
            if since.as_ref() != Some(&newest) {
                desk.advance(&partition, Vec::new(), newest.clone()).await?;
            }
            if listing == Listing::Issues {
                desk.status.partition(repo, |partition| partition.position = Some(Position(newest)));
            }
        }
        if let Some(tag) = tag {
            self.etags.insert(partition, (first.into(), tag));
        }
        Ok(())
    }
}

/// The things of a page.
fn things(answer: &Answer) -> Result<Vec<Value>, Trouble> {
    serde_json::from_slice(&answer.body)
        .map_err(|error| Trouble::Later(format!("it answers with no list: {error}")))
}

/// When a thing was last changed, if that makes sense.
fn updated(thing: &Value) -> Option<(Timestamp, &str)> {
    let text = thing.get("updated_at")?.as_str()?;
    Some((Timestamp::parse(text).ok()?, text))
}

/// What a page of comments says, given the issues that are here.
async fn comments(
    desk: &Desk,
    project: &Project,
    repo: &str,
    comments: &[Value],
) -> Result<Vec<Heard>, SourceError> {
    let on_issues: Vec<(&Value, ItemName)> =
        comments.iter().filter_map(|comment| Some((comment, github::issue_of(project, comment)?))).collect();
    let issues: Vec<Uri> = on_issues.iter().map(|(_, issue)| issue.uri()).collect();
    let known = desk.known.clone();
    let issues = blocking(move || known.items(&issues)).await??;
    let told = |((comment, of), KnownItem { record, .. }): ((&Value, ItemName), KnownItem)| {
        let reading = github::read_comment(comment, &of, &*record?, Timestamp::now());
        Some(said(repo, comment, reading, || ItemName {
            external: format!("{}/unreadable-{}", of.external, digest(comment)),
            ..of.clone()
        }))
    };
    Ok(on_issues.into_iter().zip(issues).filter_map(told).collect())
}

/// What was read, or what can't be, under the name that it goes by then.
fn said(
    repo: &str,
    thing: &Value,
    reading: Result<Reading, Refusal>,
    name: impl FnOnce() -> ItemName,
) -> Heard {
    reading.map_or_else(
        |Refusal(reason)| {
            let sample = thing.to_string().into_bytes();
            Heard::Bad { uri: name().uri(), origin: repo.to_owned(), reason, sample }
        },
        Heard::Said,
    )
}

/// Tells apart what has no name.
fn digest(thing: &Value) -> String {
    blake3::hash(thing.to_string().as_bytes()).to_hex()[..16].to_owned()
}

fn heard(project: &Project, repo: &str, issue: &Value) -> Heard {
    // As webhooks name it, so that both tell of one item; it may be written otherwise in the configuration.
    let mut issue = issue.clone();
    if let Some(fields) = issue.as_object_mut() {
        fields.remove("external_id");
        if !["repository", "repository_url", "html_url"].iter().any(|field| fields.contains_key(*field)) {
            fields.insert("repo".into(), repo.into());
        }
    }
    said(repo, &issue, github::read(project, &issue, Timestamp::now()), || {
        let number = issue.get("number").and_then(Value::as_u64);
        let number = number.map_or_else(|| digest(&issue), |number| number.to_string());
        let (project, external) = (project.clone(), format!("{repo}#{number}"));
        ItemName { project, source: FeedbackSource::Github, external }
    })
}
