//! What links here.
//!
//! The rows of a target lie in groups of one record kind and one link path, each newest first. `backlink_counts`
//! names the groups, which are merged.
//!
//! A cursor is the place (time, source, ordinal) of the last row shown: the same for all groups, because a link
//! is in one group only.

use super::{
    list::{self, MAX_EXAMINED},
    merge::Merge,
    names,
    shape::{Place, Time},
};
use crate::{
    answer::Reading,
    page::{Limit, Listing, Page},
    problem::{Kind, Problem},
    routes::Routes,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    LinkPath, NodeName, Uri, UriId,
    key::KeyWriter,
    rows::{BacklinkCountRow, BacklinkRow},
};
use springline_sinks::{Scan, Snapshot};

/// The most groups that are merged. Gardens make about twenty; a lexicon with more paths needs `kind` or `path`.
const MAX_GROUPS: usize = 256;
/// The most groups of a target that are looked at. Anybody can make as many as they like.
const MAX_COUNTED_GROUPS: usize = 5_000;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Backlinks");
    routes.view("/v1/backlinks", backlinks).may(Kind::NotFound);
    routes.view("/v1/backlinks/count", count).may(Kind::NotFound);
}

/// What links to a target, newest first.
///
/// The target is anything: a node (`node:` and any spelling of its name), a note, a user, a tag, a URL, an account (its
/// DID or its handle), a record (`at://` with either). A handle that is not known here is a 404.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BacklinksParams {
    /// What is linked to: `node:digital garden`, `user:flancian`, `tag:todo`, `https://example.org/`, ….
    target: String,
    /// Only links in records of this kind: `note`.
    kind: Option<String>,
    /// Only links that stand here in their record: `wikilink`, `push`, `embed`, `hashtag`, ….
    path: Option<String>,
    /// Only links in this context.
    context: Option<Place>,
    /// How `[[target|label]]` is read.
    #[serde(default)]
    links: LinksAs,
    /// Only links in what this person wrote.
    author: Option<String>,
    /// The most items.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// How many links a target has, by the kind of record and the place in it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CountParams {
    /// What is linked to.
    target: String,
}

/// How `[[target|label]]` is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LinksAs {
    /// As what it means: a link to `target`.
    #[default]
    True,
    /// As an agora-server reads it: a link to a node named by the whole text between the brackets.
    Agora,
}

/// A link, seen from what it links to.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Backlink {
    /// The record that links.
    #[schemars(with = "String")]
    pub source: Uri,
    /// What the record is: `note`, ….
    pub kind: String,
    /// Where in the record the link stands: `wikilink`, `push`, ….
    #[schemars(with = "String")]
    pub path: LinkPath,
    /// In prose, code or a comment.
    pub context: Place,
    /// Who wrote the record.
    #[schemars(with = "String")]
    pub author: Uri,
    /// The node that the record is a subnode of.
    #[schemars(with = "Option<String>")]
    pub node: Option<NodeName>,
    /// The record's title.
    pub title: String,
    /// The record's time.
    pub at: Time,
    /// The text shown in place of the target; `#heading` if there is only that.
    pub label: Option<String>,
    /// The line around the link.
    pub snippet: String,
}

impl From<BacklinkRow> for Backlink {
    fn from(row: BacklinkRow) -> Self {
        let BacklinkRow { kind, path, at, source, context, author, node, title, label, snippet, .. } = row;
        Self {
            source,
            kind,
            path,
            context: context.into(),
            author,
            node,
            title,
            at: Time(at),
            label,
            snippet,
        }
    }
}

/// How many links a target has.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BacklinkCounts {
    /// The epoch that the counts are complete as of.
    pub epoch: u64,
    /// What is linked to, in its canonical spelling.
    #[schemars(with = "String")]
    pub target: Uri,
    /// Links in all groups but `agora` (which repeats wikilinks).
    pub links: u64,
    /// By kind and path.
    pub groups: Vec<BacklinkGroup>,
}

/// Links of one kind.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BacklinkGroup {
    /// The kind of the records that link.
    pub kind: String,
    /// Where in them.
    #[schemars(with = "String")]
    pub path: LinkPath,
    /// Links.
    pub links: u64,
    /// Distinct records.
    pub records: u64,
    /// Distinct authors.
    pub authors: u64,
}

impl From<BacklinkCountRow> for BacklinkGroup {
    fn from(row: BacklinkCountRow) -> Self {
        let BacklinkCountRow { kind, path, links, records, authors, .. } = row;
        Self { kind, path, links, records, authors }
    }
}

fn backlinks(reading: &Reading<'_>, params: BacklinksParams) -> Result<Page<Backlink>, Problem> {
    let target = names::target(reading, "target", &params.target)?;
    let person = |author: &str| names::person(reading.snapshot, "author", author);
    let author = params.author.as_deref().map(person).transpose()?;
    let BacklinksParams { kind, path, context, links, .. } = params;
    let filter = Filter { kind, path, context, links, author };
    filter.page(reading, &target, params.limit, params.cursor.as_deref())
}

