//! Nodes that somebody may mean or want to see next.

use super::read;
use crate::{
    answer::Reading,
    problem::Problem,
    v1::{self, backlinks::Backlink, nodes::beginning_with},
};
use springline_model::{
    NodeName, Record,
    rows::{NodeRow, Order},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Names looked at for one beginning.
const MAX_EXAMINED: usize = 2_000;
/// Best nodes looked at: a name misspelt at its beginning may be one of them.
const MAX_TOP: usize = 500;

/// Nodes that a node is tied to, the strongest first.
pub(crate) fn related(
    reading: &Reading<'_>,
    name: &NodeName,
    backlinks: &[Backlink],
    records: &[Arc<Record>],
) -> Result<Vec<NodeName>, Problem> {
    let forward = v1::nodes::forward(records);
    let ties = v1::related::related(reading.snapshot, name, backlinks, &forward)?;
    Ok(ties.into_iter().map(|tie| tie.node).collect())
}

/// Nodes whose names are like a text, the likest first; equally like ones the larger first.
///
/// Names that begin like it are compared, and the best nodes; not all: the answer takes a bounded time.
pub(crate) fn similar(reading: &Reading<'_>, text: &str, limit: usize) -> Result<Vec<NodeName>, Problem> {
    let name = NodeName::canonical(text);
    let text = name.as_str();
    let mut found: BTreeMap<NodeName, u64> = BTreeMap::new();
    // The whole text first, for names that only go on; then two letters, for names misspelt behind them.
    for letters in [text.chars().count(), 2] {
        let beginning: String = text.chars().take(letters).collect();
        if !beginning.trim().is_empty() {
            let rows: Vec<NodeRow> = beginning_with(reading.snapshot, &beginning, MAX_EXAMINED)?;
            found.extend(rows.into_iter().map(|row| (row.node, row.subnodes * 4 + row.linkers)));
        }
    }
    for row in read::top(reading, Order::Rank, MAX_TOP)? {
        found.entry(row.node).or_insert(0);
    }
    let wanted = pairs(text);
    let mut like: Vec<(u32, Reverse<u64>, NodeName)> = Vec::new();
    for (name, weight) in found {
        let mut score = likeness(&wanted, &pairs(name.as_str()));
        if !text.is_empty() && name.as_str().starts_with(text) {
            score = score.max(500);
        }
        if score >= 350 && !name.as_str().is_empty() {
            like.push((1000 - score, Reverse(weight), name));
        }
    }
    like.sort_unstable();
    Ok(like.into_iter().take(limit).map(|(.., name)| name).collect())
}

/// The pairs of letters of a text, its ends counted as letters; of long texts those at the front.
fn pairs(text: &str) -> BTreeSet<(char, char)> {
    let letters = std::iter::once(' ').chain(text.chars().take(64)).chain(std::iter::once(' '));
    letters.clone().zip(letters.skip(1)).collect()
}

/// How many pairs two texts share, in thousandths of all (Dice).
fn likeness(a: &BTreeSet<(char, char)>, b: &BTreeSet<(char, char)>) -> u32 {
    let (shared, all) = (a.intersection(b).count() * 2000, a.len() + b.len());
    u32::try_from(shared / all.max(1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likeness_orders_names() {
        let like = |a: &str, b: &str| likeness(&pairs(a), &pairs(b));
        assert_eq!(like("garden", "garden"), 1000);
        assert!(like("digital gadren", "digital garden") > 600);
        assert!(like("gardn", "garden") > like("gardn", "graph"));
        assert!(like("zettel", "garden") < 350);
        assert_eq!(like("", "abc"), 0);
    }
}
