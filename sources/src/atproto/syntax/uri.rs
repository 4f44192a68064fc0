//! URIs and CIDs in records: checked loosely, as the protocol does. What a URI leads to is for whoever follows it.

use super::{SyntaxError, starts_with_letter};

/// Whether the text is a URI: a scheme and anything without white space.
///
/// # Errors
/// It isn't.
pub fn check_uri(text: &str) -> Result<(), SyntaxError> {
    let refuse = |why| Err(SyntaxError::Uri(why));
    if text.len() > 8_192 {
        return refuse("too long");
    }
    let Some((scheme, rest)) = text.split_once(':') else { return refuse("it has no scheme") };
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    if scheme.len() > 81 || !starts_with_letter(scheme) || !scheme.bytes().all(is_scheme) {
        return refuse("it doesn't start with a scheme");
    }
    if rest.is_empty() {
        return refuse("there is only a scheme");
    }
    if rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return refuse("white space in it");
    }
    Ok(())
}

/// Whether the text looks like a CID of any kind but version 0. The links of a record are of one kind only, and
/// checked by [`crate::atproto::Cid`].
///
/// # Errors
/// It doesn't.
pub fn check_cid(text: &str) -> Result<(), SyntaxError> {
    let refuse = |why| Err(SyntaxError::Cid(why));
    if !(8..=256).contains(&text.len()) {
        return refuse("of 8 to 256 characters");
    }
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'=') {
        return refuse("a character that isn't allowed");
    }
    if text.starts_with("Qm") && text.len() == 46 {
        return refuse("of version 0");
    }
    Ok(())
}
