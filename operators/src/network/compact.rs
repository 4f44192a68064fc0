//! Records' identities in few bytes: an account and a collection as numbers, a key of 13 characters as one.

use foldhash::fast::RandomState;
use springline_model::Uri;
use std::{collections::HashMap, sync::Arc};

/// Texts that many rows share, by number, for as long as any row holds them.
#[derive(Default)]
pub(crate) struct Names {
    by_name: HashMap<Arc<str>, u32, RandomState>,
    /// By number: the text, and how often it is held.
    names: Vec<(Arc<str>, u64)>,
    free: Vec<u32>,
}

impl Names {
    fn hold(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.by_name.get(name) {
            self.names[number as usize].1 += 1;
            return number;
        }
        let name: Arc<str> = name.into();
        let number = match self.free.pop() {
            Some(number) => {
                self.names[number as usize] = (name.clone(), 1);
                number
            }
            None => {
                self.names.push((name.clone(), 1));
                u32::try_from(self.names.len() - 1).expect("four billion names do not fit in memory")
            }
        };
        self.by_name.insert(name, number);
        number
    }

    fn release(&mut self, number: u32) {
        let (name, held) = &mut self.names[number as usize];
        *held -= 1;
        if *held == 0 {
            self.by_name.remove(&*name.clone());
            *name = "".into();
            self.free.push(number);
        }
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }
}

/// The identity of a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Compact {
    /// `at://<did>/<collection>/<key>`, with a key that is a number in base 32.
    Short { did: u32, collection: u32, key: u64 },
    /// Any other.
    Long(Uri),
}

const DIGITS: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";

impl Compact {
    /// Of a URI; its names are held until [`Self::release`].
    pub(crate) fn hold(uri: &Uri, names: &mut Names) -> Self {
        match parts(uri) {
            Some((did, collection, key)) => {
                Self::Short { did: names.hold(did), collection: names.hold(collection), key }
            }
            None => Self::Long(uri.clone()),
        }
    }

    /// Of a URI whose names may be held.
    pub(crate) fn find(uri: &Uri, names: &Names) -> Option<Self> {
        match parts(uri) {
            Some((did, collection, key)) => {
                Some(Self::Short { did: names.number(did)?, collection: names.number(collection)?, key })
            }
            None => Some(Self::Long(uri.clone())),
        }
    }

    /// Lets its names go.
    pub(crate) fn release(self, names: &mut Names) {
        if let Self::Short { did, collection, .. } = self {
            names.release(did);
            names.release(collection);
        }
    }

    /// The URI.
    pub(crate) fn uri(&self, names: &Names) -> Uri {
        match self {
            Self::Long(uri) => uri.clone(),
            Self::Short { did, collection, key } => {
                let (did, collection) = (&names.names[*did as usize].0, &names.names[*collection as usize].0);
                let key: String =
                    (0..13).rev().map(|digit| DIGITS[(key >> (5 * digit)) as usize % 32] as char).collect();
                Uri::new(format!("at://{did}/{collection}/{key}"))
            }
        }
    }
}

/// Only a URI that comes back from its parts as it is.
fn parts(uri: &Uri) -> Option<(&str, &str, u64)> {
    let mut parts = uri.as_str().strip_prefix("at://")?.splitn(3, '/');
    let (did, collection, key) = (parts.next()?, parts.next()?, parts.next()?);
    if key.len() != 13 {
        return None;
    }
    let mut number: u128 = 0;
    for byte in key.bytes() {
        number = number * 32 + DIGITS.iter().position(|digit| *digit == byte)? as u128;
    }
    Some((did, collection, u64::try_from(number).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn comes_back(uris in prop::collection::vec("at://(a|did:plc:[a-c])/[a-b]/([2-7a-z]{13}|3[a-z]{12}|self|)", 0..20)) {
            let mut names = Names::default();
            let uris: Vec<Uri> = uris.into_iter().map(Uri::from).collect();
            let held: Vec<Compact> = uris.iter().map(|uri| Compact::hold(uri, &mut names)).collect();
            for (uri, held) in uris.iter().zip(&held) {
                prop_assert_eq!(&held.uri(&names), uri);
                prop_assert_eq!(Compact::find(uri, &names), Some(held.clone()));
            }
            held.into_iter().for_each(|held| held.release(&mut names));
            prop_assert!(names.by_name.is_empty());
        }
    }
}
