//! Parameters by name, as serde reads a struct: a value takes what was given once, a list all that was given.

use serde::{
    Deserializer,
    de::{
        Error as _, IntoDeserializer, Visitor,
        value::{Error, MapDeserializer, SeqDeserializer, StringDeserializer},
    },
    forward_to_deserialize_any,
};
use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map},
};

/// The most values of a list.
const MAX_VALUES: usize = 200;

/// What was given under each name.
pub(super) type Values<'a> = MapDeserializer<'a, btree_map::IntoIter<Cow<'a, str>, Value<'a>>, Error>;

/// Reads form-encoded pairs.
pub(super) fn of(encoded: &str) -> Values<'_> {
    let mut values: BTreeMap<Cow<'_, str>, Value<'_>> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(encoded.as_bytes()) {
        values.entry(name).or_default().0.push(value);
    }
    MapDeserializer::new(values.into_iter())
}

/// All that was given under one name, in order.
#[derive(Default)]
pub(super) struct Value<'a>(Vec<Cow<'a, str>>);

impl Value<'_> {
    fn only(mut self) -> Result<String, Error> {
        match (self.0.pop(), self.0.len()) {
            (Some(value), 0) => Ok(value.into_owned()),
            (_, others) => Err(Error::custom(format!("is given {} times", others + 1))),
        }
    }
}

impl<'de> IntoDeserializer<'de, Error> for Value<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parsed {
    ($($method:ident => $visit:ident,)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.only()?.parse().map_err(Error::custom)?)
        })*
    };
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.only()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let only: StringDeserializer<Error> = self.only()?.into_deserializer();
        only.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.len() > MAX_VALUES {
            return Err(Error::custom(format!("is given {} times; the most is {MAX_VALUES}", self.0.len())));
        }
        SeqDeserializer::new(self.0.into_iter().map(|value| Value(vec![value]))).deserialize_seq(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    parsed! {
        deserialize_bool => visit_bool,
        deserialize_u8 => visit_u8,
        deserialize_u16 => visit_u16,
        deserialize_u32 => visit_u32,
        deserialize_u64 => visit_u64,
        deserialize_i8 => visit_i8,
        deserialize_i16 => visit_i16,
        deserialize_i32 => visit_i32,
        deserialize_i64 => visit_i64,
        deserialize_f32 => visit_f32,
        deserialize_f64 => visit_f64,
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Some {
        did: Vec<String>,
        limit: Option<u8>,
        reverse: bool,
    }

    #[test]
    fn lists_take_all_and_values_one() {
        let read = |text: &str| Some::deserialize(of(text)).map_err(|error| error.to_string());
        let two = Some { did: vec!["a b".into(), String::new()], limit: Some(3), reverse: true };
        assert_eq!(read("did=a+b&limit=3&other=1&did=&reverse=true&other=2"), Ok(two));
        assert_eq!(read(""), Ok(Some::default()));
        assert!(read("limit=1&limit=2").unwrap_err().contains("2 times"));
        assert!(read("limit=300").is_err() && read("reverse=1").is_err() && read("limit=").is_err());
        assert!(read(&"did=a&".repeat(MAX_VALUES)).is_ok());
        assert!(read(&"did=a&".repeat(MAX_VALUES + 1)).unwrap_err().contains("the most"));
    }
}
