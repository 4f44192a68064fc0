//! Who must be told: a join of who wrote in a node with who touches it; and what `network` tells of repositories.
//!
//! ```text
//!  records ─┬─► mentions of people ──────────────────────────────────────────────► rows   no state
//!           └─► a touch for each node that a record belongs to, links or pushes to,
//!               exchanged by node ─► the node's touches × its writers, but oneself ► rows
//! ```
//!
//! A touch of a record that belongs to the node makes its author a writer of the node. When touches change, rows
//! follow for every writer; when the writers change, for every touch.
//!
//! Invariants:
//! 1. The rows are a set: the state keeps one touch a (node, record) and one entry a (node, writer).
//! 2. Nobody is told of what they did themselves.
//! 3. A record that pushes to a node is not also said to link to it.
//!
//! Limits: a node holds 24 bytes a touch, 24 a writer, about 150 for itself; a record that touches anything about
//! 200 for what its rows say of it. A new touch costs a row a writer of the node and a new writer a row a touch:
//! exact, so not capped. A node with W writers and T touches has about W × T rows. Finding a touch takes log T
//! comparisons, filing it moves up to 24 × T bytes.

use crate::{
    Records, Rows,
    clip::{TITLE_BYTES, clip},
    network,
    per_epoch::{Changes, Emit, per_tick, routed},
};
use differential_dataflow::{Hashable, consolidation::consolidate};
use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};
use springline_model::{
    Context, Link, LinkPath, Record, Timestamp, Uri,
    rows::{NotificationRow, Reason},
};
use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    sync::Arc,
};

/// What everybody should know. See the module.
#[must_use]
pub fn notifications<'s>(records: Records<'s>) -> Rows<'s, NotificationRow> {
    let mentions = records.clone().flat_map(|visible| mentions(&visible.record));
    let of_accounts = records.clone().flat_map(|visible| network::account_effects(&visible.record));
    let of_records = network::interactions(records.clone());
    let of_threads = network::replies(records.clone());
    let touches = records.flat_map(|visible| touches(&visible.record));
    let mut nodes = Nodes::default();
    let pact = routed(|part: &Part| part.route);
    let told = per_tick(touches, pact, "Notifications", move |changes, out| nodes.tick(changes, out));
    mentions.concat(told).concat(of_accounts).concat(of_records).concat(of_threads)
}

/// A row for each other person that a record names.
fn mentions(record: &Record) -> Vec<NotificationRow> {
    let named = record.links.iter().filter(|link| link.path.as_str() == LinkPath::MENTION);
    let people: BTreeSet<&Uri> =
        named.map(|link| &link.target).filter(|who| **who != record.author).collect();
    if people.is_empty() {
        return Vec::new();
    }
    let cause = Cause::of(record);
    people.into_iter().map(|person| cause.row(person, Reason::Mention, person)).collect()
}

/// What rows say of the record that causes them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Cause {
    source: Uri,
    actor: Uri,
    at: Timestamp,
    title: Box<str>,
}

impl Cause {
    fn of(record: &Record) -> Self {
        Self {
            source: record.uri.clone(),
            actor: record.author.clone(),
            at: record.at,
            title: clip(&record.title, TITLE_BYTES).into(),
        }
    }

    fn row(&self, recipient: &Uri, reason: Reason, subject: &Uri) -> NotificationRow {
        NotificationRow {
            recipient: recipient.clone(),
            at: self.at,
            reason,
            source: self.source.clone(),
            subject: subject.clone(),
            actor: self.actor.clone(),
            title: self.title.to_string(),
        }
    }
}

/// What a record does to a node. A node has at most one touch a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Touch {
    /// A hash of the record's URI: comparing it first rarely leaves a need to follow the pointer.
    order: u64,
    by: Arc<Cause>,
    how: Reasons,
}

/// A touch on its way: the node's name first, and before it a hash, so that sorting rarely has to look at the name
/// itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Part {
    route: u64,
    node: Uri,
    touch: Touch,
}

/// A set of reasons, of [`Reasons::LINK`], [`Reasons::SUBNODE`] and [`Reasons::PUSH`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Reasons(u8);

impl Reasons {
    const LINK: Self = Self(1);
    const SUBNODE: Self = Self(2);
    const PUSH: Self = Self(4);

    const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    fn told(self) -> impl Iterator<Item = Reason> {
        let link = self.has(Self::LINK) && !self.has(Self::PUSH);
        let all = [
            (link, Reason::Link),
            (self.has(Self::SUBNODE), Reason::Subnode),
            (self.has(Self::PUSH), Reason::Push),
        ];
        all.into_iter().filter_map(|(there, reason)| there.then_some(reason))
    }
}

