//! What was said of clusters by hand, as lists show it, and how it is taken back.
//!
//! ```text
//!  clusters://shop/place/4f… ─► its item ─► the cluster that this is in now
//!  clusters://shop/join/4f…/9a… ─► an item that it leads to ─► the same
//! ```
//!
//! An order stands with the cluster in which what it names is now, as a name does. What it names may be gone: it has no
//! effect then, and is listed with its space only.
//!
//! Limits: to find an item of a group made by hand [`MAX_ORDERS`] orders are looked at.

use super::{Named, items, lookup::text, named, row};
use crate::{
    answer::{self, Reading},
    page::{Limit, Listing, Page},
    params::Nothing,
    problem::{Kind, Problem},
    state::AppState,
    v1::{
        list::{self, List},
        names, records,
        shape::Time,
        write::{self, Wait, WaitSecs, Written},
    },
};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    ClusterId, EventBody, Rev, Space, TextId, Uri,
    hand::{Act, Anchor, GroupId, Order},
    key::text_prefix,
    rows::{ClusterLevel, ClusterNameRow, ClusterTextRow, RecordRow},
};
use springline_sinks::{Scan, Snapshot};

/// The most orders of a space that are looked at for what they name.
const MAX_ORDERS: usize = 10_000;
/// The most orders that one call takes back.
const MAX_UNDONE: usize = 500;

/// What was said of a space's clusters by hand. It counts until it is taken back.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OrdersParams {
    /// Where: a feedback project, or a space of the configuration.
    #[serde(alias = "project")]
    space: String,
    /// The most items.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// What was said by hand of what is in a cluster now.
///
/// A page may hold fewer items than asked for and still have a next one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClusterOrdersParams {
    /// The cluster's name, or that of any of its members.
    id: String,
    /// Where, if the item is in several spaces.
    #[serde(alias = "project")]
    space: Option<String>,
    /// The most items.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Takes an order back: what it is about is where the algorithm has it, as if it had never been said.
///
/// 200 if the views show it already, 202 if it is only durable.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UndoParams {
    /// The order, as lists name it: `shop/place/…`.
    order: String,
    /// `visible`: wait until every view shows it.
    wait: Option<Wait>,
    /// How long to wait at most.
    #[serde(default = "WaitSecs::usual")]
    wait_secs: WaitSecs,
}

/// Takes back what was said by hand of what is in a cluster now: all of it, or what places certain items.
///
/// At most 500 orders at a call: `orders` names them, and none when nothing is left. 200 if the views show it already,
/// 202 if it is only durable.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UndoClusterParams {
    /// The cluster's name, or that of any of its members.
    id: String,
    /// Where, if the item is in several spaces.
    #[serde(alias = "project")]
    space: Option<String>,
    /// Only what places these items, and others that say the same words.
    #[serde(default)]
    item: Vec<String>,
    /// `visible`: wait until every view shows it.
    wait: Option<Wait>,
    /// How long to wait at most.
    #[serde(default = "WaitSecs::usual")]
    wait_secs: WaitSecs,
}

/// Something that was said of clusters.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ClusterOrderView {
    /// What it is called.
    pub order: String,
    /// `place`: an item counts in a cluster. `join`: two clusters are one.
    pub act: &'static str,
    /// What is placed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub item: Option<Uri>,
    /// Where it leads: one cluster for `place`, two for `join`.
    pub to: Vec<Lead>,
    /// Since when.
    pub since: Time,
    /// The cluster in which what it is about is now; none if nothing of it is there.
    pub cluster: Option<String>,
}

/// Where an order leads.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Lead {
    /// Where the first of these items that is there would be without orders.
    #[schemars(with = "Vec<String>")]
    pub with: Vec<Uri>,
    /// A cluster made by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// Orders, and when they count.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Ordered {
    /// When.
    #[serde(flatten)]
    pub written: Written,
    /// Which: none if that is how it was.
    pub orders: Vec<String>,
    /// The cluster that it made of what it is about, once the views show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
}

/// What an order is called: its URI without the scheme.
pub(super) fn name(order: &Uri) -> String {
    order.rest().to_owned()
}

/// What a record says, if it is an order.
fn read(row: &RecordRow) -> Option<Order> {
    Order::of(&row.record)
}

/// An order that counts, with its version.
pub(super) fn find(snapshot: &Snapshot<'_>, uri: &Uri) -> Result<Option<(Order, RecordRow)>, Problem> {
    let row = records::visible(snapshot, uri)?;
    Ok(row.and_then(|row| Some((read(&row)?, row))))
}

