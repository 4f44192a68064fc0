//! How terms are named: a letter for the namespace, then the word or value.

use super::{Lang, MAX_FILTER_BYTES, MAX_WORD_BYTES, head};
use crate::NodeName;

/// In every document.
pub const EVERY: &[u8] = b"*";

/// In documents whose words do not tell all of their text (a limit of [`super`] was reached).
pub const PARTIAL: &[u8] = b"*partial";

/// The first byte of every word.
pub const WORD: u8 = b'w';

/// The first byte of every stem.
pub const STEM: u8 = b's';

/// A folded word.
#[must_use]
pub fn word(word: &str) -> Vec<u8> {
    named(WORD, head(word, MAX_WORD_BYTES))
}

/// A stem; its language is part of its name.
#[must_use]
pub fn stem(lang: Lang, stem: &str) -> Vec<u8> {
    let [first, second] = lang.code();
    let mut name = vec![STEM, first, second];
    name.extend_from_slice(head(stem, MAX_WORD_BYTES).as_bytes());
    name
}

/// What a term's name says, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning<'a> {
    /// `word`, `stem`, or what a filter is called.
    pub field: &'static str,
    /// Of a stem.
    pub lang: Option<&'a str>,
    /// The word, the stem or the value.
    pub value: &'a str,
}

impl<'a> Meaning<'a> {
    /// Of a term's name; `None` if it only counts documents, or is none of ours.
    #[must_use]
    pub fn of(name: &'a [u8]) -> Option<Self> {
        let (namespace, value) = name.split_first()?;
        let value = std::str::from_utf8(value).ok()?;
        match *namespace {
            WORD => Some(Self { field: "word", lang: None, value }),
            STEM => {
                let (lang, value) = value.split_at_checked(2)?;
                Some(Self { field: "stem", lang: Some(lang), value })
            }
            letter => {
                let filter = Filter::ALL.into_iter().find(|filter| filter.letter() == letter)?;
                Some(Self { field: filter.name(), lang: None, value })
            }
        }
    }
}

fn named(namespace: u8, value: &str) -> Vec<u8> {
    let mut name = Vec::with_capacity(1 + value.len());
    name.push(namespace);
    name.extend_from_slice(value.as_bytes());
    name
}

/// What a document is, other than its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Filter {
    /// Who said it.
    Author,
    /// The host of a page that it links to.
    Domain,
    /// What kind of record it is.
    Kind,
    /// What language it is in.
    Lang,
    /// Whom it names.
    Mentions,
    /// The Agora node it is a subnode of.
    Node,
    /// The source that told it.
    Source,
    /// A tag it has.
    Tag,
    /// A page that it links to.
    Url,
}

impl Filter {
    /// Every filter, in the order of their terms.
    pub const ALL: [Self; 9] = [
        Self::Author,
        Self::Domain,
        Self::Kind,
        Self::Lang,
        Self::Mentions,
        Self::Node,
        Self::Source,
        Self::Url,
        Self::Tag,
    ];

    /// How queries call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Author => "author",
            Self::Domain => "domain",
            Self::Kind => "kind",
            Self::Lang => "lang",
            Self::Mentions => "mentions",
            Self::Node => "node",
            Self::Source => "source",
            Self::Tag => "tag",
            Self::Url => "url",
        }
    }

    /// Its namespace.
    const fn letter(self) -> u8 {
        match self {
            Self::Author => b'a',
            Self::Domain => b'd',
            Self::Kind => b'k',
            Self::Lang => b'l',
            Self::Mentions => b'm',
            Self::Node => b'n',
            Self::Source => b'o',
            Self::Tag => b't',
            // A page: `u` is the index's own.
            Self::Url => b'p',
        }
    }

    /// The term for a value, as a record has it or as people type it: `author:flancian` is `author:user:flancian`,
    /// `node:digital-garden` is `node:"digital garden"`, `tag:#todo` is `tag:todo`, `domain:https://www.example.org/a` is
    /// `domain:example.org`. Case counts in none of them, nor a slash at the end of a `url:`.
    #[must_use]
    pub fn term(self, value: &str) -> Vec<u8> {
        let lower = value.trim().to_lowercase();
        let plain = match self {
            Self::Author | Self::Mentions if !lower.contains(':') => {
                format!("user:{}", lower.trim_start_matches('@'))
            }
            Self::Node => {
                let name = lower.trim_start_matches("node:").trim_start_matches("[[").trim_end_matches("]]");
                NodeName::canonical(name).as_str().to_owned()
            }
            Self::Tag => lower.trim_start_matches("tag:").trim_start_matches('#').to_owned(),
            Self::Domain => host(&lower).to_owned(),
            Self::Url => lower.trim_end_matches('/').to_owned(),
            Self::Author | Self::Kind | Self::Lang | Self::Mentions | Self::Source => lower,
        };
        named(self.letter(), head(&plain, MAX_FILTER_BYTES))
    }
}

/// The host of a URL in lower case, or what may be one as people type it, without `www.`.
fn host(url: &str) -> &str {
    let place = url.split_once("://").map_or(url, |(_, place)| place);
    let authority = place.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    // A port is digits; an IPv6 address has colons of its own.
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.ends_with(':') => host,
        _ => host,
    };
    host.strip_prefix("www.").unwrap_or(host)
}
