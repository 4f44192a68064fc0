//! The pages, a file a kind: each reads what it needs under one snapshot and writes itself when that is let go.

mod clusters;
mod errors;
mod home;
mod jobs;
mod leads;
mod lists;
mod machine;
mod node;
mod notes;
mod people;
mod search;

pub(crate) use search::fullsearch;

use crate::{page::Limit, problem::Kind, routes::Routes};
use axum::http::StatusCode;

/// How many items a page of a list has.
const PAGE: Limit = Limit::DEFAULT;

const HTML: &str = "text/html; charset=utf-8";

/// Adds the routes.
pub(super) fn routes(routes: &mut Routes) {
    routes.tag("Pages");
    routes.document("/", HTML, home::home).leads_elsewhere(StatusCode::FOUND);
    routes.document("/search", HTML, search::search).leads_elsewhere(StatusCode::FOUND);
    routes.document("/node/{*node}", HTML, node::node).may(Kind::NotFound);
    routes
        .document("/{node}", HTML, node::short)
        .may(Kind::NotFound)
        .leads_elsewhere(StatusCode::MOVED_PERMANENTLY);
    routes.document("/backlinks/{*node}", HTML, node::backlinks).may(Kind::NotFound);
    routes.document("/push/{*node}", HTML, node::push).may(Kind::NotFound);
    routes.document("/pull/{*node}", HTML, node::pull).may(Kind::NotFound);
    routes.document("/context/{*node}", HTML, node::around).may(Kind::NotFound);
    routes.document("/latest", HTML, lists::latest);
    routes.document("/top", HTML, lists::top_rank);
    routes.document("/top/{order}", HTML, lists::top).may(Kind::NotFound);
    routes.document("/nodes", HTML, lists::nodes);
    routes.document("/journals", HTML, lists::journals);
    routes.document("/journals/{count}", HTML, lists::journals).may(Kind::NotFound);
    routes.document("/tag/{tag}", HTML, lists::tag);
    routes.document("/users", HTML, people::users);
    routes.document("/@{user}", HTML, people::user).may(Kind::NotFound);
    routes.document("/@{user}/{*node}", HTML, people::user_node).may(Kind::NotFound);
    routes.document("/spaces", HTML, clusters::spaces).says("What is said, by space, and the newest jobs");
    routes.document("/space/{space}", HTML, clusters::space);
    routes
        .document("/cluster/{id}", HTML, clusters::cluster)
        .may(Kind::NotFound)
        .leads_elsewhere(StatusCode::FOUND);
    routes.document("/job/{id}", HTML, jobs::job).may(Kind::NotFound);
    routes.document("/subnode/{*path}", HTML, notes::note).may(Kind::NotFound);
    routes.document("/raw/{*path}", notes::TEXT, notes::raw).may(Kind::NotFound);
    routes.document("/raw/node/{*node}", notes::TEXT, notes::raw_node).may(Kind::NotFound);
    routes.document("/go/{*node}", HTML, leads::go).may(Kind::NotFound).leads_elsewhere(StatusCode::FOUND);
    routes.document("/random", HTML, leads::random).leads_elsewhere(StatusCode::FOUND);
    routes.document("/today", HTML, leads::today).leads_elsewhere(StatusCode::FOUND);
    routes
        .document("/opensearch.xml", machine::OPENSEARCH, machine::opensearch)
        .says("Describes the search, so that browsers can offer it");
    routes
        .document("/robots.txt", "text/plain; charset=utf-8", machine::robots)
        .says("Asks robots not to walk through results");
    routes.document("/static/{file}", "text/css", super::assets::file).may(Kind::NotFound);
    routes.document("/favicon.ico", "image/svg+xml", super::assets::favicon).says("The icon of the site");
    routes.error_page(errors::problem);
}
