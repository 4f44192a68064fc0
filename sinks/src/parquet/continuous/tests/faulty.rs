//! A store that fails as it is told.

use futures_util::stream::BoxStream;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, memory::InMemory, path::Path as Key,
};
use parking_lot::Mutex;
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Nothing happens.
    Fails,
    /// Half of it arrives, and nobody says so.
    Tears,
    /// It happens, and nobody says so.
    Unheard,
}

/// A store that fails as it is told, one fault a call that writes or deletes.
#[derive(Debug)]
pub(super) struct Faulty {
    pub(super) inner: InMemory,
    pub(super) faults: Mutex<Vec<Fault>>,
}

impl Faulty {
    fn fault(&self) -> Fault {
        self.faults.lock().pop().unwrap_or(Fault::None)
    }
}

fn failed() -> Error {
    Error::Generic { store: "faulty", source: "a fault".into() }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        key: &Key,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult, Error> {
        match self.fault() {
            Fault::None => self.inner.put_opts(key, payload, options).await,
            Fault::Fails => Err(failed()),
            Fault::Tears => {
                let bytes = bytes::Bytes::from(payload);
                let half = PutPayload::from(bytes.slice(..bytes.len() / 2));
                self.inner.put_opts(key, half, options).await
            }
            Fault::Unheard => {
                self.inner.put_opts(key, payload, options).await?;
                Err(failed())
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        _: &Key,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>, Error> {
        Err(failed())
    }

    async fn get_opts(&self, key: &Key, options: GetOptions) -> Result<GetResult, Error> {
        self.inner.get_opts(key, options).await
    }

    fn delete_stream(
        &self,
        keys: BoxStream<'static, Result<Key, Error>>,
    ) -> BoxStream<'static, Result<Key, Error>> {
        match self.fault() {
            Fault::None => self.inner.delete_stream(keys),
            _ => Box::pin(futures_util::stream::once(async { Err(failed()) })),
        }
    }

    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, Result<ObjectMeta, Error>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Key>) -> Result<ListResult, Error> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Key, to: &Key, options: CopyOptions) -> Result<(), Error> {
        self.inner.copy_opts(from, to, options).await
    }
}
