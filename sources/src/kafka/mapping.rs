//! From a message to a record: a pure function of the message and the mapping.

use super::{KafkaConfig, Mapping};
use crate::SourceError;
use serde_json::Value;
use springline_model::{
    Context, Link, LinkPath, NodeName, Record, Span, Timestamp, Uri, record::attr, uri::MAX_URI_BYTES,
};
use std::borrow::Cow;

/// The most links, and tags, of a record.
const MAX_LINKS: usize = 20_000;

/// Where a field's text is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Key,
    Pointer(String),
    Text(String),
}

impl Place {
    fn parse(field: &str, text: &str) -> Result<Self, SourceError> {
        match text {
            "key" => Ok(Self::Key),
            pointer if pointer.starts_with('/') => Ok(Self::Pointer(pointer.to_owned())),
            literal if literal.starts_with('=') => Ok(Self::Text(literal[1..].to_owned())),
            other => Err(SourceError::Config(format!(
                "`mapping.{field}`: `{other}` is neither a JSON pointer (`/a/b`), nor `key`, nor a text (`=note`)"
            ))),
        }
    }

    /// The text there; numbers as they are written. Nothing if there is none.
    fn text<'a>(&'a self, key: Option<&'a str>, value: &'a Value) -> Option<Cow<'a, str>> {
        match self {
            Self::Key => key.map(Cow::Borrowed),
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Pointer(pointer) => plain(value.pointer(pointer)?),
        }
    }

    /// The texts there: of a list each.
    fn texts<'a>(&'a self, key: Option<&'a str>, value: &'a Value) -> Vec<Cow<'a, str>> {
        match self {
            Self::Pointer(pointer) => match value.pointer(pointer) {
                Some(Value::Array(items)) => items.iter().filter_map(plain).collect(),
                other => other.and_then(plain).into_iter().collect(),
            },
            _ => self.text(key, value).into_iter().collect(),
        }
    }
}

fn plain(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

/// A message, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) at: Timestamp,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// This is.
    Put(Box<Record>),
    /// This is no more.
    Delete(Uri),
}

/// A mapping that makes sense.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    uri: Place,
    uri_prefix: String,
    kind: Place,
    author: Option<Place>,
    title: Option<Place>,
    text: Option<Place>,
    links: Vec<(LinkPath, Place)>,
    tags: Vec<Place>,
    time: Option<Place>,
    most: usize,
}

impl Reader {
    /// Of a configuration.
    pub(super) fn new(config: &KafkaConfig) -> Result<Self, SourceError> {
        let Mapping { uri, uri_prefix, kind, author, title, text, links, tags, time } = &config.mapping;
        let maybe = |field: &str, text: &Option<String>| {
            text.as_ref().map(|text| Place::parse(field, text)).transpose()
        };
        let link = |text: &String| {
            // The path of a link says where it was found, as for records of the network: `.a.b`.
            let path = LinkPath::new(text.trim_start_matches('=').replace('/', "."));
            Ok((path, Place::parse("links", text)?))
        };
        Ok(Self {
            uri: Place::parse("uri", uri)?,
            uri_prefix: uri_prefix.clone(),
            kind: Place::parse("kind", kind)?,
            author: maybe("author", author)?,
            title: maybe("title", title)?,
            text: maybe("text", text)?,
            links: links.iter().map(link).collect::<Result<_, SourceError>>()?,
            tags: tags.iter().map(|text| Place::parse("tags", text)).collect::<Result<_, _>>()?,
            time: maybe("time", time)?,
            most: config.max_message_bytes,
        })
    }

