//! The settings of a `git` source.

use crate::{SourceError, files::defaults::max_file_bytes, place};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, path::PathBuf};

/// Gardens in git repositories, cloned and polled. A note's time and author are those of the last commit that
/// changed it, along first parents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GitConfig {
    /// The gardens.
    #[serde(default)]
    pub gardens: Vec<GardenConfig>,
    /// An Agora's `sources.yaml` (or `gardens.yaml`) that lists more of them; read again at each poll.
    #[serde(default)]
    pub sources_yaml: Option<PathBuf>,
    /// How often each garden is asked for news, give or take a tenth. 0 is only on demand.
    #[serde(default = "defaults::poll_secs")]
    pub poll_secs: u64,
    /// How many are fetched at a time.
    #[serde(default = "defaults::parallel")]
    pub parallel: usize,
    /// A fetch that takes longer is given up until the next poll.
    #[serde(default = "defaults::fetch_timeout_secs")]
    pub fetch_timeout_secs: u64,
    /// The same for the first fetch of a garden.
    #[serde(default = "defaults::clone_timeout_secs")]
    pub clone_timeout_secs: u64,
    /// A garden whose clone grows larger than this is given up.
    #[serde(default = "defaults::max_clone_bytes")]
    pub max_clone_bytes: u64,
    /// Larger files are quarantined.
    #[serde(default = "max_file_bytes")]
    pub max_file_bytes: u64,
    /// A garden with more files than this is given up.
    #[serde(default = "defaults::max_files")]
    pub max_files: usize,
    /// Allow local paths, bundles and `file://`.
    #[serde(default)]
    pub allow_file: bool,
    /// Allow `ssh://` and `user@host:path`, with the keys of the user that runs the process.
    #[serde(default)]
    pub allow_ssh: bool,
    /// Allow `http://` and `git://`, which anyone on the way can read and change.
    #[serde(default)]
    pub allow_insecure: bool,
}

/// One garden.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GardenConfig {
    /// What it is in the Agora: `garden/<user>`, `stoa/<name>` or `stream/<user>`.
    pub target: String,
    /// Where it is: `https://…`, or what the `allow_…` settings permit.
    pub url: String,
    /// Which branch; the repository's default without.
    #[serde(default)]
    pub branch: Option<String>,
    /// Only what lies in these folders of the repository. Paths keep the folder.
    #[serde(default)]
    pub path_prefixes: Vec<String>,
}

mod defaults {
    pub(super) const fn poll_secs() -> u64 {
        300
    }
    pub(super) const fn parallel() -> usize {
        6
    }
    pub(super) const fn fetch_timeout_secs() -> u64 {
        60
    }
    pub(super) const fn clone_timeout_secs() -> u64 {
        900
    }
    pub(super) const fn max_clone_bytes() -> u64 {
        4 * 1024 * 1024 * 1024
    }
    pub(super) const fn max_files() -> usize {
        500_000
    }
}

impl GardenConfig {
    /// A garden that can't be fetched: one that is only there to be deleted.
    pub(crate) fn nowhere() -> Self {
        let url = "https://invalid.".to_owned();
        Self { target: String::new(), url, branch: None, path_prefixes: Vec::new() }
    }
}

impl Default for GitConfig {
    fn default() -> Self {
        Self {
            gardens: Vec::new(),
            sources_yaml: None,
            poll_secs: defaults::poll_secs(),
            parallel: defaults::parallel(),
            fetch_timeout_secs: defaults::fetch_timeout_secs(),
            clone_timeout_secs: defaults::clone_timeout_secs(),
            max_clone_bytes: defaults::max_clone_bytes(),
            max_file_bytes: max_file_bytes(),
            max_files: defaults::max_files(),
            allow_file: false,
            allow_ssh: false,
            allow_insecure: false,
        }
    }
}

impl GitConfig {
    /// Says what makes no sense.
    pub(crate) fn check(&self) -> Result<(), SourceError> {
        if self.gardens.is_empty() && self.sources_yaml.is_none() {
            return Err(SourceError::Config(
                "`gardens` or `sources_yaml` must name at least one garden".into(),
            ));
        }
        if self.parallel == 0 {
            return Err(SourceError::Config("`parallel` must be at least 1".into()));
        }
        let mut seen = BTreeSet::new();
        for garden in &self.gardens {
            let at = |reason: String| SourceError::Config(format!("garden `{}`: {reason}", garden.target));
            self.check_garden(garden).map_err(at)?;
            if !seen.insert(&garden.target) {
                return Err(at("listed twice".into()));
            }
        }
        Ok(())
    }

