//! What is shown instead of a page.

use crate::{
    answer::Reading,
    problem::{Kind, Problem},
    web::{
        layout::{self, Frame, Head, search_form, shown},
        links, parts, suggest,
    },
};
use maud::html;
use springline_model::NodeName;

/// Nodes offered in place of one that is not there.
const SUGGESTIONS: usize = 12;

/// A node that nobody wrote in or linked to: what may have been meant.
pub(super) fn no_node(reading: &Reading<'_>, name: &NodeName) -> Problem {
    let similar = match suggest::similar(reading, name.as_str(), SUGGESTIONS) {
        Ok(similar) => similar,
        Err(problem) => return problem,
    };
    let title = shown(name.as_str());
    let body = html! {
        header.page-head {
            h1 { (title) }
            p.facts { span { "Nobody has written here, and nothing links here." } }
        }
        section {
            p { a href=(links::search(name.as_str())) { "Search the notes for these words" } }
            @if !similar.is_empty() {
                h2 { "Nodes with names like it" }
                (parts::chips(similar.iter()))
            }
        }
    };
    let names: Vec<String> =
        similar.iter().take(5).map(|name| format!("`{}`", shown(name.as_str()))).collect();
    let hint =
        if names.is_empty() { String::new() } else { format!("; names like it: {}", names.join(", ")) };
    let detail = format!("no note has the name `{title}` and nothing links to it{hint}");
    layout::missing(reading, detail, &title, &body)
}

/// Something else that is not there.
pub(super) fn nothing(reading: &Reading<'_>, what: &str) -> Problem {
    let title = format!("There is no {what}");
    let body = html! {
        header.page-head { h1 { (title) } }
        p { "It may have been renamed or deleted. " a href="/latest" { "See what is new" } "." }
    };
    layout::missing(reading, format!("there is no {what}"), &title, &body)
}

/// Any other error, for people.
pub(super) fn problem(problem: &Problem, path: &str) -> String {
    let head = Head::titled(problem.kind().title()).hidden(true);
    let body = html! {
        header.page-head {
            h1 { (problem.kind().title()) }
            p.facts { span { (problem.status().as_u16()) } span { (shown(path)) } }
        }
        section {
            p { (shown(problem.detail())) }
            @if problem.kind() == Kind::Unauthorized {
                p { "This server is open to those only who bring its token." }
            } @else {
                (search_form("", "error-search"))
            }
        }
    };
    Frame::default().around(&head, &body).into_string()
}
