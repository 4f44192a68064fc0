//! Who says the same.
//!
//! ```text
//!  name ─► item ─► text ─► root ─► cluster, duplicate set    what a record is in; what an old name stands for now
//!  root ─► its texts ─► their items                          what is in a cluster
//!  root ─► theme ─► the roots of its clusters                what it belongs to
//! ```
//!
//! A text stands for all items of a space with the same words. Only the rows of texts change when clusters do: however
//! many say the same, moving them costs one row. Between the tables a cluster goes by its *root*, the text in its
//! middle, so that an older item, which gives it another name, changes one row and not those of all its texts.

use super::{Row, get, put};
use crate::{
    ClusterId, Space, Table, TextId, Timestamp, Uri, UriId, Vector,
    key::{DecodeError, KeyReader, KeyWriter},
    text::Sparse,
};
use serde::{Deserialize, Serialize};

/// How much its members have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum ClusterLevel {
    /// They are about the same.
    Cluster = 1,
    /// They say the same in nearly the same words. Part of a cluster; two items at least.
    Duplicates = 2,
    /// They are about the same sort of thing: two clusters at least.
    Theme = 3,
}

/// By what clusters are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum ClusterOrder {
    /// The number of items.
    Size = 1,
    /// Items, each worth half as much a half-life later.
    Growth = 2,
    /// The time of the newest item.
    LastSeen = 3,
}

impl ClusterLevel {
    /// Every level, the wider first.
    pub const ALL: &'static [Self] = &[Self::Theme, Self::Cluster, Self::Duplicates];

    /// The name that the API uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Duplicates => "duplicates",
            Self::Theme => "theme",
        }
    }

    fn read(key: &mut KeyReader<'_>) -> Result<Self, DecodeError> {
        let tag = key.byte()?;
        Self::ALL.iter().copied().find(|level| *level as u8 == tag).ok_or(DecodeError::Unknown(tag))
    }
}

impl ClusterOrder {
    /// Every order.
    pub const ALL: &'static [Self] = &[Self::Size, Self::Growth, Self::LastSeen];

    /// The name that the API uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Growth => "growth",
            Self::LastSeen => "last_seen",
        }
    }

    fn read(key: &mut KeyReader<'_>) -> Result<Self, DecodeError> {
        let tag = key.byte()?;
        Self::ALL.iter().copied().find(|order| *order as u8 == tag).ok_or(DecodeError::Unknown(tag))
    }
}

/// `clusters`: what is known of a cluster. Key: (space, level, root).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClusterRow {
    /// Where.
    pub space: Space,
    /// A cluster, a duplicate set or a theme.
    pub level: ClusterLevel,
    /// The text in its middle.
    pub root: TextId,
    /// The name of its oldest member.
    pub id: ClusterId,
    /// Its facts.
    pub facts: ClusterFacts,
}

/// What is known of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClusterFacts {
    /// Its items.
    pub items: u64,
    /// Its distinct texts.
    pub texts: u64,
    /// How many of its items are there because somebody placed them there.
    pub by_hand: u64,
    /// The item that stands for it: the oldest of the text in its middle.
    pub representative: Uri,
    /// That item's title, at most 80 bytes.
    pub title: String,
    /// The beginning of its text, at most 300 bytes.
    pub summary: String,
    /// Words of both that the cluster's texts share most.
    pub keywords: Vec<String>,
    /// Where its items come from, with their number: the eight most common sources.
    pub sources: Vec<(String, u64)>,
    /// The time of its oldest item.
    pub first_seen: Timestamp,
    /// The time of its newest item.
    pub last_seen: Timestamp,
    /// Items of the last hour, the last 24 hours and the last 7 days, by the epoch's clock.
    pub growth: [u64; 3],
    /// Its score by [`ClusterOrder::Growth`], against the landmark of the epoch's clock.
    pub trend: u64,
}

impl Row for ClusterRow {
    const TABLE: Table = Table::Clusters;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.space.as_str()).byte(self.level as u8).id(UriId(self.root.0));
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&(&self.id, &self.facts), value);
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let mut key = KeyReader::new(key);
        let space = Space::new(key.text()?);
        let level = ClusterLevel::read(&mut key)?;
        let (id, facts) = get(Self::TABLE, value)?;
        Ok(Self { space, level, root: TextId(key.id()?.0), id, facts })
    }
}

/// `cluster_ranks`: the clusters of a space in order. Key: (space, level, order, score descending, root).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClusterRankRow {
    /// Where.
    pub space: Space,
    /// Clusters, duplicate sets or themes.
    pub level: ClusterLevel,
    /// By what.
    pub order: ClusterOrder,
    /// How much.
    pub score: u64,
    /// Which, by its root.
    pub root: TextId,
}

impl Row for ClusterRankRow {
    const TABLE: Table = Table::ClusterRanks;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.space.as_str()).byte(self.level as u8).byte(self.order as u8);
        key.descending(self.score).id(UriId(self.root.0));
    }

    fn value(&self, _value: &mut Vec<u8>) {}

    fn decode(key: &[u8], _value: &[u8]) -> Result<Self, DecodeError> {
        let mut key = KeyReader::new(key);
        let space = Space::new(key.text()?);
        let (level, order) = (ClusterLevel::read(&mut key)?, ClusterOrder::read(&mut key)?);
        Ok(Self { space, level, order, score: key.descending()?, root: TextId(key.id()?.0) })
    }
}

