//! A line of a Jetstream: one change of one record, or news of an account, in JSON.
//!
//! Version 1 is `{did, time_us, kind, commit | identity | account}`, its cursor the time. Version 2 (the lexicon
//! `network.bsky.jetstream.subscribeEvents`) has an envelope with a `payload`, whose `$type` tells the kind and whose
//! `seq` is the cursor. Fields and kinds that are not known are passed over.
//!
//! A Jetstream has looked at signatures and trees itself, and leaves them out: what it says is believed.

use super::{
    json,
    reader::{Change, Origin, Reader, check},
    syntax::{Did, Tid, datetime::micros_of},
};
use ipld_core::ipld::Ipld;
use serde::Deserialize;
use springline_model::{EventBody, Hosting, Rev, Uri};
use std::borrow::Cow;

/// The longest line.
pub const MAX_LINE_BYTES: usize = 8 * 1024 * 1024;

/// The longest line whose record can be of a million bytes: JSON is longer than CBOR, but not by that much.
const MAX_RECORD_LINE_BYTES: usize = 4_000_000;

/// What a line says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Where it stands in the stream: microseconds (version 1) or a number (version 2).
    pub cursor: Option<u64>,
    /// When it was witnessed, in microseconds.
    pub micros: Option<u64>,
    /// What happened; may be nothing.
    pub events: Vec<EventBody>,
    /// Whose identity has to be looked up again.
    pub identity: Option<Did>,
    /// An advice of the server: a name and a message.
    pub info: Option<(String, String)>,
}

/// Why a line says nothing.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It is too long.
    #[error("a line of {0} bytes; the most is {MAX_LINE_BYTES}")]
    TooLong(usize),
    /// It is no JSON, or not of the shape.
    #[error("not a line of a Jetstream: {0}")]
    Json(#[from] serde_json::Error),
    /// A field makes no sense.
    #[error("{0}")]
    Field(String),
    /// It is the server's last word.
    #[error("the server says: {0}")]
    Server(String),
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, rename = "$type")]
    type_: Option<Cow<'a, str>>,
    #[serde(borrow)]
    payload: Option<Box<Wire<'a>>>,
    #[serde(borrow)]
    did: Option<Cow<'a, str>>,
    time_us: Option<u64>,
    seq: Option<u64>,
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    commit: Option<Commit<'a>>,
    #[serde(borrow)]
    account: Option<Account<'a>>,
    // A commit of version 2, which lies in the payload itself. (`flatten` would copy all of it first.)
    #[serde(borrow)]
    rev: Option<Cow<'a, str>>,
    #[serde(borrow)]
    operation: Option<Cow<'a, str>>,
    #[serde(borrow)]
    collection: Option<Cow<'a, str>>,
    #[serde(borrow)]
    rkey: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "value")]
    record: Option<Ipld>,
    #[serde(borrow)]
    cid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Commit<'a> {
    #[serde(borrow)]
    rev: Option<Cow<'a, str>>,
    #[serde(borrow)]
    operation: Option<Cow<'a, str>>,
    #[serde(borrow)]
    collection: Option<Cow<'a, str>>,
    #[serde(borrow)]
    rkey: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "value")]
    record: Option<Ipld>,
    #[serde(borrow)]
    cid: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Account<'a> {
    #[serde(default)]
    active: bool,
    #[serde(borrow)]
    status: Option<Cow<'a, str>>,
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
}

fn value<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Ipld>, D::Error> {
    json::from_json(deserializer).map(|value| (value != Ipld::Null).then_some(value))
}

