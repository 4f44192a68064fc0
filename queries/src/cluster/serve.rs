//! What other processes ask this one.

use super::{
    ClusterConfig,
    wire::{self, Answer, MAX_QUESTION_BYTES, MEDIA, Question},
};
use crate::{
    problem::{Kind, Problem},
    state::AppState,
};
use axum::{
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::header,
    response::{IntoResponse, Response},
    routing::{MethodRouter, post},
};
use springline_sinks::views::peers::{Layout, Refusal};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Where they ask. Not among the described routes: no client of this server's is to use it.
pub(crate) const PATH: &str = "/internal/v1/ask";

/// The route.
pub(crate) fn ask() -> MethodRouter<AppState> {
    post(answer).layer(DefaultBodyLimit::max(MAX_QUESTION_BYTES))
}

/// What answering needs.
pub(crate) struct Serving {
    layout: Layout,
    /// A permit for each question that is answered at one time; apart from those of this server's own reads, which may
    /// be waiting for others.
    permits: Arc<Semaphore>,
}

impl Serving {
    pub(crate) fn new(config: &ClusterConfig, permits: usize) -> Self {
        Self { layout: config.layout(), permits: Arc::new(Semaphore::new(permits)) }
    }

    fn refusal(&self, question: &Question) -> Option<Refusal> {
        let (ours, theirs) = (self.layout, question.from);
        let same = (ours.processes, ours.workers) == (theirs.processes, theirs.workers);
        if same && question.to == ours.process {
            return None;
        }
        Some(Refusal::Failed(format!(
            "process {} asks process {} of {} with {} workers each, but this is process {} of {} with {}: all must have the same hosts",
            theirs.process,
            question.to,
            theirs.processes,
            theirs.workers,
            ours.process,
            ours.processes,
            ours.workers
        )))
    }
}

async fn answer(State(state): State<AppState>, body: Bytes) -> Result<Response, Problem> {
    let none = || Problem::new(Kind::Forbidden, "this server is not one of several processes");
    let serving = &state.cluster.as_ref().ok_or_else(none)?.serving;
    let question: Question = wire::decode(&body).map_err(|wrong| Problem::new(Kind::MalformedBody, wrong))?;
    drop(body);
    let answer: Answer = match serving.refusal(&question) {
        Some(refusal) => Err(refusal),
        None => {
            let permit = serving.permits.clone().acquire_owned().await;
            let permit = permit.map_err(|error| Problem::internal("waiting to answer", &error))?;
            let reader = state.reader.clone();
            let answering = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                reader.answer(&question.request)
            });
            answering.await.map_err(|error| Problem::internal("answering another process", &error))?
        }
    };
    if let Err(Refusal::Failed(reason)) = &answer {
        tracing::warn!(reason, "another process can't be answered");
    }
    let bytes =
        wire::encode(&answer).map_err(|error| Problem::internal("answering another process", &error))?;
    Ok(([(header::CONTENT_TYPE, MEDIA), (header::CACHE_CONTROL, "no-store")], bytes).into_response())
}
