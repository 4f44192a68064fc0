//! What the library has to say by itself: nothing that is not told where it is dealt with.
//!
//! The sources' clients have the same of their own: neither of the two folders may know the other, and the vocabulary
//! that both know does without the library.

use rdkafka::{
    ClientContext, consumer::ConsumerContext, error::KafkaError, message::DeliveryResult,
    producer::ProducerContext,
};

/// Reports at the level of debugging what the library would call errors, the end of a partition among them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "a client of Kafka");
    }
}

impl ConsumerContext for Quiet {}

impl ProducerContext for Quiet {
    type DeliveryOpaque = ();

    /// A message that is not delivered fails its transaction, which says why.
    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}
