//! The web page: plain HTML made on the server, that needs no script.
//!
//! ```text
//!  Reading ─ pages::* (rows and records of one epoch) ─► layout::Shown ─ snapshot let go ─► render ─► HTML
//! ```
//!
//! - `pages`: a file a kind of page. `parts`: what several of them are made of. `layout`: the frame.
//! - `render`: notes to safe HTML. `links`: where everything lives. `suggest`: what may be meant.
//!
//! Invariants: a page loads one style sheet and, in notes, pictures over https; no script, no inline style (the
//! policy forbids both). Every list is bounded, every text from a stranger escaped or sanitised. Rendering never
//! happens while a snapshot is held.

mod assets;
mod layout;
pub(crate) mod links;
pub(crate) mod pages;
mod parts;
pub(crate) mod read;
pub(crate) mod render;
pub(crate) mod suggest;

pub(crate) use layout::POLICY;

use crate::routes::Routes;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    pages::routes(routes);
}
