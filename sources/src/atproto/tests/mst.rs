use super::{
    super::{Cid, blocks::*, mst::*},
    vectors,
};
use proptest::{collection, prelude::*};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

fn list(path: &str) -> Vec<Value> {
    serde_json::from_str(&vectors(path)).unwrap()
}

/// A tree of a store, changed: its root. New nodes go into the store.
fn change(
    store: &mut HashMap<Cid, Vec<u8>>,
    root: Option<Cid>,
    changes: &[Change<'_>],
) -> Result<Cid, MstError> {
    let mut tree = match root {
        Some(root) => Tree::stored(store, root, Layers::Check),
        None => Tree::new(store),
    };
    changes.iter().try_for_each(|change| apply(&mut tree, change))?;
    let mut nodes = Vec::new();
    let root = tree.finish(|cid, block| nodes.push((cid, block)));
    store.extend(nodes);
    Ok(root)
}

const fn create(key: &str, value: Cid) -> Change<'_> {
    Change { key, before: None, after: Some(value) }
}

fn walk<S: BlockSource>(source: &S, root: Cid) -> Result<Vec<(String, Cid)>, MstError> {
    let mut walk = Walk::new(source, root);
    let mut all = Vec::new();
    while let Some((key, value)) = walk.next()? {
        all.push((key.to_owned(), value));
    }
    Ok(all)
}

#[test]
fn layers_and_prefixes_are_those_of_the_vectors() {
    for vector in list("mst/key_heights.json") {
        let key = vector["key"].as_str().unwrap();
        assert_eq!(u64::from(layer_of(key.as_bytes())), vector["height"].as_u64().unwrap(), "{key}");
    }
    for vector in list("mst/common_prefix.json") {
        let (left, right) = (vector["left"].as_str().unwrap(), vector["right"].as_str().unwrap());
        let length = super::super::mst::common_prefix(left.as_bytes(), right.as_bytes());
        assert_eq!(length as u64, vector["len"].as_u64().unwrap());
    }
}

#[test]
fn keys_of_the_vectors_lie_on_the_layers_that_they_are_named_after() {
    let text = vectors("mst/example_keys.txt");
    let keys: Vec<_> = text.lines().collect();
    let value = Cid::of_cbor(b"value");
    for key in &keys {
        assert_eq!(u32::from(layer_of(key.as_bytes())), key.chars().nth(1).unwrap().to_digit(10).unwrap());
    }
    let mut store = HashMap::new();
    let changes: Vec<_> = keys.iter().rev().map(|key| create(key, value)).collect();
    let root = change(&mut store, None, &changes).unwrap();
    assert!(walk(&store, root).unwrap().iter().map(|(key, _)| key).eq(&keys));
}

#[test]
fn an_empty_tree_is_one_known_block() {
    let mut store = HashMap::new();
    let root = change(&mut store, None, &[]).unwrap();
    assert_eq!(root.to_string(), "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm");
    assert_eq!(walk(&store, root), Ok(Vec::new()));
    assert_eq!(lookup(&store, &root, b"a"), Ok(None));
    let value = Cid::of_cbor(b"value");
    let root = change(&mut store, Some(root), &[create("a", value)]).unwrap();
    assert_eq!(walk(&store, root), Ok(vec![("a".to_owned(), value)]));
}

