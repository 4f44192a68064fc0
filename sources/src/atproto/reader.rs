//! What every way into the network shares: from what a repository says to events.

use super::{
    data,
    lexicon::{Lexicons, Reason, Verdict},
    record::{self, Bridges, Place},
    syntax::{Did, Nsid, RecordKey, Tid},
};
use ipld_core::ipld::Ipld;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    EventBody, Quarantined, Rev, SourceId, Timestamp, Uri,
    event::QUARANTINE_SAMPLE_BYTES,
    record::{attr, is_kind},
};
use std::{collections::BTreeSet, sync::Arc};

/// What to do with a record that is not as its lexicon wants it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Validation {
    /// It is quarantined, and what stood at its place is gone.
    Reject,
    /// It is taken; `attrs.invalid` says why.
    #[default]
    Flag,
    /// Nobody looks.
    Off,
}

/// How records are read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecordsConfig {
    /// What to do with records that are not as their lexicon wants them.
    pub validation: Validation,
    /// Only records of these kinds; `app.bsky.feed.*` is all that begin so. All if empty.
    pub collections: BTreeSet<String>,
    /// Only of these accounts. All if empty.
    pub dids: BTreeSet<String>,
    /// What joins these records with gardens.
    pub bridges: Bridges,
}

/// Reads records by a configuration. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader {
    source: SourceId,
    config: Arc<RecordsConfig>,
    lexicons: Option<Arc<Lexicons>>,
}

/// A change of a record, as a repository tells it.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// Whose.
    pub did: &'a str,
    /// Of which kind.
    pub collection: &'a str,
    /// Its key.
    pub rkey: &'a str,
    /// Its version's address.
    pub cid: Option<&'a str>,
    /// The repository's version.
    pub rev: Tid,
}

/// Where a piece of input came from, should it have to be quarantined.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// In words: a host and a number, a file and a line.
    pub place: &'a dyn std::fmt::Display,
    /// Its bytes.
    pub bytes: &'a [u8],
}

impl Reader {
    /// Of a source.
    #[must_use]
    pub fn new(source: SourceId, config: RecordsConfig) -> Self {
        let lexicons = (config.validation != Validation::Off).then(Lexicons::official);
        Self { source, config: Arc::new(config), lexicons }
    }

    /// The source.
    #[must_use]
    pub const fn source(&self) -> &SourceId {
        &self.source
    }

    /// Whether records of a kind and an account are wanted.
    #[must_use]
    pub fn wants(&self, did: &str, collection: &str) -> bool {
        let RecordsConfig { collections, dids, .. } = &*self.config;
        let is_of = |pattern: &String| is_kind(pattern, collection);
        (dids.is_empty() || dids.contains(did)) && (collections.is_empty() || collections.iter().any(is_of))
    }

    /// Whether every record of an account comes out of here, so that the ledger has them all.
    #[must_use]
    pub fn takes_all(&self) -> bool {
        let RecordsConfig { validation, collections, dids, .. } = &*self.config;
        *validation != Validation::Reject && collections.is_empty() && dids.is_empty()
    }

    /// A record is now this. `whole` if it comes out of a whole repository.
    pub fn put(
        &self,
        change: &Change<'_>,
        value: &Ipld,
        whole: bool,
        origin: Origin<'_>,
        out: &mut Vec<EventBody>,
    ) {
        let Change { did, collection, rkey, cid, rev } = *change;
        let seen = Timestamp(i64::try_from(rev.micros() / 1000).unwrap_or(i64::MAX));
        let place = Place { did, collection, rkey, cid, seen };
        let rev = Rev(rev.to_u64());
        let invalid = self.invalid(collection, value);
        if let Some(reason) = &invalid
            && self.config.validation == Validation::Reject
        {
            let uri = place.uri();
            out.push(if whole { EventBody::Missing { rev, uri } } else { EventBody::Delete { rev, uri } });
            out.push(self.refuse(place.uri(), format!("not as its lexicon wants it: {reason}"), origin));
            return;
        }
        let mut record = record::read(&place, value, &self.config.bridges);
        record.attrs.extend(invalid.map(|reason| (attr::INVALID.to_owned(), reason.to_string())));
        let record = Arc::new(record);
        out.push(if whole { EventBody::Fetched { rev, record } } else { EventBody::Put { rev, record } });
    }

    /// A record is gone.
    pub fn delete(&self, change: &Change<'_>, out: &mut Vec<EventBody>) {
        let Change { did, collection, rkey, rev, .. } = *change;
        let uri = Uri::at_record(did, collection, rkey);
        out.push(EventBody::Delete { rev: Rev(rev.to_u64()), uri });
    }

    /// A piece of input can't be taken.
    #[must_use]
    pub fn refuse(&self, uri: Uri, reason: String, origin: Origin<'_>) -> EventBody {
        EventBody::Quarantine(Box::new(Quarantined {
            uri,
            source: self.source.clone(),
            origin: origin.place.to_string(),
            reason,
            at: Timestamp::now(),
            bytes: origin.bytes.len() as u64,
            sample: origin.bytes[..origin.bytes.len().min(QUARANTINE_SAMPLE_BYTES)].to_vec(),
        }))
    }

    fn invalid(&self, collection: &str, value: &Ipld) -> Option<Box<Reason>> {
        match self.lexicons.as_ref()?.validate(collection, value) {
            Verdict::Unknown | Verdict::Valid => None,
            Verdict::Invalid(reason) => {
                let labels = [("source", self.source.to_string()), ("reason", reason.kind.name().to_owned())];
                metrics::counter!("springline_atproto_invalid_records_total", &labels).increment(1);
                Some(reason)
            }
        }
    }
}

/// Why a change can't be taken, if its names or its value are not what they should be.
pub(super) fn check(change: &Change<'_>, value: Option<&Ipld>) -> Result<(), String> {
    let named = |what: &str, error: super::syntax::SyntaxError| format!("the {what} is not one: {error}");
    Did::check(change.did).map_err(|error| named("DID", error))?;
    Nsid::check(change.collection).map_err(|error| named("collection", error))?;
    RecordKey::check(change.rkey).map_err(|error| named("record key", error))?;
    value.map_or(Ok(()), |value| data::check_record(value).map_err(|error| error.to_string()))
}
