//! What is said of clusters by hand: orders that the clusters of a space respect.
//!
//! ```text
//!  clusters://{space}/place/{the item's id}           an item counts there, wherever its words would put it
//!  clusters://{space}/join/{one anchor}/{another}     two clusters are shown as one
//! ```
//!
//! An order is a [`Record`] of kind [`KIND`], so it is journalled, kept, replayed and, by its deletion, undone as any
//! other. Where an order leads says an [`Anchor`]. What orders do to clusters is defined with these
//! (`springline_operators::clusters`).
//!
//! Invariants: [`Order::record`] and [`Order::of`] are each other's inverse; an item has at most one placement in a
//! space and a pair of anchors at most one join, because what they are about is their URI. So orders about different
//! things commute, and of those about the same the one with the higher version counts.

use crate::{Context, Link, Record, Space, Span, Timestamp, Uri, UriId};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// The kind of every order.
pub const KIND: &str = "clusters.order";

/// The most items that an anchor names.
pub const MAX_ANCHORS: usize = 8;

const SCHEME: &str = "clusters://";
/// What stands as it is in a URI: RFC 3986, section 2.3.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Paths of an order's links, and keys of its attributes where it names groups.
mod path {
    pub(super) const ITEM: &str = "item";
    pub(super) const TO: &str = "to";
    pub(super) const PARTS: [&str; 2] = ["one", "other"];
}

/// A cluster that was made by hand. It has no other name than the items that were placed there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupId(pub u64);

impl GroupId {
    /// The group that is made of these items at this time: made again, it is the same.
    #[must_use]
    pub fn of(space: &Space, items: &[Uri], at: Timestamp) -> Self {
        let mut items: Vec<&str> = items.iter().map(Uri::as_str).collect();
        items.sort_unstable();
        Self(UriId::of(&format!("{}\n{at}\n{}", space.as_str(), items.join("\n"))).route())
    }

    fn parse(text: &str) -> Option<Self> {
        let group = Self(u64::from_str_radix(text.strip_prefix('g')?, 16).ok()?);
        (group.to_string() == text).then_some(group)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "g{:016x}", self.0)
    }
}

impl fmt::Debug for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where an order leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Where the first of these items that is there would be by its words: 1 to [`MAX_ANCHORS`] of them.
    With(Vec<Uri>),
    /// A cluster made by hand.
    Group(GroupId),
}

impl Anchor {
    /// What stands for it in a URI.
    fn tag(&self) -> String {
        match self {
            Self::With(items) => items.first().map(id).unwrap_or_default(),
            Self::Group(group) => group.to_string(),
        }
    }

    fn read(record: &Record, name: &str) -> Option<Self> {
        if let Some(group) = record.attrs.get(name) {
            return GroupId::parse(group).map(Self::Group);
        }
        let links = record.links.iter().filter(|link| link.path.as_str() == name);
        let items: Vec<Uri> = links.map(|link| link.target.clone()).collect();
        (1..=MAX_ANCHORS).contains(&items.len()).then_some(Self::With(items))
    }

    fn write(&self, record: &mut Record, name: &str) {
        match self {
            Self::With(items) => record.links.extend(items.iter().map(|item| link(name, item))),
            Self::Group(group) => drop(record.attrs.insert(name.to_owned(), group.to_string())),
        }
    }
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// An item, and all that say the same words with it, counts there.
    Place {
        /// Which.
        item: Uri,
        /// Where.
        to: Anchor,
    },
    /// The clusters that the anchors lead to are shown as one. See [`Order::join`].
    Join([Anchor; 2]),
}

/// Something that is said of the clusters of a space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Where.
    pub space: Space,
    /// What.
    pub act: Act,
}

impl Order {
    /// An item counts there from now on.
    #[must_use]
    pub const fn place(space: Space, item: Uri, to: Anchor) -> Self {
        Self { space, act: Act::Place { item, to } }
    }

    /// Two clusters are shown as one; nothing if they are the same to begin with. Which is named first does not
    /// matter.
    #[must_use]
    pub fn join(space: Space, one: Anchor, other: Anchor) -> Option<Self> {
        let mut parts = [one, other];
        parts.sort_by_key(Anchor::tag);
        (parts[0].tag() != parts[1].tag()).then_some(Self { space, act: Act::Join(parts) })
    }

    /// Who owns the orders of a space: what the URI of each begins with.
    #[must_use]
    pub fn authority(space: &Space) -> Uri {
        Uri::new(format!("{SCHEME}{}/", utf8_percent_encode(space.as_str(), PLAIN)))
    }

    /// The identity of the placement of an item.
    #[must_use]
    pub fn of_item(space: &Space, item: &Uri) -> Uri {
        Uri::new(format!("{}place/{}", Self::authority(space), id(item)))
    }

    /// Its identity.
    #[must_use]
    pub fn uri(&self) -> Uri {
        match &self.act {
            Act::Place { item, .. } => Self::of_item(&self.space, item),
            Act::Join([one, other]) => {
                Uri::new(format!("{}join/{}/{}", Self::authority(&self.space), one.tag(), other.tag()))
            }
        }
    }

