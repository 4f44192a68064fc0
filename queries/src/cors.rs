//! Which web pages of other origins may read the answers.
//!
//! A browser keeps an answer from a page of another origin unless the answer names that origin. What may be read so is
//! what anybody may read: only GET and HEAD are allowed, credentials never are, and `Authorization` is no header that a
//! page may send. So a route that needs the token stays closed.

use crate::{answer, config::ServerConfig};
use axum::http::{HeaderValue, Method, header, request::Parts};
use std::{collections::HashSet, time::Duration};
use thiserror::Error;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may remember what it may do.
const MAX_AGE: Duration = Duration::from_secs(3600);
/// The most origins.
const MAX_ORIGINS: usize = 1_000;

/// The setting makes no sense.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CorsError {
    /// One of many is "everybody".
    #[error("`server.cors_origins` is either `[\"*\"]` or a list of origins")]
    AnyAndSome,
    /// Not what browsers send.
    #[error(
        "`server.cors_origins`: `{0}` is no origin: write `https://its.name`, with its port if it has one, no path"
    )]
    NoOrigin(String),
    /// Too many.
    #[error("`server.cors_origins` names more than {MAX_ORIGINS}")]
    TooMany,
}

/// The layer that a configuration asks for; none if nobody else may read.
///
/// # Errors
/// The setting makes no sense.
pub(crate) fn layer(config: &ServerConfig) -> Result<Option<CorsLayer>, CorsError> {
    let origins: Option<HashSet<HeaderValue>> = match config.cors_origins.as_slice() {
        [] => return Ok(None),
        [any] if any == "*" => None,
        origins if origins.iter().any(|origin| origin == "*") => return Err(CorsError::AnyAndSome),
        origins if origins.len() > MAX_ORIGINS => return Err(CorsError::TooMany),
        origins => Some(origins.iter().map(|text| origin(text)).collect::<Result<_, _>>()?),
    };
    // Not even an error of another method is theirs to read.
    let may_read = move |origin: &HeaderValue, request: &Parts| {
        matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS)
            && origins.as_ref().is_none_or(|origins| origins.contains(origin))
    };
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(may_read))
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers([header::ACCEPT, header::CONTENT_TYPE, header::IF_NONE_MATCH])
        .expose_headers([header::ETAG, header::LINK, header::RETRY_AFTER, answer::EPOCH, answer::STALE])
        .max_age(MAX_AGE);
    Ok(Some(layer))
}

/// An origin as browsers send it: scheme, host, port.
fn origin(text: &str) -> Result<HeaderValue, CorsError> {
    let wrong = || CorsError::NoOrigin(text.chars().take(100).collect());
    let (scheme, place) = text.split_once("://").ok_or_else(wrong)?;
    let is_place =
        !place.is_empty() && !place.contains(|c: char| "/?#@*, ".contains(c) || c.is_ascii_uppercase());
    if !matches!(scheme, "http" | "https") || !is_place {
        return Err(wrong());
    }
    HeaderValue::try_from(text).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_origins_and_nothing_else() {
        let of = |origins: &[&str]| {
            let cors_origins = origins.iter().map(|&origin| origin.to_owned()).collect();
            layer(&ServerConfig { cors_origins, ..ServerConfig::default() }).map(|layer| layer.is_some())
        };
        assert_eq!((of(&[]), of(&["*"])), (Ok(false), Ok(true)));
        assert_eq!(of(&["https://a.example", "http://localhost:3000"]), Ok(true));
        assert_eq!(of(&["https://a.example", "*"]), Err(CorsError::AnyAndSome));
        for wrong in
            ["a.example", "https://", "https://a.example/", "https://*.a.example", "ftp://a", "null", ""]
        {
            assert_eq!(of(&[wrong]), Err(CorsError::NoOrigin(wrong.into())), "{wrong}");
        }
    }
}