fn count(reading: &Reading<'_>, params: CountParams) -> Result<BacklinkCounts, Problem> {
    let target = names::target(reading, "target", &params.target)?;
    let groups = groups(reading.snapshot, target.id())?;
    let links =
        groups.iter().filter(|group| group.path.as_str() != LinkPath::AGORA).map(|group| group.links).sum();
    let groups = groups.into_iter().map(BacklinkGroup::from).collect();
    Ok(BacklinkCounts { epoch: reading.snapshot.epoch().0, target, links, groups })
}

/// The groups that a target's links lie in, with their counts.
///
/// # Errors
/// The store can't be read.
pub fn groups(snapshot: &Snapshot<'_>, target: UriId) -> Result<Vec<BacklinkCountRow>, Problem> {
    let mut prefix = KeyWriter::new();
    prefix.id(target);
    let scan = Scan { prefix: prefix.into_bytes(), after: None, reverse: false, limit: MAX_COUNTED_GROUPS };
    Ok(snapshot.scan(&scan)?)
}

/// Which links of a target.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only of this kind of record.
    pub kind: Option<String>,
    /// Only at this place in the record.
    pub path: Option<String>,
    /// Only in this context.
    pub context: Option<Place>,
    /// How piped links are read.
    pub links: LinksAs,
    /// Only by this author.
    pub author: Option<Uri>,
}

/// Links found, newest first.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// At most as many as asked for.
    pub rows: Vec<BacklinkRow>,
    /// Where to go on; `None` when these were the last.
    pub next: Option<Vec<u8>>,
}

impl Filter {
    /// Links at one place in records of any kind.
    #[must_use]
    pub fn path(path: &str) -> Self {
        Self { path: Some(path.to_owned()), ..Self::default() }
    }

    /// A page of the links to a target.
    ///
    /// # Errors
    /// The cursor is not of these links, or the store can't be read.
    pub fn page(
        &self,
        reading: &Reading<'_>,
        target: &Uri,
        limit: Limit,
        cursor: Option<&str>,
    ) -> Result<Page<Backlink>, Problem> {
        let context = self.context.map(|context| format!("{context:?}"));
        let links = format!("{:?}", self.links);
        let scope = [
            target.as_str(),
            self.kind.as_deref().unwrap_or("\0"),
            self.path.as_deref().unwrap_or("\0"),
            context.as_deref().unwrap_or("\0"),
            &links,
            self.author.as_ref().map_or("\0", Uri::as_str),
        ];
        let after = Listing::Backlinks.resume(&scope, cursor)?;
        let found = self.newest(reading.snapshot, target, after.as_deref(), limit.get())?;
        let next = found.next.map(|place| Listing::Backlinks.cursor(&scope, &place));
        let items = found.rows.into_iter().map(Backlink::from).collect();
        Ok(Page::of(reading, items, next))
    }

    /// The newest links to a target, behind a place if one is given. Looks at a bounded number of rows: when a
    /// filter leaves many out there may be fewer links than asked for, and a place to go on.
    ///
    /// # Errors
    /// The store can't be read, or the target's links lie in too many groups.
    pub fn newest(
        &self,
        snapshot: &Snapshot<'_>,
        target: &Uri,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Found, Problem> {
        let mut groups = groups(snapshot, target.id())?;
        groups.retain(|group| self.takes_group(&group.kind, group.path.as_str()));
        if groups.len() > MAX_GROUPS {
            let detail = format!(
                "the links to this target stand in more than {MAX_GROUPS} places: give `kind` and `path`"
            );
            return Err(Problem::new(Kind::MalformedQuery, detail));
        }
        let prefix =
            |group: &BacklinkCountRow| list::key(&[target.as_str(), &group.kind, group.path.as_str()]);
        let prefixes = groups.iter().map(prefix).collect();
        let mut rows: Merge<BacklinkRow> = Merge::new(snapshot, prefixes, after, false, limit)?;
        let (mut found, mut examined, mut last) = (Found::default(), 0, None);
        while let Some((place, row)) = rows.next(snapshot)? {
            if found.rows.len() == limit || examined == MAX_EXAMINED {
                found.next = last;
                break;
            }
            examined += 1;
            found.rows.extend(self.takes(&row).then_some(row));
            last = Some(place);
        }
        Ok(found)
    }

    fn takes_group(&self, kind: &str, path: &str) -> bool {
        let path_fits = match (&self.path, self.links) {
            (Some(wanted), _) => wanted == path,
            (None, LinksAs::True) => path != LinkPath::AGORA,
            (None, LinksAs::Agora) => path == LinkPath::AGORA || path == LinkPath::WIKILINK,
        };
        path_fits && self.kind.as_ref().is_none_or(|wanted| wanted == kind)
    }

    fn takes(&self, row: &BacklinkRow) -> bool {
        // A cut wikilink has a label; the agora-server's reading of it stands beside it as a link of its own.
        let cut = row.path.as_str() == LinkPath::WIKILINK && row.label.is_some();
        !(self.links == LinksAs::Agora && cut)
            && self.context.is_none_or(|context| context == row.context.into())
            && self.author.as_ref().is_none_or(|author| *author == row.author)
    }
}
