//! The Agora's own endpoints, in the Agora's own shapes, so that its clients, feeds and visualisations keep
//! working.
//!
//! ```text
//!  lists       /users.json /nodes.json /similar/t.json /user/u.json      ["name", …]
//!  notes       /journals.json /journal/u.json                            [{"uri": "garden/u/x.md", …}, …]
//!  graphs      /graph/json/… /graph/turtle/…                             {"nodes": […], "links": […]}
//!  feeds       /feed/…                                                   RSS 2.0
//!  discovery   /.well-known/nodeinfo /nodeinfo/2.0 /.well-known/webfinger
//! ```
//!
//! Where agora-server fails (it answers some of these with an exception) the sane thing is done.
//!
//! Limits: agora-server gives everything at once; here each answer is bounded ([`lists::MAX_NAMES`] names,
//! [`notes::MAX_NOTES`] notes, [`graph::MAX_NODES`] nodes), and one that was cut has a `Link: <…>; rel="next"` to
//! go on with, or for a graph the header `Springline-Truncated`.

mod discovery;
mod feed;
mod graph;
mod lists;
mod notes;
mod turtle;

use crate::{
    answer::{Answer, Document},
    problem::{Kind, Problem},
    routes::Routes,
};
use axum::http::{HeaderName, HeaderValue, header};
use serde::Serialize;

/// The header of a graph that had to leave something out: says what.
pub(crate) const TRUNCATED: HeaderName = HeaderName::from_static("springline-truncated");

const JSON: &str = "application/json";

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Agora");
    routes.document("/users.json", JSON, lists::users);
    routes.document("/nodes.json", JSON, lists::nodes);
    routes.document("/similar/{term}", JSON, lists::similar);
    routes.document("/user/{user}", JSON, lists::user);
    routes.document("/journals.json", JSON, notes::journals);
    routes.document("/journal/{user}", JSON, notes::journal);
    routes.document("/graph/json/{*node}", JSON, graph::node).may(Kind::NotFound);
    routes
        .document("/graph/json/all", JSON, graph::all)
        .says("All nodes that somebody wrote in and the links between them, as a graph");
    routes.document("/graph/json/top/{count}", JSON, graph::top);
    routes.document("/graph/turtle/{*node}", turtle::MEDIA, turtle::node).may(Kind::NotFound);
    routes.document("/feed/{*node}", feed::MEDIA, feed::node).may(Kind::NotFound);
    routes.document("/feed/@{user}", feed::MEDIA, feed::user).may(Kind::NotFound);
    routes.document("/feed/latest", feed::MEDIA, feed::latest).says("A feed of the newest notes of all");
    routes
        .document("/feed/journals", feed::MEDIA, feed::journals)
        .says("A feed of the journals of the last days");
    routes.document("/feed/journals/@{user}", feed::MEDIA, feed::user_journals).may(Kind::NotFound);
    routes.document("/fullsearch/{*query}", "text/html; charset=utf-8", crate::web::pages::fullsearch);
    routes
        .document("/.well-known/nodeinfo", JSON, discovery::nodeinfo_links)
        .says("Where this server describes itself to others");
    routes
        .document("/nodeinfo/2.0", JSON, discovery::nodeinfo)
        .says("This server, as other servers like to know it");
    routes.document("/.well-known/webfinger", discovery::JRD, discovery::webfinger).may(Kind::NotFound);
}

/// A list that may have been cut: with the address of what follows.
pub(crate) struct Capped<T> {
    items: Vec<T>,
    next: Option<String>,
}

impl<T: Serialize + Send + 'static> Answer for Capped<T> {
    fn document(self) -> Result<Document, Problem> {
        let body =
            serde_json::to_vec(&self.items).map_err(|error| Problem::internal("writing JSON", &error))?;
        let document = Document::new(JSON, body);
        let link = self.next.and_then(|next| HeaderValue::try_from(format!("<{next}>; rel=\"next\"")).ok());
        Ok(match link {
            Some(link) => document.header(header::LINK, link),
            None => document,
        })
    }
}

/// A name as it stands before `.json` in an address.
fn bare(name: &str) -> &str {
    name.strip_suffix(".json").unwrap_or(name)
}
