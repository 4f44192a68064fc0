//! A Jetstream, followed.

use super::{
    JetstreamConfig,
    config::Compression,
    follow::{Follow, Upstream},
    intake::{Decoding, Item},
    skip::MILLISECOND,
    socket::{Message, Target},
};
use crate::{
    Source, SourceContext, SourceError,
    atproto::{
        frame::MAX_MESSAGE,
        jetstream::{self, LineError, MAX_LINE_BYTES},
        reader::{Origin, Reader},
        who::Identities,
    },
};
use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use springline_model::{SourceId, Timestamp, Uri};
use std::{
    borrow::Cow,
    collections::HashMap,
    fmt::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};
use zstd::{bulk::Decompressor, dict::DecoderDictionary};

/// Follows a Jetstream.
#[derive(Debug)]
pub struct Jetstream {
    id: SourceId,
    config: JetstreamConfig,
}

impl Jetstream {
    /// Of a configuration.
    ///
    /// # Errors
    /// A setting makes no sense.
    pub fn new(id: SourceId, config: JetstreamConfig) -> Result<Self, SourceError> {
        config.check()?;
        Ok(Self { id, config })
    }
}

#[async_trait]
impl Source for Jetstream {
    fn id(&self) -> &SourceId {
        &self.id
    }

    async fn run(self: Box<Self>, context: SourceContext) -> Result<(), SourceError> {
        let Self { id, config } = *self;
        let given = match &config.compress {
            Compression::Dictionary(path) => {
                let io = |source| SourceError::Io { path: path.clone(), source };
                Some(Arc::new(Dictionary::of(&std::fs::read(path).map_err(io)?).map_err(io)?))
            }
            Compression::Offered(_) => None,
        };
        let reader = Reader::new(id.clone(), config.records.clone());
        let upstream = Arc::new(JetstreamUpstream {
            lines: Lines { reader, identities: context.identities.clone() },
            given,
            fetched: Mutex::default(),
            config: config.clone(),
        });
        Follow { id, hosts: config.hosts, socket: config.socket, upstream }.run(context).await
    }
}

struct JetstreamUpstream {
    config: JetstreamConfig,
    lines: Lines,
    /// The dictionary that was configured.
    given: Option<Arc<Dictionary>>,
    /// Those of the hosts that were asked for theirs.
    fetched: Mutex<HashMap<String, Arc<Dictionary>>>,
}

impl JetstreamUpstream {
    fn dictionary(&self, host: &str) -> Option<Arc<Dictionary>> {
        self.given.clone().or_else(|| self.fetched.lock().get(host).cloned())
    }
}

impl Upstream for JetstreamUpstream {
    fn target(&self, host: &str, cursor: Option<u64>) -> Target {
        let records = &self.config.records;
        let (path, collections, dids) = match self.config.version {
            1 => ("subscribe", "wantedCollections", "wantedDids"),
            _ => ("xrpc/network.bsky.jetstream.subscribeEvents", "collections", "dids"),
        };
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(cursor) = cursor.or(self.config.from) {
            query.append_pair("cursor", &cursor.to_string());
        }
        query.extend_pairs(records.collections.iter().map(|kind| (collections, kind)));
        query.extend_pairs(records.dids.iter().map(|did| (dids, did)));
        if let Some(dictionary) = self.dictionary(host) {
            match self.config.version {
                1 => query.append_pair("compress", "true"),
                _ => query.append_pair("zstdDictionary", &dictionary.id.to_string()),
            };
        }
        let mut url = format!("{}/{path}", host.trim_end_matches('/'));
        let query = query.finish();
        if !query.is_empty() {
            let _ = write!(url, "?{query}");
        }
        let protocol = (self.config.version == 2).then_some("xrpc.v1.json");
        Target { url, max_bytes: MAX_MESSAGE, protocol }
    }

    async fn prepare(&self, host: &str) -> Result<(), String> {
        if self.config.compress != Compression::Offered(true) || self.dictionary(host).is_some() {
            return Ok(());
        }
        let url = host.replacen("ws", "http", 1);
        let url = format!("{}/xrpc/network.bsky.jetstream.getZstdDictionary", url.trim_end_matches('/'));
        let bytes = self.lines.identities.fetch(&url, MAX_DICTIONARY_BYTES).await;
        let dictionary = bytes.and_then(|bytes| Dictionary::of(&bytes).map_err(|error| error.to_string()));
        let dictionary = dictionary.map_err(|error| format!("the dictionary can't be had: {error}"))?;
        self.fetched.lock().insert(host.to_owned(), Arc::new(dictionary));
        Ok(())
    }

    fn decode(self: &Arc<Self>, host: &str, messages: Vec<Message>) -> Decoding {
        let (lines, host, dictionary) = (self.lines.clone(), host.to_owned(), self.dictionary(host));
        Box::pin(async move { lines.read(&host, messages, dictionary).await })
    }

