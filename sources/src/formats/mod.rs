//! One file of a garden as a record: pure functions, shared by every source that reads files.
//!
//! ```text
//!  bytes ─► text ─► grammar (markdown, org, myco, python) ─► title, tags, code and comments, its own links
//!                     │                                                          │
//!                     └─► marks `[[…]]` ─► wikilinks, embeds, mentions ──────────┤
//!                         directives (push, pull, go, meet), hashtags, bare URLs ┴─► Record
//! ```
//!
//! What all formats share is read the same way in all: a `[[…]]` is what agora-server's pattern finds,
//! wherever it stands. A format's grammar only says where code and comments are, what the title is, and which
//! links it has of its own.
//!
//! Invariants:
//! 1. The record is a function of the file alone: the same facts and bytes give the same record.
//! 2. No input panics or is lost: what can't be read in full is read in part and says so ([`attr::PARTIAL`]).
//! 3. Time and memory are linear in the file; every list is bounded.
//! 4. Spans lie inside the text and on character boundaries; links are in the order of the text.
//! 5. A [`LinkPath::WIKILINK`](springline_model::LinkPath::WIKILINK) has a label or fragment exactly if a twin at
//!    [`LinkPath::AGORA`](springline_model::LinkPath::AGORA) has the peer's reading of the same span.
//!
//! Left out: links that need the rest of the garden to be understood (Obsidian's and Foam's resolution of a
//! name to one file, org ids). They change when other files do, so they can't be a function of one file.

mod directives;
mod front_matter;
mod hashtags;
mod items;
mod links;
mod markdown;
mod myco;
mod org;
mod outline;
mod place;
mod target;
mod text;
mod urls;
mod wikilinks;

#[cfg(test)]
mod tests;

pub use place::Place;
pub use text::MAX_TEXT_BYTES;

use links::Links;
use outline::Outline;
use springline_model::{
    Link, NodeName, Record, Timestamp, Uri, node::stem, record::attr, uri::MAX_URI_BYTES,
};
use std::collections::BTreeMap;
use thiserror::Error;

/// The largest file that is read at all.
pub const MAX_FILE_BYTES: usize = 64 * 1024 * 1024;

/// The longest title, in bytes; the rest is cut off.
const MAX_TITLE_BYTES: usize = 512;

/// The most tags that a note can have.
const MAX_TAGS: usize = 1000;

/// The links that the `[[…]]` of a plain text make.
pub(crate) fn wikilinks_of(text: &str) -> Vec<Link> {
    let mut links = Links::new();
    let marks = wikilinks::scan(text, &mut links);
    wikilinks::link(text, &marks, &Outline::default(), &mut links);
    links.finish(&mut Vec::new())
}

/// The links that the `[[…]]` and the bare addresses of a plain text make.
pub(crate) fn links_of(text: &str) -> Vec<Link> {
    let mut links = Links::new();
    let marks = wikilinks::scan(text, &mut links);
    wikilinks::link(text, &marks, &Outline::default(), &mut links);
    urls::link(text, &Outline::default(), &mut links);
    links.finish(&mut Vec::new())
}

/// What a source knows of a file beside its bytes.
#[derive(Clone, Debug)]
pub struct FileFacts<'a> {
    /// The garden it is in.
    pub place: Place,
    /// Its path in the place, `journal/2022-01-01.md`.
    pub relative: &'a str,
    /// When it was last changed: the commit's author time, or the file's mtime.
    pub at: Timestamp,
    /// The git commit that last changed it.
    pub commit: Option<&'a str>,
    /// The name of that commit's author.
    pub committer: Option<&'a str>,
}

impl FileFacts<'_> {
    /// What the record of the file is called.
    #[must_use]
    pub fn uri(&self) -> Uri {
        self.place.uri(self.relative)
    }
}

