//! The ledger's rows: the current state of every record.

use super::{Row, get, put};
use crate::{
    AccountStatus, Quarantined, Record, Rev, SourceId, Table, Uri,
    key::{DecodeError, KeyReader, KeyWriter},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// `records`: one record's newest version, whether visible or not. Key: its URI, so that an authority's records
/// lie side by side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecordRow {
    /// The newest version's number.
    pub rev: Rev,
    /// Who told.
    pub source: SourceId,
    /// Its state.
    pub record: Arc<Record>,
}

impl Row for RecordRow {
    const TABLE: Table = Table::Records;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.record.uri.as_str());
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(self, value);
    }

    fn decode(_key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        get(Self::TABLE, value)
    }
}

/// `accounts`: an authority that is not simply visible. Key: the authority.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AccountRow {
    /// As [`Uri::authority`] gives it.
    pub authority: Uri,
    /// The version of the status.
    pub rev: Rev,
    /// Whether what it owns is visible.
    pub status: AccountStatus,
}

impl Row for AccountRow {
    const TABLE: Table = Table::Accounts;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.authority.as_str());
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&(self.rev, self.status), value);
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let (rev, status) = get(Self::TABLE, value)?;
        Ok(Self { authority: KeyReader::new(key).text()?.into(), rev, status })
    }
}

/// `quarantine`: input that could not be taken. Key: the URI it would have had.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct QuarantineRow(pub Quarantined);

impl Row for QuarantineRow {
    const TABLE: Table = Table::Quarantine;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.0.uri.as_str());
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&self.0, value);
    }

    fn decode(_key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        get(Self::TABLE, value).map(Self)
    }
}
