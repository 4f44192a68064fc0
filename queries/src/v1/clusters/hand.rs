//! Clusters by hand: pin, move, split, merge.
//!
//! ```text
//!  pin    items ─► place each where the cluster's oldest members would be         they stay, whatever the algorithm says
//!  move   items ─► place each where another cluster's oldest members would be
//!  split  items ─► place each in a group of their own
//!  merge          join both clusters
//! ```
//!
//! What is said are records (`springline_model::hand`), journalled like all that happens, so they are undone by being
//! deleted and count again after a restart. Said again they change nothing.
//!
//! Limits: [`MAX_ITEMS`] items a call; to find members that are where they would be without orders, [`MAX_TEXTS`]
//! texts of a cluster are looked at.

use super::{
    Named, items,
    lookup::text,
    named,
    orders::{self, Ordered},
    row,
};
use crate::{
    answer,
    problem::{Kind, Problem},
    state::AppState,
    v1::{
        names,
        write::{self, Wait, WaitSecs},
    },
};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use springline_model::{
    ClusterId, EventBody, Rev, Space, TextId, Timestamp, Uri, UriId,
    hand::{Act, Anchor, GroupId, MAX_ANCHORS, Order},
    key::KeyWriter,
    rows::{ClusterLevel, ClusterMemberRow},
};
use springline_sinks::{Scan, Snapshot};
use std::sync::Arc;

/// The most items of one call.
const MAX_ITEMS: usize = 500;
/// The most texts of a cluster that are looked at for an anchor, and items of a text.
const MAX_TEXTS: usize = 500;

/// The cluster that something is said of.
///
/// All items that say the same words go together; what was said of them before counts no more. 200 if the views show it
/// already, 202 if it is only durable.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HandParams {
    /// The cluster's name, or that of any of its members.
    id: String,
    /// Where, if the item is in several spaces.
    #[serde(alias = "project")]
    space: Option<String>,
    /// `visible`: wait until every view shows it.
    wait: Option<Wait>,
    /// How long to wait at most.
    #[serde(default = "WaitSecs::usual")]
    wait_secs: WaitSecs,
}

/// Which.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Items {
    /// The items, by their URIs: at most 500.
    items: Vec<String>,
}

/// Which, and where.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Moved {
    /// The items, by their URIs: at most 500.
    items: Vec<String>,
    /// The other cluster's name, or that of any of its members.
    into: String,
}

/// With what.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Merged {
    /// The other cluster's name, or that of any of its members.
    into: String,
}

/// What is to be said, and of which item the cluster is of interest then.
struct Said {
    orders: Vec<(Order, Rev)>,
    space: Space,
    about: String,
}

pub(super) async fn pin(
    state: AppState,
    params: HandParams,
    body: Items,
) -> Result<(StatusCode, Ordered), Problem> {
    of_cluster(&state, params, move |snapshot, from| {
        let items = members(snapshot, &body.items, from, None)?;
        place(snapshot, from, items, &anchor(snapshot, from)?)
    })
    .await
}

pub(super) async fn move_(
    state: AppState,
    params: HandParams,
    body: Moved,
) -> Result<(StatusCode, Ordered), Problem> {
    of_cluster(&state, params, move |snapshot, from| {
        let into = other(snapshot, from, &body.into)?;
        let items = members(snapshot, &body.items, from, Some(&into))?;
        place(snapshot, from, items, &anchor(snapshot, &into)?)
    })
    .await
}

pub(super) async fn split(
    state: AppState,
    params: HandParams,
    body: Items,
) -> Result<(StatusCode, Ordered), Problem> {
    of_cluster(&state, params, move |snapshot, from| {
        let items = members(snapshot, &body.items, from, None)?;
        let to = Anchor::Group(GroupId::of(&from.space, &items, Timestamp::now()));
        place(snapshot, from, items, &to)
    })
    .await
}

