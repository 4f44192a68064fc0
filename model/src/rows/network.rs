//! The ledger's rows of what is not a record: repositories, labels, identities, inboxes, gaps.

use super::{AccountRow, Row, get, put};
use crate::{
    AccountStatus, Gap, Hosting, Identity, Label, Rev, SourceId, Table, Timestamp, TreeRoot, Uri,
    key::{DecodeError, KeyReader, KeyWriter},
};
use serde::{Deserialize, Serialize};

/// `repos`: a repository of which anything was ever heard. Key: its authority, `at://<did>/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RepoRow {
    /// `at://<did>/`.
    pub authority: Uri,
    /// The newest version taken: what comes with an older one is stale.
    pub rev: Rev,
    /// The root of the tree at that version, as far as it is known.
    pub data: Option<TreeRoot>,
    /// Whether its host shows it.
    pub hosting: Hosting,
    /// The version of that.
    pub hosting_rev: Rev,
    /// Labels in force that hide the account.
    pub hidden_by: u32,
    /// Labels in force that hide records of it.
    pub hiding: u32,
    /// A version was missed, or never seen: since this one it has to be fetched as a whole.
    pub desynchronized: Option<Rev>,
}

/// Whether what an authority owns may be seen, as far as rows of it are there: neither its operator, nor its host, nor
/// a label on the account hides it.
#[must_use]
pub fn is_authority_visible(account: Option<&AccountRow>, repo: Option<&RepoRow>) -> bool {
    account.is_none_or(|account| account.status == AccountStatus::Active)
        && repo.is_none_or(RepoRow::is_visible)
}

impl RepoRow {
    /// Of a repository of which nothing was heard yet.
    #[must_use]
    pub fn new(authority: Uri) -> Self {
        Self {
            authority,
            rev: Rev(0),
            data: None,
            hosting: Hosting::Active,
            hosting_rev: Rev(0),
            hidden_by: 0,
            hiding: 0,
            desynchronized: None,
        }
    }

    /// Whether what it holds may be seen, as far as the network has a say.
    #[must_use]
    pub const fn is_visible(&self) -> bool {
        self.hosting.is_visible() && self.hidden_by == 0
    }
}

impl Row for RepoRow {
    const TABLE: Table = Table::Repos;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.authority.as_str());
    }

    fn value(&self, value: &mut Vec<u8>) {
        let Self { rev, data, hosting, hosting_rev, hidden_by, hiding, desynchronized, .. } = self;
        put(&(rev, data, hosting, hosting_rev, hidden_by, hiding, desynchronized), value);
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let (rev, data, hosting, hosting_rev, hidden_by, hiding, desynchronized) = get(Self::TABLE, value)?;
        let authority = KeyReader::new(key).text()?.into();
        Ok(Self { authority, rev, data, hosting, hosting_rev, hidden_by, hiding, desynchronized })
    }
}

/// `resyncs`: a repository that has to be fetched again. Key: its authority. All in the key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResyncRow {
    /// `at://<did>/`.
    pub authority: Uri,
}

impl Row for ResyncRow {
    const TABLE: Table = Table::Resyncs;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.authority.as_str());
    }

    fn value(&self, _value: &mut Vec<u8>) {}

    fn decode(key: &[u8], _value: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self { authority: KeyReader::new(key).text()?.into() })
    }
}

/// `labels`: the newest word of a labeler on a subject. Key: (subject, labeler, value, version or nothing).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LabelRow(pub Label);

fn label_key(label: &Label, key: &mut KeyWriter) {
    key.text(label.uri.as_str())
        .text(label.src.as_str())
        .text(&label.val)
        .text(label.cid.as_deref().unwrap_or(""));
}

impl Row for LabelRow {
    const TABLE: Table = Table::Labels;

    fn key(&self, key: &mut KeyWriter) {
        label_key(&self.0, key);
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&self.0, value);
    }

    fn decode(_key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        get(Self::TABLE, value).map(Self)
    }
}

/// `expiries`: a label in force whose time will be up. Key: (when, the label's key).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExpiryRow {
    /// When.
    pub at: Timestamp,
    /// Which.
    pub label: Label,
}

