//! Secrets: read from a file or the environment.

use crate::SourceError;
use springline_model::Secret;
use std::path::{Path, PathBuf};

/// The longest secret, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// Where a secret is kept: two keys of a configuration, of which one is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretFrom<'a> {
    /// What the keys begin with, for errors: `github_secret`.
    pub name: &'a str,
    /// `…_file`: a file whose first line it is.
    pub file: Option<&'a PathBuf>,
    /// `…_env`: a variable of the environment.
    pub env: Option<&'a String>,
}

impl SecretFrom<'_> {
    /// Reads it; nothing if neither key is set.
    ///
    /// # Errors
    /// [`SourceError::Config`]: both are set, or what is named is not there or empty.
    pub fn read(&self) -> Result<Option<Secret>, SourceError> {
        let name = self.name;
        let text = match (self.file, self.env) {
            (Some(_), Some(_)) => {
                return Err(SourceError::Config(format!(
                    "`{name}_file` and `{name}_env` are both set: keep one"
                )));
            }
            (Some(path), None) => first_line(path).map_err(|error| {
                SourceError::Config(format!("`{name}_file`: {}: {error}", path.display()))
            })?,
            (None, Some(variable)) => std::env::var(variable)
                .map_err(|error| SourceError::Config(format!("`{name}_env`: {variable}: {error}")))?,
            (None, None) => return Ok(None),
        };
        match text.trim() {
            "" => Err(SourceError::Config(format!("`{name}`: it is empty"))),
            text => Ok(Some(Secret::new(text))),
        }
    }
}

fn first_line(path: &Path) -> std::io::Result<String> {
    if std::fs::metadata(path)?.len() > MAX_BYTES {
        return Err(std::io::Error::other(format!("has more than {MAX_BYTES} bytes")));
    }
    Ok(std::fs::read_to_string(path)?.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_and_not_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hush\nmore\n").unwrap();
        let (path, none) = (file.path().to_path_buf(), "SPRINGLINE_NO_SUCH_SECRET".to_owned());
        let from = |file, env| SecretFrom { name: "x", file, env }.read();
        let secret = from(Some(&path), None).unwrap().unwrap();
        assert_eq!((secret.reveal(), format!("{secret:?}").as_str()), ("hush", "(hidden)"));
        assert!(from(None, None).unwrap().is_none());
        assert!(from(Some(&path), Some(&none)).is_err() && from(None, Some(&none)).is_err());
        std::fs::write(file.path(), " \n").unwrap();
        assert!(from(Some(&path), None).is_err());
    }
}
