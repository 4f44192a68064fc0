//! Bytes in JSON: as base64 (with padding), for `#[serde(with = "base64")]`. In the encodings of the journal and the
//! store, which no person reads, they stand as they are.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

pub(crate) fn serialize<T, S>(bytes: &T, serializer: S) -> Result<S::Ok, S::Error>
where
    T: AsRef<[u8]> + Serialize,
    S: Serializer,
{
    match serializer.is_human_readable() {
        true => serializer.serialize_str(&STANDARD.encode(bytes)),
        false => bytes.serialize(serializer),
    }
}

pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: TryFrom<Vec<u8>> + Deserialize<'de>,
    D: Deserializer<'de>,
{
    match deserializer.is_human_readable() {
        true => decode(&String::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("no such base64")),
        false => T::deserialize(deserializer),
    }
}

fn decode<T: TryFrom<Vec<u8>>>(text: &str) -> Option<T> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// The same for bytes that may not be there.
pub(crate) mod option {
    use super::{Deserialize, Deserializer, STANDARD, Serialize, Serializer, decode};
    use base64::Engine as _;
    use serde::de::Error as _;

    pub(crate) fn serialize<T, S>(bytes: &Option<T>, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: AsRef<[u8]> + Serialize,
        S: Serializer,
    {
        match serializer.is_human_readable() {
            true => bytes.as_ref().map(|bytes| STANDARD.encode(bytes)).serialize(serializer),
            false => bytes.serialize(serializer),
        }
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: TryFrom<Vec<u8>> + Deserialize<'de>,
        D: Deserializer<'de>,
    {
        if !deserializer.is_human_readable() {
            return Option::deserialize(deserializer);
        }
        let text: Option<String> = Option::deserialize(deserializer)?;
        let bytes = |text: String| decode(&text).ok_or_else(|| D::Error::custom("no such base64"));
        text.map(bytes).transpose()
    }
}
