//! A Jetstream, followed.

use super::{
    JetstreamConfig,
    config::Compression,
    follow::{Follow, Upstream},
    intake::{Decoding, Item},
    socket::{Heard, Target},
};
use crate::{
    Source, SourceContext, SourceError,
    atproto::{
        jetstream::{self, MAX_LINE_BYTES},
        reader::{Origin, Reader},
        who::Identities,
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use springline_model::{SourceId, Timestamp, Uri};
use std::{fmt::Write, sync::Arc};

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
        let dictionary = match &config.compress {
            Compression::Dictionary(path) => {
                let bytes =
                    std::fs::read(path).map_err(|source| SourceError::Io { path: path.clone(), source })?;
                Some(Arc::new(bytes))
            }
            Compression::Offered(_) => None,
        };
        let reader = Reader::new(id.clone(), config.records.clone());
        let upstream = Arc::new(JetstreamUpstream {
            lines: Lines { reader, identities: context.identities.clone() },
            dictionary: Mutex::new(dictionary),
            config: config.clone(),
        });
        Follow { id, hosts: config.hosts, socket: config.socket, upstream }.run(context).await
    }
}

struct JetstreamUpstream {
    config: JetstreamConfig,
    lines: Lines,
    dictionary: Mutex<Option<Arc<Vec<u8>>>>,
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
        if let Some(dictionary) = &*self.dictionary.lock() {
            match self.config.version {
                1 => query.append_pair("compress", "true"),
                _ => query.append_pair("zstdDictionary", &dictionary_id(dictionary).to_string()),
            };
        }
        let mut url = format!("{}/{path}", host.trim_end_matches('/'));
        let query = query.finish();
        if !query.is_empty() {
            let _ = write!(url, "?{query}");
        }
        let protocol = (self.config.version == 2).then_some("xrpc.v1.json");
        Target { url, max_bytes: MAX_LINE_BYTES, protocol }
    }

    async fn prepare(&self, host: &str) -> Result<(), String> {
        if self.config.compress != Compression::Offered(true) || self.dictionary.lock().is_some() {
            return Ok(());
        }
        let url = host.replacen("ws", "http", 1);
        let url = format!("{}/xrpc/network.bsky.jetstream.getZstdDictionary", url.trim_end_matches('/'));
        let dictionary = self.lines.identities.fetch(&url, MAX_DICTIONARY_BYTES).await;
        let dictionary = dictionary.map_err(|error| format!("the dictionary can't be had: {error}"))?;
        *self.dictionary.lock() = Some(Arc::new(dictionary));
        Ok(())
    }

    fn decode(self: &Arc<Self>, host: &str, messages: Vec<Heard>) -> Decoding {
        let (lines, host) = (self.lines.clone(), host.to_owned());
        let dictionary = self.dictionary.lock().clone();
        let messages_of = move || unpack(messages, dictionary.as_deref());
        Box::pin(async move {
            match tokio::task::spawn_blocking(messages_of).await {
                Ok(messages) => lines.read(&host, messages).await,
                Err(error) => panicked(&error),
            }
        })
    }

    fn is_strict(&self) -> bool {
        // Version 1 has times, which some hosts send out of order while they catch up.
        self.config.version == 2
    }
}

const MAX_DICTIONARY_BYTES: u64 = 4 * 1024 * 1024;

fn panicked(error: &tokio::task::JoinError) -> Vec<Item> {
    vec![Item { fault: Some(format!("reading a message failed: {error}")), ..Item::default() }]
}

/// A message without its packing, or why it can't be had.
fn unpack(messages: Vec<Heard>, dictionary: Option<&Vec<u8>>) -> Vec<Result<Bytes, (Bytes, String)>> {
    let mut unpack = dictionary.and_then(|bytes| zstd::bulk::Decompressor::with_dictionary(bytes).ok());
    let one = |Heard { bytes, binary, .. }: Heard| match &mut unpack {
        Some(unpack) if binary => match unpack.decompress(&bytes, MAX_LINE_BYTES) {
            Ok(line) => Ok(line.into()),
            Err(error) => Err((bytes, error.to_string())),
        },
        _ => Ok(bytes),
    };
    messages.into_iter().map(one).collect()
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
        lines: Vec<Result<Bytes, (Bytes, String)>>,
    ) -> Vec<Item> {
        let (reader, place) = (self.reader.clone(), host.to_owned());
        let reading = tokio::task::spawn_blocking(move || {
            lines.iter().map(|line| read_line(&reader, &place, line)).collect::<Vec<_>>()
        });
        let read = match reading.await {
            Ok(read) => read,
            Err(error) => return panicked(&error),
        };
        let mut items = Vec::with_capacity(read.len());
        for (mut item, changed) in read {
            if let Some(did) = changed {
                item.events.extend(self.identities.changed(&did).await);
            }
            items.push(item);
        }
        items
    }
}

/// What a line says, and whose identity has changed.
fn read_line(reader: &Reader, host: &str, line: &Result<Bytes, (Bytes, String)>) -> (Item, Option<String>) {
    let said = match line {
        Ok(line) => jetstream::read(line, reader, &Spot { host, line }).map_err(|error| error.to_string()),
        Err((_, reason)) => Err(reason.clone()),
    };
    match said {
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
        // One line that makes no sense is no reason to leave the others.
        Err(reason) => {
            let (Ok(bytes) | Err((bytes, _))) = line;
            let digest = blake3::hash(bytes).to_hex();
            let uri = Uri::new(format!("{}/line/{}", host.trim_end_matches('/'), &digest[..16]));
            let refused = reader.refuse(uri, reason, Origin { place: &host, bytes });
            (Item { events: vec![refused], ..Item::default() }, None)
        }
    }
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

/// The number that a zstd dictionary has in its header (RFC 8878, section 5).
fn dictionary_id(dictionary: &[u8]) -> u32 {
    match dictionary {
        [0x37, 0xA4, 0x30, 0xEC, a, b, c, d, ..] => u32::from_le_bytes([*a, *b, *c, *d]),
        _ => 0,
    }
}
