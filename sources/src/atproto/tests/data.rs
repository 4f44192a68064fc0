use super::{
    super::{Cid, cbor::CborError, data::*, json::*},
    base64, hex, recorded_json, vectors,
};
use ipld_core::ipld::Ipld;
use proptest::{collection, prelude::*};
use serde_json::Value;

fn list(path: &str) -> Vec<Value> {
    serde_json::from_str(&vectors(path)).unwrap()
}

/// As a record, from JSON.
fn from(json: &Value) -> Result<Ipld, String> {
    let value = from_json(json).map_err(|error| error.to_string())?;
    check_record(&value).map_err(|error| error.to_string())?;
    Ok(value)
}

#[test]
fn json_and_cbor_of_the_vectors_are_one_record() {
    for vector in list("data-model/data-model-fixtures.json") {
        let block = base64(vector["cbor_base64"].as_str().unwrap());
        let record = from(&vector["json"]).unwrap();
        assert_eq!(super::super::data::record(&block).unwrap(), record);
        assert_eq!(encode(&record).unwrap(), block);
        assert_eq!(Cid::of_cbor(&block).to_string(), vector["cid"].as_str().unwrap());
        assert_eq!(serde_json::to_value(AsJson(&record)).unwrap(), vector["json"]);
    }
}

#[test]
fn records_of_the_vectors_are_told_from_what_is_none() {
    for vector in list("data-model/data-model-valid.json") {
        let record = from(&vector["json"]).unwrap_or_else(|error| panic!("{vector}: {error}"));
        assert_eq!(super::super::data::record(&encode(&record).unwrap()).unwrap(), record);
    }
    for vector in list("data-model/data-model-invalid.json") {
        assert!(from(&vector["json"]).is_err(), "{vector}");
    }
}

#[test]
fn only_canonical_cbor_is_accepted() {
    for name in [
        "cid",
        "concat",
        "floats",
        "indefinite",
        "integer_range",
        "map_keys",
        "short_form",
        "simple",
        "tags",
        "utf8",
    ] {
        let path = format!("cbor/cbor/testdata/dasl-cbor/{name}.json");
        let Some(Value::Array(vectors)) = recorded_json(&path) else { return };
        for vector in vectors {
            let block = hex(vector["data"].as_str().unwrap());
            let decoded = decode(&block);
            // What the protocol leaves out of DRISL: floats, and integers beyond 53 bits.
            let left_out = matches!(decoded, Err(DataError::Cbor(CborError::Float | CborError::Integer)));
            match vector["type"].as_str().unwrap() {
                "roundtrip" if left_out => assert!(["floats", "integer_range"].contains(&name), "{vector}"),
                "roundtrip" => assert_eq!(encode(&decoded.unwrap()).unwrap(), block, "{vector}"),
                _ => assert!(decoded.is_err(), "{vector}"),
            }
        }
    }
}

#[test]
fn what_another_standard_calls_canonical_is_accepted_or_left_out() {
    let path = "cbor/cbor/testdata/rfc8949-vectors.json";
    let Some(Value::Array(vectors)) = recorded_json(path) else { return };
    let mut accepted = 0;
    for vector in vectors {
        let block = hex(vector["hex"].as_str().unwrap());
        let flags: Vec<_> = vector["flags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        match decode(&block) {
            Ok(value) => {
                accepted += 1;
                assert!(flags.contains(&"valid") && flags.contains(&"canonical"), "{vector}");
                assert_eq!(encode(&value).unwrap(), block);
            }
            Err(DataError::Cbor(error)) => {
                use CborError::{Expected, Float, Integer, Simple, Tag};
                let left_out = matches!(error, Expected("text") | Float | Integer | Simple | Tag);
                assert!(left_out || !flags.contains(&"canonical"), "{error}: {vector}");
            }
            Err(error) => panic!("{error}: {vector}"),
        }
    }
    assert!(accepted > 30, "{accepted}");
}

