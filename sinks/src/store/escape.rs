//! Keys without four `0xFF` in a row, in the order that they had.
//!
//! ```text
//!   1E 02 FF FF FF FF FF 63   →   1E 02 FF FF FF 00 FF FF 63
//! ```
//!
//! After the third `0xFF` of a run comes a zero, and the run begins anew. Of two keys that first differ at some byte,
//! or of which one begins the other, the same is then true: the order stays.
//!
//! sled needs it to walk backwards. From the page that begins at `… n` it looks for the one before it at
//! `… n-1 FF FF FF FF`; if a page begins between the two, it never finds it, and panics after a million tries.

use std::borrow::Cow;

/// The longest run of `0xFF`.
const RUN: usize = 3;
/// What ends it.
const STOP: u8 = 0;

/// A key as it is stored.
pub(super) fn escape(key: &[u8]) -> Cow<'_, [u8]> {
    if !has_run(key) {
        return Cow::Borrowed(key);
    }
    let mut escaped = Vec::with_capacity(key.len() + key.len() / RUN);
    let mut run = 0;
    for &byte in key {
        escaped.push(byte);
        run = if byte == u8::MAX { run + 1 } else { 0 };
        if run == RUN {
            escaped.push(STOP);
            run = 0;
        }
    }
    Cow::Owned(escaped)
}

/// The key that is stored so.
pub(super) fn unescape(escaped: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(escaped.len());
    let mut run = 0;
    for &byte in escaped {
        if run == RUN {
            run = 0; // the zero behind a run
            continue;
        }
        key.push(byte);
        run = if byte == u8::MAX { run + 1 } else { 0 };
    }
    key
}

fn has_run(key: &[u8]) -> bool {
    key.windows(RUN).any(|run| run == [u8::MAX; RUN])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![1 => 0..2_u8, 1 => Just(0xFE), 3 => Just(0xFF)], 0..12)
    }

    proptest! {
        #[test]
        fn keys_come_back_in_their_order(one in key(), other in key()) {
            let (a, b) = (escape(&one), escape(&other));
            prop_assert_eq!(unescape(&a), one.clone());
            prop_assert_eq!(a.cmp(&b), one.cmp(&other));
            prop_assert!(!a.windows(RUN + 1).any(|run| run == [u8::MAX; RUN + 1]));
        }
    }
}