/// What a link does to the node that it points at, if that is one.
fn effect(link: &Link) -> Option<Reasons> {
    let reason = match link.path.as_str() {
        LinkPath::PUSH => Reasons::PUSH,
        LinkPath::WIKILINK | LinkPath::PUBLISHED if link.context == Context::Prose => Reasons::LINK,
        _ => return None,
    };
    (link.target.scheme() == "node").then_some(reason)
}

fn touches(record: &Record) -> Vec<Part> {
    let own = record.node.as_ref().map(|node| (Uri::node(node), Reasons::SUBNODE));
    let linked = record.links.iter().filter_map(|link| Some((link.target.clone(), effect(link)?)));
    let mut effects: Vec<(Uri, Reasons)> = own.into_iter().chain(linked).collect();
    if effects.is_empty() {
        return Vec::new();
    }
    effects.sort_unstable();
    let (order, by) = (record.uri.as_str().hashed(), Arc::new(Cause::of(record)));
    let part = |effects: &[(Uri, Reasons)]| {
        let node = effects[0].0.clone();
        let how = effects.iter().fold(Reasons::default(), |all, effect| Reasons(all.0 | effect.1.0));
        Part { route: node.as_str().hashed(), node, touch: Touch { order, by: by.clone(), how } }
    };
    effects.chunk_by(|a, b| a.0 == b.0).map(part).collect()
}

/// The nodes of a worker.
#[derive(Default)]
struct Nodes(HashMap<Uri, Node, RandomState>);

/// A node that something touches.
#[derive(Default)]
struct Node {
    /// Sorted.
    touches: Vec<Touch>,
    /// Who wrote in it, sorted, with the number of their notes.
    writers: Vec<(Uri, usize)>,
}

impl Nodes {
    fn tick(&mut self, changes: Changes<Part>, out: &mut Emit<'_, NotificationRow>) {
        let mut changes: Vec<(Part, isize)> = changes.collect();
        consolidate(&mut changes);
        for changes in changes.chunk_by(|a, b| (a.0.route, &a.0.node) == (b.0.route, &b.0.node)) {
            let name = &changes[0].0.node;
            let mut node = match self.0.entry(name.clone()) {
                Entry::Occupied(node) => node,
                Entry::Vacant(none) => none.insert_entry(Node::default()),
            };
            node.get_mut().change(name, changes, out);
            if node.get().touches.is_empty() {
                node.remove();
            }
        }
    }
}

impl Node {
    /// `changes` are sorted and netted.
    fn change(&mut self, name: &Uri, changes: &[(Part, isize)], out: &mut Emit<'_, NotificationRow>) {
        let those = |sign: isize| changes.iter().filter(move |change| change.1.signum() == sign);
        let come: Vec<Touch> = those(1).map(|(part, _)| part.touch.clone()).collect();
        let gone: Vec<Touch> = those(-1).map(|(part, _)| part.touch.clone()).collect();

        for touch in &gone {
            tell(touch, self.writers(), name, -1, out);
        }
        if !gone.is_empty() {
            remove_sorted(&mut self.touches, &gone);
        }

        // Additions first, so that one who replaces a note by another never ceases to be a writer.
        let writes = |touch: &&Touch| touch.how.has(Reasons::SUBNODE);
        let arrived: Vec<Uri> =
            come.iter().filter(writes).filter_map(|touch| self.add_note(&touch.by)).collect();
        let left: Vec<Uri> =
            gone.iter().filter(writes).filter_map(|touch| self.remove_note(&touch.by)).collect();

        // What touched the node before and still does concerns only who became a writer or ceased to be one.
        if !arrived.is_empty() || !left.is_empty() {
            for touch in &self.touches {
                tell(touch, left.iter(), name, -1, out);
                tell(touch, arrived.iter(), name, 1, out);
            }
        }

        for touch in &come {
            tell(touch, self.writers(), name, 1, out);
        }
        insert_sorted(&mut self.touches, come);
    }

    fn writers(&self) -> impl Iterator<Item = &Uri> {
        self.writers.iter().map(|(who, _)| who)
    }

    /// Gives the author if that makes them a writer.
    fn add_note(&mut self, by: &Cause) -> Option<Uri> {
        match self.writers.binary_search_by(|(writer, _)| writer.cmp(&by.actor)) {
            Ok(found) => {
                self.writers[found].1 += 1;
                None
            }
            Err(place) => {
                self.writers.insert(place, (by.actor.clone(), 1));
                Some(by.actor.clone())
            }
        }
    }

    /// Gives the author if that was their last note.
    fn remove_note(&mut self, by: &Cause) -> Option<Uri> {
        let found = self.writers.binary_search_by(|(writer, _)| writer.cmp(&by.actor)).ok()?;
        self.writers[found].1 -= 1;
        (self.writers[found].1 == 0).then(|| self.writers.remove(found).0)
    }
}

