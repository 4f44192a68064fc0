//! How far a sink has got, as it keeps it.

use crate::views::At;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use springline_model::{Epoch, Table};

/// How far a sink has got with a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub struct Progress {
    /// The name of the log.
    pub log: u64,
    /// It has had all changes up to here.
    pub at: At,
    /// If it has not had all rows yet: up to where.
    pub horizon: Option<Horizon>,
}

/// A place in the rows of a view's tables, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// All rows of the tables before this one lie before it.
    pub table: Table,
    /// Rows of the table up to this key lie before it; without one, none.
    pub key: Option<Vec<u8>>,
}

impl Horizon {
    /// Whether a row lies before it.
    #[must_use]
    pub fn covers(&self, table: Table, key: &[u8]) -> bool {
        table < self.table || table == self.table && self.key.as_deref().is_some_and(|last| key <= last)
    }
}

/// As JSON: `{"log":"00000000000000f0","epoch":57,"n":3}`, and `table` and `key` of a horizon.
#[derive(Serialize, Deserialize)]
struct Stored {
    log: String,
    epoch: u64,
    n: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    table: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl From<Progress> for Stored {
    fn from(Progress { log, at, horizon }: Progress) -> Self {
        Self {
            log: format!("{log:016x}"),
            epoch: at.epoch.0,
            n: at.n,
            table: horizon.as_ref().map(|horizon| horizon.table.name().to_owned()),
            key: horizon.and_then(|horizon| horizon.key).map(|key| URL_SAFE_NO_PAD.encode(key)),
        }
    }
}

impl TryFrom<Stored> for Progress {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let horizon = match &stored.table {
            None => None,
            Some(name) => {
                let table = Table::ALL.iter().copied().find(|table| table.name() == name);
                let key = stored.key.map(|key| URL_SAFE_NO_PAD.decode(key)).transpose();
                Some(Horizon { table: table.ok_or("an unknown table")?, key: key.map_err(|_| "no key")? })
            }
        };
        let log = u64::from_str_radix(&stored.log, 16).map_err(|_| "no log's name")?;
        Ok(Self { log, at: At { epoch: Epoch(stored.epoch), n: stored.n }, horizon })
    }
}