/// The text of an item, as far as it is in a space.
pub(super) fn text_of(
    snapshot: &Snapshot<'_>,
    space: &Space,
    item: &Uri,
) -> Result<Option<ClusterTextRow>, Problem> {
    let key = list::key(&[ClusterId::of(item).as_str(), space.as_str()]);
    match snapshot.get::<ClusterNameRow>(&key)? {
        Some(name) => text(snapshot, space, name.text),
        None => Ok(None),
    }
}

/// Orders of a space that count, at most [`MAX_ORDERS`].
fn all(snapshot: &Snapshot<'_>, space: &Space) -> Result<Vec<(Order, RecordRow)>, Problem> {
    let prefix = text_prefix(Order::authority(space).as_str());
    let mut rows: Vec<RecordRow> = snapshot.scan(&Scan { prefix, limit: MAX_ORDERS, ..Scan::default() })?;
    snapshot.retain_visible(&mut rows)?;
    Ok(rows.into_iter().filter_map(|row| Some((read(&row)?, row))).collect())
}

/// The shown cluster, by its root, in which what an order names is now.
fn cluster_of(snapshot: &Snapshot<'_>, order: &Order) -> Result<Option<TextId>, Problem> {
    let space = &order.space;
    match &order.act {
        Act::Place { item, .. } => Ok(text_of(snapshot, space, item)?.map(|text| text.cluster)),
        Act::Join(anchors) => {
            for anchor in anchors {
                let found = match anchor {
                    Anchor::With(items) => of_items(snapshot, space, items)?,
                    Anchor::Group(group) => of_group(snapshot, space, *group)?,
                };
                if found.is_some() {
                    return Ok(found);
                }
            }
            Ok(None)
        }
    }
}

/// Where the first of some items is; one that was placed elsewhere by hand says least.
fn of_items(snapshot: &Snapshot<'_>, space: &Space, items: &[Uri]) -> Result<Option<TextId>, Problem> {
    let mut found = None;
    for item in items {
        if let Some(text) = text_of(snapshot, space, item)? {
            if !text.by_hand {
                return Ok(Some(text.cluster));
            }
            found = found.or(Some(text.cluster));
        }
    }
    Ok(found)
}

fn of_group(snapshot: &Snapshot<'_>, space: &Space, group: GroupId) -> Result<Option<TextId>, Problem> {
    for (order, _) in all(snapshot, space)? {
        if let Act::Place { item, to: Anchor::Group(other) } = &order.act
            && *other == group
            && let Some(text) = text_of(snapshot, space, item)?
        {
            return Ok(Some(text.cluster));
        }
    }
    Ok(None)
}

impl From<Anchor> for Lead {
    fn from(anchor: Anchor) -> Self {
        match anchor {
            Anchor::With(with) => Self { with, group: None },
            Anchor::Group(group) => Self { with: Vec::new(), group: Some(group.to_string()) },
        }
    }
}

/// An order as lists show it; of a cluster, if one is given, else of all.
fn view(
    snapshot: &Snapshot<'_>,
    record: RecordRow,
    of: Option<&Named>,
) -> Result<Option<ClusterOrderView>, Problem> {
    let mut rows = vec![record];
    snapshot.retain_visible(&mut rows)?;
    let Some((order, record)) = rows.pop().and_then(|row| Some((read(&row)?, row))) else { return Ok(None) };
    let root = cluster_of(snapshot, &order)?;
    if of.is_some_and(|named| root != Some(named.cluster)) {
        return Ok(None);
    }
    let cluster = match root {
        Some(root) => row(snapshot, &order.space, ClusterLevel::Cluster, root)?,
        None => None,
    };
    let (act, item, to) = match order.act {
        Act::Place { item, to } => ("place", Some(item), vec![to.into()]),
        Act::Join(parts) => ("join", None, parts.map(Lead::from).into()),
    };
    let (order, since) = (name(&record.record.uri), Time(record.record.at));
    let cluster = cluster.map(|cluster| cluster.id.as_str().to_owned());
    Ok(Some(ClusterOrderView { order, act, item, to, since, cluster }))
}

