//! What a dataset consists of, and how far it reaches.

use super::Form;
use crate::follow::Progress;
use serde::{Deserialize, Serialize};
use springline_model::{Epoch, Timestamp};
use std::collections::BTreeMap;

/// The format that this program writes and reads.
pub(super) const VERSION: u32 = 1;

/// `manifest.json`: the files that count, and what they are complete as of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetManifest {
    /// Of this format.
    pub version: u32,
    /// Who wrote it.
    pub generator: String,
    /// The sink's name in the configuration.
    pub sink: String,
    /// The view.
    pub view: String,
    /// What the rows are.
    pub form: Form,
    /// Its number: each manifest has one more than the one before.
    pub generation: u64,
    /// The epoch that the dataset is complete as of: the last one that changed the view.
    pub epoch: Epoch,
    /// When that epoch was sealed, milliseconds since 1970.
    pub clock: Timestamp,
    /// [`Self::clock`] for people.
    pub as_of: String,
    /// Whether all rows are there. Not while the dataset is being filled.
    pub complete: bool,
    /// How far the sink has got with the view's log.
    pub progress: Option<Progress>,
    /// Of events: what they were read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<JournalProgress>,
    /// By name.
    pub tables: BTreeMap<String, DatasetTable>,
    /// Files that count no longer, and when they go.
    pub replaced: Vec<Replaced>,
}

/// How far the journal was read: by the name of each log that it is made of.
pub type JournalProgress = BTreeMap<String, LogProgress>;

/// How far a log was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogProgress {
    /// Where its events begin here: an epoch, or an offset. What came before was not kept any more.
    pub begins: u64,
    /// How far it was read, in the words of whoever reads it.
    pub at: String,
    /// When the last of that was, milliseconds since 1970.
    pub clock: Timestamp,
}

/// One table of a dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetTable {
    /// Rows in its files.
    pub rows: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// Names and types of its columns.
    pub columns: Vec<String>,
    /// In order: a changelog's by time, a snapshot's by key.
    pub files: Vec<DataFile>,
}

/// A file of a dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// Its path under the manifest's folder.
    pub path: String,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// Changelog: the UTC date of its changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Changelog: the epochs of its first and last change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<(Epoch, Epoch)>,
    /// Changelog: which columns it has. Files that say the same have the same.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub columns: String,
    /// Changelog: how often it was put together from smaller ones.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub level: u8,
    /// Changelog: when the first row went whose `d` it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_since: Option<Timestamp>,
    /// Snapshot: the key of its first row.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "key")]
    pub first_key: Option<Vec<u8>>,
    /// Snapshot: the key of its last row. Files of before it was kept have none.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "key")]
    pub last_key: Option<Vec<u8>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_zero(level: &u8) -> bool {
    *level == 0
}

/// A file that counts no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// Its path under the manifest's folder.
    pub path: String,
    /// When it goes.
    pub until: Timestamp,
}

impl DatasetManifest {
    /// Of a dataset with nothing in it.
    pub(super) fn new(sink: &str, view: &str, form: Form) -> Self {
        Self {
            version: VERSION,
            generator: concat!("springline ", env!("CARGO_PKG_VERSION")).to_owned(),
            sink: sink.to_owned(),
            view: view.to_owned(),
            form,
            generation: 0,
            epoch: Epoch(0),
            clock: Timestamp(0),
            as_of: Timestamp(0).to_rfc3339(),
            complete: false,
            progress: None,
            journal: None,
            tables: BTreeMap::new(),
            replaced: Vec::new(),
        }
    }

    /// Every file that counts.
    pub fn files(&self) -> impl Iterator<Item = &DataFile> {
        self.tables.values().flat_map(|table| &table.files)
    }
}

impl DatasetTable {
    pub(super) fn count(&mut self) {
        self.rows = self.files.iter().map(|file| file.rows).sum();
        self.bytes = self.files.iter().map(|file| file.bytes).sum();
    }
}

mod key {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    #[expect(clippy::ref_option, reason = "as serde calls it")]
    pub(super) fn serialize<S: Serializer>(key: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        key.as_ref().map(|key| URL_SAFE_NO_PAD.encode(key)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Vec<u8>>, D::Error> {
        let key = Option::<String>::deserialize(d)?;
        key.map(|key| URL_SAFE_NO_PAD.decode(key)).transpose().map_err(D::Error::custom)
    }
}
