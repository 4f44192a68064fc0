//! What matters now.

use super::Row;
use crate::{
    NodeName, Table, Uri,
    key::{DecodeError, KeyReader, KeyWriter},
};
use serde::{Deserialize, Serialize};

/// By what a ranking orders nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Order {
    /// Notes of the node.
    Size = 1,
    /// Distinct authors who link to it.
    InDegree = 2,
    /// Visits of the random walkers (PageRank).
    Rank = 3,
    /// Touches, each worth half as much a half-life later.
    Trending = 4,
    /// Touches by notes of the last hour.
    #[serde(rename = "1h")]
    Hour = 5,
    /// Touches by notes of the last 24 hours.
    #[serde(rename = "24h")]
    Day = 6,
    /// Touches by notes of the last 7 days.
    #[serde(rename = "7d")]
    Week = 7,
    /// Touches by notes of the last 30 days.
    #[serde(rename = "30d")]
    Month = 8,
}

impl Order {
    /// Every order.
    pub const ALL: &'static [Self] = &[
        Self::Size,
        Self::InDegree,
        Self::Rank,
        Self::Trending,
        Self::Hour,
        Self::Day,
        Self::Week,
        Self::Month,
    ];

    /// The name that the API and the command line use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::InDegree => "indegree",
            Self::Rank => "rank",
            Self::Trending => "trending",
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    /// From its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|order| order.name() == name)
    }

    fn read(key: &mut KeyReader<'_>) -> Result<Self, DecodeError> {
        let tag = key.byte()?;
        Self::ALL.iter().copied().find(|order| *order as u8 == tag).ok_or(DecodeError::Unknown(tag))
    }
}

/// `top`: the K best of an order. Key: (order, score descending, node). All in the key: the value is empty.
///
/// Equal scores are in the order of the names, so that the cut at K is the same in every run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TopRow {
    /// By what.
    pub order: Order,
    /// How much; for [`Order::Trending`] against the landmark of the epoch's clock, for the others a plain count.
    pub score: u64,
    /// Which node.
    pub node: NodeName,
}

impl Row for TopRow {
    const TABLE: Table = Table::Top;

    fn key(&self, key: &mut KeyWriter) {
        key.byte(self.order as u8).descending(self.score).text(self.node.as_str());
    }

    fn value(&self, _value: &mut Vec<u8>) {}

    fn decode(key: &[u8], _value: &[u8]) -> Result<Self, DecodeError> {
        let mut key = KeyReader::new(key);
        let order = Order::read(&mut key)?;
        let score = key.descending()?;
        Ok(Self { order, score, node: NodeName::from_canonical(&key.text()?) })
    }
}

/// `hot`: the K best records of an order. Key: (order, score descending, record). All in the key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HotRow {
    /// By what: [`Order::Trending`] or one of the windows.
    pub order: Order,
    /// As in [`TopRow::score`].
    pub score: u64,
    /// Which record.
    pub uri: Uri,
}

impl Row for HotRow {
    const TABLE: Table = Table::Hot;

    fn key(&self, key: &mut KeyWriter) {
        key.byte(self.order as u8).descending(self.score).text(self.uri.as_str());
    }

    fn value(&self, _value: &mut Vec<u8>) {}

    fn decode(key: &[u8], _value: &[u8]) -> Result<Self, DecodeError> {
        let mut key = KeyReader::new(key);
        let order = Order::read(&mut key)?;
        Ok(Self { order, score: key.descending()?, uri: key.text()?.into() })
    }
}