/// Reads a line.
///
/// # Errors
/// It makes no sense. What is wrong with a record is not an error: it is quarantined.
pub fn read(line: &[u8], reader: &Reader, place: &dyn std::fmt::Display) -> Result<Line, LineError> {
    if line.len() > MAX_LINE_BYTES {
        return Err(LineError::TooLong(line.len()));
    }
    let wire: Wire<'_> = serde_json::from_slice(line)?;
    if let Some(error) = wire.error {
        return Err(LineError::Server(format!("{error} {}", wire.message.unwrap_or_default())));
    }
    let wire = match wire.payload {
        Some(payload) => *payload,
        None => wire,
    };
    let Wire { type_, did, time_us, seq, time, kind, commit, account, name, message, .. } = wire;
    let Wire { rev, operation, collection, rkey, record, cid, .. } = wire;
    let of_type = type_.as_deref().and_then(|type_| type_.rsplit_once('#')).map(|(_, kind)| kind);
    let kind = kind.as_deref().or(of_type).unwrap_or_default();
    let micros = time_us.or_else(|| time.as_deref().and_then(micros_of));
    let mut said = Line { cursor: seq.or(time_us), micros, ..Line::default() };
    if kind == "info" {
        said.info = Some((name.unwrap_or_default().into_owned(), message.unwrap_or_default().into_owned()));
        return Ok(said);
    }
    let did = did.ok_or_else(|| LineError::Field("there is no `did`".into()))?;
    let did = Did::new(&did).map_err(|error| LineError::Field(error.to_string()))?;
    let origin = Origin { place, bytes: line };
    match kind {
        "commit" => {
            let commit = commit.unwrap_or(Commit { rev, operation, collection, rkey, record, cid });
            read_commit(&did, &commit, reader, origin, &mut said.events)?;
        }
        "identity" => said.identity = Some(did),
        "account" => {
            let account = account.ok_or_else(|| LineError::Field("there is no `account`".into()))?;
            // The upstream's own time orders an account's news, also between Jetstreams.
            let at = account.time.as_deref().and_then(micros_of).or(micros).unwrap_or(0);
            said.events.push(hosting(&did, account.active, account.status.as_deref(), at));
        }
        // Its repository has to be fetched again; whoever follows it by commits can't know what is missing.
        "sync" => said.events.push(announced(&did, micros.unwrap_or(0))),
        _ => {}
    }
    Ok(said)
}

fn read_commit(
    did: &Did,
    commit: &Commit<'_>,
    reader: &Reader,
    origin: Origin<'_>,
    out: &mut Vec<EventBody>,
) -> Result<(), LineError> {
    let missing = |name: &str| LineError::Field(format!("a commit without `{name}`"));
    let collection = commit.collection.as_deref().ok_or_else(|| missing("collection"))?;
    let rkey = commit.rkey.as_deref().ok_or_else(|| missing("rkey"))?;
    let rev = commit.rev.as_deref().ok_or_else(|| missing("rev"))?;
    let rev: Tid = rev.parse().map_err(|error| LineError::Field(format!("`rev`: {error}")))?;
    if !reader.wants(did, collection) {
        return Ok(());
    }
    let change = Change { did, collection, rkey, cid: commit.cid.as_deref(), rev };
    let uri = || Uri::at_record(did, collection, rkey);
    match commit.operation.as_deref() {
        Some("create" | "update") => {
            let value = commit.record.as_ref().ok_or_else(|| missing("record"))?;
            let checked = match origin.bytes.len() {
                bytes if bytes > MAX_RECORD_LINE_BYTES => {
                    Err(format!("{bytes} bytes are too many for a record"))
                }
                _ => check(&change, Some(value)),
            };
            match checked {
                Ok(()) => reader.put(&change, value, false, origin, out),
                Err(reason) => out.push(reader.refuse(uri(), reason, origin)),
            }
        }
        Some("delete") => match check(&change, None) {
            Ok(()) => reader.delete(&change, out),
            Err(reason) => out.push(reader.refuse(uri(), reason, origin)),
        },
        Some(other) => return Err(LineError::Field(format!("an operation that is not known: {other}"))),
        None => return Err(missing("operation")),
    }
    Ok(())
}

/// What a host says of an account.
fn hosting(did: &Did, active: bool, status: Option<&str>, micros: u64) -> EventBody {
    let authority = Uri::repository(did);
    EventBody::Hosting { rev: Rev(micros), authority, status: Hosting::of(active, status) }
}

