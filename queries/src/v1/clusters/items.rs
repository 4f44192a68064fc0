//! The items of a cluster, in pages.
//!
//! They come by duplicate set, text, time and URI; a cursor holds that place, so that it stays right while texts and
//! items come and go.

use super::{Level, Named, named, row, text_key};
use crate::{
    answer::Reading,
    page::{Limit, Listing, Page},
    problem::Problem,
    v1::{list, shape::Time},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    Row, Space, TextId, Uri, UriId,
    key::{KeyReader, KeyWriter},
    rows::{ClusterItemRow, ClusterLevel, ClusterMemberRow},
};
use springline_sinks::{Scan, Snapshot};
use std::collections::HashMap;

/// The items of a cluster.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemsParams {
    /// The cluster's name, or that of any of its members.
    id: String,
    /// Where, if the item is in several spaces.
    #[serde(alias = "project")]
    space: Option<String>,
    /// The cluster, or those near-duplicates alone.
    #[serde(default)]
    level: Level,
    /// The most items.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

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
    /// The place without what all keys begin with.
    fn bytes(&self) -> Vec<u8> {
        let mut key = KeyWriter::new();
        key.id(UriId(self.member.duplicates.0));
        let item = self.item.key_bytes();
        let space = list::key(&[self.member.space.as_str()]);
        // The text's id, the time and the URI.
        [key.into_bytes(), item[space.len()..].to_vec()].concat()
    }
}

pub(super) fn items(reading: &Reading<'_>, params: ItemsParams) -> Result<Page<Item>, Problem> {
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
    let next = places.last().filter(|_| more).map(|last| Listing::ClusterItems.cursor(&scope, &last.bytes()));
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
    Ok(Page { epoch: reading.snapshot.epoch().0, items, next })
}

/// Items of a cluster behind a place, in order.
fn walk(
    snapshot: &Snapshot<'_>,
    named: &Named,
    level: Level,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<Place>, Problem> {
    let mut key = KeyWriter::new();
    let cluster = key.text(named.space.as_str()).id(UriId(named.cluster.0)).clone().into_bytes();
    let prefix = match level {
        Level::Cluster => cluster.clone(),
        Level::Duplicates => key.id(UriId(named.duplicates.0)).take(),
    };
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
