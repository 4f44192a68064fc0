//! What browsers and robots ask for.

use crate::{
    answer::{Document, Reading},
    params::Nothing,
    problem::Problem,
};
use maud::{PreEscaped, html};

/// The media type of a search description.
pub(super) const OPENSEARCH: &str = "application/opensearchdescription+xml";

/// Describes the search, so that browsers can offer it.
#[expect(clippy::unnecessary_wraps, reason = "the table of routes wants views")]
pub(super) fn opensearch(reading: &Reading<'_>, _: Nothing) -> Result<Document, Problem> {
    let template = format!("{}/search?q={{searchTerms}}", reading.base_url);
    let icon = format!("{}/favicon.ico", reading.base_url);
    let xml = html! {
        (PreEscaped("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"))
        OpenSearchDescription xmlns="http://a9.com/-/spec/opensearch/1.1/" {
            ShortName { "Springline" }
            LongName { "Springline Search" }
            Description { "Search notes and nodes of the gardens here." }
            InputEncoding { "UTF-8" }
            Image width="32" height="32" type="image/svg+xml" { (icon) }
            Url type="text/html" method="get" template=(template) {}
        }
    };
    Ok(Document::new(OPENSEARCH, xml.into_string()))
}

/// Asks robots not to walk through results and lists of everything.
#[expect(clippy::unnecessary_wraps, reason = "the table of routes wants views")]
pub(super) fn robots(_: &Reading<'_>, _: Nothing) -> Result<Document, Problem> {
    let rules = "User-agent: *\nDisallow: /search\nDisallow: /fullsearch\nDisallow: /v1/\nDisallow: /go/\nDisallow: /random\n\
                 Disallow: /graph/\nDisallow: /context/\n";
    Ok(Document::new("text/plain; charset=utf-8", rules))
}
