//! What a dataset that follows a view can be told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{Secret, View};
use std::{fmt, time::Duration};

/// A dataset of Parquet files that follows a view, or the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParquetSinkConfig {
    /// The view that is written: `feedback`; or `events`: what came in, as the journal has it.
    #[schemars(with = "String")]
    pub view: Subject,
    /// Only these of its tables.
    #[serde(default)]
    pub tables: Vec<String>,
    /// Where to: a folder, or `s3://bucket/prefix`. The dataset is in `view=…` there, so sinks of different views may
    /// share it.
    pub to: String,
    /// `changelog`: a row for each change. `snapshot`: the rows as they are.
    #[serde(default)]
    pub form: Form,
    /// What has changed is in files after this time at the latest, while there is nothing in the way.
    #[serde(default = "five_minutes")]
    pub roll_secs: u32,
    /// Bytes of rows, before they are compressed, from which files are closed sooner. So much is held in memory, and in
    /// the log of the view's changes: keep it well below `changes.hold_bytes`.
    #[serde(default = "mib128")]
    pub roll_bytes: u64,
    /// The size to which small files are put together, and from which large ones are cut.
    #[serde(default = "mib128")]
    pub file_bytes: u64,
    /// How long a changelog may hold a row that was deleted: after this time at the latest no file has any version of it.
    #[serde(default = "day")]
    pub purge_secs: u32,
    /// Days of a changelog that are kept; all, if it is not set.
    #[serde(default)]
    pub retain_days: Option<u32>,
    /// How long files that were replaced stay for those who still read them.
    #[serde(default = "five_minutes")]
    pub grace_secs: u32,
    /// How to reach an object store.
    #[serde(default)]
    pub s3: S3Config,
}

/// What a dataset is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Subject {
    /// What changes in a view.
    View(View),
    /// What came in.
    Events,
}

/// What the journal's events go by, where views go by their names.
const EVENTS: &str = "events";

impl Subject {
    /// As the settings, folders and manifests have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::View(view) => view.name(),
            Self::Events => EVENTS,
        }
    }

    /// The view, if it is one.
    #[must_use]
    pub const fn view(self) -> Option<View> {
        match self {
            Self::View(view) => Some(view),
            Self::Events => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.name().to_owned()
    }
}

impl TryFrom<String> for Subject {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match View::from_name(&name) {
            Some(view) => Ok(Self::View(view)),
            None if name == EVENTS => Ok(Self::Events),
            None => Err(format!("there is no view `{}`", name.chars().take(64).collect::<String>())),
        }
    }
}

/// What the rows of a dataset are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Changes.
    #[default]
    Changelog,
    /// The view's rows.
    Snapshot,
}

/// An object store that speaks S3's protocol. What is not set is taken from the usual variables, `AWS_ACCESS_KEY_ID` and
/// so on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct S3Config {
    /// Its URL; Amazon's, if it is not set. `http://` is allowed.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// Who writes.
    pub access_key_id: Option<String>,
    /// The key's secret.
    #[schemars(with = "Option<String>")]
    pub secret_access_key: Option<Secret>,
    /// Whether the bucket is a part of the host's name (`bucket.s3.example.org`) and not of the path.
    pub virtual_hosted: bool,
}

const fn five_minutes() -> u32 {
    300
}

const fn day() -> u32 {
    86_400
}

const fn mib128() -> u64 {
    128 << 20
}

impl ParquetSinkConfig {
    /// What is wrong with it, if something is.
    pub(super) fn check(&self) -> Result<(), String> {
        let sizes = [("roll_bytes", self.roll_bytes), ("file_bytes", self.file_bytes)];
        if let Some((name, _)) = sizes.iter().find(|(_, bytes)| !(1 << 10..=1 << 30).contains(bytes)) {
            return Err(format!("`{name}` has to be between 1024 and 1073741824"));
        }
        if self.to.is_empty() || self.to == "s3://" {
            return Err("`to` has to be a folder or `s3://bucket/prefix`".into());
        }
        if self.form == Form::Changelog && self.grace_secs > self.purge_secs / 4 {
            return Err("`grace_secs` may be a quarter of `purge_secs` at most".into());
        }
        if self.form == Form::Snapshot && self.retain_days.is_some() {
            return Err("`retain_days` is for changelogs: a snapshot has the rows as they are".into());
        }
        if self.view == Subject::Events && self.form == Form::Snapshot {
            return Err("events happen once: their form is `changelog`".into());
        }
        if self.view == Subject::Events && self.tables.iter().any(|table| table != EVENTS) {
            return Err("the table of `events` is `events`".into());
        }
        Ok(())
    }

    pub(super) fn roll(&self) -> Duration {
        Duration::from_secs(self.roll_secs.into())
    }
}
