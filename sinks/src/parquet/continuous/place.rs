//! Where a dataset lies: a folder, or a bucket. Each call waits until it is done, and what was written is durable then.

use super::{ParquetSinkConfig, S3Config, http::Connector};
use crate::parquet::{ParquetError, io};
use futures_util::TryStreamExt as _;
use object_store::{
    BackoffConfig, ClientOptions, Error, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload,
    RetryConfig, aws::AmazonS3Builder, local::LocalFileSystem, path::Path as Key, prefix::PrefixStore,
};
use std::{fs, path::Path, sync::Arc, time::Duration};
use tokio::runtime::Handle;

/// How long a request is tried again before the feed fails.
const RETRY: Duration = Duration::from_secs(60);

/// A folder of objects.
#[derive(Clone)]
pub(super) struct Place {
    store: Arc<dyn ObjectStore>,
    runtime: Handle,
}

impl Place {
    /// Of a dataset. To be called on a thread of the runtime that may block.
    pub(super) fn open(config: &ParquetSinkConfig) -> Result<Self, ParquetError> {
        let folder = format!("view={}", config.view.name());
        let store: Arc<dyn ObjectStore> = match config.to.strip_prefix("s3://") {
            Some(to) => {
                let (bucket, prefix) = to.split_once('/').unwrap_or((to, ""));
                let prefix = format!("{prefix}/{folder}");
                let s3 = s3(&config.s3, bucket).map_err(object("cannot reach", &config.to))?;
                Arc::new(PrefixStore::new(s3, Key::from(prefix)))
            }
            None => {
                let dir = Path::new(&config.to).join(folder);
                fs::create_dir_all(&dir).map_err(io("cannot make", &dir))?;
                sweep(&dir)?;
                let local =
                    LocalFileSystem::new_with_prefix(&dir).map_err(object("cannot open", &config.to))?;
                Arc::new(local.with_fsync(true).with_automatic_cleanup(true))
            }
        };
        Ok(Self::over(store))
    }

    pub(super) fn over(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, runtime: Handle::current() }
    }

    /// Writes an object, or replaces it: whole or not at all.
    pub(super) fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), ParquetError> {
        self.put_as(path, bytes, PutMode::Overwrite).map_err(object("cannot write", path))
    }

    /// Writes an object that must not be there yet; whether it was not.
    pub(super) fn create(&self, path: &str, bytes: Vec<u8>) -> Result<bool, ParquetError> {
        match self.put_as(path, bytes, PutMode::Create) {
            Ok(()) => Ok(true),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
            Err(error) => Err(object("cannot write", path)(error)),
        }
    }

    /// A store that has torn an upload must not be believed that it has it.
    fn put_as(&self, path: &str, bytes: Vec<u8>, mode: PutMode) -> Result<(), Error> {
        let (key, size) = (Key::from(path), bytes.len() as u64);
        self.runtime.block_on(async {
            let options = PutOptions { mode, ..PutOptions::default() };
            self.store.put_opts(&key, PutPayload::from(bytes), options).await?;
            let found = self.store.head(&key).await?.size;
            if found == size {
                return Ok(());
            }
            let source = format!("it has {found} of {size} bytes").into();
            Err(Error::Generic { store: "the upload was torn", source })
        })
    }

    pub(super) fn get(&self, path: &str) -> Result<Vec<u8>, ParquetError> {
        let read = async { self.store.get(&Key::from(path)).await?.bytes().await };
        Ok(self.runtime.block_on(read).map_err(object("cannot read", path))?.into())
    }

    /// The paths of all objects in a folder.
    pub(super) fn list(&self, folder: &str) -> Result<Vec<String>, ParquetError> {
        let prefix = (!folder.is_empty()).then(|| Key::from(folder));
        let listed = self.store.list(prefix.as_ref()).map_ok(|object| object.location.to_string());
        self.runtime.block_on(listed.try_collect()).map_err(object("cannot list", folder))
    }

    /// Deletes an object, if it is there.
    pub(super) fn remove(&self, path: &str) -> Result<(), ParquetError> {
        match self.runtime.block_on(self.store.delete(&Key::from(path))) {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(object("cannot delete", path)(error)),
        }
    }
}

fn s3(config: &S3Config, bucket: &str) -> Result<impl ObjectStore, Error> {
    let S3Config { endpoint, region, access_key_id, secret_access_key, virtual_hosted } = config;
    let backoff = BackoffConfig { max_backoff: Duration::from_secs(5), ..BackoffConfig::default() };
    let retry = RetryConfig { backoff, max_retries: 5, retry_timeout: RETRY };
    let mut s3 = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_virtual_hosted_style_request(*virtual_hosted)
        .with_retry(retry)
        .with_client_options(ClientOptions::new().with_allow_http(true))
        .with_http_connector(Connector);
    if let Some(endpoint) = endpoint {
        s3 = s3.with_endpoint(endpoint);
    }
    if let Some(region) = region {
        s3 = s3.with_region(region);
    }
    if let Some(id) = access_key_id {
        s3 = s3.with_access_key_id(id);
    }
    if let Some(secret) = secret_access_key {
        s3 = s3.with_secret_access_key(secret.reveal());
    }
    s3.build()
}

/// Deletes what writers that died have left: files under temporary names, which have a `#` behind the extension.
fn sweep(dir: &Path) -> Result<(), ParquetError> {
    for entry in fs::read_dir(dir).map_err(io("cannot list", dir))? {
        let entry = entry.map_err(io("cannot list", dir))?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            sweep(&path)?;
        } else if name.contains(".parquet#") || name.contains(".json#") {
            fs::remove_file(&path).map_err(io("cannot remove", &path))?;
        }
    }
    Ok(())
}

fn object(action: &'static str, path: &str) -> impl FnOnce(Error) -> ParquetError {
    let path = path.to_owned();
    move |source| ParquetError::Object { action, path, source }
}
