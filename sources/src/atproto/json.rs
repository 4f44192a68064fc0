//! Records in JSON: links as `{"$link": "bafy…"}`, bytes as `{"$bytes": "base64"}`.
//!
//! [`from_json`] reads from any serde format that describes itself, so it fits a field of a larger struct
//! (`deserialize_with`); [`AsJson`] writes to any. Both are streams: no tree of JSON values lies between.
//!
//! Invariants and limits are those of [`data`](super::data). A key twice is refused. Lone surrogates, which JSON can
//! spell and text can't hold, are refused by the JSON reader.

use super::{
    cbor::{MAX_CONTAINER, MAX_DEPTH, MAX_INTEGER, MAX_KEY},
    cid::Cid,
};
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use ipld_core::ipld::Ipld;
use serde::{
    Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
    ser::{SerializeMap, SerializeSeq},
};
use std::{collections::BTreeMap, fmt};

/// Writes without padding and reads with or without, as implementations do.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A value.
///
/// # Errors
/// The input isn't JSON, or has what the data model hasn't: a fraction, a link that isn't a CID.
pub fn from_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Ipld, D::Error> {
    Seed { depth: 0 }.deserialize(deserializer)
}

/// Of a text.
///
/// # Errors
/// As [`from_json`].
pub fn from_json_text(text: &str) -> Result<Ipld, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = from_json(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Seed {
    depth: usize,
}

impl Seed {
    fn inner<E: Error>(self) -> Result<Self, E> {
        // One more for a link or bytes in the innermost container: those are no containers.
        if self.depth > MAX_DEPTH { Err(too_deep()) } else { Ok(Self { depth: self.depth + 1 }) }
    }
}

fn too_deep<E: Error>() -> E {
    E::custom(format_args!("deeper than {MAX_DEPTH}"))
}

fn too_many<E: Error>() -> E {
    E::custom(format_args!("more than {MAX_CONTAINER} elements"))
}

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Ipld;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Ipld, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Ipld;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of the AT Protocol's data model")
    }

    fn visit_unit<E>(self) -> Result<Ipld, E> {
        Ok(Ipld::Null)
    }

    fn visit_bool<E>(self, bool: bool) -> Result<Ipld, E> {
        Ok(Ipld::Bool(bool))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Ipld, E> {
        if number.unsigned_abs() > MAX_INTEGER.unsigned_abs() {
            return Err(E::custom("an integer beyond 53 bits"));
        }
        Ok(Ipld::Integer(number.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Ipld, E> {
        self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
    }

    /// JSON has one kind of number: `1.0` is an integer.
    fn visit_f64<E: Error>(self, number: f64) -> Result<Ipld, E> {
        if number.fract() != 0.0 || !number.is_finite() {
            return Err(E::custom("a number with a fraction"));
        }
        // Saturates, out of the range that is accepted.
        self.visit_i64(number as i64)
    }

    fn visit_str<E>(self, text: &str) -> Result<Ipld, E> {
        Ok(Ipld::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Ipld, E> {
        Ok(Ipld::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Ipld, A::Error> {
        if self.depth >= MAX_DEPTH {
            return Err(too_deep());
        }
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(inner)? {
            if list.len() == MAX_CONTAINER {
                return Err(too_many());
            }
            list.push(value);
        }
        Ok(Ipld::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Ipld, A::Error> {
        let inner = self.inner()?;
        let mut map = BTreeMap::new();
        while let Some(key) = access.next_key::<String>()? {
            if key.len() > MAX_KEY {
                return Err(A::Error::custom(format_args!("a key of more than {MAX_KEY} bytes")));
            }
            if map.len() == MAX_CONTAINER {
                return Err(too_many());
            }
            if map.insert(key, access.next_value_seed(inner)?).is_some() {
                return Err(A::Error::custom("a key twice"));
            }
        }
        match special(&map) {
            None if self.depth < MAX_DEPTH => Ok(Ipld::Map(map)),
            None => Err(too_deep()),
            Some(Ok(value)) => Ok(value),
            Some(Err(why)) => Err(A::Error::custom(why)),
        }
    }
}

/// A link or bytes, if the map says that it is one.
fn special(map: &BTreeMap<String, Ipld>) -> Option<Result<Ipld, &'static str>> {
    let (key, value) = map.iter().find(|(key, _)| *key == "$link" || *key == "$bytes")?;
    let value = match value {
        Ipld::String(text) if map.len() == 1 => text,
        _ => return Some(Err("a $link or $bytes with other fields, or that isn't text")),
    };
    Some(if key == "$link" {
        value.parse::<Cid>().map(|cid| Ipld::Link(cid.into())).map_err(|_| "a $link that isn't a CID")
    } else {
        BASE64.decode(value).map(Ipld::Bytes).map_err(|_| "$bytes that aren't base64")
    })
}

/// A value, to be serialised as JSON.
#[derive(Clone, Copy, Debug)]
pub struct AsJson<'a>(pub &'a Ipld);

impl Serialize for AsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Ipld::Null => serializer.serialize_unit(),
            Ipld::Bool(bool) => serializer.serialize_bool(*bool),
            Ipld::Integer(number) => match i64::try_from(*number) {
                Ok(number) => serializer.serialize_i64(number),
                Err(_) => Err(serde::ser::Error::custom("an integer beyond 64 bits")),
            },
            Ipld::Float(_) => Err(serde::ser::Error::custom("a float")),
            Ipld::String(text) => serializer.serialize_str(text),
            Ipld::Bytes(bytes) => one(serializer, "$bytes", &BASE64.encode(bytes)),
            Ipld::Link(cid) => one(serializer, "$link", &cid.to_string()),
            Ipld::List(list) => {
                let mut seq = serializer.serialize_seq(Some(list.len()))?;
                list.iter().try_for_each(|value| seq.serialize_element(&AsJson(value)))?;
                seq.end()
            }
            Ipld::Map(map) => {
                let mut out = serializer.serialize_map(Some(map.len()))?;
                map.iter().try_for_each(|(key, value)| out.serialize_entry(key, &AsJson(value)))?;
                out.end()
            }
        }
    }
}

fn one<S: Serializer>(serializer: S, key: &str, value: &str) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(key, value)?;
    map.end()
}
