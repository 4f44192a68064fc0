//! People and what they wrote.

use super::{PAGE, errors};
use crate::{
    answer::Reading,
    page::{Listing, Page},
    problem::Problem,
    v1::{list::List, shape::Note},
    web::{
        layout::{self, Head, Shown, author_link, counted, shown, size},
        links,
        parts::{self, Sheet},
        read::{self, Notes},
    },
};
use maud::html;
use schemars::JsonSchema;
use serde::Deserialize;
use springline_model::rows::{AuthorNoteRow, AuthorRow};

/// Notes by one person in one node.
const MAX_NOTES: usize = 60;

/// Everybody who wrote.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct UsersParams {
    /// Where the page before ended.
    cursor: Option<String>,
}

/// Everybody who wrote.
pub(super) fn users(reading: &Reading<'_>, params: UsersParams) -> Result<Shown, Problem> {
    let list = List {
        listing: Listing::Authors,
        scope: &[],
        prefix: Vec::new(),
        limit: PAGE,
        cursor: params.cursor.as_deref(),
    };
    let page: Page<AuthorRow> = list.page(reading, Some)?;
    Ok(layout::page(reading, Head::titled("People").hidden(params.cursor.is_some()), move || {
        html! {
            header.page-head { h1 { "People" } }
            section {
                @if page.items.is_empty() { p.quiet { "Nobody yet." } }
                ul.list { @for row in &page.items {
                    li { div.row {
                        (author_link(&row.author))
                        span.score { (counted(row.records, "note")) ", " (counted(row.links, "link")) }
                    } }
                } }
                (layout::more("/users", page.next.as_deref(), "More people"))
            }
        }
    }))
}

/// What somebody wrote, the newest first.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct UserParams {
    /// The user's name.
    user: String,
    /// Where the page before ended.
    cursor: Option<String>,
}

/// What somebody wrote, the newest first.
pub(super) fn user(reading: &Reading<'_>, params: UserParams) -> Result<Shown, Problem> {
    let author = links::author_named(&params.user);
    let Some(row) = reading.snapshot.get::<AuthorRow>(&read::key(&[author.as_str()]))? else {
        return Err(errors::nothing(reading, "such person"));
    };
    let list = List {
        listing: Listing::AuthorNotes,
        scope: &[author.as_str()],
        prefix: read::key(&[author.as_str()]),
        limit: PAGE,
        cursor: params.cursor.as_deref(),
    };
    let page: Page<Note> = list.page(reading, |row: AuthorNoteRow| row.said().map(Note::from))?;
    let (node, row_of_node) = read::node(reading, &format!("@{}", links::author_name(&author)))?;
    let has_node = row_of_node.is_some();
    let path = links::author(&author);
    let title = format!("@{}", shown(links::author_name(&author)));
    let feed = format!("/feed{path}");
    let head = Head::titled(&*title).at(&*path).feed(&*feed).hidden(params.cursor.is_some());
    Ok(layout::page(reading, head, move || {
        html! {
            header.page-head {
                h1 { (title) }
                p.facts {
                    span { (counted(row.records, "note")) }
                    span { (counted(row.links, "link")) }
                    span { (size(row.bytes)) }
                    @if has_node { span { a href=(links::node(&node)) { "The node " (shown(node.as_str())) } } }
                    span { a href=(feed) { "Feed" } }
                    span { a href={ "/feed/journals" (path) } { "Feed of journals" } }
                }
            }
            section { (parts::notes(&page.items)) (layout::more(&path, page.next.as_deref(), "Older notes")) }
        }
    }))
}

/// What one person wrote in a node.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct UserNodeParams {
    /// The user's name.
    user: String,
    /// The node's name or slug.
    node: String,
}

/// What one person wrote in a node.
pub(super) fn user_node(reading: &Reading<'_>, params: UserNodeParams) -> Result<Shown, Problem> {
    let author = links::author_named(&params.user);
    let (name, _) = read::node(reading, &params.node)?;
    let list = read::subnodes_by(reading, &name, &author, MAX_NOTES)?;
    if list.is_empty() {
        return Err(errors::no_node(reading, &name));
    }
    let notes = Notes::read(reading, list)?;
    let head = Head::titled(format!("{} by @{}", shown(name.as_str()), shown(links::author_name(&author))))
        .at(links::author_node(&author, &name));
    Ok(layout::page(reading, head, move || {
        html! {
            header.page-head {
                h1 { (shown(name.as_str())) }
                p.facts {
                    span { "by " (author_link(&author)) }
                    span { a href=(links::node(&name)) { "What everybody wrote here" } }
                }
            }
            div.narrow { (parts::articles(&mut Sheet::default(), notes)) }
        }
    }))
}