    /// The space of an order, by the order's identity; nothing if it is no order's.
    #[must_use]
    pub fn space_of(uri: &Uri) -> Option<Space> {
        let (space, _) = uri.as_str().strip_prefix(SCHEME)?.split_once('/')?;
        Some(Space::new(percent_decode_str(space).decode_utf8().ok()?))
    }

    /// The record that says it.
    #[must_use]
    pub fn record(&self, at: Timestamp) -> Record {
        let mut record = Record {
            uri: self.uri(),
            kind: KIND.to_owned(),
            author: Uri::user("operator"),
            node: None,
            title: String::new(),
            text: String::new(),
            langs: Vec::new(),
            tags: Vec::new(),
            at,
            links: Vec::new(),
            attrs: BTreeMap::new(),
        };
        match &self.act {
            Act::Place { item, to } => {
                record.links.push(link(path::ITEM, item));
                to.write(&mut record, path::TO);
            }
            Act::Join(parts) => {
                for (part, name) in parts.iter().zip(path::PARTS) {
                    part.write(&mut record, name);
                }
            }
        }
        record
    }

    /// What a record says; nothing if it is no order, or not as [`Self::record`] makes it.
    #[must_use]
    pub fn of(record: &Record) -> Option<Self> {
        if record.kind != KIND {
            return None;
        }
        let space = Self::space_of(&record.uri)?;
        let order = match record.links.iter().find(|link| link.path.as_str() == path::ITEM) {
            Some(link) => Self::place(space, link.target.clone(), Anchor::read(record, path::TO)?),
            None => {
                let [one, other] = path::PARTS.map(|name| Anchor::read(record, name));
                Self::join(space, one?, other?)?
            }
        };
        (order.uri() == record.uri).then_some(order)
    }
}

/// Whether a record is an order, or would be one: no other view shows those.
#[must_use]
pub fn is_order(record: &Record) -> bool {
    record.uri.as_str().starts_with(SCHEME)
}

fn id(item: &Uri) -> String {
    format!("{:032x}", item.id().0)
}

fn link(path: &str, target: &Uri) -> Link {
    Link {
        path: path.into(),
        context: Context::Prose,
        target: target.clone(),
        span: Span::default(),
        label: None,
        fragment: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn anchor() -> impl Strategy<Value = Anchor> {
        let with = vec(".{1,12}", 1..=MAX_ANCHORS);
        prop_oneof![
            with.prop_map(|items| Anchor::With(items.into_iter().map(Uri::from).collect())),
            any::<u64>().prop_map(|group| Anchor::Group(GroupId(group))),
        ]
    }

    proptest! {
        #[test]
        fn an_order_comes_back(space in ".{0,12}", item in ".{0,12}", one in anchor(), other in anchor()) {
            let space = Space::new(space);
            let place = Order::place(space.clone(), item.into(), one.clone());
            let join = Order::join(space.clone(), one.clone(), other.clone());
            prop_assert_eq!(&join, &Order::join(space.clone(), other, one));
            for order in [Some(place), join].into_iter().flatten() {
                let record = order.record(Timestamp(7));
                prop_assert!(is_order(&record));
                let authority = Order::authority(&space);
                prop_assert_eq!(record.uri.authority(), authority.as_str());
                prop_assert_eq!(Order::space_of(&record.uri), Some(space.clone()));
                prop_assert_eq!(Order::of(&record), Some(order));
            }
        }

        #[test]
        fn any_record_is_read_without_panic(uri in "(clusters://)?[a-z/%0-9]{0,40}", group in "g?[0-9a-f+]{0,17}") {
            let to = Anchor::With(vec!["x:y".into()]);
            let mut record = Order::place(Space::new("a"), "b:c".into(), to).record(Timestamp(0));
            record.uri = uri.into();
            record.attrs.insert(path::TO.into(), group);
            prop_assert!(Order::of(&record).is_none_or(|order| order.uri() == record.uri));
        }
    }

    #[test]
    fn nobody_else_gives_orders() {
        let order = Order::place(Space::new("shop"), "a:b".into(), Anchor::Group(GroupId(1)));
        let record = order.record(Timestamp(0));
        for uri in
            ["at://did:plc:x/clusters.order/1", "clusters://other/place/00", "clusters://shop/place/00"]
        {
            assert_eq!(Order::of(&Record { uri: uri.into(), ..record.clone() }), None, "{uri}");
        }
        assert_eq!(Order::of(&Record { kind: "note".into(), ..record.clone() }), None);
        let mut many = record.clone();
        many.attrs.clear();
        assert_eq!(Order::of(&many), None, "it leads nowhere");
        many.links.extend((0..=MAX_ANCHORS).map(|_| link(path::TO, &"a:b".into())));
        assert_eq!(Order::of(&many), None, "it leads to too many");
    }
}
