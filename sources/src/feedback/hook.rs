//! Deliveries of webhooks: who signed them, and whether one comes again.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use springline_model::Secret;

/// Why a delivery is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no signature, or none of the right form.
    #[error("the signature is missing, or not 64 hexadecimal digits")]
    Missing,
    /// Somebody else signed it, or something else.
    #[error("the signature is wrong")]
    Wrong,
}

/// Checks the HMAC-SHA256 of a body, given as hexadecimal digits with or without `sha256=` before them, in a time that
/// does not depend on where it differs.
///
/// # Errors
/// It is missing or wrong.
pub fn verify(secret: &Secret, body: &[u8], signature: Option<&str>) -> Result<(), SignatureError> {
    let signature = signature.ok_or(SignatureError::Missing)?.trim();
    let signature = signature.strip_prefix("sha256=").unwrap_or(signature);
    let signature = digest(signature).ok_or(SignatureError::Missing)?;
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()).map_err(|_| SignatureError::Wrong)?;
    mac.update(body);
    mac.verify_slice(&signature).map_err(|_| SignatureError::Wrong)
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// What a delivery is known by: the same for one that comes again.
#[must_use]
pub fn delivery(body: &[u8]) -> String {
    blake3::hash(body).to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn knows_who_signed() {
        let secret = Secret::new("Jefe");
        let body = b"what do ya want for nothing?";
        let good = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(verify(&secret, body, Some(good)), Ok(()));
        assert_eq!(verify(&secret, body, Some(&format!("sha256={}", good.to_uppercase()))), Ok(()));
        assert_eq!(verify(&secret, b"other", Some(good)), Err(SignatureError::Wrong));
        assert_eq!(verify(&Secret::new("jefe"), body, Some(good)), Err(SignatureError::Wrong));
        for missing in [None, Some(""), Some("sha256="), Some(&good[1..]), Some(&good.replace('5', "+"))] {
            assert_eq!(verify(&secret, body, missing), Err(SignatureError::Missing));
        }
    }
}
