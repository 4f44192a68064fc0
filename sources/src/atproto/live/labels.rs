//! A labeler, followed: what it says of accounts and records, and what it takes back.
//!
//! A label is believed if its labeler has signed it. Which of its values hide their subject is decided here, by the
//! configuration, and told with the label: so a replay of the journal gives the same views whatever is configured then.

use super::{
    LabelsConfig,
    follow::{Follow, Upstream},
    intake::{Decoding, Item},
    skip::Broken,
    socket::{Message, Target},
};
use crate::{
    Source, SourceContext, SourceError,
    atproto::{
        frame::{Frame, Label as WireLabel, MAX_MESSAGE},
        key::PublicKey,
        reader::{Origin, Reader, RecordsConfig},
        syntax::{AtUri, Did, datetime::micros_of},
        who::Identities,
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use springline_model::{EventBody, Label, SourceId, Timestamp, Uri};
use std::sync::Arc;

/// The longest value of a label.
const MAX_VAL_BYTES: usize = 128;

/// Follows a labeler.
#[derive(Debug)]
pub struct Labels {
    id: SourceId,
    config: LabelsConfig,
}

impl Labels {
    /// Of a configuration.
    ///
    /// # Errors
    /// A setting makes no sense.
    pub fn new(id: SourceId, config: LabelsConfig) -> Result<Self, SourceError> {
        config.check()?;
        Ok(Self { id, config })
    }
}

#[async_trait]
impl Source for Labels {
    fn id(&self) -> &SourceId {
        &self.id
    }

    async fn run(self: Box<Self>, context: SourceContext) -> Result<(), SourceError> {
        let Self { id, config } = *self;
        let identities = context.identities.clone();
        if config.verify && identities.is_offline() {
            return Err(SourceError::Config("offline no keys can be looked up: set `verify = false`".into()));
        }
        let hosts = if config.hosts.is_empty() {
            let host = identities.labeler(&config.did).await;
            vec![host.map_err(|why| SourceError::Config(format!("{}: {why}; set `hosts`", config.did)))?]
        } else {
            config.hosts.clone()
        };
        let reader = Reader::new(id.clone(), RecordsConfig::default());
        let socket = config.socket.clone();
        let upstream =
            Arc::new(Labeler(Arc::new(Inner { config, reader, identities, broken: Broken::default() })));
        Follow { id, hosts, socket, upstream }.run(context).await
    }
}

struct Labeler(Arc<Inner>);

struct Inner {
    config: LabelsConfig,
    reader: Reader,
    identities: Identities,
    broken: Broken,
}

impl Upstream for Labeler {
    fn target(&self, host: &str, cursor: Option<u64>) -> Target {
        let cursor = cursor.unwrap_or(0);
        let url =
            format!("{}/xrpc/com.atproto.label.subscribeLabels?cursor={cursor}", host.trim_end_matches('/'));
        Target { url, max_bytes: MAX_MESSAGE, protocol: None }
    }

    fn decode(self: &Arc<Self>, host: &str, messages: Vec<Message>) -> Decoding {
        let (inner, host) = (self.0.clone(), host.to_owned());
        Box::pin(async move {
            let frames: Vec<Bytes> = messages.into_iter().map(|message| message.bytes).collect();
            inner.read(&host, &frames).await
        })
    }
}

impl Inner {
    async fn read(&self, host: &str, frames: &[Bytes]) -> Vec<Item> {
        let mut key = self.key(false).await;
        let mut items = Vec::with_capacity(frames.len());
        for bytes in frames {
            let (mut item, unsigned) = self.frame(host, bytes, &key);
            if unsigned {
                // It may have another key by now.
                key = self.key(true).await;
                (item, _) = self.frame(host, bytes, &key);
            }
            let refused = item.events.iter().filter(|body| matches!(body, EventBody::Quarantine(_))).count();
            metrics::counter!("springline_source_faults_total", "source" => self.reader.source().to_string(), "fault" => "label")
                .increment(refused as u64);
            items.push(item);
        }
        items
    }

    async fn key(&self, again: bool) -> Result<PublicKey, String> {
        if !self.config.verify {
            return Err("labels are not verified".into());
        }
        self.identities.label_key(&self.config.did, again).await
    }

    /// What a frame says, and whether one of its labels is not signed by the key.
    fn frame(&self, host: &str, bytes: &[u8], key: &Result<PublicKey, String>) -> (Item, bool) {
        let origin = |place| Origin { place, bytes };
        let frame = match Frame::read(bytes) {
            Ok(frame) => frame,
            Err(error) => {
                let uri = Uri::new(format!("{host}/frame/{}", &blake3::hash(bytes).to_hex()[..16]));
                let refused = self.reader.refuse(uri, error.to_string(), origin(&host));
                let is_new = error.ends_connection() && self.broken.is_new(bytes);
                let fault = is_new.then(|| format!("a message that can't be read: {error}"));
                return (Item { events: vec![refused], fault, ..Item::default() }, false);
            }
        };
        let labels = match frame {
            Frame::Labels(labels) => labels,
            Frame::Info(info) => {
                let info = format!("{} {}", info.name, info.message.unwrap_or_default());
                return (Item { info: Some(info), ..Item::default() }, false);
            }
            Frame::Error(error) => {
                let fault = format!("the host says: {} {}", error.error, error.message.unwrap_or_default());
                return (Item { fault: Some(fault), ..Item::default() }, false);
            }
            _ => return (Item::default(), false),
        };
        let mut item = Item { cursor: u64::try_from(labels.seq).ok(), ..Item::default() };
        let mut unsigned = false;
        for (number, label) in labels.labels.iter().enumerate() {
            match self.label(label, key) {
                Ok(body) => {
                    item.at = micros_of(label.cts).map(|at| Timestamp((at / 1000).cast_signed()));
                    item.events.push(body);
                }
                Err((reason, by_key)) => {
                    unsigned |= by_key;
                    let uri = Uri::new(format!("{host}/seq/{}/{number}", labels.seq));
                    item.events.push(self.reader.refuse(uri, reason, origin(&host)));
                }
            }
        }
        (item, unsigned)
    }

    /// A label, or why it can't be taken, and whether that is for its signature.
    fn label(
        &self,
        label: &WireLabel<'_>,
        key: &Result<PublicKey, String>,
    ) -> Result<EventBody, (String, bool)> {
        let wrong = |reason: &str| Err((reason.to_owned(), false));
        if label.src != self.config.did {
            return wrong("a label by somebody else than the labeler");
        }
        if label.val.is_empty() || label.val.len() > MAX_VAL_BYTES {
            return wrong("a label without a value, or with too long a one");
        }
        if Did::check(label.uri).is_err() && AtUri::check(label.uri).is_err() {
            return wrong("a label whose subject is neither an account nor a record");
        }
        let Some(cts) = micros_of(label.cts) else { return wrong("a label without a time") };
        match key {
            Err(why) if self.config.verify => {
                return Err((format!("its labeler's key can't be had: {why}"), true));
            }
            Ok(key) => {
                label
                    .verify(key)
                    .map_err(|error| (format!("it is not signed by its labeler: {error}"), true))?;
            }
            Err(_) => {}
        }
        let time = |micros: u64| Timestamp((micros / 1000).cast_signed());
        let label = Label {
            src: Uri::from(label.src),
            uri: Uri::from(label.uri),
            val: label.val.to_owned(),
            cid: label.cid.map(str::to_owned),
            cts: time(cts),
            neg: label.neg.unwrap_or(false),
            exp: label.exp.and_then(micros_of).map(time),
            hides: self.config.hides.iter().any(|val| val == label.val),
            expired: false,
            sig: label.sig.map(<[u8]>::to_vec),
        };
        Ok(EventBody::Label { authority: label.authority(), label: Box::new(label), issued: None })
    }
}