    /// Reads a message.
    ///
    /// # Errors
    /// Why it is no record, for a person.
    pub(super) fn read(&self, message: Message<'_>) -> Result<Said, String> {
        let key = message.key.map(std::str::from_utf8).transpose().map_err(|_| "its key is not UTF-8")?;
        let Some(bytes) = message.value else {
            let key = key.ok_or("it has neither key nor value")?;
            return match self.uri {
                Place::Key => self.identity(key).map(Said::Delete),
                _ => {
                    Err("it has no value, and `mapping.uri` is not the key: nothing says what to delete"
                        .into())
                }
            };
        };
        if bytes.len() > self.most {
            return Err(format!("it has {} bytes, more than {}", bytes.len(), self.most));
        }
        let value: Value =
            serde_json::from_slice(bytes).map_err(|error| format!("it is no JSON: {error}"))?;
        let text = |place: &Option<Place>| {
            place.as_ref().and_then(|place| place.text(key, &value)).map(Cow::into_owned)
        };
        let uri = self.uri.text(key, &value).ok_or("nothing is where `mapping.uri` says")?;
        let uri = self.identity(&uri)?;
        let kind = self.kind.text(key, &value).filter(|kind| !kind.is_empty());
        let kind = kind.ok_or("nothing is where `mapping.kind` says")?.into_owned();
        let author = text(&self.author).filter(|author| !author.is_empty());
        let author = author.map_or_else(|| Uri::user("unknown"), |author| reference(&author, Uri::user));
        let at = match self.time.as_ref().and_then(|place| place.text(key, &value)) {
            Some(text) => time(&text).ok_or_else(|| format!("`{text:.64}` is no time"))?,
            None => message.at,
        };
        let mut links = Vec::new();
        for (path, place) in &self.links {
            for target in place.texts(key, &value).iter().filter(|target| !target.trim().is_empty()) {
                let target = reference(target, |name| Uri::node(&NodeName::canonical(name)));
                if links.len() < MAX_LINKS && target.as_str().len() <= MAX_URI_BYTES {
                    let (context, span) = (Context::Prose, Span::default());
                    links.push(Link {
                        path: path.clone(),
                        context,
                        target,
                        span,
                        label: None,
                        fragment: None,
                    });
                }
            }
        }
        let tag = |tag: &Cow<'_, str>| tag.trim().trim_start_matches('#').to_lowercase();
        let tags = self.tags.iter().flat_map(|place| place.texts(key, &value));
        let mut tags: Vec<String> =
            tags.map(|text| tag(&text)).filter(|tag| !tag.is_empty()).take(MAX_LINKS).collect();
        tags.sort_unstable();
        tags.dedup();
        Ok(Said::Put(Box::new(Record {
            uri,
            kind,
            author,
            node: None,
            title: text(&self.title).unwrap_or_default(),
            text: text(&self.text).unwrap_or_default(),
            langs: Vec::new(),
            tags,
            at,
            links,
            attrs: [(attr::BYTES.to_owned(), bytes.len().to_string())].into(),
        })))
    }

    fn identity(&self, text: &str) -> Result<Uri, String> {
        let uri = if is_uri(text) { text.to_owned() } else { format!("{}{text}", self.uri_prefix) };
        if !is_uri(&uri) || text.is_empty() {
            return Err(format!("`{uri:.80}` is no URI: set `mapping.uri_prefix`"));
        }
        if uri.len() > MAX_URI_BYTES {
            return Err(format!("its URI has more than {MAX_URI_BYTES} bytes"));
        }
        Ok(Uri::new(uri))
    }
}

/// Whether a text begins with a scheme.
fn is_uri(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, rest)| {
        !rest.is_empty()
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

fn reference(text: &str, otherwise: impl Fn(&str) -> Uri) -> Uri {
    let text = text.trim();
    if is_uri(text) { Uri::new(text) } else { otherwise(text) }
}

fn time(text: &str) -> Option<Timestamp> {
    match text.parse::<i64>() {
        Ok(millis) => Some(Timestamp(millis)),
        Err(_) => Timestamp::parse(text).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reader() -> Reader {
        let config = serde_json::json!({
            "topics": ["t"],
            "mapping": { "uri": "key", "uri_prefix": "https://shop.example/", "kind": "=review", "author": "/by/name",
                "title": "/t", "text": "/say", "links": ["/about", "/see"], "tags": ["/tags"], "time": "/at" },
        });
        Reader::new(&serde_json::from_value(config).unwrap()).unwrap()
    }

    fn read(key: Option<&str>, value: Option<&str>) -> Result<Said, String> {
        let (key, value) = (key.map(str::as_bytes), value.map(str::as_bytes));
        reader().read(Message { key, value, at: Timestamp(7) })
    }

    #[test]
    fn a_message_becomes_a_record() {
        let value = r##"{"by":{"name":"ada"},"t":"T","say":"good","about":"https://a.example/","see":["Some Node",5],
            "tags":["#B","a","a"],"at":"2026-01-01"}"##;
        let Ok(Said::Put(record)) = read(Some("9"), Some(value)) else { panic!() };
        assert_eq!((record.uri.as_str(), record.author.as_str()), ("https://shop.example/9", "user:ada"));
        assert_eq!((record.kind.as_str(), record.text.as_str()), ("review", "good"));
        let links: Vec<_> =
            record.links.iter().map(|link| (link.path.as_str(), link.target.as_str())).collect();
        assert_eq!(links, [(".about", "https://a.example/"), (".see", "node:some node"), (".see", "node:5")]);
        assert_eq!(record.tags, ["a", "b"]);
        assert_eq!(record.at, Timestamp::parse("2026-01-01").unwrap());
        assert_eq!(read(Some("9"), None), Ok(Said::Delete(Uri::from("https://shop.example/9"))));
    }

    #[test]
    fn what_is_no_record_is_refused_with_the_reason() {
        for (key, value, why) in [
            (None, None, "neither key nor value"),
            (None, Some("{}"), "mapping.uri"),
            (Some("9"), Some("{"), "no JSON"),
            (Some("9"), Some(r#"{"at":"yesterday"}"#), "no time"),
        ] {
            let refused = read(key, value).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(key in ".{0,12}", value in "\\PC{0,64}", bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(Some(&key), Some(&value));
            let _ = reader().read(Message { key: Some(&bytes), value: Some(&bytes), at: Timestamp(0) });
        }
    }
}
