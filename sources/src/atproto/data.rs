//! Records as trees of values, from and to their blocks.
//!
//! ```text
//!   a block (DRISL) ─ decode ─►         ◄─ from_json ─ {"$link": …} {"$bytes": …}
//!                               Ipld
//!   a block         ◄─ encode ─         ─ AsJson ─►    JSON            (module json)
//! ```
//!
//! Invariants: `encode(decode(block)) == block`, so that a record's CID can be had from either; the same record in
//! JSON gives the same tree. A tree that came from here has no floats, integers within 53 bits, links of the
//! protocol's kind only, and no more than [`MAX_DEPTH`] containers in containers, so that recursing into it is safe.
//!
//! Limits: [`MAX_RECORD`] for a block, and those of [`super::cbor`].

use super::{
    cbor::{self, CborError, Item, MAX_DEPTH, MAX_INTEGER, Reader, Writer},
    cid::Cid,
};
use ipld_core::ipld::Ipld;
use std::collections::BTreeMap;

/// Bytes of a record's block.
pub const MAX_RECORD: usize = 1_000_000;

/// Not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// The block is too large.
    #[error("more than {MAX_RECORD} bytes")]
    TooLarge,
    /// The block isn't canonical CBOR, or what is to be encoded has no such form.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// A record is a map.
    #[error("not a map")]
    NotAMap,
    /// A `$type` that isn't a name.
    #[error("a $type that isn't a name")]
    Type,
    /// A blob without what makes it one.
    #[error("a blob without a ref, a mimeType or a size")]
    Blob,
}

/// Any value, from a block.
///
/// # Errors
/// It isn't canonical, or beyond a limit.
pub fn decode(block: &[u8]) -> Result<Ipld, DataError> {
    if block.len() > MAX_RECORD {
        return Err(DataError::TooLarge);
    }
    let mut reader = Reader::new(block);
    let value = value(&mut reader, 0)?;
    reader.end()?;
    Ok(value)
}

fn value(reader: &mut Reader<'_>, depth: usize) -> Result<Ipld, CborError> {
    let item = reader.item()?;
    if matches!(item, Item::Array(_) | Item::Map(_)) && depth == MAX_DEPTH {
        return Err(CborError::TooDeep);
    }
    Ok(match item {
        Item::Integer(number) => Ipld::Integer(number.into()),
        Item::Bytes(bytes) => Ipld::Bytes(bytes.to_vec()),
        Item::Text(text) => Ipld::String(text.to_owned()),
        Item::Link(cid) => Ipld::Link(cid.into()),
        Item::Bool(bool) => Ipld::Bool(bool),
        Item::Null => Ipld::Null,
        Item::Array(length) => {
            let mut list = Vec::with_capacity(length.min(64));
            for _ in 0..length {
                list.push(value(reader, depth + 1)?);
            }
            Ipld::List(list)
        }
        Item::Map(length) => {
            let mut map = BTreeMap::new();
            let mut last = None;
            for _ in 0..length {
                let key = reader.key(last)?;
                last = Some(key);
                map.insert(key.to_owned(), value(reader, depth + 1)?);
            }
            Ipld::Map(map)
        }
    })
}

/// A record, from its block.
///
/// # Errors
/// As [`decode`] and [`check_record`].
pub fn record(block: &[u8]) -> Result<Ipld, DataError> {
    let record = decode(block)?;
    check_record(&record)?;
    Ok(record)
}

/// That a value has what the data model asks of a record: a map, in which what says that it is something is so.
///
/// # Errors
/// It hasn't.
pub fn check_record(record: &Ipld) -> Result<(), DataError> {
    if matches!(record, Ipld::Map(_)) { check(record) } else { Err(DataError::NotAMap) }
}

fn check(value: &Ipld) -> Result<(), DataError> {
    match value {
        Ipld::List(list) => list.iter().try_for_each(check),
        Ipld::Map(map) => {
            match map.get("$type") {
                None => {}
                Some(Ipld::String(name)) if name == "blob" => check_blob(map)?,
                Some(Ipld::String(name)) if !name.is_empty() => {}
                Some(_) => return Err(DataError::Type),
            }
            map.values().try_for_each(check)
        }
        _ => Ok(()),
    }
}

fn check_blob(map: &BTreeMap<String, Ipld>) -> Result<(), DataError> {
    let is_blob = matches!(map.get("ref"), Some(Ipld::Link(_)))
        && matches!(map.get("mimeType"), Some(Ipld::String(_)))
        && matches!(map.get("size"), Some(Ipld::Integer(_)));
    if is_blob { Ok(()) } else { Err(DataError::Blob) }
}

/// The block of a value.
///
/// # Errors
/// It has no canonical form, or one beyond a limit.
pub fn encode(value: &Ipld) -> Result<Vec<u8>, DataError> {
    let mut writer = Writer::with_capacity(256);
    write(&mut writer, value, 0)?;
    let block = writer.into_bytes();
    if block.len() > MAX_RECORD { Err(DataError::TooLarge) } else { Ok(block) }
}

fn write(writer: &mut Writer, value: &Ipld, depth: usize) -> Result<(), CborError> {
    let length = match value {
        Ipld::List(list) => Some(list.len()),
        Ipld::Map(map) => Some(map.len()),
        _ => None,
    };
    if length.is_some() && depth == MAX_DEPTH {
        return Err(CborError::TooDeep);
    }
    if length.is_some_and(|length| length > cbor::MAX_CONTAINER) {
        return Err(CborError::TooMany);
    }
    match value {
        Ipld::Null => writer.null(),
        Ipld::Bool(bool) => writer.bool(*bool),
        Ipld::Integer(number) => {
            let number = i64::try_from(*number).map_err(|_| CborError::Integer)?;
            if number.unsigned_abs() > MAX_INTEGER.unsigned_abs() {
                return Err(CborError::Integer);
            }
            writer.integer(number);
        }
        Ipld::Float(_) => return Err(CborError::Float),
        Ipld::String(text) => writer.text(text),
        Ipld::Bytes(bytes) => writer.bytes(bytes),
        Ipld::Link(cid) => writer.link(&Cid::try_from(cid).map_err(|_| CborError::Link)?),
        Ipld::List(list) => {
            writer.array(list.len());
            for value in list {
                write(writer, value, depth + 1)?;
            }
        }
        Ipld::Map(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by(|(a, _), (b, _)| cbor::key_order(a, b));
            writer.map(entries.len());
            for (key, value) in entries {
                if key.len() > cbor::MAX_KEY {
                    return Err(CborError::LongKey);
                }
                writer.text(key);
                write(writer, value, depth + 1)?;
            }
        }
    }
    Ok(())
}
