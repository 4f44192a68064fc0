//! Any topic of JSON messages, each a record by a mapping.
//!
//! ```text
//!  topic ─► message ─► mapping: uri, kind, author, text, … ─┬─► put, or delete (no value)  ─┐
//!   (all partitions, or those the group gives us)           └─► quarantine                  ─┴─► outbox, next offset
//! ```
//!
//! A partition of the topic is a partition of the source; its position is the next offset and the last version that was
//! given (`17@1767225600000000`), so that versions rise whatever the clock does. Positions decide where reading begins,
//! not the group's offsets: those are told behind them, for tools that show lag and for another member of the group.
//!
//! Invariants: a message's effect is sent with the position behind it, once. What can't be read is quarantined
//! (`kafka://topic/partition/offset`); what the brokers deleted before it was read is a gap.
//!
//! Limits: a message has at most `max_message_bytes`. Messages of one record have to be in one partition (keyed by it):
//! between partitions there is no order.

pub mod client;
mod config;
mod mapping;
mod run;
mod spot;

pub use config::{From, KafkaConfig, Mapping};

use crate::{Command, Source, SourceContext, SourceError, SourceState, chain};
use async_trait::async_trait;
use mapping::Reader;
use run::{Control, Follower};
use springline_model::SourceId;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Reads topics.
#[derive(Debug)]
pub struct Kafka {
    id: SourceId,
    config: KafkaConfig,
    reader: Reader,
}

impl Kafka {
    /// Of a configuration.
    ///
    /// # Errors
    /// A setting makes no sense.
    pub fn new(id: SourceId, config: KafkaConfig) -> Result<Self, SourceError> {
        config.check()?;
        let reader = Reader::new(&config)?;
        Ok(Self { id, config, reader })
    }
}

#[async_trait]
impl Source for Kafka {
    fn id(&self) -> &SourceId {
        &self.id
    }

    async fn run(self: Box<Self>, context: SourceContext) -> Result<(), SourceError> {
        let Self { id, config, reader } = *self;
        let SourceContext { out, known, mut commands, stop, status, .. } = context;
        let control = Arc::new(Control::default());
        // Dropped with the source: the thread hears of it.
        let ends = stop.child_token();
        let _ends = ends.clone().drop_guard();
        let (told, mut ended) = mpsc::channel(1);
        let follower = Follower {
            id,
            config,
            reader,
            out,
            known,
            status: status.clone(),
            control: control.clone(),
            stop: ends,
        };
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            let _ = told.blocking_send(follower.run(&runtime));
        });
        loop {
            tokio::select! {
                ended = ended.recv() => return match ended {
                    Some(Err(error)) => {
                        tracing::debug!(error = %chain(&error), "the topics are not followed any more");
                        Err(error)
                    }
                    Some(Ok(())) | None => Ok(()),
                },
                Some(command) = commands.recv() => match command {
                    Command::Pause => {
                        control.pause(true);
                        status.set(SourceState::Paused, Some("an operator said so".into()));
                    }
                    Command::Resume => control.pause(false),
                    Command::Reset => control.reset(),
                    other => other.refuse("a topic is followed by itself; `reset` reads it again from its beginning"),
                },
            }
        }
    }
}