pub(super) async fn merge(
    state: AppState,
    params: HandParams,
    body: Merged,
) -> Result<(StatusCode, Ordered), Problem> {
    of_cluster(&state, params, move |snapshot, from| {
        let into = other(snapshot, from, &body.into)?;
        let mut said = Said { orders: Vec::new(), space: from.space.clone(), about: body.into };
        if from.cluster != into.cluster {
            let order = Order::join(from.space.clone(), anchor(snapshot, from)?, anchor(snapshot, &into)?);
            let order = order.ok_or_else(|| Problem::new(Kind::Conflict, "they are about to be one"))?;
            said.orders.push(known(snapshot, order)?);
        }
        Ok(said)
    })
    .await
}

/// Says what is to be said of the named cluster.
async fn of_cluster(
    state: &AppState,
    params: HandParams,
    decide: impl FnOnce(&Snapshot<'_>, &Named) -> Result<Said, Problem> + Send + 'static,
) -> Result<(StatusCode, Ordered), Problem> {
    let HandParams { id, space, wait, wait_secs } = params;
    let said = answer::on_snapshot(state, move |snapshot| {
        decide(snapshot, &named(snapshot, &id, space.as_deref())?)
    });
    say(state, said.await?, wait, wait_secs).await
}

/// Has it journalled, in one epoch.
async fn say(
    state: &AppState,
    said: Said,
    wait: Option<Wait>,
    at_most: WaitSecs,
) -> Result<(StatusCode, Ordered), Problem> {
    let Said { orders, space, about } = said;
    let names = orders.iter().map(|(order, _)| orders::name(&order.uri())).collect();
    let put = |(order, known): (Order, Rev)| {
        let rev = write::next_rev(state, known);
        EventBody::Put { rev, record: Arc::new(order.record(write::said_at(rev))) }
    };
    let bodies = orders.into_iter().map(put).collect();
    let (status, written) = write::submit_all(state, bodies, wait, at_most).await?;
    let mut ordered = Ordered { written, orders: names, cluster: None };
    if written.visible {
        let cluster = answer::on_snapshot(state, move |snapshot| {
            let named = named(snapshot, &about, Some(space.as_str()))?;
            row(snapshot, &named.space, ClusterLevel::Cluster, named.cluster)
        });
        // It may be gone by now.
        ordered.cluster = cluster.await.ok().flatten().map(|row| row.id.as_str().to_owned());
    }
    Ok((status, ordered))
}

/// An order, with the version of what was said before of the same.
fn known(snapshot: &Snapshot<'_>, order: Order) -> Result<(Order, Rev), Problem> {
    let known = snapshot.record(&order.uri())?.map(|row| row.rev);
    Ok((order, known.unwrap_or_default()))
}

fn place(snapshot: &Snapshot<'_>, from: &Named, items: Vec<Uri>, to: &Anchor) -> Result<Said, Problem> {
    let about = items.first().map(|item| ClusterId::of(item).as_str().to_owned()).unwrap_or_default();
    let order = |item| known(snapshot, Order::place(from.space.clone(), item, to.clone()));
    let orders = items.into_iter().map(order).collect::<Result<_, _>>()?;
    Ok(Said { orders, space: from.space.clone(), about })
}

/// The cluster that another one is to be put together with: of the same space.
fn other(snapshot: &Snapshot<'_>, from: &Named, name: &str) -> Result<Named, Problem> {
    match named(snapshot, name, Some(from.space.as_str())) {
        Err(missing) if missing.kind() == Kind::NotFound => match named(snapshot, name, None) {
            Ok(elsewhere) => Err(orders::mismatch("into", not_here(name, &from.space, &elsewhere.space))),
            Err(_) => Err(missing),
        },
        found => found,
    }
}

fn not_here(name: &str, here: &Space, there: &Space) -> String {
    let (name, here, there) = (names::shown(name), here.as_str(), there.as_str());
    format!("`{name}` is not in the space `{here}` but in `{there}`")
}

/// The items, which must be in a cluster, or already where they are to be; each once.
fn members(
    snapshot: &Snapshot<'_>,
    given: &[String],
    from: &Named,
    into: Option<&Named>,
) -> Result<Vec<Uri>, Problem> {
    let wrong = |detail: String| {
        Problem::new(Kind::MalformedBody, format!("`items`: {detail}")).fault(Some("items"), detail, None)
    };
    if given.is_empty() || given.len() > MAX_ITEMS {
        return Err(wrong(format!("{} items; there may be 1 to {MAX_ITEMS}", given.len())));
    }
    let mut items = Vec::with_capacity(given.len());
    for name in given {
        let uri = names::uri(snapshot, "items", name).map_err(|problem| match problem.kind() {
            Kind::MalformedQuery => wrong(problem.detail().trim_start_matches("`items`: ").to_owned()),
            _ => problem,
        })?;
        let Some(text) = orders::text_of(snapshot, &from.space, &uri)? else {
            return Err(match named(snapshot, ClusterId::of(&uri).as_str(), None) {
                Ok(elsewhere) => orders::mismatch("items", not_here(name, &from.space, &elsewhere.space)),
                Err(_) => {
                    Problem::not_found(format!("there is no item `{}` in any cluster", names::shown(name)))
                }
            });
        };
        if text.cluster != from.cluster && into.is_none_or(|into| text.cluster != into.cluster) {
            let there = row(snapshot, &from.space, ClusterLevel::Cluster, text.cluster)?;
            let there = there.map(|row| row.id.to_string()).unwrap_or_default();
            let detail = format!("`{}` is not in this cluster but in `{there}`", names::shown(name));
            return Err(orders::mismatch("items", detail));
        }
        items.push(uri);
    }
    items.sort_unstable();
    items.dedup();
    Ok(items)
}

/// What leads to a cluster: members that are there without orders, those that give it its name and its title first. If
/// there are none, what led another member there.
fn anchor(snapshot: &Snapshot<'_>, to: &Named) -> Result<Anchor, Problem> {
    let space = &to.space;
    let oldest = row(snapshot, space, ClusterLevel::Cluster, to.cluster)?;
    let oldest = match oldest {
        Some(row) => Some(named(snapshot, row.id.as_str(), Some(space.as_str()))?.text),
        None => None,
    };
    let mut key = KeyWriter::new();
    let prefix = key.text(space.as_str()).id(UriId(to.cluster.0)).take();
    let members: Vec<ClusterMemberRow> =
        snapshot.scan(&Scan { prefix, limit: MAX_TEXTS, ..Scan::default() })?;
    let mut candidates: Vec<TextId> = Vec::new();
    let first = oldest.into_iter().chain([to.cluster]);
    for text in first.chain(members.into_iter().map(|member| member.text)) {
        if !candidates.contains(&text) {
            candidates.push(text);
        }
    }
    let (mut with, mut placed) = (Vec::new(), Vec::new());
    for id in candidates {
        let Some(text) = text(snapshot, space, id)? else { continue };
        if text.by_hand {
            placed.push(id);
        } else {
            let first = items::rows_of_text(snapshot, space, id, None, 1)?;
            with.extend(first.into_iter().map(|item| item.uri));
        }
        if with.len() == MAX_ANCHORS {
            break;
        }
    }
    if !with.is_empty() {
        return Ok(Anchor::With(with));
    }
    for id in placed {
        if let Some(anchor) = anchor_of_text(snapshot, space, id)? {
            return Ok(anchor);
        }
    }
    Err(Problem::new(Kind::Conflict, "what is in this cluster has just been placed elsewhere"))
}

/// What leads to where a text was placed: of the orders for its items the latest that leads somewhere.
fn anchor_of_text(snapshot: &Snapshot<'_>, space: &Space, text: TextId) -> Result<Option<Anchor>, Problem> {
    let mut best: Option<((Timestamp, UriId), Anchor)> = None;
    for item in items::rows_of_text(snapshot, space, text, None, MAX_TEXTS)? {
        let order = orders::find(snapshot, &Order::of_item(space, &item.uri))?;
        let Some((Order { act: Act::Place { to, .. }, .. }, row)) = order else { continue };
        let leads = match &to {
            Anchor::Group(_) => true,
            Anchor::With(items) => {
                let there = |item| Ok(orders::text_of(snapshot, space, item)?.is_some());
                items.iter().map(there).collect::<Result<Vec<bool>, Problem>>()?.contains(&true)
            }
        };
        let age = (row.record.at, item.uri.id());
        if leads && best.as_ref().is_none_or(|(other, _)| *other < age) {
            best = Some((age, to));
        }
    }
    Ok(best.map(|(_, anchor)| anchor))
}
