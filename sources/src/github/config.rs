//! What the source of issues can be told.

use crate::{SourceError, feedback::github::is_repository};
use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::Project;
use std::{collections::BTreeMap, path::PathBuf};

/// Issues of repositories on GitHub, and the comments on them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GithubConfig {
    /// Which repositories, and the project that each is feedback for: `{ "acme/shop" = "shop" }`.
    pub repos: BTreeMap<String, String>,
    /// Where the API is; for GitHub Enterprise `https://github.example/api/v3`.
    pub base_url: String,
    /// A file whose first line is a token that may read the issues. Without one, the API has little room.
    pub token_file: Option<PathBuf>,
    /// A variable of the environment with that token.
    pub token_env: Option<String>,
    /// Read the comments on issues, too: each is an item of its own.
    pub comments: bool,
    /// How long after looking it is looked again.
    pub poll_secs: u64,
    /// How often it is looked for open issues and for comments that were deleted or moved away. 0: never. A look takes a
    /// request for each 100 of them.
    pub recheck_secs: u64,
    /// Of the comments those that were made in the last so many days.
    pub recheck_days: u32,
}

impl Default for GithubConfig {
    fn default() -> Self {
        Self {
            repos: BTreeMap::new(),
            base_url: "https://api.github.com".into(),
            token_file: None,
            token_env: None,
            comments: true,
            poll_secs: 300,
            recheck_secs: 86_400,
            recheck_days: 30,
        }
    }
}

impl GithubConfig {
    /// The repositories with their projects.
    ///
    /// # Errors
    /// [`SourceError::Config`]: a setting makes no sense.
    pub(super) fn check(&self) -> Result<BTreeMap<String, Project>, SourceError> {
        let wrong = |why: String| Err(SourceError::Config(why));
        if !Url::parse(&self.base_url).is_ok_and(|url| matches!(url.scheme(), "https" | "http")) {
            return wrong(format!("`base_url`: `{}` is no address of the web", self.base_url));
        }
        if !(1..=7 * 86_400).contains(&self.poll_secs) {
            return wrong("`poll_secs` must be from 1 to 604800".into());
        }
        if self.recheck_secs > 30 * 86_400 {
            return wrong("`recheck_secs` must be at most 2592000".into());
        }
        let mut repos = BTreeMap::new();
        for (repo, project) in &self.repos {
            if !is_repository(repo) {
                return wrong(format!("`repos`: `{repo}` is no `owner/name`"));
            }
            let project =
                Project::new(project).map_err(|error| SourceError::Config(format!("`repos`: {error}")))?;
            repos.insert(repo.clone(), project);
        }
        Ok(repos)
    }
}
