//! The orders of a space, and what they do to its clusters: a layer over what the algorithm says, which knows nothing
//! of it.
//!
//! ```text
//!  orders come and go ─┐                 ┌─► texts whose place may have changed (they leave, and join anew)
//!  items come and go ──┼─► what is named ┤
//!  texts move ─────────┘                 └─► joins are added up anew ─► clusters that are shown with others now
//! ```
//!
//! What orders mean says `definition`. A part is placed by what the algorithm says of its anchor, whatever is said of
//! that by hand: so an order never depends on another one, and one step of looking up what is named is enough.
//!
//! Invariants: after [`Hand::join`] `shown` is that of the orders and items there are. While there is no order nothing
//! is remembered.
//!
//! Cost: an order costs its own texts; a join that is touched costs all joins of the space, and the texts of the
//! clusters that are shown with others from then on. A text that changes costs a look at each of its items. Memory: about 300 bytes an
//! order, and 50 an item of a space that has orders.

use super::{
    graph::Number,
    item::Item,
    order::{Act, Anchor, Order, Part, Placement},
};
use foldhash::fast::RandomState;
use springline_model::UriId;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    mem, slice,
    sync::Arc,
};

/// What hangs on an item.
#[derive(Debug, Default)]
struct Anchored {
    /// Items that are placed where it would be.
    placed: Vec<UriId>,
    /// How many joins lead there.
    joins: usize,
}

impl Anchored {
    fn is_nothing(&self) -> bool {
        self.placed.is_empty() && self.joins == 0
    }
}

/// The orders of a space.
#[derive(Debug, Default)]
pub(super) struct Hand {
    /// By the item that is placed.
    placements: HashMap<UriId, Arc<Order>, RandomState>,
    /// By their ids.
    joins: HashMap<UriId, Arc<Order>, RandomState>,
    /// By the items that orders lead to.
    anchors: HashMap<UriId, Anchored, RandomState>,
    /// The texts of all items, while there are orders.
    texts: Option<HashMap<UriId, Number, RandomState>>,
    /// Items whose texts may have to move.
    restless: HashSet<UriId, RandomState>,
    /// Joins may lead elsewhere.
    unjoined: bool,
    /// The least part of the shown cluster that a part is in, where it has several.
    shown: HashMap<Part, Part, RandomState>,
    /// The parts of these.
    parts: HashMap<Part, Vec<Part>, RandomState>,
}

impl Hand {
    pub(super) fn is_empty(&self) -> bool {
        self.placements.is_empty() && self.joins.is_empty()
    }

    /// Takes in an order that comes or goes. `texts` gives the texts of all items, for the first.
    pub(super) fn take<I>(&mut self, order: &Arc<Order>, comes: bool, texts: impl FnOnce() -> I)
    where
        I: Iterator<Item = (UriId, Number)>,
    {
        self.texts.get_or_insert_with(|| texts().collect());
        match &order.act {
            Act::Place(Placement { item, to, .. }) => {
                self.restless.insert(*item);
                if comes {
                    self.placements.insert(*item, order.clone());
                } else {
                    self.placements.remove(item);
                }
                for anchor in to.items() {
                    let placed = &mut self.anchors.entry(*anchor).or_default().placed;
                    if comes {
                        placed.push(*item);
                    } else if let Some(at) = placed.iter().position(|other| other == item) {
                        placed.swap_remove(at);
                    }
                }
            }
            Act::Join(parts) => {
                self.unjoined = true;
                if comes {
                    self.joins.insert(order.id, order.clone());
                } else {
                    self.joins.remove(&order.id);
                }
                for anchor in parts.iter().flat_map(Anchor::items) {
                    let joins = &mut self.anchors.entry(*anchor).or_default().joins;
                    *joins = if comes { *joins + 1 } else { joins.saturating_sub(1) };
                }
            }
        }
        for anchor in order.act.anchors() {
            if self.anchors.get(anchor).is_some_and(Anchored::is_nothing) {
                self.anchors.remove(anchor);
            }
        }
    }

    /// An item is said by this text now.
    pub(super) fn item_comes(&mut self, item: UriId, text: Number) {
        if let Some(texts) = &mut self.texts {
            texts.insert(item, text);
            self.stir(item);
        }
    }

    /// Nobody says an item any more.
    pub(super) fn item_goes(&mut self, item: UriId) {
        if let Some(texts) = &mut self.texts {
            texts.remove(&item);
            self.stir(item);
        }
    }