impl Row for ExpiryRow {
    const TABLE: Table = Table::Expiries;

    fn key(&self, key: &mut KeyWriter) {
        key.u64(self.at.0.cast_unsigned() ^ (1 << 63));
        label_key(&self.label, key);
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&(self.at, &self.label), value);
    }

    fn decode(_key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let (at, label) = get(Self::TABLE, value)?;
        Ok(Self { at, label })
    }
}

/// `issued_labels`: a label of our own. Key: its number, from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IssuedRow {
    /// Its number.
    pub seq: u64,
    /// What it says.
    pub label: Label,
}

impl Row for IssuedRow {
    const TABLE: Table = Table::Issued;

    fn key(&self, key: &mut KeyWriter) {
        key.u64(self.seq);
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&(self.seq, &self.label), value);
    }

    fn decode(_key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let (seq, label) = get(Self::TABLE, value)?;
        Ok(Self { seq, label })
    }
}

/// `identities`: who an account is. Key: its DID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IdentityRow(pub Identity);

impl Row for IdentityRow {
    const TABLE: Table = Table::Identities;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.0.did.as_str());
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&self.0, value);
    }

    fn decode(_key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        get(Self::TABLE, value).map(Self)
    }
}

/// `handles`: who goes by a handle. Key: (handle, newest first, DID): a handle that moved is found under its last
/// owner first. All in the key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HandleRow {
    /// `alice.example.com`, lower-case.
    pub handle: String,
    /// When that was found.
    pub at: Timestamp,
    /// Whose it is.
    pub did: Uri,
}

impl Row for HandleRow {
    const TABLE: Table = Table::Handles;

    fn key(&self, key: &mut KeyWriter) {
        key.text(&self.handle).newest(self.at).text(self.did.as_str());
    }

    fn value(&self, _value: &mut Vec<u8>) {}

    fn decode(key: &[u8], _value: &[u8]) -> Result<Self, DecodeError> {
        let mut key = KeyReader::new(key);
        Ok(Self { handle: key.text()?, at: key.newest()?, did: key.text()?.into() })
    }
}

/// `inboxes`: what somebody has said of their notifications. Key: who.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InboxRow {
    /// Who.
    pub actor: Uri,
    /// Up to when they have seen them.
    pub seen: Timestamp,
    /// The version of that.
    pub seen_rev: Rev,
    /// What they do not want to be told for: [`crate::rows::Reason`]'s bits.
    pub muted: u64,
    /// The version of that.
    pub muted_rev: Rev,
}

impl Row for InboxRow {
    const TABLE: Table = Table::Inboxes;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.actor.as_str());
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&(self.seen, self.seen_rev, self.muted, self.muted_rev), value);
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let (seen, seen_rev, muted, muted_rev) = get(Self::TABLE, value)?;
        Ok(Self { actor: KeyReader::new(key).text()?.into(), seen, seen_rev, muted, muted_rev })
    }
}

/// `gaps`: a stretch of an upstream that was never seen. Key: (newest first, source, partition, from).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GapRow {
    /// Whose upstream.
    pub source: SourceId,
    /// What is missing.
    pub gap: Gap,
}

impl Row for GapRow {
    const TABLE: Table = Table::Gaps;

    fn key(&self, key: &mut KeyWriter) {
        let Gap { partition, from, at, .. } = &self.gap;
        key.newest(*at).text(self.source.as_str()).text(partition).text(from);
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&(&self.source, &self.gap), value);
    }

    fn decode(_key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let (source, gap) = get(Self::TABLE, value)?;
        Ok(Self { source, gap })
    }
}

/// `tombs`: a record that was deleted while its repository is being fetched, so that the fetched version, which may
/// be older, does not bring it back; or a feedback item that was deleted, for as long as nobody posts it again. Key: its
/// URI.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TombRow {
    /// Which record.
    pub uri: Uri,
    /// The version of the delete.
    pub rev: Rev,
}

impl Row for TombRow {
    const TABLE: Table = Table::Tombs;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.uri.as_str());
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&self.rev, value);
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self { uri: KeyReader::new(key).text()?.into(), rev: get(Self::TABLE, value)? })
    }
}
