//! Lists in pages: a bounded `limit`, and an opaque cursor that resumes strictly after the last item shown.
//!
//! ```text
//!  cursor = base64url( version, listing, key bytes of the last item, check )
//!  check  = first 4 bytes of BLAKE3( version, listing, scope, key )      scope: what the query asked for
//! ```
//!
//! A cursor holds a place in the order, not a count of items: a page is right whatever was inserted or deleted
//! since the one before. The check ties it to its query (a cursor of `target=a` is refused for `target=b`) and
//! finds typing errors; it is no secret: a forged cursor merely names another place in the same list.

use crate::{
    answer::Reading,
    problem::{Kind, Problem},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use std::borrow::Cow;

const VERSION: u8 = 1;
const CHECK_BYTES: usize = 4;

/// A page of a list.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub struct Page<T> {
    /// The epoch that the page is complete as of.
    pub epoch: u64,
    /// Of several processes one did not answer: what only it knows is not here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// The items. A page may hold fewer than asked for and still have a next one (when a filter left items out).
    pub items: Vec<T>,
    /// The cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of what was read.
    #[must_use]
    pub fn of(reading: &Reading<'_>, items: Vec<T>, next: Option<String>) -> Self {
        let snapshot = reading.snapshot;
        Self { epoch: snapshot.epoch().0, partial: snapshot.heard().is_partial(), items, next }
    }

    /// The same page of what was read of these items.
    #[must_use]
    pub fn with<U>(self, reading: &Reading<'_>, items: Vec<U>) -> Page<U> {
        Page::of(reading, items, self.next)
    }
}

/// How many items a page may have: from 1 to `MOST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Limit<const MOST: u16 = 500>(u16);

impl<const MOST: u16> Limit<MOST> {
    /// When nothing is said.
    pub const DEFAULT: Self = Self::of(50);

    /// When nothing is said, for items that take more work.
    pub const SHORT: Self = Self::of(20);

    /// So many, at most as many as there may be.
    #[must_use]
    pub const fn of(number: u16) -> Self {
        Self(if number < MOST { number } else { MOST })
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

impl<const MOST: u16> Default for Limit<MOST> {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl<'de, const MOST: u16> Deserialize<'de> for Limit<MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        u16::try_from(number)
            .ok()
            .filter(|number| (1..=MOST).contains(number))
            .map(Self)
            .ok_or_else(|| D::Error::custom(format!("{number} is not between 1 and {MOST}")))
    }
}

impl<const MOST: u16> JsonSchema for Limit<MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Limit{MOST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": MOST })
    }
}

/// Which list a cursor is of. The numbers are in clients' hands: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Listing {
    /// Links to a target.
    Backlinks = 1,
    /// Hits of a search.
    Search = 2,
    /// Nodes by an order.
    Rankings = 3,
    /// Notes, newest first.
    Latest = 4,
    /// Authors.
    Authors = 5,
    /// An author's notes.
    AuthorNotes = 6,
    /// Journals, last day first.
    Journals = 7,
    /// Journals of a day.
    JournalDay = 8,
    /// Nodes by name.
    Nodes = 9,
    /// Notifications of a recipient.
    Notifications = 10,
    /// Refused input.
    Quarantine = 11,
    /// Hidden authorities.
    Moderation = 12,
    /// Notes of a node.
    Subnodes = 13,
    /// Records of the network that link to a target.
    LinkRecords = 14,
    /// Accounts that link to a target.
    LinkDids = 15,
    /// Records that link to a target and to another one.
    ManyToMany = 16,
    /// What is linked to beside a target.
    OtherSubjects = 17,
    /// Answers to a record.
    Thread = 18,
    /// Posts.
    Feed = 19,
    /// Kinds of records.
    Collections = 20,
    /// Days of a kind of record.
    CollectionDays = 21,
    /// Repositories.
    Repos = 22,
    /// Stretches that were never seen.
    Gaps = 23,
    /// Labels.
    Labels = 24,
    /// Feedback.
    Feedback = 70,
    /// Subreddits.
    Subreddits = 71,
    /// Jobs.
    Jobs = 40,
    /// Clusters of a space.
    Clusters = 75,
    /// Items of a cluster.
    ClusterItems = 76,
    /// What was said of clusters by hand.
    ClusterOrders = 77,
}

impl Listing {
    /// The cursor that resumes strictly after `key`, for the same listing and scope.
    #[must_use]
    pub fn cursor(self, scope: &[&str], key: &[u8]) -> String {
        let mut bytes = Vec::with_capacity(2 + key.len() + CHECK_BYTES);
        bytes.extend_from_slice(&[VERSION, self as u8]);
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(&self.check(scope, key));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The key that a cursor resumes after; `None` for the first page.
    ///
    /// # Errors
    /// The cursor was not made by [`Self::cursor`] for the same listing and scope.
    pub fn resume(self, scope: &[&str], cursor: Option<&str>) -> Result<Option<Vec<u8>>, Problem> {
        let Some(cursor) = cursor else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|error| match error {
            base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => {
                refuse("a cursor is base64url, this is not", Some(at))
            }
            _ => refuse("the cursor is cut short", None),
        })?;
        let [version, listing, rest @ ..] = bytes.as_slice() else {
            return Err(refuse("the cursor is cut short", None));
        };
        if *version != VERSION {
            return Err(refuse("the cursor was made by another version of the server", None));
        }
        if *listing != self as u8 {
            return Err(refuse("the cursor is of another list", None));
        }
        let Some((key, check)) = rest.split_last_chunk::<CHECK_BYTES>() else {
            return Err(refuse("the cursor is cut short", None));
        };
        if *check != self.check(scope, key) {
            return Err(refuse("the cursor is damaged, or was made by a query with other parameters", None));
        }
        Ok(Some(key.to_vec()))
    }

    fn check(self, scope: &[&str], key: &[u8]) -> [u8; CHECK_BYTES] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[VERSION, self as u8]);
        for part in scope {
            hasher.update(&(part.len() as u64).to_be_bytes()).update(part.as_bytes());
        }
        hasher.update(key);
        let mut check = [0; CHECK_BYTES];
        hasher.finalize_xof().fill(&mut check);
        check
    }
}

fn refuse(detail: &str, at: Option<usize>) -> Problem {
    Problem::new(Kind::MalformedCursor, format!("{detail}; begin again without `cursor`")).fault(
        Some("cursor"),
        detail,
        at,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_comes_back_and_only_to_its_query(key: Vec<u8>, scope: String, other: String, flip: usize) {
            let cursor = Listing::Latest.cursor(&[&scope], &key);
            prop_assert_eq!(Listing::Latest.resume(&[&scope], Some(&cursor)).unwrap(), Some(key));
            prop_assert!(Listing::Nodes.resume(&[&scope], Some(&cursor)).is_err());
            if other != scope {
                prop_assert!(Listing::Latest.resume(&[&other], Some(&cursor)).is_err());
            }
            let mut damaged = cursor.into_bytes();
            let at = flip % damaged.len();
            damaged[at] = if damaged[at] == b'A' { b'B' } else { b'A' };
            let damaged = String::from_utf8(damaged).unwrap();
            prop_assert!(Listing::Latest.resume(&[&scope], Some(&damaged)).is_err());
        }

        #[test]
        fn any_text_is_refused_without_panic(text: String) {
            prop_assert!(Listing::Search.resume(&[], Some(&text)).is_err());
        }
    }

    #[test]
    fn says_where() {
        let problem = Listing::Latest.resume(&[], Some("AB*D")).unwrap_err();
        assert!(problem.detail().contains("base64url"), "{}", problem.detail());
    }
}
