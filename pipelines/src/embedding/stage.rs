//! Where batches get their vectors, on the way from the sources to the sealer.

use super::{EmbeddingConfig, EmbeddingError, Model};
use futures_util::{StreamExt, stream::FuturesOrdered};
use quick_cache::sync::Cache;
use springline_model::{
    EventBody, Record, Vector,
    record::{attr, is_kind},
};
use springline_sources::Batch;
use std::{borrow::Cow, pin::Pin, sync::Arc};
use tokio::sync::{Semaphore, mpsc};

/// Batches in work.
pub(super) const AT_ONCE: usize = 8;
/// Texts whose vectors are remembered: what a source sends again is most often the same.
const REMEMBERED: usize = 4096;

type Made = Pin<Box<dyn Future<Output = Batch> + Send>>;

/// The stage: a model, and what it is used for.
#[derive(Clone)]
pub struct Stage {
    model: Arc<Model>,
    kinds: Arc<[String]>,
    cache: Arc<Cache<[u8; 32], Option<Vector>>>,
    /// Questions whose answer is being made: as many as there are models in memory.
    asking: Arc<Semaphore>,
}

impl Stage {
    /// Loads the configured model, if one is.
    ///
    /// # Errors
    /// It can't be loaded.
    pub fn open(config: &EmbeddingConfig) -> Result<Option<Self>, EmbeddingError> {
        let Some(dir) = &config.model_dir else { return Ok(None) };
        let threads = match config.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let model = Arc::new(Model::open(dir, threads)?);
        tracing::info!(model = model.name(), threads, "texts get vectors");
        let cache = Arc::new(Cache::new(REMEMBERED));
        let asking = Arc::new(Semaphore::new(threads));
        Ok(Some(Self { model, kinds: config.kinds.clone().into(), cache, asking }))
    }

    /// Takes batches until nobody sends any more, and passes them on in their order.
    pub async fn run(self, mut inbox: mpsc::Receiver<Batch>, out: mpsc::Sender<Batch>) {
        let mut making: FuturesOrdered<Made> = FuturesOrdered::new();
        let mut open = true;
        while open || !making.is_empty() {
            tokio::select! {
                biased;
                Some(batch) = making.next(), if !making.is_empty() => {
                    if out.send(batch).await.is_err() {
                        return;
                    }
                }
                batch = inbox.recv(), if open && making.len() < AT_ONCE => match batch {
                    Some(batch) => making.push_back(self.make(batch)),
                    None => open = false,
                },
            }
        }
    }

    fn make(&self, mut batch: Batch) -> Made {
        let is_meant = |body: &EventBody| record_of(body).is_some_and(|record| self.wants(record));
        if !batch.events.iter().any(|event| is_meant(&event.body)) {
            return Box::pin(std::future::ready(batch));
        }
        let stage = self.clone();
        Box::pin(async move {
            let (mut events, model) = (std::mem::take(&mut batch.events), stage);
            let made = tokio::task::spawn_blocking(move || {
                std::thread::scope(|scope| {
                    let share = events.len().div_ceil(model.model.threads()).max(1);
                    for events in events.chunks_mut(share) {
                        let model = &model;
                        scope
                            .spawn(move || events.iter_mut().for_each(|event| model.enrich(&mut event.body)));
                    }
                });
                events
            });
            match made.await {
                Ok(events) => batch.events = events,
                // Only a panic of the model's can lose them: that is ours, and loud.
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
            batch
        })
    }

    fn wants(&self, record: &Record) -> bool {
        record.has_content()
            && !record.attrs.contains_key(attr::VECTOR)
            && self.kinds.iter().any(|kind| is_kind(kind, &record.kind))
    }

    fn enrich(&self, body: &mut EventBody) {
        let (EventBody::Put { record, .. } | EventBody::Fetched { record, .. }) = body else { return };
        if !self.wants(record) {
            return;
        }
        match self.vector(&record.title, &record.text) {
            Ok(Some(vector)) => {
                Arc::make_mut(record).attrs.insert(attr::VECTOR.to_owned(), vector.to_string());
            }
            Ok(None) => {}
            // The record counts without it: it is clustered by its words.
            Err(error) => {
                metrics::counter!("springline_embedding_failures_total").increment(1);
                tracing::warn!(uri = %record.uri, %error, "a text could not be embedded");
            }
        }
    }
}

impl Stage {
    /// What a text with a title means, as it would for a record; nothing if the model fails.
    pub async fn ask(&self, title: &str, text: &str) -> Option<Vector> {
        let permit = self.asking.clone().acquire_owned().await.ok()?;
        let (stage, title, text) = (self.clone(), title.to_owned(), text.to_owned());
        let made = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            stage.vector(&title, &text)
        });
        match made.await.ok()? {
            Ok(vector) => vector,
            Err(error) => {
                metrics::counter!("springline_embedding_failures_total").increment(1);
                tracing::warn!(%error, "a question could not be embedded");
                None
            }
        }
    }

    fn vector(&self, title: &str, text: &str) -> Result<Option<Vector>, EmbeddingError> {
        let text = match text.starts_with(title) {
            true => Cow::Borrowed(text),
            false => Cow::Owned(format!("{title}\n{text}")),
        };
        let key = *blake3::hash(text.as_bytes()).as_bytes();
        self.cache.get_or_insert_with(&key, || self.model.embed(&text))
    }
}

fn record_of(body: &EventBody) -> Option<&Record> {
    match body {
        EventBody::Put { record, .. } | EventBody::Fetched { record, .. } => Some(record),
        _ => None,
    }
}
