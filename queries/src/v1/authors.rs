//! Who writes, and what.

use super::{list::List, names, shape::Note};
use crate::{
    answer::Reading,
    page::{Limit, Listing, Page},
    problem::{Kind, Problem},
    routes::Routes,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    Uri,
    key::KeyWriter,
    rows::{AuthorNoteRow, AuthorRow},
};

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Catalog");
    routes.view("/v1/authors", authors);
    routes.view("/v1/authors/{author}", author).may(Kind::NotFound);
    routes.view("/v1/authors/{author}/notes", notes).may(Kind::NotFound);
}

/// Everyone who wrote, by name.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AuthorsParams {
    /// The most items.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Somebody, with how much they wrote.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AuthorParams {
    /// Who: a user's name, a handle or a whole URI.
    author: String,
}

/// What somebody wrote, the newest first.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NotesParams {
    /// Who: a user's name, a handle or a whole URI.
    author: String,
    /// The most items.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Somebody who wrote.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Author {
    /// Who.
    #[schemars(with = "String")]
    pub author: Uri,
    /// Records of any kind.
    pub records: u64,
    /// Links in them.
    pub links: u64,
    /// Bytes, as the sources have them.
    pub bytes: u64,
}

impl From<AuthorRow> for Author {
    fn from(AuthorRow { author, records, links, bytes }: AuthorRow) -> Self {
        Self { author, records, links, bytes }
    }
}

/// Somebody who wrote, as of an epoch.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct AuthorPage {
    /// The epoch that the answer is complete as of.
    pub epoch: u64,
    /// Who, and how much.
    #[serde(flatten)]
    pub author: Author,
}

fn authors(reading: &Reading<'_>, params: AuthorsParams) -> Result<Page<Author>, Problem> {
    let list = List {
        listing: Listing::Authors,
        scope: &[],
        prefix: Vec::new(),
        limit: params.limit,
        cursor: params.cursor.as_deref(),
    };
    list.page(reading, |row: AuthorRow| Some(row.into()))
}

fn author(reading: &Reading<'_>, params: AuthorParams) -> Result<AuthorPage, Problem> {
    let author = names::person(reading.snapshot, "author", &params.author)?;
    let author = known(reading, &author)?.into();
    Ok(AuthorPage { epoch: reading.snapshot.epoch().0, author })
}

fn notes(reading: &Reading<'_>, params: NotesParams) -> Result<Page<Note>, Problem> {
    let author = names::person(reading.snapshot, "author", &params.author)?;
    known(reading, &author)?;
    let mut prefix = KeyWriter::new();
    prefix.text(author.as_str());
    let list = List {
        listing: Listing::AuthorNotes,
        scope: &[author.as_str()],
        prefix: prefix.into_bytes(),
        limit: params.limit,
        cursor: params.cursor.as_deref(),
    };
    list.page(reading, |row: AuthorNoteRow| row.said().map(Note::from))
}

fn known(reading: &Reading<'_>, author: &Uri) -> Result<AuthorRow, Problem> {
    let mut key = KeyWriter::new();
    key.text(author.as_str());
    let row = reading.snapshot.get(&key.into_bytes())?;
    row.ok_or_else(|| {
        let author = names::shown(author.as_str());
        Problem::not_found(format!(
            "`{author}` wrote nothing that is here; /v1/authors lists everyone who did"
        ))
    })
}
