//! Trees of blocks that nobody has looked at: walked, looked up, changed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use springline_sources::atproto::{
    Cid,
    car::{Car, Hashes, Limits},
    mst::{Layers, Node, Tree, Walk, lookup},
};

fuzz_target!(|bytes: &[u8]| {
    let _ = Node::read(bytes, Layers::Check);
    let Ok(car) = Car::read(bytes, &Limits::COMMIT, Hashes::Trust) else { return };
    let value = Cid::of_cbor(b"value");
    for root in car.roots.iter().chain(car.blocks.iter().map(|(cid, _)| cid)).take(8) {
        let mut walk = Walk::new(&car.blocks, *root);
        let mut keys = Vec::new();
        while let Ok(Some((key, found))) = walk.next() {
            keys.push((key.to_owned(), found));
        }
        assert!(keys.is_sorted_by(|(a, _), (b, _)| a.as_bytes() < b.as_bytes()));
        for (key, _) in keys.iter().take(4) {
            let _ = lookup(&car.blocks, root, key.as_bytes());
            let mut tree = Tree::stored(&car.blocks, *root, Layers::Trust);
            let changed = tree
                .remove(key.as_bytes())
                .and_then(|_| tree.insert(format!("{key}0").as_bytes(), value))
                .and_then(|()| tree.insert(b"B2/827649", value));
            if changed.is_ok() {
                tree.finish(|_, _| ());
            }
        }
    }
});
