//! What every item has, and the bounds that it keeps.

use super::{Item, Reading, Refusal};
use crate::formats;
use springline_model::{
    Context, FeedbackSource, FeedbackStatus, ItemName, Link, Project, Record, Span, Timestamp, Uri,
    feedback::{KIND, MAX_EXTERNAL_BYTES, ORIGINAL, attr},
    record::attr::PARTIAL,
    text::Lang,
};
use std::collections::{BTreeMap, BTreeSet};

/// The longest title, in bytes.
pub const MAX_TITLE_BYTES: usize = 4 * 1024;
/// The longest text, in bytes: more than any of the sources lets anybody write.
pub const MAX_TEXT_BYTES: usize = 256 * 1024;
/// The longest value of anything else, in bytes.
const MAX_VALUE_BYTES: usize = 2 * 1024;
/// The most tags of an item, and languages.
pub(super) const MAX_TAGS: usize = 100;
/// How far ahead of ours a clock may be, in milliseconds; what is further ahead is now.
const AHEAD_MILLIS: i64 = 5 * 60 * 1000;

/// An item before its bounds are checked.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) source: FeedbackSource,
    /// What its source calls it; without, its content names it.
    pub(super) external: Option<String>,
    pub(super) title: &'a str,
    pub(super) text: String,
    pub(super) author: Uri,
    pub(super) created: Option<Timestamp>,
    pub(super) edited: Option<Timestamp>,
    pub(super) status: FeedbackStatus,
    pub(super) url: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) langs: Vec<String>,
    /// Whatever else is known; what is empty is left out.
    pub(super) attrs: Vec<(&'static str, String)>,
}

impl Draft<'_> {
    /// With what an upstream let somebody write beyond our bounds cut off: it can't be asked to say it again.
    pub(super) fn cut(mut self) -> Self {
        let mut partial = Vec::new();
        if self.title.trim().len() > MAX_TITLE_BYTES {
            self.title = clip(self.title.trim(), MAX_TITLE_BYTES);
            partial.push(format!("a title longer than {MAX_TITLE_BYTES} bytes"));
        }
        if self.text.len() > MAX_TEXT_BYTES {
            self.text.truncate(clip(&self.text, MAX_TEXT_BYTES).len());
            partial.push(format!("a text longer than {MAX_TEXT_BYTES} bytes"));
        }
        self.attrs.push((PARTIAL, partial.join("; ")));
        self
    }

    /// The record.
    ///
    /// # Errors
    /// A bound is broken, or nothing is said.
    pub(super) fn reading(self, project: &Project, now: Timestamp) -> Result<Reading, Refusal> {
        let title = self.title.trim();
        for (name, text, most) in [("title", title, MAX_TITLE_BYTES), ("text", &self.text, MAX_TEXT_BYTES)] {
            if text.len() > most {
                return Err(Refusal(format!("`{name}` has {} bytes; the most is {most}", text.len())));
            }
            if text.contains('\0') {
                return Err(Refusal(format!("`{name}` holds NUL: it is binary, not text")));
            }
        }
        if title.is_empty() && self.text.trim().is_empty() {
            return Err(Refusal("there is neither a title nor a text".into()));
        }
        let external = match self.external {
            Some(external) => external,
            None => content_name(title, &self.text),
        };
        if external.len() > MAX_EXTERNAL_BYTES || external.chars().any(char::is_control) {
            return Err(Refusal(format!(
                "`external_id` has more than {MAX_EXTERNAL_BYTES} bytes, or control characters"
            )));
        }
        let believed = |at: &Timestamp| at.0 <= now.0.saturating_add(AHEAD_MILLIS);
        let created = self.created.filter(believed);
        let edited = self.edited.map(|at| if believed(&at) { at } else { now });
        let url = self.url.filter(|url| is_web(url));

        let mut links = formats::links_of(&self.text);
        links.extend(url.as_deref().map(original));
        let mut attrs: BTreeMap<String, String> = BTreeMap::new();
        attrs.insert(attr::STATUS.into(), self.status.name().into());
        attrs.extend(url.map(|url| (attr::URL.to_owned(), url)));
        attrs.extend(edited.map(|edited| (attr::EDITED.to_owned(), edited.to_rfc3339())));
        let rest =
            self.attrs.into_iter().filter(|(_, value)| !value.is_empty() && value.len() <= MAX_VALUE_BYTES);
        attrs.extend(rest.map(|(name, value)| (name.to_owned(), value)));
        let tags = self.tags.iter().map(|tag| tag.trim().trim_start_matches('#').to_lowercase());
        let tags: BTreeSet<String> =
            tags.filter(|tag| !tag.is_empty() && tag.len() <= 128).take(MAX_TAGS).collect();
        let langs = self.langs.iter().filter_map(|tag| Lang::from_tag(tag)).take(MAX_TAGS);
        let record = Record {
            uri: ItemName { project: project.clone(), source: self.source, external }.uri(),
            kind: KIND.into(),
            author: self.author,
            node: None,
            title: title.to_owned(),
            text: self.text,
            langs: langs.map(|lang| lang.to_string()).collect(),
            tags: tags.into_iter().collect(),
            at: created.unwrap_or(now),
            links,
            attrs,
        };
        Ok(Reading::Item(Box::new(Item { record, dated: created.is_some() })))
    }
}

/// The longest beginning of at most so many bytes.
fn clip(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// A name for what has none, from what it says.
fn content_name(title: &str, text: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(title.len() as u64).to_be_bytes()).update(title.as_bytes()).update(text.as_bytes());
    format!("content-{}", &hasher.finalize().to_hex()[..32])
}

/// Whether an address is one that a page may link to.
pub(super) fn is_web(url: &str) -> bool {
    url.len() <= MAX_VALUE_BYTES
        && (url.starts_with("https://") || url.starts_with("http://"))
        && !url.chars().any(|c| c.is_control() || c.is_whitespace())
}

fn original(url: &str) -> Link {
    Link {
        path: ORIGINAL.into(),
        context: Context::Prose,
        target: Uri::from(url),
        span: Span::default(),
        label: None,
        fragment: None,
    }
}

/// Somebody who is known by a name only, as an author.
pub(super) fn person(name: Option<&str>) -> Uri {
    let name =
        name.map(str::trim).filter(|name| !name.is_empty() && name.len() <= 256).unwrap_or("anonymous");
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    Uri::new(format!("person:{name}"))
}
