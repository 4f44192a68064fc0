//! A relay (or a single host of repositories), followed: signed commits, verified as far as asked.
//!
//! ```text
//!  frames ─► read ─► whose? ─► keys ─► verify ─► ops ─► events        hashing and decoding on threads of their own
//!                                        │ signature fails: the key once more, then refuse
//!                                        └ refused: the frame is quarantined, the repository has to be fetched
//! ```

use super::{
    RelayConfig,
    config::Verification,
    follow::{Follow, Upstream},
    frames::Frames,
    intake::Decoding,
    socket::{Message, Target},
};
use crate::{
    Source, SourceContext, SourceError,
    atproto::{frame::MAX_MESSAGE, reader::Reader},
};
use async_trait::async_trait;
use springline_model::SourceId;
use std::sync::Arc;

/// Follows a relay.
#[derive(Debug)]
pub struct Relay {
    id: SourceId,
    config: RelayConfig,
}

impl Relay {
    /// Of a configuration.
    ///
    /// # Errors
    /// A setting makes no sense.
    pub fn new(id: SourceId, config: RelayConfig) -> Result<Self, SourceError> {
        config.check()?;
        Ok(Self { id, config })
    }
}

#[async_trait]
impl Source for Relay {
    fn id(&self) -> &SourceId {
        &self.id
    }

    async fn run(self: Box<Self>, context: SourceContext) -> Result<(), SourceError> {
        let Self { id, config } = *self;
        if context.identities.is_offline() && config.verification == Verification::Full {
            return Err(SourceError::Config(
                "offline no keys can be looked up: set `verification` to `hash` or `none`".into(),
            ));
        }
        let reader = Reader::new(id.clone(), config.records.clone());
        let frames = Frames::new(reader, context.identities.clone(), config.verification, config.legacy);
        let upstream = Arc::new(RelayUpstream { from: config.from, frames });
        Follow { id, hosts: config.hosts, socket: config.socket, upstream }.run(context).await
    }
}

struct RelayUpstream {
    from: Option<u64>,
    frames: Frames,
}

impl Upstream for RelayUpstream {
    fn target(&self, host: &str, cursor: Option<u64>) -> Target {
        let mut url = format!("{}/xrpc/com.atproto.sync.subscribeRepos", host.trim_end_matches('/'));
        if let Some(cursor) = cursor.or(self.from) {
            url.push_str(&format!("?cursor={cursor}"));
        }
        Target { url, max_bytes: MAX_MESSAGE, protocol: None }
    }

    fn decode(self: &Arc<Self>, host: &str, messages: Vec<Message>) -> Decoding {
        let frames = self.frames.clone();
        let (host, bytes) = (host.to_owned(), messages.into_iter().map(|message| message.bytes).collect());
        Box::pin(async move { frames.read(&host, bytes).await })
    }
}
