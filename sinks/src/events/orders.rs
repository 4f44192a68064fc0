//! What a sink was told to do, kept over restarts: a small file of its own.

use crate::parquet::write_whole;
use serde::{Deserialize, Serialize};
use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

/// The largest file that is read.
const MOST_BYTES: u64 = 4096;

/// To rest, or to begin anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Orders {
    /// It rests until it is told to go on.
    pub is_paused: bool,
    /// It is to begin again, whatever it has had.
    pub is_reset: bool,
}

/// The file can't be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{action} {}", path.display())]
pub struct OrdersError {
    action: &'static str,
    path: PathBuf,
    #[source]
    source: Box<dyn Error + Send + Sync>,
}

fn failed<E: Into<Box<dyn Error + Send + Sync>>>(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(E) -> OrdersError {
    let path = path.to_path_buf();
    move |source| OrdersError { action, path, source: source.into() }
}

impl Orders {
    /// Reads them; none were given if the file is not there.
    ///
    /// # Errors
    /// I/O, or something else is in the file.
    pub fn load(path: &Path) -> Result<Self, OrdersError> {
        let bytes = match fs::metadata(path) {
            Ok(meta) if meta.len() > MOST_BYTES => {
                return Err(failed("cannot read", path)("it is too large"));
            }
            Ok(_) => fs::read(path).map_err(failed("cannot read", path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed("cannot read", path)(error)),
        };
        serde_json::from_slice(&bytes).map_err(failed("cannot read", path))
    }

    /// Keeps them: whole, on disk.
    ///
    /// # Errors
    /// I/O.
    pub fn keep(self, path: &Path) -> Result<(), OrdersError> {
        let text = serde_json::to_vec(&self).map_err(failed("cannot write", path))?;
        path.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed("cannot write", path))?;
        write_whole(path, &text).map_err(failed("cannot write", path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sinks/lake.json");
        assert_eq!(Orders::load(&path).unwrap(), Orders::default());
        let orders = Orders { is_paused: true, is_reset: false };
        orders.keep(&path).unwrap();
        assert_eq!(Orders::load(&path).unwrap(), orders);
        fs::write(&path, "?").unwrap();
        assert!(Orders::load(&path).is_err());
    }
}