    fn is_strict(&self) -> bool {
        // Version 1 has times, which some hosts send out of order while they catch up.
        self.config.version == 2
    }

    fn stride(&self) -> u64 {
        if self.is_strict() { 1 } else { MILLISECOND }
    }
}

/// Accounts that are looked up at a time for one chunk.
const LOOKUPS: usize = 16;
const MAX_DICTIONARY_BYTES: u64 = 4 * 1024 * 1024;

/// What a host packs its lines with.
pub(in crate::atproto) struct Dictionary {
    /// The number in its header (RFC 8878, section 5); 0 without one.
    id: u32,
    ready: DecoderDictionary<'static>,
}

impl Dictionary {
    fn of(bytes: &[u8]) -> std::io::Result<Self> {
        let id = match bytes {
            [0x37, 0xA4, 0x30, 0xEC, a, b, c, d, ..] => u32::from_le_bytes([*a, *b, *c, *d]),
            _ => 0,
        };
        Ok(Self { id, ready: DecoderDictionary::try_copy(bytes)? })
    }
}

/// Reads lines, whoever has them. Cheap to clone.
#[derive(Clone)]
pub(in crate::atproto) struct Lines {
    pub(in crate::atproto) reader: Reader,
    pub(in crate::atproto) identities: Identities,
}

impl Lines {
    /// What lines say, in their order.
    pub(in crate::atproto) async fn read(
        &self,
        host: &str,
        lines: Vec<Message>,
        dictionary: Option<Arc<Dictionary>>,
    ) -> Vec<Item> {
        let (reader, place) = (self.reader.clone(), host.to_owned());
        let reading = tokio::task::spawn_blocking(move || {
            let ready = dictionary.as_ref().map(|dictionary| &dictionary.ready);
            let mut unpack = ready.and_then(|ready| Decompressor::with_prepared_dictionary(ready).ok());
            // One at a time: unpacked they are not counted among the bytes that wait.
            let read = |line: &Message| read_message(&reader, &place, line, unpack.as_mut());
            lines.iter().map(read).collect::<Vec<_>>()
        });
        let read = match reading.await {
            Ok(read) => read,
            Err(error) => {
                let fault = Some(format!("reading a message failed: {error}"));
                return vec![Item { fault, ..Item::default() }];
            }
        };
        let done = read.into_iter().map(|(mut item, changed)| async move {
            if let Some(did) = changed {
                item.events.extend(self.identities.changed(&did).await);
            }
            item
        });
        stream::iter(done).buffered(LOOKUPS).collect().await
    }
}

/// A message, without its packing.
fn read_message(
    reader: &Reader,
    host: &str,
    message: &Message,
    unpack: Option<&mut Decompressor<'_>>,
) -> (Item, Option<String>) {
    let bytes = &message.bytes;
    let line = match unpack.filter(|_| message.binary) {
        Some(unpack) => unpack.decompress(bytes, MAX_LINE_BYTES).map(Cow::from),
        None => Ok(Cow::from(&**bytes)),
    };
    match &line {
        Ok(line) => catch_unwind(AssertUnwindSafe(|| read_line(reader, host, line)))
            .unwrap_or_else(|_| refuse(reader, host, bytes, "reading it failed".into())),
        Err(error) => refuse(reader, host, bytes, format!("it can't be unpacked: {error}")),
    }
}

/// What a line says, and whose identity has changed.
fn read_line(reader: &Reader, host: &str, line: &[u8]) -> (Item, Option<String>) {
    match jetstream::read(line, reader, &Spot { host, line }) {
        Ok(line) => {
            let item = Item {
                cursor: line.cursor,
                at: line.micros.map(|micros| Timestamp((micros / 1000).cast_signed())),
                events: line.events,
                info: line.info.map(|(name, message)| format!("{name} {message}")),
                fault: None,
            };
            (item, line.identity.map(|did| did.to_string()))
        }
        Err(LineError::Server(said)) => {
            (Item { fault: Some(format!("the host says: {said}")), ..Item::default() }, None)
        }
        // One line that makes no sense is no reason to leave the others.
        Err(error) => refuse(reader, host, line, error.to_string()),
    }
}

fn refuse(reader: &Reader, host: &str, bytes: &[u8], reason: String) -> (Item, Option<String>) {
    let digest = blake3::hash(bytes).to_hex();
    let uri = Uri::new(format!("{}/line/{}", host.trim_end_matches('/'), &digest[..16]));
    let refused = reader.refuse(uri, reason, Origin { place: &host, bytes });
    (Item { events: vec![refused], ..Item::default() }, None)
}

/// Where a line came from: told only if it has to be.
struct Spot<'a> {
    host: &'a str,
    line: &'a [u8],
}

impl std::fmt::Display for Spot<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, a line of {} bytes", self.host, self.line.len())
    }
}