    /// The items of a text may be in another cluster of the algorithm.
    pub(super) fn text_moves(&mut self, items: &[Arc<Item>]) {
        if self.texts.is_some() {
            items.iter().for_each(|item| self.stir(item.id));
        }
    }

    /// What hangs on an item may have to move.
    fn stir(&mut self, item: UriId) {
        if let Some(Anchored { placed, joins }) = self.anchors.get(&item) {
            self.restless.extend(placed);
            self.unjoined |= *joins > 0;
        }
        if self.placements.contains_key(&item) {
            self.restless.insert(item);
        }
    }

    /// The texts whose place by hand may be another one now.
    pub(super) fn restless(&mut self) -> Vec<Number> {
        let items = mem::take(&mut self.restless);
        items.iter().filter_map(|item| self.texts.as_ref()?.get(item).copied()).collect()
    }

    /// Where a text with these items is placed, if it is. `home` tells the cluster of the algorithm that a text is in.
    pub(super) fn place(&self, items: &[Arc<Item>], home: impl Fn(Number) -> Option<Number>) -> Option<Part> {
        if self.placements.is_empty() {
            return None;
        }
        let orders = items.iter().filter_map(|item| self.placements.get(&item.id));
        let placed = orders.filter_map(|order| match &order.act {
            Act::Place(placement) => Some((placement.at, placement.item, self.part(&placement.to, &home)?)),
            Act::Join(_) => None,
        });
        placed.max_by_key(|(at, item, _)| (*at, *item)).map(|(.., part)| part)
    }

    /// What an anchor leads to, if that is there.
    fn part(&self, anchor: &Anchor, home: impl Fn(Number) -> Option<Number>) -> Option<Part> {
        match anchor {
            Anchor::With(items) => {
                let texts = self.texts.as_ref()?;
                items.iter().find_map(|item| texts.get(item)).and_then(|text| home(*text)).map(Part::Cluster)
            }
            Anchor::Group(group) => Some(Part::Group(*group)),
        }
    }

    /// Brings what is shown together up to date. Gives the shown clusters, as they were, whose texts may be elsewhere.
    pub(super) fn join(&mut self, home: impl Fn(Number) -> Option<Number>) -> HashSet<Part, RandomState> {
        if !mem::take(&mut self.unjoined) {
            return HashSet::default();
        }
        let mut up: BTreeMap<Part, Part> = BTreeMap::new();
        let top = |up: &BTreeMap<Part, Part>, mut part: Part| {
            while let Some(next) = up.get(&part).filter(|next| **next != part) {
                part = *next;
            }
            part
        };
        for order in self.joins.values() {
            let Act::Join([one, other]) = &order.act else { continue };
            let (Some(one), Some(other)) = (self.part(one, &home), self.part(other, &home)) else { continue };
            let tops = [top(&up, one), top(&up, other)];
            up.insert(tops[0].max(tops[1]), tops[0].min(tops[1]));
            up.entry(tops[0].min(tops[1])).or_insert_with(|| tops[0].min(tops[1]));
        }
        let shown = up.keys().map(|part| (*part, top(&up, *part))).collect();
        let before = mem::replace(&mut self.shown, shown);
        self.parts.clear();
        for part in up.into_keys() {
            self.parts.entry(self.shown(part)).or_default().push(part);
        }
        let was = |part: &Part| before.get(part).copied().unwrap_or(*part);
        let parts = before.keys().chain(self.shown.keys());
        parts.filter(|part| was(part) != self.shown(**part)).map(was).collect()
    }

    /// What the cluster is known by that a part is shown in.
    pub(super) fn shown(&self, part: Part) -> Part {
        self.shown.get(&part).copied().unwrap_or(part)
    }

    /// The texts that may be placed by hand.
    pub(super) fn placed(&self) -> impl Iterator<Item = Number> {
        let texts = self.texts.as_ref();
        self.placements.keys().filter_map(move |item| texts?.get(item).copied())
    }

    /// The parts of a shown cluster.
    pub(super) fn parts<'a>(&'a self, shown: &'a Part) -> &'a [Part] {
        self.parts.get(shown).map_or(slice::from_ref(shown), Vec::as_slice)
    }

    /// The end of a tick: without orders nothing is remembered.
    pub(super) fn rest(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }
}
