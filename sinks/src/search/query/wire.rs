//! A query as another process is sent it: its tree written flat, so that reading it needs no depth.
//!
//! ```text
//!  a (b OR NOT c)   ─►   a · b · c · Not · Or 2 · And 2
//! ```
//!
//! Limits: what is read has no more leaves and is no deeper than a query can be that was parsed and narrowed by others.

use super::{Leaf, MAX_DEPTH, MAX_LEAVES, Mode, Node, Query};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The deepest tree: a NOT in an AND in an OR for each pair of parentheses, and those of [`Query::and`].
const DEEPEST: usize = 4 * MAX_DEPTH;
/// The most leaves, over all queries that [`Query::and`] has joined.
const MOST_LEAVES: usize = 4 * MAX_LEAVES;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Flat {
    mode: Mode,
    newest_first: bool,
    steps: Vec<Step>,
}

/// Takes what it stands for from the nodes so far, and adds itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Step {
    Leaf(Leaf),
    Not,
    And(usize),
    Or(usize),
}

/// These steps make no query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a query that no version of this program sends")]
pub(super) struct NoQuery;

impl From<Query> for Flat {
    fn from(query: Query) -> Self {
        let mut steps = Vec::new();
        flatten(query.root, &mut steps);
        Self { mode: query.mode, newest_first: query.newest_first, steps }
    }
}

fn flatten(node: Node, steps: &mut Vec<Step>) {
    let mut all = |nodes: Vec<Node>| {
        let count = nodes.len();
        nodes.into_iter().for_each(|node| flatten(node, steps));
        count
    };
    let step = match node {
        Node::Leaf(leaf) => Step::Leaf(leaf),
        Node::Not(node) => {
            all(vec![*node]);
            Step::Not
        }
        Node::And(nodes) => Step::And(all(nodes)),
        Node::Or(nodes) => Step::Or(all(nodes)),
    };
    steps.push(step);
}

impl TryFrom<Flat> for Query {
    type Error = NoQuery;

    fn try_from(flat: Flat) -> Result<Self, NoQuery> {
        let mut nodes: Vec<(Node, usize)> = Vec::new();
        let mut leaves = 0;
        for step in flat.steps {
            let count = match step {
                Step::Leaf(_) => 0,
                Step::Not => 1,
                Step::And(count) | Step::Or(count) => count,
            };
            let below = nodes.split_off(nodes.len().checked_sub(count).ok_or(NoQuery)?);
            let depth = below.iter().map(|(_, depth)| depth + 1).max().unwrap_or(0);
            let mut below = below.into_iter().map(|(node, _)| node);
            let node = match step {
                Step::Leaf(leaf) => {
                    leaves += 1;
                    Node::Leaf(leaf)
                }
                Step::Not => Node::Not(Box::new(below.next().ok_or(NoQuery)?)),
                Step::And(_) => Node::And(below.collect()),
                Step::Or(_) => Node::Or(below.collect()),
            };
            if depth > DEEPEST || leaves > MOST_LEAVES {
                return Err(NoQuery);
            }
            nodes.push((node, depth));
        }
        match (nodes.pop(), nodes.is_empty()) {
            (Some((root, _)), true) => Ok(Self { mode: flat.mode, root, newest_first: flat.newest_first }),
            _ => Err(NoQuery),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back() {
        for (mode, text) in [
            (Mode::Ranked, "a (b OR NOT -\"c d\"* OR title:e*) since:2024 tag:x* author:y"),
            (Mode::Broad, "digital gar 中文字"),
            (Mode::Exact, "state-of-the-art"),
            (Mode::Substring, "o-B"),
        ] {
            let query = Query::parse(mode, text).unwrap();
            let query = query.and(Query::parse(Mode::Ranked, "kind:note").unwrap()).newest_first();
            let bytes = postcard::to_stdvec(&query).unwrap();
            assert_eq!(postcard::from_bytes::<Query>(&bytes).unwrap(), query, "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let leaf = || Step::Leaf(Leaf::Substring("x".into()));
        let deep = |depth: usize| [leaf()].into_iter().chain((0..depth).map(|_| Step::Not)).collect();
        let wide = |width: usize| (0..width).map(|_| leaf()).chain([Step::Or(width)]).collect();
        let is_query = |steps: Vec<Step>| {
            Query::try_from(Flat { mode: Mode::Ranked, newest_first: false, steps }).is_ok()
        };
        assert!(is_query(deep(DEEPEST)) && is_query(wide(MOST_LEAVES)));
        assert!(!is_query(deep(1_000_000)) && !is_query(wide(MOST_LEAVES + 1)));
        for wrong in [vec![], vec![Step::Not], vec![leaf(), leaf()], vec![leaf(), Step::And(2)]] {
            assert!(!is_query(wrong.clone()), "{wrong:?}");
        }
        assert!(!is_query(vec![leaf(), Step::Or(usize::MAX)]));
    }
}