    /// Says what makes no sense in a garden.
    pub(crate) fn check_garden(&self, garden: &GardenConfig) -> Result<(), String> {
        if place::of_target(&garden.target).is_none() {
            return Err("the target must be `garden/<name>`, `stoa/<name>` or `stream/<name>`".into());
        }
        Transport::of(&garden.url)?.check(self)?;
        if let Some(branch) = &garden.branch {
            let odd = |c: char| c.is_whitespace() || c.is_control() || "~^:?*[\\".contains(c);
            if branch.is_empty()
                || branch.starts_with(['-', '/'])
                || branch.contains("..")
                || branch.contains(odd)
            {
                return Err(format!("`{branch}` is no branch name"));
            }
        }
        for prefix in &garden.path_prefixes {
            if prefix.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
                return Err(format!(
                    "the prefix `{prefix}` must be a folder path such as `docs` or `docs/en`"
                ));
            }
        }
        Ok(())
    }
}

/// How a repository is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Https,
    Ssh,
    File,
    Http,
    Git,
}

impl Transport {
    /// As git itself would read the URL, for what we let it read.
    pub(crate) fn of(url: &str) -> Result<Self, String> {
        if url.is_empty() || url.starts_with('-') || url.chars().any(char::is_control) {
            return Err("the URL is empty, starts with `-` or has control characters in it".into());
        }
        // `ext::sh -c …` and other remote helpers: git runs whatever stands there.
        if url.split('/').next().is_some_and(|first| first.contains("::")) {
            return Err("the URL names a remote helper".into());
        }
        match url.split_once("://") {
            Some(("https", _)) => Ok(Self::Https),
            Some(("ssh", rest)) if !rest.starts_with('-') => Ok(Self::Ssh),
            Some(("file", _)) => Ok(Self::File),
            Some(("http", _)) => Ok(Self::Http),
            Some(("git", _)) => Ok(Self::Git),
            Some((scheme, _)) => Err(format!("`{scheme}://` is not supported")),
            // As git tells them apart: a colon before the first slash makes it `host:path`.
            None => match (url.find(':'), url.find('/')) {
                (Some(colon), slash) if slash.is_none_or(|slash| colon < slash) => Ok(Self::Ssh),
                _ => Ok(Self::File),
            },
        }
    }

    fn check(self, config: &GitConfig) -> Result<(), String> {
        let (allowed, what, setting) = match self {
            Self::Https => (true, "", ""),
            Self::Ssh => (config.allow_ssh, "a repository over SSH", "allow_ssh"),
            Self::File => (config.allow_file, "a repository on this machine", "allow_file"),
            Self::Http | Self::Git => (config.allow_insecure, "an unencrypted URL", "allow_insecure"),
        };
        if allowed { Ok(()) } else { Err(format!("{what} needs `{setting} = true` in the source")) }
    }

    /// What git calls it in `protocol.<name>.allow`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Ssh => "ssh",
            Self::File => "file",
            Self::Http => "http",
            Self::Git => "git",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_transports_apart() {
        for (url, want) in [
            ("https://example.org/x.git", Ok(Transport::Https)),
            ("git@example.org:x.git", Ok(Transport::Ssh)),
            ("ssh://git@example.org/x.git", Ok(Transport::Ssh)),
            ("/srv/x.git", Ok(Transport::File)),
            ("./a:b", Ok(Transport::File)),
            ("x.bundle", Ok(Transport::File)),
            ("file:///srv/x.git", Ok(Transport::File)),
            ("git://127.0.0.1/x", Ok(Transport::Git)),
        ] {
            assert_eq!(Transport::of(url), want, "{url}");
        }
        for url in [
            "",
            "--upload-pack=x",
            "ext::sh -c id",
            "ext::https://x",
            "ftp://x",
            "ssh://-oProxyCommand=x",
            "a\nb",
        ] {
            assert!(Transport::of(url).is_err(), "{url}");
        }
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        let garden = |target: &str, url: &str| GardenConfig {
            target: target.into(),
            url: url.into(),
            branch: None,
            path_prefixes: Vec::new(),
        };
        let config = |gardens: Vec<GardenConfig>| GitConfig { gardens, ..GitConfig::default() };
        assert!(config(vec![]).check().is_err());
        assert!(config(vec![garden("garden/x", "https://e.org/x")]).check().is_ok());
        for bad in [
            garden("garden/../x", "https://e.org/x"),
            garden("garden/", "https://e.org/x"),
            garden("x", "https://e.org/x"),
            garden("garden/x", "/tmp/x"),
            garden("garden/x", "http://e.org/x"),
            garden("garden/x", "e.org:x"),
            GardenConfig { branch: Some("-x".into()), ..garden("garden/x", "https://e.org/x") },
            GardenConfig { path_prefixes: vec!["../x".into()], ..garden("garden/x", "https://e.org/x") },
        ] {
            assert!(config(vec![bad.clone()]).check().is_err(), "{bad:?}");
        }
        let twice = vec![garden("garden/x", "https://e.org/x"), garden("garden/x", "https://e.org/y")];
        assert!(config(twice).check().unwrap_err().to_string().contains("twice"));
    }
}