#[test]
fn commits_of_the_vectors_are_made_proved_and_undone() {
    for vector in list("firehose/commit-proof-fixtures.json") {
        let texts = |field: &str| {
            let texts = vector[field].as_array().unwrap().iter();
            texts.map(|text| text.as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let cid = |field: &str| vector[field].as_str().unwrap().parse::<Cid>().unwrap();
        let (value, before, after) = (cid("leafValue"), cid("rootBeforeCommit"), cid("rootAfterCommit"));
        let (keys, adds, dels) = (texts("keys"), texts("adds"), texts("dels"));
        let mut store = HashMap::new();
        let all: Vec<_> = keys.iter().map(|key| create(key, value)).collect();
        assert_eq!(change(&mut store, None, &all), Ok(before));
        let mut changes: Vec<_> = adds.iter().map(|key| create(key, value)).collect();
        changes.extend(dels.iter().map(|key| Change { key, before: Some(value), after: None }));
        assert_eq!(change(&mut store, Some(before), &changes), Ok(after));
        // What the way back asks for is what the vectors say that a commit has to have.
        let recording = Recording::new(&store);
        let mut tree = Tree::stored(&recording, after, Layers::Check);
        invert(&mut tree, changes.iter().copied()).unwrap();
        assert_eq!(tree.finish(|_, _| ()), before);
        let asked: BTreeSet<Cid> = recording.into_asked().into_iter().collect();
        let proof: BTreeSet<Cid> = texts("blocksInProof").iter().map(|cid| cid.parse().unwrap()).collect();
        assert!(asked.is_subset(&proof), "{vector}\n{:?}", asked.difference(&proof));
        // Nor does it ask for less by chance: without any of them it fails.
        for cid in &asked {
            let mut partial: HashMap<_, _> = asked.iter().map(|cid| (*cid, store[cid].clone())).collect();
            partial.remove(cid);
            let mut tree = Tree::stored(&partial, after, Layers::Check);
            let missing = Err(MstError::Block(BlockError::Missing(*cid)));
            assert_eq!(invert(&mut tree, changes.iter().copied()), missing);
        }
    }
}

/// Nodes as they should not be: what the writer writes, with something wrong.
#[test]
fn nodes_that_break_a_rule_are_refused() {
    use super::super::cbor::Writer;
    let value = Cid::of_cbor(b"value");
    let node = |left: Option<Cid>, entries: &[(usize, &str, Option<Cid>)]| {
        let mut writer = Writer::default();
        writer.map(2);
        writer.text("e");
        writer.array(entries.len());
        for (prefix, suffix, right) in entries {
            writer.map(4);
            writer.text("k");
            writer.bytes(suffix.as_bytes());
            writer.text("p");
            writer.integer(*prefix as i64);
            writer.text("t");
            writer.nullable(*right, |writer, cid| writer.link(&cid));
            writer.text("v");
            writer.link(&value);
        }
        writer.text("l");
        writer.nullable(left, |writer, cid| writer.link(&cid));
        let block = writer.into_bytes();
        (Cid::of_cbor(&block), block)
    };
    // Of the keys of the vectors the second character is the layer.
    let (a0, b0) = ("A0/374913", "B0/601692");
    let read = |node: &(Cid, Vec<u8>)| Node::read(&node.1, Layers::Check).map(drop);
    assert_eq!(read(&node(None, &[(0, a0, None), (0, b0, None)])), Ok(()));
    assert_eq!(read(&node(None, &[(0, b0, None), (0, a0, None)])), Err(MstError::Order));
    assert_eq!(read(&node(None, &[(0, a0, None), (9, "", None)])), Err(MstError::Order));
    assert_eq!(read(&node(None, &[(0, "", None)])), Err(MstError::Key));
    assert_eq!(read(&node(None, &[(1, a0, None)])), Err(MstError::Prefix));
    assert_eq!(read(&node(None, &[(0, a0, None), (0, "A0/474913", None)])), Err(MstError::Prefix));
    assert_eq!(read(&node(None, &[(0, a0, None), (2, "/3", None)])), Err(MstError::Prefix));
    assert_eq!(read(&node(None, &[(0, a0, None), (0, "A1/076595", None)])), Err(MstError::Prefix));
    assert_eq!(read(&node(None, &[(0, a0, None), (0, "B1/986427", None)])), Err(MstError::Layer));
    assert_eq!(read(&node(None, &[(0, &"k".repeat(1025), None)])), Err(MstError::Key));
    assert!(matches!(Node::read(b"\xa1\x61e\x80", Layers::Check), Err(MstError::Cbor(_))));
    assert!(matches!(Node::read(b"\xa3\x61e\x80\x61l\xf6\x61m\xf6", Layers::Check), Err(MstError::Cbor(_))));
    // Trees of them.
    let walk_of = |root: &(Cid, Vec<u8>), others: &[&(Cid, Vec<u8>)]| {
        let all = others.iter().copied().chain([root]).cloned();
        walk(&all.collect::<HashMap<_, _>>(), root.0).map(drop)
    };
    let (empty, low) = (node(None, &[]), node(None, &[(0, a0, None)]));
    let down = node(Some(low.0), &[]);
    assert_eq!(walk_of(&node(Some(low.0), &[(0, "B1/986427", None)]), &[&low]), Ok(()));
    assert_eq!(walk_of(&node(Some(down.0), &[(0, "B2/827649", None)]), &[&low, &down]), Ok(()));
    assert_eq!(walk_of(&node(Some(low.0), &[(0, "B2/827649", None)]), &[&low]), Err(MstError::Layer));
    assert_eq!(walk_of(&node(Some(empty.0), &[(0, "B1/986427", None)]), &[&empty]), Err(MstError::Empty));
    assert_eq!(walk_of(&node(Some(low.0), &[(0, b0, None)]), &[&low]), Err(MstError::Layer));
    assert_eq!(walk_of(&down, &[&low]), Err(MstError::Empty));
    let twice = node(Some(low.0), &[(0, "B1/986427", Some(low.0))]);
    assert_eq!(walk_of(&twice, &[&low]), Err(MstError::Order));
    assert_eq!(walk_of(&twice, &[]), Err(MstError::Block(BlockError::Missing(low.0))));
}

fn states() -> impl Strategy<Value = BTreeMap<String, u8>> {
    // Few enough that two of them share keys, and long enough for some layers.
    collection::btree_map("[a-c]{1,3}/[0-9]{1,2}", 0..4_u8, 0..60)
}

fn cid(value: u8) -> Cid {
    Cid::of_cbor(&[value])
}

proptest! {
    #[test]
    fn a_tree_is_a_function_of_what_is_in_it(state in states(), order in any::<u64>()) {
        let mut store = HashMap::new();
        let sorted: Vec<_> = state.iter().map(|(key, value)| create(key, cid(*value))).collect();
        let root = change(&mut store, None, &sorted).unwrap();
        let mut mixed = sorted.clone();
        mixed.sort_by_key(|change| Cid::of_cbor(format!("{order}{}", change.key).as_bytes()));
        prop_assert_eq!(change(&mut HashMap::new(), None, &mixed).unwrap(), root);
        let expected: Vec<_> = state.iter().map(|(key, value)| (key.clone(), cid(*value))).collect();
        prop_assert_eq!(walk(&store, root).unwrap(), expected);
        for key in ["a/1", "b/22", "ccc/9"] {
            let found = lookup(&store, &root, key.as_bytes()).unwrap();
            prop_assert_eq!(found, state.get(key).map(|value| cid(*value)));
        }
    }

    #[test]
    fn a_commit_can_be_made_and_undone_with_what_it_touches(before in states(), after in states()) {
        let mut store = HashMap::new();
        let all: Vec<_> = before.iter().map(|(key, value)| create(key, cid(*value))).collect();
        let old = change(&mut store, None, &all).unwrap();
        let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        let changes = keys.into_iter().map(|key| Change {
            key,
            before: before.get(key).map(|value| cid(*value)),
            after: after.get(key).map(|value| cid(*value)),
        });
        let changes: Vec<_> = changes.filter(|change| change.before != change.after).take(20).collect();
        let new = change(&mut store, Some(old), &changes).unwrap();
        walk(&store, new).unwrap();
        let recording = Recording::new(&store);
        let mut tree = Tree::stored(&recording, new, Layers::Check);
        invert(&mut tree, changes.iter().copied()).unwrap();
        prop_assert_eq!(tree.finish(|_, _| ()), old);
        // What was asked is enough, and a change that wasn't made isn't undone.
        let asked: HashMap<_, _> = recording.into_asked().iter().map(|cid| (*cid, store[cid].clone())).collect();
        for left_out in 0..changes.len() {
            let mut some = changes.clone();
            some.remove(left_out);
            let mut tree = Tree::stored(&asked, new, Layers::Check);
            let undone = invert(&mut tree, some.iter().copied()).map(|()| tree.finish(|_, _| ()));
            prop_assert_ne!(undone, Ok(old));
        }
    }
}
