use super::{
    super::{Cid, Codec, car::*},
    base64, recorded_json,
};
use serde_json::Value;

fn stream(bytes: &[u8], limits: Limits) -> Result<(Vec<Cid>, Vec<(Cid, Vec<u8>)>), CarError> {
    let mut reader = CarReader::new(bytes, limits, Hashes::Check)?;
    let mut blocks = Vec::new();
    while let Some((cid, block)) = reader.next_block()? {
        blocks.push((cid, block.to_vec()));
    }
    assert_eq!(reader.position(), bytes.len() as u64);
    Ok((reader.roots().to_vec(), blocks))
}

#[test]
fn the_vectors_are_read_and_written() {
    let Some(Value::Array(vectors)) = recorded_json("cbor/car/testdata/car-file-fixtures.json") else {
        return;
    };
    for vector in vectors {
        let bytes = base64(vector["car"].as_str().unwrap());
        let root: Cid = vector["root"].as_str().unwrap().parse().unwrap();
        let mut blocks: Vec<(Cid, Vec<u8>)> = Vec::new();
        for block in vector["blocks"].as_array().unwrap() {
            let cid = block["cid"].as_str().unwrap().parse().unwrap();
            blocks.push((cid, base64(block["bytes"].as_str().unwrap())));
        }
        let car = Car::read(&bytes, &Limits::COMMIT, Hashes::Check).unwrap();
        assert_eq!((car.root(), car.blocks.len()), (Ok(root), blocks.len()));
        for (cid, block) in &blocks {
            assert_eq!(car.blocks.get(cid), Some(block.as_slice()));
        }
        assert_eq!(stream(&bytes, Limits::COMMIT).unwrap(), (vec![root], blocks.clone()));
        assert_eq!(write(&root, blocks.iter().map(|(cid, block)| (cid, block.as_slice()))), bytes);
    }
}

/// One with three blocks, and those.
fn sample() -> (Vec<u8>, Vec<(Cid, Vec<u8>)>) {
    let blocks: Vec<_> = (1..=3).map(|n| vec![n; 100 * usize::from(n)]).collect();
    let blocks: Vec<_> = blocks.into_iter().map(|block| (Cid::of(Codec::Raw, &block), block)).collect();
    (write(&blocks[0].0, blocks.iter().map(|(cid, block)| (cid, block.as_slice()))), blocks)
}

#[test]
fn duplicates_and_foreign_blocks_are_tolerated() {
    let (mut bytes, blocks) = sample();
    write_block(&mut bytes, &blocks[1].0, &blocks[1].1);
    // Version 0; version 1 of SHA-1; an identity of nothing.
    let foreign: [&[u8]; 3] = [&[[0x12, 0x20], [7; 2]].concat(), &[1, 0x71, 0x11, 20], &[1, 0x55, 0, 0]];
    for (cid, digest) in foreign.iter().zip([30, 20, 0]) {
        bytes.push((cid.len() + digest + 5) as u8);
        bytes.extend_from_slice(cid);
        bytes.extend(vec![9; digest + 5]);
    }
    let car = Car::read(&bytes, &Limits::COMMIT, Hashes::Check).unwrap();
    assert_eq!(car.blocks.len(), 3);
    assert_eq!(stream(&bytes, Limits::COMMIT).unwrap().1.len(), 4);
}

#[test]
fn what_is_wrong_is_refused() {
    let (bytes, blocks) = sample();
    let read = |bytes: &[u8], limits: Limits| {
        let car = Car::read(bytes, &limits, Hashes::Check).map(drop);
        assert_eq!(car, stream(bytes, limits).map(drop));
        car
    };
    assert_eq!(read(&bytes, Limits::COMMIT), Ok(()));
    for end in 0..bytes.len() {
        let cut = read(&bytes[..end], Limits::COMMIT);
        // At the end of a block it isn't seen: that blocks are missing is for the tree to find.
        assert!(cut.is_ok() == Car::read(&bytes[..end], &Limits::COMMIT, Hashes::Check).is_ok());
        assert!(matches!(cut, Ok(()) | Err(CarError::Truncated | CarError::Header(_))), "{end}: {cut:?}");
    }
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    assert_eq!(read(&flipped, Limits::COMMIT), Err(CarError::Hash(blocks[2].0)));
    assert!(Car::read(&flipped, &Limits::COMMIT, Hashes::Trust).is_ok());
    let limits = Limits { bytes: bytes.len() as u64 - 1, ..Limits::COMMIT };
    assert_eq!(read(&bytes, limits), Err(CarError::TooLarge));
    assert_eq!(read(&bytes, Limits { blocks: 2, ..Limits::COMMIT }), Err(CarError::TooMany));
    assert_eq!(read(&bytes, Limits { block: 199, ..Limits::COMMIT }), Err(CarError::LargeBlock));
    // A length that isn't there, one that isn't in its shortest form, and one that never ends.
    let more = |more: &[u8]| read(&[&bytes[..], more].concat(), Limits::COMMIT);
    assert_eq!(more(&[0xff, 0xff, 0x10]), Err(CarError::Truncated));
    assert_eq!(more(&[0x81, 0]), Err(CarError::Length));
    assert_eq!(more(&[0xff; 12]), Err(CarError::Length));
    assert_eq!(more(&[0xff, 0xff, 0xff, 0xff, 0x7f]), Err(CarError::LargeBlock));
    assert_eq!(more(&[2, 1, 0x71]), Err(CarError::Cid));
    // Headers: another version, no root.
    let header = |header: &[u8]| read(&[&[header.len() as u8], header].concat(), Limits::COMMIT);
    assert_eq!(header(b"\xa2\x65roots\x80\x67version\x02"), Err(CarError::Version));
    assert_eq!(header(b"\xa2\x65roots\x80\x67version\x01"), Err(CarError::NoRoot));
    assert_eq!(header(b"\xa1\x67version\x01"), Err(CarError::NoRoot));
}
