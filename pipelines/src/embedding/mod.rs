//! What texts mean: vectors by a local model, for clusters by meaning.
//!
//! ```text
//!  outboxes ──Batch──► stage ── records of the configured kinds ─► model (threads of its own) ─┐
//!                        └───────────── all others ────────────────────────────────────────────┴─► sealer, in order
//! ```
//!
//! The vector stands in the record ([`springline_model::record::attr::VECTOR`]) before it is journalled: a replay, a
//! recompute and another machine need no model, and give the same clusters.
//!
//! Invariants: a vector is a function of the text and the model alone: texts are embedded one by one, because models
//! with quantised weights give other results in other company. Batches leave in the order in which they came.
//! Limits: 256 tokens of a text count; 8 batches are in work.

mod model;
mod stage;

pub use model::{EmbeddingError, Model};
pub use stage::Stage;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Vectors of texts, for clusters by meaning.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EmbeddingConfig {
    /// A folder with a sentence model: `model.onnx`, `tokenizer.json` and ONNX Runtime's `libonnxruntime.so`, as
    /// `make model` places them. Without it texts have no vectors, and clusters go by words.
    pub model_dir: Option<PathBuf>,
    /// Kinds of records that get a vector; `app.bsky.*` is all that begin so.
    pub kinds: Vec<String>,
    /// Threads that embed, each with a model of its own in memory. 0: as many as there are cores.
    pub threads: usize,
}

impl Default for EmbeddingConfig {
    fn default() -> Self {
        Self { model_dir: None, kinds: vec!["feedback.item".into()], threads: 0 }
    }
}
