//! The items of a cluster, or of those of a theme, in pages.
//!
//! They come by cluster, duplicate set, text, time and URI; a cursor holds that place, so that it stays right while texts
//! and items come and go.

use super::{ClusterParams, Level, Named, lookup::text_key, named, row};
use crate::{
    answer::Reading,
    page::{Limit, Listing, Page},
    problem::Problem,
    v1::{list, shape::Time},
};
use schemars::JsonSchema;
use serde::Serialize;
use springline_model::{
    Row, Space, TextId, Uri, UriId,
    key::{KeyReader, KeyWriter},
    rows::{ClusterItemRow, ClusterLevel, ClusterMemberRow, ThemeClusterRow},
};
use springline_sinks::{Scan, Snapshot};
use std::collections::HashMap;

/// An item of a cluster.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Item {
    /// Its record.
    #[schemars(with = "String")]
    pub uri: Uri,
    /// Its title, at most 80 bytes.
    pub title: String,
    /// Which source told it.
    pub source: String,
    /// When it was said.
    pub at: Time,
    /// The near-duplicates that it is one of, if there are others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<String>,
}

/// A place in the list.
struct Place {
    member: ClusterMemberRow,
    item: ClusterItemRow,
}

impl Place {
    /// The place without what all keys begin with. In a theme the cluster belongs to it; else its root may change from
    /// page to page.
    fn bytes(&self, level: Level) -> Vec<u8> {
        let mut key = KeyWriter::new();
        if level == Level::Theme {
            key.id(UriId(self.member.cluster.0));
        }
        key.id(UriId(self.member.duplicates.0));
        let item = self.item.key_bytes();
        let space = list::key(&[self.member.space.as_str()]);
        // The text's id, the time and the URI.
        [key.into_bytes(), item[space.len()..].to_vec()].concat()
    }
}

pub(super) fn items(reading: &Reading<'_>, params: ClusterParams) -> Result<Page<Item>, Problem> {
    let named = named(reading.snapshot, &params.id, params.space.as_deref())?;
    named.row(reading.snapshot, params.level)?;
    page(reading, &named, params.level, params.limit, params.cursor.as_deref())
}

pub(super) fn page(
    reading: &Reading<'_>,
    named: &Named,
    level: Level,
    limit: Limit,
    cursor: Option<&str>,
) -> Result<Page<Item>, Problem> {
    // Not the root: it may change from page to page.
    let scope = [named.space.as_str(), ClusterLevel::from(level).name(), &named.asked];
    let after = Listing::ClusterItems.resume(&scope, cursor)?;
    let mut places = walk(reading.snapshot, named, level, after.as_deref(), limit.get() + 1)?;
    let more = places.len() > limit.get();
    places.truncate(limit.get());
    let next =
        places.last().filter(|_| more).map(|last| Listing::ClusterItems.cursor(&scope, &last.bytes(level)));
    let mut sets: HashMap<TextId, Option<String>> = HashMap::new();
    let mut items = Vec::with_capacity(places.len());
    for Place { member, item } in places {
        let duplicates = match sets.get(&member.duplicates) {
            Some(known) => known.clone(),
            None => {
                let set = row(reading.snapshot, &named.space, ClusterLevel::Duplicates, member.duplicates)?;
                let name = set.map(|set| set.id.as_str().to_owned());
                sets.insert(member.duplicates, name.clone());
                name
            }
        };
        let (title, source, at) = (item.title, item.source, Time(item.at));
        items.push(Item { uri: item.uri, title, source, at, duplicates });
    }
    Ok(Page::of(reading, items, next))
}

