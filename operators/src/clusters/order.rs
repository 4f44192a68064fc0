//! What of an order matters to clusters: ids, so that an order costs little.

use super::{ClustersConfig, Item, graph::Number};
use crate::Visible;
use serde::{Deserialize, Serialize};
use springline_model::{
    Space, Timestamp, UriId,
    hand::{self, GroupId},
    text::Lexical,
};
use std::sync::Arc;

/// Something said of the clusters of a space by hand.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) space: Space,
    /// That of its record.
    pub(super) id: UriId,
    pub(super) act: Act,
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Act {
    Place(Placement),
    Join([Anchor; 2]),
}

/// Where an item is to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Placement {
    /// When it was said.
    pub(super) at: Timestamp,
    pub(super) item: UriId,
    pub(super) to: Anchor,
}

/// Where an order leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Anchor {
    With(Vec<UriId>),
    Group(GroupId),
}

/// What a shown cluster is made of: clusters of the algorithm, by their vertices, and groups made by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Part {
    Cluster(Number),
    Group(GroupId),
}

impl From<hand::Anchor> for Anchor {
    fn from(anchor: hand::Anchor) -> Self {
        match anchor {
            hand::Anchor::With(items) => Self::With(items.iter().map(springline_model::Uri::id).collect()),
            hand::Anchor::Group(group) => Self::Group(group),
        }
    }
}

impl Act {
    /// The items that it leads to.
    pub(super) fn anchors(&self) -> impl Iterator<Item = &UriId> {
        let (one, other) = match self {
            Self::Place(placement) => (&placement.to, None),
            Self::Join([one, other]) => (one, Some(other)),
        };
        [Some(one), other].into_iter().flatten().flat_map(Anchor::items)
    }
}

impl Anchor {
    /// The items that it names.
    pub(super) fn items(&self) -> &[UriId] {
        match self {
            Self::With(items) => items,
            Self::Group(_) => &[],
        }
    }
}

impl Order {
    /// The record as an order, if it is one.
    pub(super) fn of(visible: &Visible) -> Option<Arc<Self>> {
        let record = &*visible.record;
        let hand::Order { space, act } = hand::Order::of(record)?;
        let act = match act {
            hand::Act::Place { item, to } => {
                Act::Place(Placement { at: record.at, item: item.id(), to: to.into() })
            }
            hand::Act::Join(parts) => Act::Join(parts.map(Anchor::from)),
        };
        Some(Arc::new(Self { space, id: record.uri.id(), act }))
    }
}

/// What of a record is told to its spaces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Told {
    Item(Arc<Item>),
    Order(Arc<Order>),
}

impl Told {
    /// A record as an order, or as an item of each space that it belongs to.
    pub(super) fn of(visible: &Visible, config: &ClustersConfig, lexical: &mut Lexical) -> Vec<Self> {
        if hand::is_order(&visible.record) {
            return Order::of(visible).map(Self::Order).into_iter().collect();
        }
        Item::of(visible, config, lexical).into_iter().map(Self::Item).collect()
    }

    pub(super) fn space(&self) -> &Space {
        match self {
            Self::Item(item) => &item.space,
            Self::Order(order) => &order.space,
        }
    }
}

#[cfg(test)]
pub(super) mod oracle {
    //! Rules 7 to 11 of the definition, computed naively.

    use super::{Act, Anchor, Order};
    use crate::clusters::Item;
    use springline_model::{TextId, hand::GroupId};
    use std::{
        collections::{BTreeMap, BTreeSet},
        sync::Arc,
    };

    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    enum Part {
        Cluster(TextId),
        Group(GroupId),
    }

    /// Where a text is shown.
    #[derive(Clone, Copy)]
    pub(crate) struct Seat {
        pub(crate) cluster: TextId,
        pub(crate) duplicates: TextId,
        pub(crate) by_hand: bool,
    }

    /// Of the items of a space, by time and id, with the places that the algorithm gives to their texts.
    pub(crate) fn shown(
        items: &[Arc<Item>],
        places: &BTreeMap<TextId, [TextId; 3]>,
        orders: &[Arc<Order>],
    ) -> BTreeMap<TextId, Seat> {
        let text = |id| items.iter().find(|item| item.id == id).map(|item| item.text);
        let part = |anchor: &Anchor| match anchor {
            Anchor::With(items) => {
                items.iter().find_map(|id| text(*id)).map(|text| Part::Cluster(places[&text][2]))
            }
            Anchor::Group(group) => Some(Part::Group(*group)),
        };
        let placed = |of: TextId| {
            let placements = orders.iter().filter_map(|order| match &order.act {
                Act::Place(place) if text(place.item) == Some(of) => {
                    Some((place.at, place.item, part(&place.to)?))
                }
                _ => None,
            });
            placements.max_by_key(|(at, item, _)| (*at, *item)).map(|(.., part)| part)
        };
        let parts: BTreeMap<TextId, Part> = places
            .iter()
            .map(|(text, place)| (*text, placed(*text).unwrap_or(Part::Cluster(place[2]))))
            .collect();
        let mut together: Vec<BTreeSet<Part>> = parts.values().map(|part| BTreeSet::from([*part])).collect();
        for order in orders {
            let Act::Join([one, other]) = &order.act else { continue };
            let (Some(one), Some(other)) = (part(one), part(other)) else { continue };
            let meet = |parts: &BTreeSet<Part>| parts.contains(&one) || parts.contains(&other);
            let (met, mut rest): (Vec<_>, Vec<_>) = together.into_iter().partition(meet);
            rest.push(met.into_iter().flatten().chain([one, other]).collect());
            together = rest;
        }
        let age = |text: &TextId| items.iter().position(|item| item.text == *text);
        let cluster = |text: &TextId| together.iter().find(|cluster| cluster.contains(&parts[text])).unwrap();
        let mut seats = BTreeMap::new();
        for (text, place) in places {
            let own = cluster(text);
            let members: Vec<&TextId> = places.keys().filter(|other| cluster(other) == own).collect();
            let set: Vec<&TextId> =
                members.iter().copied().filter(|other| places[*other][0] == place[0]).collect();
            let middle = |members: &[&TextId], roots: &dyn Fn(&TextId) -> bool| {
                let roots = members.iter().copied().filter(|text| roots(text)).min_by_key(|text| age(text));
                *roots.or_else(|| members.iter().copied().min_by_key(|text| age(text))).unwrap()
            };
            let seat = Seat {
                cluster: middle(&members, &|text| own.contains(&Part::Cluster(*text))),
                duplicates: middle(&set, &|text| *text == place[0]),
                by_hand: placed(*text).is_some(),
            };
            seats.insert(*text, seat);
        }
        seats
    }
}
