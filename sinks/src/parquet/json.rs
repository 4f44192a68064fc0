//! A row as a JSON object, by the columns that exports have: names and meaning are the same everywhere.
//!
//! Texts are strings, counts and numbers numbers, times RFC 3339, dates `YYYY-MM-DD`, bytes base64, what may be missing
//! null.

use super::{
    cells::{Cell, Tabular},
    tables::{ByTable, by_table},
};
use crate::views::ReadError;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeMap as _},
};
use serde_json::{Map, Value};
use springline_model::{Row, Table, Timestamp};

/// A row's columns and their values.
pub type JsonRow = Map<String, Value>;

/// A row, from what is stored. Nothing for the search index, which has none.
///
/// # Errors
/// The row does not decode.
pub fn json_row(table: Table, key: &[u8], value: &[u8]) -> Result<JsonRow, ReadError> {
    by_table(table, Decode { key, value }).unwrap_or_else(|| Ok(Map::new()))
}

/// The same, serialised without being gathered first: for who writes many. Serialising one that does not decode fails.
#[derive(Clone, Copy, Debug)]
pub struct StoredRow<'a> {
    /// Whose row.
    pub table: Table,
    /// As it is stored.
    pub key: &'a [u8],
    /// Likewise.
    pub value: &'a [u8],
}

impl Serialize for StoredRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { table, key, value } = *self;
        let no_table = || Err(S::Error::custom("a table without rows"));
        by_table(table, Show { key, value, serializer }).unwrap_or_else(no_table)
    }
}

/// The names of a table's columns.
#[must_use]
pub fn column_names(table: Table) -> Vec<&'static str> {
    by_table(table, Names).unwrap_or_default()
}

struct Decode<'a> {
    key: &'a [u8],
    value: &'a [u8],
}

impl ByTable for Decode<'_> {
    type Given = Result<JsonRow, ReadError>;

    fn of<R: Tabular + Row>(self) -> Self::Given {
        let row =
            R::decode(self.key, self.value).map_err(|source| ReadError::Row { table: R::TABLE, source })?;
        Ok(match serde_json::to_value(Columns(&row)) {
            Ok(Value::Object(columns)) => columns,
            _ => Map::new(), // not with texts for keys
        })
    }
}

struct Show<'a, S> {
    key: &'a [u8],
    value: &'a [u8],
    serializer: S,
}

impl<S: Serializer> ByTable for Show<'_, S> {
    type Given = Result<S::Ok, S::Error>;

    fn of<R: Tabular + Row>(self) -> Self::Given {
        let row = R::decode(self.key, self.value)
            .map_err(|error| S::Error::custom(format!("a row of {}: {error}", R::TABLE.name())))?;
        Columns(&row).serialize(self.serializer)
    }
}

/// A row as an object of its columns.
struct Columns<'a, R>(&'a R);

impl<R: Tabular> Serialize for Columns<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut cells = Vec::with_capacity(R::COLUMNS.len());
        self.0.cells(&mut cells);
        let mut map = serializer.serialize_map(None)?;
        if let Some(name) = R::PARTITION {
            map.serialize_entry(name, self.0.partition())?;
        }
        for ((name, _), cell) in R::COLUMNS.iter().zip(&cells) {
            map.serialize_entry(name, cell)?;
        }
        map.end()
    }
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Owned(text) => serializer.serialize_str(text),
            Self::Maybe(text) => text.serialize(serializer),
            Self::Texts(texts) => texts.serialize(serializer),
            Self::Count(count) => serializer.serialize_u64(*count),
            Self::Number(number) => serializer.serialize_u32(*number),
            Self::Date(at) => serializer.serialize_str(&at.date()),
            Self::Time(at) => serializer.serialize_str(&at.to_rfc3339()),
            Self::MaybeCount(count) => count.serialize(serializer),
            Self::MaybeTime(at) => at.map(Timestamp::to_rfc3339).serialize(serializer),
            Self::Bytes(bytes) => serializer.serialize_str(&STANDARD.encode(bytes)),
        }
    }
}

struct Names;

impl ByTable for Names {
    type Given = Vec<&'static str>;

    fn of<R: Tabular + Row>(self) -> Self::Given {
        R::PARTITION.into_iter().chain(R::COLUMNS.iter().map(|(name, _)| *name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use springline_model::{
        NodeName, Uri,
        rows::{AuthorRow, NodeRow},
    };

    #[test]
    fn a_row_is_its_columns() {
        let node = NodeName::from_canonical("agora");
        let row = NodeRow { node, subnodes: 1, authors: 2, links: 3, linkers: u64::MAX };
        let json = json_row(Table::Nodes, &row.key_bytes(), &row.value_bytes()).unwrap();
        assert_eq!(json["node"], "agora");
        assert_eq!(json["linkers"], u64::MAX);
        assert!(json_row(Table::Nodes, b"x", b"").is_err());
        let (key, value) = (row.key_bytes(), row.value_bytes());
        let stored = StoredRow { table: Table::Nodes, key: &key, value: &value };
        assert_eq!(serde_json::to_value(stored).unwrap(), Value::Object(json));
        assert!(serde_json::to_string(&StoredRow { key: b"x", ..stored }).is_err());
        let row = AuthorRow { author: Uri::user("a"), records: 1, links: 1, bytes: 1 };
        let json = json_row(Table::Authors, &row.key_bytes(), &row.value_bytes()).unwrap();
        assert_eq!(json.keys().len(), column_names(Table::Authors).len());
    }

    #[test]
    fn every_table_but_the_index_has_columns() {
        for table in Table::ALL {
            assert_eq!(column_names(*table).is_empty(), *table == Table::Search, "{table:?}");
        }
    }
}