/// Why a file can't be a record at all.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// Nothing that is read: see [`wanted`].
    #[error("not a note or an image by its name")]
    Unwanted,
    /// Over [`MAX_FILE_BYTES`].
    #[error("{bytes} bytes are more than the {MAX_FILE_BYTES} that a file may have")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Its URI would be over [`MAX_URI_BYTES`].
    #[error("a path of {bytes} bytes makes a name of more than {MAX_URI_BYTES}")]
    PathTooLong {
        /// The length of its path.
        bytes: usize,
    },
}

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.md`, `.markdown`: CommonMark with front matter and what Obsidian, Logseq and Foam add.
    Markdown,
    /// `.org`: Emacs Org mode.
    Org,
    /// `.myco`: Mycomarkup.
    Myco,
    /// `.py`: a script of the garden; its text is code, never run.
    Python,
    /// A picture; its bytes are not looked at.
    Image {
        /// Its media type.
        media: &'static str,
    },
}

impl Format {
    /// The name that [`attr::FORMAT`] gives it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Org => "org",
            Self::Myco => "myco",
            Self::Python => "python",
            Self::Image { .. } => "image",
        }
    }

    /// By a file's extension, in either case.
    fn of_extension(extension: &str) -> Option<Self> {
        let image = |media| Some(Self::Image { media });
        match extension.to_ascii_lowercase().as_str() {
            "md" | "markdown" => Some(Self::Markdown),
            "org" => Some(Self::Org),
            "myco" => Some(Self::Myco),
            "py" => Some(Self::Python),
            "png" => image("image/png"),
            "jpg" | "jpeg" => image("image/jpeg"),
            "gif" => image("image/gif"),
            "svg" => image("image/svg+xml"),
            "webp" => image("image/webp"),
            "bmp" => image("image/bmp"),
            "avif" => image("image/avif"),
            _ => None,
        }
    }
}

/// Whether a path (inside its place or in the Agora's tree) is one that is read, and how. Dot-files and
/// whatever is in dot-folders are not.
#[must_use]
pub fn wanted(path: &str) -> Option<Format> {
    if path.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
        return None;
    }
    let name = path.rsplit('/').next()?;
    Format::of_extension(name.rsplit_once('.')?.1)
}

/// Reads a file.
///
/// # Errors
/// It is nothing that is read, or too large, or its path too long.
pub fn read(file: &FileFacts<'_>, bytes: &[u8]) -> Result<Record, Refused> {
    let format = wanted(file.relative).ok_or(Refused::Unwanted)?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err(Refused::TooLarge { bytes: bytes.len() });
    }
    let uri = file.uri();
    if uri.as_str().len() > MAX_URI_BYTES {
        return Err(Refused::PathTooLong { bytes: file.relative.len() });
    }
    let mut attrs = attributes(file, format, bytes.len());
    let mut record = Record {
        uri,
        kind: "note".into(),
        author: file.place.author(),
        node: Some(NodeName::of_path(file.relative)),
        title: String::new(),
        text: String::new(),
        langs: Vec::new(),
        tags: Vec::new(),
        at: file.at,
        links: Vec::new(),
        attrs: BTreeMap::new(),
    };
    let mut title = None;
    if let Format::Image { media } = format {
        record.kind = "image".into();
        attrs.insert(attr::MEDIA.into(), media.into());
    } else {
        let (text, mut partial) = text::decode(bytes);
        let mut links = Links::new();
        let outline = understand(format, &text, &mut links);
        title = outline.title;
        record.tags = outline.tags.into_iter().collect();
        partial.extend(outline.partial);
        record.links = links.finish(&mut partial);
        record.text = text;
        if !partial.is_empty() {
            attrs.insert(attr::PARTIAL.into(), partial.join("; "));
        }
    }
    record.title = title
        .filter(|title| !title.is_empty())
        .unwrap_or_else(|| text::clip(stem(file.relative), MAX_TITLE_BYTES).to_owned());
    record.attrs = attrs;
    Ok(record)
}

/// Title, tags and all links of a text.
fn understand(format: Format, text: &str, links: &mut Links) -> Outline {
    let marks = wikilinks::scan(text, links);
    let mut outline = match format {
        Format::Markdown => markdown::read(text, &marks, links),
        Format::Org => org::read(text, links),
        Format::Myco => myco::read(text, links),
        Format::Python | Format::Image { .. } => Outline::code(text),
    };
    wikilinks::link(text, &marks, &outline, links);
    outline.cover(marks.iter().map(|mark| mark.start..mark.end));
    if format != Format::Python {
        directives::link(text, &marks, &outline, links);
        let tags = hashtags::link(text, &outline, links);
        outline.add_tags(tags);
    }
    urls::link(text, &outline, links);
    outline
}

fn attributes(file: &FileFacts<'_>, format: Format, bytes: usize) -> BTreeMap<String, String> {
    let known = [
        (attr::PATH, Some(file.place.agora_path(file.relative))),
        (attr::RELATIVE, Some(file.relative.to_owned())),
        (attr::FORMAT, Some(format.name().to_owned())),
        (attr::BYTES, Some(bytes.to_string())),
        (attr::COMMIT, file.commit.map(str::to_owned)),
        (attr::COMMITTER, file.committer.map(str::to_owned)),
    ];
    known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}