#[test]
fn every_length_has_a_bound() {
    let nested = |depth: usize| [vec![0x81; depth], vec![0]].concat();
    assert!(decode(&nested(32)).is_ok());
    assert_eq!(decode(&nested(33)), Err(CborError::TooDeep.into()));
    assert_eq!(decode(&nested(900_000)), Err(CborError::TooDeep.into()));
    assert_eq!(decode(&[0; MAX_RECORD + 1]), Err(DataError::TooLarge));
    // Lengths that are only announced.
    assert_eq!(decode(&[0x9a, 0, 1, 0, 0, 0]), Err(CborError::Truncated.into()));
    assert_eq!(decode(&[0x9a, 0, 2, 0, 1, 0]), Err(CborError::TooMany.into()));
    assert_eq!(decode(&[0xbb, 255, 255, 255, 255, 255, 255, 255, 255]), Err(CborError::TooMany.into()));
    assert_eq!(decode(&[0x5b, 255, 255, 255, 255, 255, 255, 255, 255]), Err(CborError::Truncated.into()));
    let longest = Ipld::Map([("k".repeat(8_192), Ipld::Null)].into());
    assert_eq!(decode(&encode(&longest).unwrap()).unwrap(), longest);
    let longer = Ipld::Map([("k".repeat(8_193), Ipld::Null)].into());
    assert_eq!(encode(&longer), Err(CborError::LongKey.into()));
    let json = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(from_json_text(&json(32)).is_ok());
    assert!(from_json_text(&json(33)).is_err());
    assert!(from_json_text(&json(1_000_000)).is_err());
    let bytes = |depth: usize| "[".repeat(depth) + r#"{"$bytes":"YQ=="}"# + &"]".repeat(depth);
    let block = encode(&from_json_text(&bytes(32)).unwrap()).unwrap();
    assert!(decode(&block).is_ok());
    assert!(from_json_text(&bytes(33)).is_err());
    assert!(from_json_text(r#"{"a":1,"a":2}"#).is_err());
    assert!(from_json_text("9007199254740992").is_err() && from_json_text("1e300").is_err());
    assert_eq!(from_json_text("-9007199254740991").unwrap(), Ipld::Integer(-9_007_199_254_740_991));
}

fn values() -> impl Strategy<Value = Ipld> {
    let integers = -(1_i64 << 53) + 1..1_i64 << 53;
    let scalar = prop_oneof![
        Just(Ipld::Null),
        any::<bool>().prop_map(Ipld::Bool),
        integers.prop_map(|number| Ipld::Integer(number.into())),
        "\\PC{0,30}".prop_map(Ipld::String),
        collection::vec(any::<u8>(), 0..300).prop_map(Ipld::Bytes),
        any::<[u8; 4]>().prop_map(|bytes| Ipld::Link(Cid::of_cbor(&bytes).into())),
    ];
    scalar.prop_recursive(6, 60, 8, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..30).prop_map(Ipld::List),
            collection::btree_map("\\PC{0,30}", inner, 0..30).prop_map(Ipld::Map),
        ]
    })
}

proptest! {
    #[test]
    fn a_value_is_the_same_in_every_form(value in values()) {
        let block = encode(&value).unwrap();
        // Another implementation's.
        prop_assert_eq!(&serde_ipld_dagcbor::to_vec(&value).unwrap(), &block);
        prop_assert_eq!(&decode(&block).unwrap(), &value);
        let json = serde_json::to_string(&AsJson(&value)).unwrap();
        prop_assert_eq!(from_json_text(&json).unwrap(), value);
    }

    #[test]
    fn what_is_accepted_is_canonical(value in values(), at: prop::sample::Index, byte: u8) {
        let mut block = encode(&value).unwrap();
        let at = at.index(block.len());
        block[at] = byte;
        if let Ok(value) = decode(&block) {
            prop_assert_eq!(encode(&value).unwrap(), block);
        }
    }

    #[test]
    fn no_bytes_are_too_strange(block in collection::vec(any::<u8>(), 0..100)) {
        if let Ok(value) = decode(&block) {
            prop_assert_eq!(encode(&value).unwrap(), block);
        }
    }
}
