//! From a piece of a query to the words that are asked for.

use super::{Item, Leaf, Node};
use springline_model::text::{Segmenter, Shape};
use std::ops::ControlFlow;

/// The words of a piece of text, as a document that holds the piece has them.
pub(super) fn items(text: &str) -> Vec<Item> {
    let (mut items, mut offset) = (Vec::<Item>::new(), 0);
    let mut in_pairs = false;
    let _ = Segmenter::new().each(text, |word| {
        // The last character of a run stands alone only at the end of the document's run, and ours may be the
        // beginning of that: behind a pair it says nothing new, by itself it begins a pair or stands alone.
        let last = word.shape == Shape::Last;
        if !(last && in_pairs) {
            items.push(Item { offset, word: word.text.to_owned(), prefix: last });
        }
        in_pairs = word.shape == Shape::Pair;
        offset += 1;
        ControlFlow::Continue(())
    });
    let first = items.first().map_or(0, |item| item.offset);
    items.iter_mut().for_each(|item| item.offset -= first);
    items
}

/// What a piece of a query without spaces asks for: a word in any form, or a phrase. `prefix`: more may follow.
pub(super) fn piece(text: &str, prefix: bool, title: bool, at: usize) -> Option<Leaf> {
    let mut items = items(text);
    let last = items.last_mut()?;
    last.prefix |= prefix;
    Some(match items.as_slice() {
        [item] if item.prefix => Leaf::Prefix { word: item.word.clone(), title, stems: false, at },
        [item] => Leaf::Word { word: item.word.clone(), title },
        _ => Leaf::Phrase { items, title, at },
    })
}

/// What stands between quotes: the words as they are.
pub(super) fn quoted(text: &str, title: bool, at: usize) -> Option<Leaf> {
    let items = items(text);
    (!items.is_empty()).then_some(Leaf::Phrase { items, title, at })
}

/// Every word begins a word; runs without spaces are found anywhere in one.
pub(super) fn broad(text: &str) -> Option<Node> {
    let mut leaves: Vec<Leaf> = Vec::new();
    let mut run: Vec<Item> = Vec::new();
    let close = |run: &mut Vec<Item>, leaves: &mut Vec<Leaf>| {
        if let Some(first) = run.first().map(|item| item.offset) {
            run.iter_mut().for_each(|item| item.offset -= first);
            leaves.push(Leaf::Phrase { items: std::mem::take(run), title: false, at: 0 });
        }
    };
    let (mut offset, mut in_pairs) = (0, false);
    let _ = Segmenter::new().each(text, |word| {
        match word.shape {
            Shape::Pair => {
                if !in_pairs {
                    close(&mut run, &mut leaves);
                }
                run.push(Item { offset, word: word.text.to_owned(), prefix: false });
            }
            Shape::Last if in_pairs => {}
            Shape::Run | Shape::Last => {
                let stems = word.shape == Shape::Run;
                leaves.push(Leaf::Prefix { word: word.text.to_owned(), title: false, stems, at: word.start });
            }
        }
        in_pairs = word.shape == Shape::Pair;
        offset += 1;
        ControlFlow::Continue(())
    });
    close(&mut run, &mut leaves);
    let same = |a: &Leaf, b: &Leaf| match (a, b) {
        (Leaf::Prefix { word: a, .. }, Leaf::Prefix { word: b, .. }) => a == b,
        _ => a == b,
    };
    let mut distinct: Vec<Leaf> = Vec::new();
    for leaf in leaves {
        if !distinct.iter().any(|known| same(known, &leaf)) {
            distinct.push(leaf);
        }
    }
    (!distinct.is_empty()).then(|| Node::And(distinct.into_iter().map(Node::Leaf).collect()))
}

/// The whole text as one phrase.
pub(super) fn exact(text: &str) -> Option<Node> {
    quoted(text, false, 0).map(Node::Leaf)
}

/// The text as it is.
pub(super) fn substring(text: &str) -> Option<Node> {
    let text = text.trim().to_lowercase();
    (!text.is_empty()).then_some(Node::Leaf(Leaf::Substring(text)))
}