fn tell<'a>(
    touch: &Touch,
    writers: impl Iterator<Item = &'a Uri>,
    node: &Uri,
    diff: isize,
    out: &mut Emit<'_, NotificationRow>,
) {
    for writer in writers.filter(|writer| **writer != touch.by.actor) {
        for reason in touch.how.told() {
            out.change(touch.by.row(writer, reason, node), diff);
        }
    }
}

/// `gone` is sorted and there.
fn remove_sorted(touches: &mut Vec<Touch>, gone: &[Touch]) {
    let mut places =
        gone.iter().filter_map(|touch| touches.binary_search(touch).ok()).collect::<Vec<_>>().into_iter();
    let mut next = places.next();
    let mut place = 0..;
    touches.retain(|_| {
        let goes = next == place.next();
        if goes {
            next = places.next();
        }
        !goes
    });
}

/// Up to how many touches moving the tail of the list for each beats moving the whole list once.
const FEW: usize = 8;

/// `come` is sorted and not there.
fn insert_sorted(touches: &mut Vec<Touch>, come: Vec<Touch>) {
    if come.len() <= FEW {
        touches.reserve_exact(come.len());
        for touch in come {
            let place = touches.partition_point(|there| *there < touch);
            touches.insert(place, touch);
        }
        return;
    }
    // Few comparisons, then whole stretches.
    let mut merged = Vec::with_capacity(touches.len() + come.len());
    let mut rest = std::mem::take(touches).into_iter();
    for touch in come {
        let stretch = rest.as_slice().partition_point(|there| *there < touch);
        merged.extend(rest.by_ref().take(stretch));
        merged.push(touch);
    }
    merged.extend(rest);
    *touches = merged;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Visible,
        testing::{TestRecord, check, histories, replay, run},
    };
    use proptest::prelude::*;

    /// Straight from the meaning of each [`Reason`].
    fn all(state: &BTreeSet<Visible>) -> BTreeSet<NotificationRow> {
        let records: Vec<&Record> = state.iter().map(|visible| &*visible.record).collect();
        let wrote = |who: &Uri, node: &Uri| {
            records.iter().any(|record| {
                record.author == *who && record.node.as_ref().map(Uri::node).as_ref() == Some(node)
            })
        };
        let people: BTreeSet<&Uri> = records.iter().map(|record| &record.author).collect();
        let mut rows = BTreeSet::new();
        for record in &records {
            let mut tell = |who: &Uri, reason, subject: &Uri| {
                if *who != record.author {
                    let (recipient, subject) = (who.clone(), subject.clone());
                    let (source, actor, title) =
                        (record.uri.clone(), record.author.clone(), record.title.clone());
                    rows.insert(NotificationRow {
                        recipient,
                        at: record.at,
                        reason,
                        source,
                        subject,
                        actor,
                        title,
                    });
                }
            };
            let links =
                |path: &'static str| record.links.iter().filter(move |link| link.path.as_str() == path);
            for link in links(LinkPath::MENTION) {
                tell(&link.target, Reason::Mention, &link.target);
            }
            for who in &people {
                for node in record.node.iter().map(Uri::node).filter(|node| wrote(who, node)) {
                    tell(who, Reason::Subnode, &node);
                }
                for link in links(LinkPath::PUSH).filter(|link| wrote(who, &link.target)) {
                    tell(who, Reason::Push, &link.target);
                }
                for link in links(LinkPath::WIKILINK).filter(|link| wrote(who, &link.target)) {
                    let pushed = links(LinkPath::PUSH).any(|push| push.target == link.target);
                    if link.context == Context::Prose && !pushed {
                        tell(who, Reason::Link, &link.target);
                    }
                }
            }
        }
        rows
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn equals_the_oracle(history in histories()) {
            check(&history, notifications, all);
        }

        #[test]
        fn an_epoch_by_itself_or_in_one_with_others(history in histories()) {
            let (changes, _) = replay(&history);
            let (whole, _) = replay(&[history.concat()]);
            prop_assert_eq!(run(1, changes, notifications).pop(), run(1, whole, notifications).pop());
        }
    }

    #[test]
    fn a_busy_node_in_bulk() {
        let writers = (0..40).map(|n| TestRecord::note(&format!("writer{n}"), "busy").visible());
        let linkers = (0..40)
            .map(|n| TestRecord::note("ada", &format!("n{n}")).link("wikilink", "node:busy").visible());
        let records: Vec<_> = writers.chain(linkers).collect();
        let every = |nth: usize, from: usize, diff: isize| -> Vec<_> {
            records.iter().skip(from).step_by(nth).map(|record| (record.clone(), diff)).collect()
        };
        let ticks = vec![every(2, 1, 1), every(2, 0, 1), every(4, 0, -1), every(4, 1, -1)];
        let left =
            (0..).zip(&records).filter(|(number, _)| number % 4 >= 2).map(|(_, record)| record.clone());
        let left = left.collect();
        assert_eq!(run(2, ticks, notifications).pop(), Some(all(&left)));
    }
}
