//! The scores of the nodes of one worker.

use super::facts::Mention;
use crate::{
    distinct::{Distinct, Numbers},
    ids::Dense,
    per_epoch::{Changes, Emit},
    windows::{Heat, Touches},
};
use serde::{Deserialize, Serialize};
use springline_model::{NodeName, Timestamp, UriId, rows::Order};

/// What scores are made from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Input {
    /// A record mentions a node.
    Mention(Mention),
    /// A walker visits a node.
    Visit(UriId),
}

impl Input {
    /// Where it belongs.
    pub(super) fn route(&self) -> u64 {
        match self {
            Self::Mention(mention) => mention.node.route(),
            Self::Visit(node) => node.route(),
        }
    }
}

type Ranks = [u64; Order::ALL.len()];

/// The scores of some nodes, after the ticks taken in so far.
pub(super) struct Scores {
    numbers: Dense,
    /// By number.
    nodes: Vec<Node>,
    authors: Numbers,
    touches: Touches,
    /// The nodes that the tick has touched, and their scores before.
    before: Vec<(u32, Ranks)>,
}

/// What is known of a node.
struct Node {
    id: UriId,
    /// None until the node is mentioned.
    name: Option<NodeName>,
    /// Records that mention it.
    mentions: i64,
    /// Records that belong to it.
    size: i64,
    /// Authors who link to it.
    linkers: Distinct,
    visits: i64,
    heat: Heat,
    /// Whether it is in [`Scores::before`].
    touched: bool,
}

impl Node {
    fn new(id: UriId) -> Self {
        Self {
            id,
            name: None,
            mentions: 0,
            size: 0,
            linkers: Distinct::Nobody,
            visits: 0,
            heat: Heat::default(),
            touched: false,
        }
    }

    /// The scores, in the order of [`Order::ALL`].
    fn ranks(&self) -> Ranks {
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        let decayed = u64::try_from(self.heat.decayed.max(0)).unwrap_or(u64::MAX);
        let [hour, day, week, month] = self.heat.within.map(count);
        [count(self.size), self.linkers.len(), count(self.visits), decayed, hour, day, week, month]
    }
}

impl Scores {
    pub(super) fn new(half_life_ms: u64) -> Self {
        Self {
            numbers: Dense::default(),
            nodes: Vec::new(),
            authors: Numbers::default(),
            touches: Touches::new(half_life_ms),
            before: Vec::new(),
        }
    }

    /// Takes in a tick and tells how the scores of nodes changed.
    pub(super) fn apply(
        &mut self,
        clock: Timestamp,
        inputs: Changes<Input>,
        changes: &mut Emit<'_, (Order, u64, NodeName)>,
    ) {
        let Self { touches, nodes, before, .. } = self;
        touches.advance(clock, |node, heat, count| touched(nodes, before, node).heat.add(heat, count));

        // What comes before what goes: nothing is taken away that is not there yet.
        let mut going = Vec::new();
        for (input, diff) in inputs {
            match input {
                Input::Visit(node) => {
                    let node = self.number(node);
                    self.touched(node).visits += diff as i64;
                }
                Input::Mention(mention) if diff < 0 => going.push((mention, diff)),
                Input::Mention(mention) => self.mention(mention, diff),
            }
        }
        for (mention, diff) in going {
            self.mention(mention, diff);
        }
        self.emit(changes);
    }

    fn mention(&mut self, mention: Mention, diff: isize) {
        let number = self.number(mention.node);
        let node = touched(&mut self.nodes, &mut self.before, number);
        let mentions = diff as i64;
        node.mentions += mentions;
        if mention.part.owner {
            node.size += mentions;
        }
        if mention.part.linked {
            node.linkers.change(&mut self.authors, mention.author, diff);
        }
        if mention.part.is_touch() {
            node.heat.add(self.touches.touch(mention.at, number, mentions), mentions);
        }
        node.name.get_or_insert(mention.name);
    }

    fn number(&mut self, id: UriId) -> u32 {
        let number = self.numbers.number(id);
        match self.nodes.get_mut(number as usize) {
            // The number was another node's.
            Some(node) if node.id != id => *node = Node::new(id),
            Some(_) => {}
            None => self.nodes.push(Node::new(id)),
        }
        number
    }

    fn touched(&mut self, number: u32) -> &mut Node {
        touched(&mut self.nodes, &mut self.before, number)
    }

    /// Ends the tick: tells the scores that changed, forgets the nodes that nothing mentions any more.
    fn emit(&mut self, changes: &mut Emit<'_, (Order, u64, NodeName)>) {
        for (number, before) in self.before.drain(..) {
            let node = &mut self.nodes[number as usize];
            node.touched = false;
            // Walkers go only where records link to, so whatever has a score has a name.
            let Some(name) = &node.name else { continue };
            for (order, (before, now)) in Order::ALL.iter().zip(before.into_iter().zip(node.ranks())) {
                if before != now && before > 0 {
                    changes.remove((*order, before, name.clone()));
                }
                if before != now && now > 0 {
                    changes.insert((*order, now, name.clone()));
                }
            }
            if node.mentions == 0 {
                self.numbers.release(node.id);
                node.name = None;
            }
        }
    }
}

/// A node that is about to change.
fn touched<'a>(nodes: &'a mut [Node], before: &mut Vec<(u32, Ranks)>, number: u32) -> &'a mut Node {
    let node = &mut nodes[number as usize];
    if !std::mem::replace(&mut node.touched, true) {
        before.push((number, node.ranks()));
    }
    node
}
