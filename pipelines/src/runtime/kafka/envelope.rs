//! An event as a message: JSON that others can read, too. docs/log.md describes it, docs/log.schema.json in full.
//!
//! ```text
//!  key      the authority that the event is about: all of one authority are in one partition, in their order
//!  value    {"v":1, "source":"gardens", "observed":1767225600000, "body":{"put":{"rev":…,"record":{…}}}}
//!  headers  version, source, observed; partition and position of the source on the last event that they cover
//! ```
//!
//! Why JSON: it is faster than it has to be (the figures are in docs/log.md), it can be looked at with any tool, and the
//! brokers' compression takes most of what it is longer.
//!
//! Versions: fields that are new and may be left out don't change the version; a reader passes over what it does not
//! know. What an older reader would misread gets the next version, and a reader quarantines versions that it does not
//! know, rather than guess.

use serde::{Deserialize, Serialize};
use springline_model::{Event, EventBody, SourceId, Timestamp, uri::MAX_URI_BYTES};

/// The version that is written, and the newest that is read.
pub(crate) const VERSION: u32 = 1;

/// Why a message can't be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// It has no value: nothing is ever deleted from the log by its key.
    #[error("it has no value")]
    Empty,
    /// It is larger than is taken.
    #[error("it has {bytes} bytes, more than {most}")]
    TooLarge { bytes: usize, most: usize },
    /// It was written by a newer program.
    #[error("it has version {0}; this program reads up to {VERSION}")]
    Version(u32),
    /// It is not what docs/log.md says.
    #[error("it is no event: {0}")]
    Malformed(String),
}

#[derive(Serialize)]
struct Sent<'a> {
    v: u32,
    source: &'a SourceId,
    observed: Timestamp,
    body: &'a EventBody,
}

#[derive(Deserialize)]
struct Received {
    v: u32,
    source: SourceId,
    observed: Timestamp,
    body: EventBody,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

/// The value for an event.
///
/// # Errors
/// Never for what the model can hold; a map with keys that are no text would be such a thing.
pub(crate) fn encode(event: &Event) -> Result<Vec<u8>, serde_json::Error> {
    let Event { source, observed, body } = event;
    serde_json::to_vec(&Sent { v: VERSION, source, observed: *observed, body })
}

/// The event of a value.
///
/// # Errors
/// It can't be taken.
pub(crate) fn decode(value: Option<&[u8]>, most: usize) -> Result<Event, Unreadable> {
    let value = value.ok_or(Unreadable::Empty)?;
    if value.len() > most {
        return Err(Unreadable::TooLarge { bytes: value.len(), most });
    }
    let malformed = |error: serde_json::Error| Unreadable::Malformed(error.to_string());
    let received: Received = serde_json::from_slice(value).map_err(|error| {
        // What a newer program wrote need not make sense to this one: the version is the better reason.
        match serde_json::from_slice::<Version>(value) {
            Ok(Version { v }) if v > VERSION => Unreadable::Version(v),
            _ => malformed(error),
        }
    })?;
    let Received { v, source, observed, body } = received;
    if v > VERSION || v == 0 {
        return Err(Unreadable::Version(v));
    }
    if body.authority().len() > MAX_URI_BYTES {
        return Err(Unreadable::Malformed(format!("its authority has more than {MAX_URI_BYTES} bytes")));
    }
    Ok(Event { source, observed, body })
}

#[cfg(test)]
mod tests;