fn page(
    reading: &Reading<'_>,
    space: &Space,
    of: Option<(&str, &Named)>,
    limit: Limit,
    cursor: Option<&str>,
) -> Result<Page<ClusterOrderView>, Problem> {
    let list = List {
        listing: Listing::ClusterOrders,
        scope: &[space.as_str(), of.map_or("", |(asked, _)| asked)],
        prefix: text_prefix(Order::authority(space).as_str()),
        limit,
        cursor,
    };
    let mut failed = None;
    let page = list.page(reading, |record: RecordRow| {
        if failed.is_some() {
            return None;
        }
        view(reading.snapshot, record, of.map(|(_, named)| named)).unwrap_or_else(|problem| {
            failed = Some(problem);
            None
        })
    });
    failed.map_or(page, Err)
}

pub(super) fn orders(reading: &Reading<'_>, params: OrdersParams) -> Result<Page<ClusterOrderView>, Problem> {
    page(reading, &Space::new(params.space), None, params.limit, params.cursor.as_deref())
}

pub(super) fn of_cluster(
    reading: &Reading<'_>,
    params: ClusterOrdersParams,
) -> Result<Page<ClusterOrderView>, Problem> {
    let named = named(reading.snapshot, &params.id, params.space.as_deref())?;
    page(reading, &named.space, Some((&params.id, &named)), params.limit, params.cursor.as_deref())
}

/// What places an item: orders for any that says the same words, and for itself though it may be gone.
fn placements(snapshot: &Snapshot<'_>, space: &Space, item: &Uri) -> Result<Vec<(Uri, Rev)>, Problem> {
    let mut items = vec![item.clone()];
    if let Some(text) = text_of(snapshot, space, item)? {
        let others = items::rows_of_text(snapshot, space, text.text, None, MAX_UNDONE)?;
        items.extend(others.into_iter().map(|row| row.uri));
    }
    let mut found = Vec::new();
    for item in items {
        let uri = Order::of_item(space, &item);
        found.extend(find(snapshot, &uri)?.map(|(_, row)| (uri, row.rev)));
    }
    Ok(found)
}

/// Has it journalled that orders are taken back.
async fn take_back(
    state: &AppState,
    orders: Vec<(Uri, Rev)>,
    wait: Option<Wait>,
    at_most: WaitSecs,
) -> Result<(StatusCode, Ordered), Problem> {
    let names = orders.iter().map(|(uri, _)| name(uri)).collect();
    let delete = |(uri, known)| EventBody::Delete { rev: write::next_rev(state, known), uri };
    let bodies = orders.into_iter().map(delete).collect();
    let (status, written) = write::submit_all(state, bodies, wait, at_most).await?;
    Ok((status, Ordered { written, orders: names, cluster: None }))
}

pub(super) async fn undo(
    state: AppState,
    params: UndoParams,
    _: Nothing,
) -> Result<(StatusCode, Ordered), Problem> {
    let found = answer::on_snapshot(&state, move |snapshot| {
        let asked = params.order.trim_start_matches("clusters:").trim_start_matches('/');
        let uri = Uri::new(format!("clusters://{asked}"));
        let (_, row) = find(snapshot, &uri)?.ok_or_else(|| {
            let asked = names::shown(&params.order);
            Problem::not_found(format!("there is no order `{asked}` (or not any more)"))
        })?;
        Ok((uri, row.rev))
    });
    take_back(&state, vec![found.await?], params.wait, params.wait_secs).await
}

pub(super) async fn undo_cluster(
    state: AppState,
    params: UndoClusterParams,
    _: Nothing,
) -> Result<(StatusCode, Ordered), Problem> {
    let UndoClusterParams { id, space, item: items, wait, wait_secs } = params;
    let found = answer::on_snapshot(&state, move |snapshot| {
        let named = named(snapshot, &id, space.as_deref())?;
        let mut found = Vec::new();
        for item in &items {
            let placed = placements(snapshot, &named.space, &names::uri(snapshot, "item", item)?)?;
            if placed.is_empty() {
                let asked = names::shown(item);
                return Err(Problem::not_found(format!("`{asked}` was not placed by hand")));
            }
            found.extend(placed);
        }
        let rest = if items.is_empty() { all(snapshot, &named.space)? } else { Vec::new() };
        for (order, row) in rest {
            if found.len() == MAX_UNDONE {
                break;
            }
            if cluster_of(snapshot, &order)? == Some(named.cluster) {
                found.push((order.uri(), row.rev));
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    });
    take_back(&state, found.await?, wait, wait_secs).await
}

/// Nothing that is named belongs there.
pub(super) fn mismatch(field: &str, detail: String) -> Problem {
    Problem::new(Kind::Mismatch, format!("`{field}`: {detail}")).fault(Some(field), detail, None)
}