/// Items behind a place, in order.
fn walk(
    snapshot: &Snapshot<'_>,
    named: &Named,
    level: Level,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<Place>, Problem> {
    let set = match level {
        Level::Cluster => None,
        Level::Duplicates => Some(named.duplicates),
        Level::Theme => return walk_theme(snapshot, named, after, limit),
    };
    walk_cluster(snapshot, &named.space, named.cluster, set, after, limit)
}

/// Those of the clusters of a theme, one cluster after the other.
fn walk_theme(
    snapshot: &Snapshot<'_>,
    named: &Named,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<Place>, Problem> {
    let Some(theme) = named.root(snapshot, Level::Theme)? else { return Ok(Vec::new()) };
    let prefix = text_key(&named.space, theme);
    let (mut places, mut last) = (Vec::new(), None);
    if let Some((cluster, within)) = after.and_then(|place| place.split_at_checked(size_of::<TextId>())) {
        let key = [prefix.as_slice(), cluster].concat();
        // The rest of the cluster that the page before ended in, if it still belongs to the theme.
        if let Some(ThemeClusterRow { cluster, .. }) = snapshot.get(&key)? {
            places = walk_cluster(snapshot, &named.space, cluster, None, Some(within), limit)?;
        }
        last = Some(key);
    }
    while places.len() < limit {
        let scan =
            Scan { prefix: prefix.clone(), after: last.take(), limit: limit - places.len(), reverse: false };
        let clusters: Vec<ThemeClusterRow> = snapshot.scan(&scan)?;
        let Some(end) = clusters.last() else { break };
        last = Some(end.key_bytes());
        for ThemeClusterRow { cluster, .. } in clusters {
            let left = limit - places.len();
            places.extend(walk_cluster(snapshot, &named.space, cluster, None, None, left)?);
        }
    }
    Ok(places)
}

/// Those of a cluster, or of a duplicate set in it.
fn walk_cluster(
    snapshot: &Snapshot<'_>,
    space: &Space,
    cluster: TextId,
    set: Option<TextId>,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<Place>, Problem> {
    let cluster = text_key(space, cluster);
    let set = set.map(|set| KeyWriter::new().id(UriId(set.0)).take()).unwrap_or_default();
    let prefix = [cluster.as_slice(), &set].concat();
    let mut places = Vec::new();
    let mut last = None;
    if let Some((member, within)) = after.and_then(split) {
        let key = [cluster, member.to_vec()].concat();
        // The rest of the text that the page before ended in, if it is still in the cluster.
        if let Some(member) = snapshot.get::<ClusterMemberRow>(&key)? {
            places.extend(of_text(snapshot, &member, Some(within), limit)?);
        }
        last = Some(key);
    }
    while places.len() < limit {
        let scan =
            Scan { prefix: prefix.clone(), after: last.take(), limit: limit - places.len(), reverse: false };
        let members: Vec<ClusterMemberRow> = snapshot.scan(&scan)?;
        let Some(end) = members.last() else { break };
        last = Some(end.key_bytes());
        for member in members {
            places.extend(of_text(snapshot, &member, None, limit - places.len())?);
        }
    }
    Ok(places)
}

/// A place's bytes as what is behind the cluster in a member's key, and what is behind the text in an item's.
fn split(place: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut key = KeyReader::new(place);
    key.id().ok()?;
    key.id().ok()?;
    let within = key.rest();
    Some((&place[..place.len() - within.len()], within))
}

fn of_text(
    snapshot: &Snapshot<'_>,
    member: &ClusterMemberRow,
    within: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<Place>, Problem> {
    let rows = rows_of_text(snapshot, &member.space, member.text, within, limit)?;
    Ok(rows.into_iter().map(|item| Place { member: member.clone(), item }).collect())
}

/// The items of a text, the oldest first.
pub(super) fn rows_of_text(
    snapshot: &Snapshot<'_>,
    space: &Space,
    text: TextId,
    within: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<ClusterItemRow>, Problem> {
    let prefix = text_key(space, text);
    let after = within.map(|within| [prefix.as_slice(), within].concat());
    Ok(snapshot.scan(&Scan { prefix, after, limit, reverse: false })?)
}

/// The first items of a cluster.
pub(crate) fn first(
    snapshot: &Snapshot<'_>,
    named: &Named,
    level: Level,
    limit: usize,
) -> Result<Vec<ClusterItemRow>, Problem> {
    Ok(walk(snapshot, named, level, None, limit)?.into_iter().map(|place| place.item).collect())
}
