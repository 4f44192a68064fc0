//! Messages on a link: a length and postcard.
//!
//! Limits: [`MOST`] bytes a message; what is longer, or does not decode, ends the link.

use serde::{Serialize, de::DeserializeOwned};
use std::io::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Bytes of the longest message.
const MOST: usize = 64 * 1024;

pub(super) async fn write(to: &mut (impl AsyncWrite + Unpin), message: &impl Serialize) -> Result<()> {
    let mut bytes = vec![0; 4];
    bytes = postcard::to_extend(message, bytes).map_err(Error::other)?;
    let length = bytes.len() - 4;
    if length > MOST {
        return Err(Error::new(ErrorKind::InvalidData, "the message is too long"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "far below 4 GiB")]
    bytes[..4].copy_from_slice(&(length as u32).to_le_bytes());
    to.write_all(&bytes).await
}

pub(super) async fn read<T: DeserializeOwned>(from: &mut (impl AsyncRead + Unpin)) -> Result<T> {
    let length = from.read_u32_le().await? as usize;
    if length > MOST {
        return Err(Error::new(ErrorKind::InvalidData, "it says something too long"));
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).await?;
    postcard::from_bytes(&bytes)
        .map_err(|_| Error::new(ErrorKind::InvalidData, "it says something unreadable"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_comes_as_it_was_and_others_are_refused() {
        let (mut one, mut other) = tokio::io::duplex(1024);
        write(&mut one, &(7_u64, "text")).await.unwrap();
        assert_eq!(read::<(u64, String)>(&mut other).await.unwrap(), (7, "text".to_owned()));
        one.write_all(&[3, 0, 0, 0, 255, 255, 255]).await.unwrap();
        assert!(read::<String>(&mut other).await.is_err(), "it does not decode");
        one.write_all(&u32::MAX.to_le_bytes()).await.unwrap();
        assert!(read::<String>(&mut other).await.is_err(), "it is too long");
        assert!(write(&mut one, &"x".repeat(MOST)).await.is_err());
    }
}