/// A repository that has to be fetched again, of which no root is told.
fn announced(did: &Did, micros: u64) -> EventBody {
    let news = springline_model::RepoNews::Announced;
    let rev = Rev(Tid::new(micros, 0).to_u64());
    EventBody::Repo { authority: Uri::repository(did), rev, data: [0; 32], news }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atproto::reader::{RecordsConfig, Validation};
    use springline_model::SourceId;

    fn reader(validation: Validation) -> Reader {
        Reader::new(SourceId::new("jetstream"), RecordsConfig { validation, ..RecordsConfig::default() })
    }

    fn like(version: u8, record: &str) -> String {
        let commit = format!(
            r#""rev":"3mmoojp7vgo2g","operation":"create","collection":"app.bsky.feed.like","rkey":"3mmoojp7etg2g","record":{record},"cid":"bafyreidqpc7si3dbimffi64lz3xsx2qt45ip7rpna2qpslcddp23itjjzm""#
        );
        match version {
            1 => format!(
                r#"{{"did":"did:plc:a","time_us":1779719009132431,"kind":"commit","commit":{{{commit}}}}}"#
            ),
            _ => format!(
                r#"{{"$type":"message","payload":{{"$type":"network.bsky.jetstream.subscribeEvents#commit","seq":77,"did":"did:plc:a","time":"2026-05-25T14:23:29.132431Z",{commit}}}}}"#
            ),
        }
    }

    const SUBJECT: &str = r#"{"$type":"app.bsky.feed.like","createdAt":"2026-05-25T14:23:28.778Z","subject":{"uri":"at://did:plc:b/app.bsky.feed.post/3mmoodizfwc2j","cid":"bafyreiaxf7tgbfydx3465sckitq6v564thxe2wwydbi7cwxbxvgssje3em"}}"#;

    #[test]
    fn reads_both_versions_as_one() {
        let reader = reader(Validation::Reject);
        let one = read(like(1, SUBJECT).as_bytes(), &reader, &"x").unwrap();
        let two = read(like(2, SUBJECT).as_bytes(), &reader, &"x").unwrap();
        assert_eq!((one.cursor, two.cursor), (Some(1_779_719_009_132_431), Some(77)));
        assert_eq!((one.micros, &one.events), (two.micros, &two.events));
        let [EventBody::Put { record, .. }] = &one.events[..] else { panic!("{:?}", one.events) };
        assert_eq!(record.links[0].target.as_str(), "at://did:plc:b/app.bsky.feed.post/3mmoodizfwc2j");
    }

    #[test]
    fn what_is_wrong_with_a_record_is_told_of_the_record() {
        let bad = r#"{"$type":"app.bsky.feed.like","createdAt":"2026-05-25T14:23:28.778Z"}"#;
        let read = |validation, record: &str| {
            read(like(1, record).as_bytes(), &reader(validation), &"x:7").unwrap().events
        };
        let rejected = read(Validation::Reject, bad);
        let [EventBody::Delete { .. }, EventBody::Quarantine(row)] = &rejected[..] else {
            panic!("{rejected:?}")
        };
        assert!(row.reason.contains("subject") && row.origin == "x:7", "{row:?}");
        let flagged = read(Validation::Flag, bad);
        let [EventBody::Put { record, .. }] = &flagged[..] else { panic!("{flagged:?}") };
        assert!(record.attrs["invalid"].contains("subject"));
        let [EventBody::Put { record, .. }] = &read(Validation::Off, bad)[..] else { panic!() };
        assert!(!record.attrs.contains_key("invalid"));
    }

    #[test]
    fn accounts_identities_and_nonsense() {
        let reader = reader(Validation::Off);
        let read = |line: &str| read(line.as_bytes(), &reader, &"x");
        let line = r#"{"did":"did:plc:a","time_us":5,"kind":"account","account":{"active":false,"did":"did:plc:a","seq":1,"status":"takendown","time":"2026-05-25T14:23:28.778Z"}}"#;
        let [EventBody::Hosting { status, .. }] = read(line).unwrap().events[..] else { panic!() };
        assert_eq!(status, Hosting::Takendown);
        let line = r#"{"did":"did:plc:a","time_us":5,"kind":"identity","identity":{"did":"did:plc:a","handle":"liar.example"}}"#;
        let said = read(line).unwrap();
        assert!(said.events.is_empty() && said.identity.is_some());
        assert_eq!(read(r#"{"did":"did:plc:a","time_us":5,"kind":"news"}"#).unwrap().cursor, Some(5));
        let info = r#"{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#info","name":"OutdatedCursor"}}"#;
        assert_eq!(read(info).unwrap().info.unwrap().0, "OutdatedCursor");
        for line in [
            "",
            "{",
            "[]",
            "null",
            r#"{"kind":"commit"}"#,
            r#"{"did":"x","kind":"commit"}"#,
            r#"{"did":"did:plc:a","kind":"commit","commit":{"rev":"zz"}}"#,
            r#"{"error":"ConsumerTooSlow"}"#,
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
