//! The style sheet and the mark, compiled in. The sheet's name holds its hash, so browsers keep it for ever.

use crate::{
    answer::{Document, Reading},
    params::Nothing,
    problem::Problem,
};
use axum::http::{HeaderValue, header};
use maud::{Markup, PreEscaped};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::LazyLock;

const STYLE: &str = include_str!("style.css");
const ICON: &str = include_str!("icon.svg");

/// Where the icon lies.
pub(super) const ICON_PATH: &str = "/static/icon.svg";

static STYLE_PATH: LazyLock<String> = LazyLock::new(|| {
    let hash = blake3::hash(STYLE.as_bytes()).to_hex();
    format!("/static/springline-{}.css", &hash[..12])
});

/// Where the style sheet lies.
pub(super) fn style_path() -> &'static str {
    &STYLE_PATH
}

/// The mark, for use inside of a page.
pub(super) fn mark() -> Markup {
    PreEscaped(ICON.replace("<svg ", "<svg class=\"mark\" aria-hidden=\"true\" "))
}

/// A file that pages load.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct StaticParams {
    /// Its name.
    file: String,
}

/// Gives a file that pages load.
pub(super) fn file(_: &Reading<'_>, params: StaticParams) -> Result<Document, Problem> {
    let document = match format!("/static/{}", params.file) {
        path if path == *STYLE_PATH => Document::new("text/css; charset=utf-8", STYLE),
        path if path == ICON_PATH => Document::new("image/svg+xml", ICON),
        _ => return Err(Problem::not_found("there is no such file")),
    };
    let keep = HeaderValue::from_static("public, max-age=31536000, immutable");
    Ok(document.header(header::CACHE_CONTROL, keep))
}

/// The icon, where browsers look for one unasked.
#[expect(clippy::unnecessary_wraps, reason = "the table of routes wants views")]
pub(super) fn favicon(_: &Reading<'_>, _: Nothing) -> Result<Document, Problem> {
    let keep = HeaderValue::from_static("public, max-age=86400");
    Ok(Document::new("image/svg+xml", ICON).header(header::CACHE_CONTROL, keep))
}
