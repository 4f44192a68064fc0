//! What the source of Reddit can be told.

use crate::SourceError;
use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{Project, feedback::is_subreddit};
use std::{collections::BTreeMap, path::PathBuf};

/// Submissions and comments of subreddits. Needs an application that Reddit has approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RedditConfig {
    /// Which subreddits, and the project that each is feedback for: `{ rust = "shop" }`. More can be named while running.
    pub subreddits: BTreeMap<String, String>,
    /// Who asks, as Reddit wants it: `linux:org.example.springline:v1 (by /u/somebody)`. Needed.
    pub user_agent: String,
    /// The application's id. Needed.
    pub client_id: String,
    /// A file whose first line is the application's secret.
    pub client_secret_file: Option<PathBuf>,
    /// A variable of the environment with that secret.
    pub client_secret_env: Option<String>,
    /// Where tokens are had.
    pub auth_url: String,
    /// Where everything else is.
    pub api_url: String,
    /// Read comments, too, and not only submissions.
    pub comments: bool,
    /// How long after looking it is looked again.
    pub poll_secs: u64,
    /// What was said in the last so many days is looked at again, to follow edits and deletions. 0: nothing is.
    pub recheck_days: u32,
    /// How often.
    pub recheck_secs: u64,
    /// A subreddit that is private or gone is tried again after this time.
    pub pause_secs: u64,
    /// How many requests fit into ten minutes, while the API does not say.
    pub window_requests: u32,
}

impl Default for RedditConfig {
    fn default() -> Self {
        Self {
            subreddits: BTreeMap::new(),
            user_agent: String::new(),
            client_id: String::new(),
            client_secret_file: None,
            client_secret_env: None,
            auth_url: "https://www.reddit.com".into(),
            api_url: "https://oauth.reddit.com".into(),
            comments: true,
            poll_secs: 60,
            recheck_days: 30,
            recheck_secs: 6 * 3600,
            pause_secs: 3600,
            window_requests: 600,
        }
    }
}

impl RedditConfig {
    /// The subreddits, in lower case, with their projects.
    ///
    /// # Errors
    /// [`SourceError::Config`]: a setting makes no sense.
    pub(super) fn check(&self) -> Result<BTreeMap<String, Project>, SourceError> {
        let wrong = |why: String| Err(SourceError::Config(why));
        let is_header = |text: &str| {
            (5..=256).contains(&text.len()) && text.bytes().all(|byte| (32..127).contains(&byte))
        };
        if !is_header(&self.user_agent) {
            return wrong("`user_agent` is needed: `<platform>:<app id>:<version> (by /u/<name>)`".into());
        }
        if !is_header(&self.client_id) || self.client_id.contains(':') {
            return wrong("`client_id` is needed: the id of your application".into());
        }
        for (name, url) in [("auth_url", &self.auth_url), ("api_url", &self.api_url)] {
            if !Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "https" | "http")) {
                return wrong(format!("`{name}`: `{url}` is no address of the web"));
            }
        }
        for (name, value) in [
            ("poll_secs", self.poll_secs),
            ("recheck_secs", self.recheck_secs),
            ("pause_secs", self.pause_secs),
        ] {
            if !(1..=30 * 86_400).contains(&value) {
                return wrong(format!("`{name}` must be from 1 to 2592000"));
            }
        }
        if self.window_requests == 0 {
            return wrong("`window_requests` must be at least 1".into());
        }
        let mut subreddits = BTreeMap::new();
        for (name, project) in &self.subreddits {
            if !is_subreddit(name) {
                return wrong(format!("`subreddits`: `{name}` is no name of a subreddit (without `r/`)"));
            }
            let project = Project::new(project)
                .map_err(|error| SourceError::Config(format!("`subreddits`: {error}")))?;
            subreddits.insert(name.to_ascii_lowercase(), project);
        }
        Ok(subreddits)
    }
}
