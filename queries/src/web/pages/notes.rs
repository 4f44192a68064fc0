//! One note by itself, and texts as they were written.

use super::errors;
use crate::{
    answer::{Document, Reading},
    problem::Problem,
    v1::{
        backlinks::{Backlink, Filter},
        records,
    },
    web::{
        layout::{self, Head, Shown, author_link, node_link, shown},
        links,
        parts::{self, Sheet},
        read::{self, Notes},
    },
};
use axum::http::{HeaderValue, header};
use maud::html;
use schemars::JsonSchema;
use serde::Deserialize;
use springline_model::LinkPath;
use std::fmt::Write;

/// The media type of texts as they were written.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// Links to a note that its page shows.
const MAX_BACKLINKS: usize = 40;
/// Nodes that a note links to that its page shows.
const MAX_FORWARD: usize = 80;
/// Notes in the text of a node.
const MAX_NOTES: usize = 100;

/// One note by itself.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NoteParams {
    /// Its path in the Agora's tree (`garden/flancian/agora.md`), or a whole URI.
    path: String,
}

/// One note by itself.
pub(super) fn note(reading: &Reading<'_>, params: NoteParams) -> Result<Shown, Problem> {
    let uri = links::note_named(&params.path);
    let Some(row) = records::visible(reading.snapshot, &uri)? else {
        return Err(errors::nothing(reading, "such note"));
    };
    let record = row.record;
    let to_the_note = Filter::path(LinkPath::NOTE).newest(reading.snapshot, &uri, None, MAX_BACKLINKS)?;
    let backlinks: Vec<Backlink> = to_the_note.rows.into_iter().map(Backlink::from).collect();
    let forward = read::linked_nodes(std::slice::from_ref(&record), LinkPath::WIKILINK, MAX_FORWARD);
    let head = Head::titled(shown(&record.title)).at(links::subnode(&uri));
    Ok(layout::page(reading, head, move || {
        html! {
            header.page-head {
                h1 { (shown(&record.title)) }
                p.facts {
                    @if let Some(node) = &record.node { span { "in " (node_link(node)) } }
                    span { "by " (author_link(&record.author)) }
                    span { a href=(links::raw(&uri)) { "Text as written" } }
                }
            }
            div.split {
                div { (Sheet::of_one().note(&record)) }
                aside aria-label="Links" {
                    @if !backlinks.is_empty() {
                        section aria-labelledby="backlinks" {
                            h2 #backlinks { "Links to this note" }
                            (parts::backlinks(&backlinks))
                        }
                    }
                    @if !forward.is_empty() {
                        section aria-labelledby="forward" {
                            h2 #forward { "Links from here" }
                            (parts::chips(forward.iter()))
                        }
                    }
                }
            }
        }
    }))
}

/// A note's text as it was written.
pub(super) fn raw(reading: &Reading<'_>, params: NoteParams) -> Result<Shown, Problem> {
    let uri = links::note_named(&params.path);
    match records::visible(reading.snapshot, &uri)? {
        Some(row) if row.record.kind != "image" => Ok(text(row.record.text.clone()).into()),
        _ => Err(errors::nothing(reading, "such text")),
    }
}

/// The texts of a node's notes, one below the other.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct RawNodeParams {
    /// The node's name or slug.
    node: String,
}

/// The texts of a node's notes, one below the other.
pub(super) fn raw_node(reading: &Reading<'_>, params: RawNodeParams) -> Result<Shown, Problem> {
    let (name, _) = read::node(reading, &params.node)?;
    let notes = Notes::read(reading, read::subnodes(reading, &name, MAX_NOTES)?)?;
    if notes.records.is_empty() {
        return Err(errors::no_node(reading, &name));
    }
    let mut all = format!("# Node: {name}\n\n## Subnodes\n\n");
    for record in &notes.records {
        let _infallible =
            write!(all, "### By @{}\n\n{}\n\n", links::author_name(&record.author), record.text);
    }
    for note in &notes.rest {
        let _infallible = writeln!(all, "Left out for its length: {}", links::note_path(&note.uri));
    }
    Ok(text(all).into())
}

/// A text from a stranger: whatever a browser may take it for, it runs nothing.
fn text(text: String) -> Document {
    let policy = HeaderValue::from_static("default-src 'none'; sandbox; frame-ancestors 'none'");
    Document::new(TEXT, text).header(header::CONTENT_SECURITY_POLICY, policy)
}
