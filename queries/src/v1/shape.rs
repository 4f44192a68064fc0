//! The shapes that several answers share.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};
use springline_model::{Context, NodeName, Rev, Timestamp, Uri, rows::NoteMeta};
use std::borrow::Cow;

/// A time, as RFC 3339 in UTC with milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// The version of a repository, as a TID: 13 digits that sort as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tid(pub Rev);

impl Serialize for Tid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const DIGITS: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";
        let digit = |place: u32| char::from(DIGITS[(self.0.0 >> (5 * place)) as usize % 32]);
        serializer.collect_str(&(0..13).rev().map(digit).collect::<String>())
    }
}

impl JsonSchema for Tid {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Tid".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[2-7a-z]{13}$" })
    }
}

/// A record, as lists show it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Note {
    /// Its identity.
    #[schemars(with = "String")]
    pub uri: Uri,
    /// What it is: `note`, `image`, ….
    pub kind: String,
    /// Who wrote it.
    #[schemars(with = "String")]
    pub author: Uri,
    /// The node it belongs to.
    #[schemars(with = "Option<String>")]
    pub node: Option<NodeName>,
    /// Its title.
    pub title: String,
    /// When it was last changed, by its source's clock.
    pub at: Time,
    /// Its size in bytes, as its source has it.
    pub bytes: u64,
}

impl From<NoteMeta> for Note {
    fn from(note: NoteMeta) -> Self {
        let NoteMeta { uri, kind, author, node, title, at, bytes } = note;
        Self { uri, kind, author, node, title, at: Time(at), bytes }
    }
}

/// Where a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Place {
    /// Running text, headings, lists, tables, front matter.
    Prose,
    /// A code span, a fenced or indented block, a program.
    Code,
    /// An HTML or org comment.
    Comment,
}

impl From<Context> for Place {
    fn from(context: Context) -> Self {
        match context {
            Context::Prose => Self::Prose,
            Context::Code => Self::Code,
            Context::Comment => Self::Comment,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_tids() {
        let tid = |number| serde_json::to_value(Tid(Rev(number))).unwrap();
        assert_eq!((tid(0), tid(33)), ("2222222222222".into(), "2222222222233".into()));
        assert_eq!(tid(u64::MAX >> 1), "bzzzzzzzzzzzz");
    }
}
