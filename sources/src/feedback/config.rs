//! `[feedback]`: which projects there are, and what of their feedback is wanted.

use crate::{SecretFrom, SourceError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{FeedbackSource, Project, Record, Secret, feedback::attr, text::Lang};
use std::{collections::BTreeMap, path::PathBuf};

/// The most keywords, languages or repositories of a project.
const MAX_ENTRIES: usize = 1_000;

/// What people say of projects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FeedbackConfig {
    /// The projects, by name (lower-case letters, digits, `-`, `_`, `.`): `[feedback.projects.shop]`. Of each,
    /// `keywords`, `languages`, `min_length` and `repos` say what is wanted, `sentry_secret_file` (or `…_env`) and
    /// `github_secret_file` (or `…_env`) open its webhooks.
    pub projects: BTreeMap<String, ProjectConfig>,
}

/// A project that feedback is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProjectConfig {
    /// Only items in whose title or text one of these stands, in either case. All if there are none.
    pub keywords: Vec<String>,
    /// Only items in one of these languages (ISO 639-1), or too short to tell. All if there are none.
    pub languages: Vec<String>,
    /// Only items whose title and text have at least so many characters together.
    pub min_length: usize,
    /// Of GitHub only what is about these repositories: `owner/name`. All if there are none.
    pub repos: Vec<String>,
    /// A file whose first line is the secret that Sentry signs its webhooks with.
    pub sentry_secret_file: Option<PathBuf>,
    /// A variable of the environment with that secret.
    pub sentry_secret_env: Option<String>,
    /// A file whose first line is the secret that GitHub signs its webhooks with.
    pub github_secret_file: Option<PathBuf>,
    /// A variable of the environment with that secret.
    pub github_secret_env: Option<String>,
}

/// The projects, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Projects(BTreeMap<Project, Rules>);

/// What a project wants.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    keywords: Vec<String>,
    languages: Vec<Lang>,
    min_length: usize,
    repos: Vec<String>,
    sentry: Option<Secret>,
    github: Option<Secret>,
}

impl Projects {
    /// Of a configuration; reads the secrets.
    ///
    /// # Errors
    /// [`SourceError::Config`]: a setting makes no sense, or a secret can't be read.
    pub fn new(config: &FeedbackConfig) -> Result<Self, SourceError> {
        let mut projects = BTreeMap::new();
        for (name, settings) in &config.projects {
            let wrong = |why: String| SourceError::Config(format!("feedback.projects.{name}: {why}"));
            let project = Project::new(name).map_err(|error| wrong(error.to_string()))?;
            projects.insert(project, Rules::new(settings).map_err(|error| wrong(error.to_string()))?);
        }
        Ok(Self(projects))
    }

    /// The rules of a project.
    #[must_use]
    pub fn get(&self, project: &Project) -> Option<&Rules> {
        self.0.get(project)
    }

    /// The project that is meant when none is named: the only one.
    #[must_use]
    pub fn only(&self) -> Option<&Project> {
        self.0.keys().next().filter(|_| self.0.len() == 1)
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &Project> {
        self.0.keys()
    }
}

impl Rules {
    fn new(config: &ProjectConfig) -> Result<Self, SourceError> {
        for (name, list) in
            [("keywords", &config.keywords), ("languages", &config.languages), ("repos", &config.repos)]
        {
            if list.len() > MAX_ENTRIES || list.iter().any(|entry| entry.trim().is_empty()) {
                return Err(SourceError::Config(format!(
                    "`{name}` has more than {MAX_ENTRIES} entries, or an empty one"
                )));
            }
        }
        let language = |tag: &String| {
            Lang::from_tag(tag)
                .ok_or_else(|| SourceError::Config(format!("`{tag}` is no language, as `en` is")))
        };
        let secret = |name, file: &Option<PathBuf>, env: &Option<String>| {
            SecretFrom { name, file: file.as_ref(), env: env.as_ref() }.read()
        };
        Ok(Self {
            keywords: config.keywords.iter().map(|word| word.trim().to_lowercase()).collect(),
            languages: config.languages.iter().map(language).collect::<Result<_, _>>()?,
            min_length: config.min_length,
            repos: config.repos.iter().map(|repo| repo.trim().to_ascii_lowercase()).collect(),
            sentry: secret("sentry_secret", &config.sentry_secret_file, &config.sentry_secret_env)?,
            github: secret("github_secret", &config.github_secret_file, &config.github_secret_env)?,
        })
    }

    /// The secret that a source's webhooks are signed with.
    #[must_use]
    pub const fn secret(&self, source: FeedbackSource) -> Option<&Secret> {
        match source {
            FeedbackSource::Sentry => self.sentry.as_ref(),
            FeedbackSource::Github => self.github.as_ref(),
            FeedbackSource::Reddit | FeedbackSource::Manual => None,
        }
    }

    /// Whether an item is wanted.
    ///
    /// # Errors
    /// It is not: why, for a person to read.
    pub fn wants(&self, record: &Record) -> Result<(), String> {
        if let Some(repo) = record.attrs.get(attr::REPO)
            && !self.repos.is_empty()
            && !self.repos.contains(&repo.to_ascii_lowercase())
        {
            return Err(format!("the project does not follow the repository {repo}"));
        }
        let length = record.title.chars().count() + record.text.chars().count();
        if length < self.min_length {
            return Err(format!("{length} characters are fewer than {}", self.min_length));
        }
        if !self.keywords.is_empty() {
            let said = format!("{}\n{}", record.title, record.text).to_lowercase();
            if !self.keywords.iter().any(|word| said.contains(word)) {
                return Err("none of the project's keywords stands in it".into());
            }
        }
        if !self.languages.is_empty() {
            let told = record.langs.first().and_then(|tag| Lang::from_tag(tag));
            let lang = told.or_else(|| Lang::of_text(&format!("{} {}", record.title, record.text)));
            if let Some(lang) = lang.filter(|lang| !self.languages.contains(lang)) {
                return Err(format!("its language is `{lang}`"));
            }
        }
        Ok(())
    }
}