/// `cluster_members`: the texts of a cluster. Key: (space, cluster, duplicate set, text). All in the key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClusterMemberRow {
    /// Where.
    pub space: Space,
    /// In which cluster, by its root.
    pub cluster: TextId,
    /// In which duplicate set, by its root; it may be the only text of it.
    pub duplicates: TextId,
    /// Which text.
    pub text: TextId,
}

impl Row for ClusterMemberRow {
    const TABLE: Table = Table::ClusterMembers;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.space.as_str());
        key.id(UriId(self.cluster.0)).id(UriId(self.duplicates.0)).id(UriId(self.text.0));
    }

    fn value(&self, _value: &mut Vec<u8>) {}

    fn decode(key: &[u8], _value: &[u8]) -> Result<Self, DecodeError> {
        let mut key = KeyReader::new(key);
        let space = Space::new(key.text()?);
        let (cluster, duplicates) = (TextId(key.id()?.0), TextId(key.id()?.0));
        Ok(Self { space, cluster, duplicates, text: TextId(key.id()?.0) })
    }
}

/// `cluster_texts`: where a text is. Key: (space, text).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClusterTextRow {
    /// Where.
    pub space: Space,
    /// Which text.
    pub text: TextId,
    /// In which cluster, by its root.
    pub cluster: TextId,
    /// In which duplicate set, by its root.
    pub duplicates: TextId,
    /// Whether it is there because somebody placed it there.
    pub by_hand: bool,
    /// Its words: what a text that somebody asks about is compared with.
    pub words: Sparse,
    /// What it means, where texts are compared by that.
    pub meaning: Option<Vector>,
}

impl Row for ClusterTextRow {
    const TABLE: Table = Table::ClusterTexts;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.space.as_str()).id(UriId(self.text.0));
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&(self.cluster, self.duplicates, self.by_hand, &self.words, &self.meaning), value);
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let mut key = KeyReader::new(key);
        let space = Space::new(key.text()?);
        let (cluster, duplicates, by_hand, words, meaning) = get(Self::TABLE, value)?;
        Ok(Self { space, text: TextId(key.id()?.0), cluster, duplicates, by_hand, words, meaning })
    }
}

/// `cluster_items`: the items of a text, the oldest first. Key: (space, text, at, URI).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClusterItemRow {
    /// Where.
    pub space: Space,
    /// Which text.
    pub text: TextId,
    /// When it was said.
    pub at: Timestamp,
    /// Which item.
    pub uri: Uri,
    /// Who told.
    pub source: String,
    /// Its title, at most 80 bytes.
    pub title: String,
}

impl Row for ClusterItemRow {
    const TABLE: Table = Table::ClusterItems;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.space.as_str()).id(UriId(self.text.0));
        key.u64(self.at.0.cast_unsigned() ^ (1 << 63)).text(self.uri.as_str());
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&(&self.source, &self.title), value);
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let mut key = KeyReader::new(key);
        let (space, text) = (Space::new(key.text()?), TextId(key.id()?.0));
        let at = Timestamp((key.u64()? ^ (1 << 63)).cast_signed());
        let (source, title) = get(Self::TABLE, value)?;
        Ok(Self { space, text, at, uri: key.text()?.into(), source, title })
    }
}

/// `cluster_names`: the item that a name stands for, by [`ClusterId::of`]; in each space that it is in. Key: (name,
/// space).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClusterNameRow {
    /// Which name.
    pub id: ClusterId,
    /// Where.
    pub space: Space,
    /// Which item.
    pub uri: Uri,
    /// Its text.
    pub text: TextId,
}

impl Row for ClusterNameRow {
    const TABLE: Table = Table::ClusterNames;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.id.as_str()).text(self.space.as_str());
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&(&self.uri, self.text), value);
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let mut key = KeyReader::new(key);
        let (id, space) = (ClusterId::new(key.text()?), Space::new(key.text()?));
        let (uri, text) = get(Self::TABLE, value)?;
        Ok(Self { id, space, uri, text })
    }
}

/// `cluster_themes`: the theme that a cluster belongs to, if it does. Key: (space, cluster).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClusterThemeRow {
    /// Where.
    pub space: Space,
    /// Which cluster, by its root.
    pub cluster: TextId,
    /// Which theme, by its root: that of one of its clusters.
    pub theme: TextId,
}

impl Row for ClusterThemeRow {
    const TABLE: Table = Table::ClusterThemes;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.space.as_str()).id(UriId(self.cluster.0));
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&self.theme, value);
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let mut key = KeyReader::new(key);
        let (space, cluster) = (Space::new(key.text()?), TextId(key.id()?.0));
        Ok(Self { space, cluster, theme: get(Self::TABLE, value)? })
    }
}

/// `theme_clusters`: the clusters of a theme. Key: (space, theme, cluster). All in the key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ThemeClusterRow {
    /// Where.
    pub space: Space,
    /// Which theme, by its root.
    pub theme: TextId,
    /// Which cluster, by its root.
    pub cluster: TextId,
}

impl Row for ThemeClusterRow {
    const TABLE: Table = Table::ThemeClusters;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.space.as_str()).id(UriId(self.theme.0)).id(UriId(self.cluster.0));
    }

    fn value(&self, _value: &mut Vec<u8>) {}

    fn decode(key: &[u8], _value: &[u8]) -> Result<Self, DecodeError> {
        let mut key = KeyReader::new(key);
        let space = Space::new(key.text()?);
        Ok(Self { space, theme: TextId(key.id()?.0), cluster: TextId(key.id()?.0) })
    }
}
