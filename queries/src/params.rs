//! What a request gives: path and query parameters as one typed struct, and a JSON body.
//!
//! A route's parameters are one struct that derives `Deserialize` and `JsonSchema`, with
//! `deny_unknown_fields`: fields named in the path template come from the path, the others from the query
//! string. The same struct is the route's documentation (see [`crate::routes`]). A field that is a `Vec` takes a name
//! that is given several times (`did=a&did=b`), at most 200 times; any other only once.

mod values;

use crate::problem::{Kind, Problem};
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, RawPathParams, Request},
    http::{HeaderMap, Uri, header, request::Parts},
};
use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};

/// A struct of parameters.
pub trait Params: DeserializeOwned + JsonSchema + Send + 'static {}

impl<T: DeserializeOwned + JsonSchema + Send + 'static> Params for T {}

/// No parameters.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// A request without its body, as far as reads need it.
#[derive(Clone, Debug)]
pub struct Given {
    /// Path and query parameters, form-encoded.
    encoded: String,
    /// The path and query as sent.
    pub uri: Uri,
    /// The headers.
    pub headers: HeaderMap,
}

impl<S: Send + Sync> FromRequestParts<S> for Given {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|error| Problem::new(Kind::MalformedQuery, error.body_text()))?;
        let mut encoded = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &path {
            encoded.append_pair(name, value);
        }
        let mut encoded = encoded.finish();
        if let Some(query) = parts.uri.query() {
            if !encoded.is_empty() {
                encoded.push('&');
            }
            encoded.push_str(query);
        }
        Ok(Self { encoded, uri: parts.uri.clone(), headers: parts.headers.clone() })
    }
}

impl Given {
    /// The parameters.
    ///
    /// # Errors
    /// One is missing, unknown, given twice, or not what it should be.
    pub fn params<P: Params>(&self) -> Result<P, Problem> {
        serde_path_to_error::deserialize(values::of(&self.encoded)).map_err(|error| {
            let path = error.path().to_string();
            let detail = error.into_inner().to_string();
            match path.as_str() {
                "." | "?" | "" => Problem::new(Kind::MalformedQuery, &detail).fault(None, &detail, None),
                parameter => Problem::parameter(parameter, detail),
            }
        })
    }
}

/// A JSON body; an empty one stands for `{}`.
#[derive(Clone, Copy, Debug)]
pub struct JsonBody<B>(pub B);

impl<S: Send + Sync, B: Params> FromRequest<S> for JsonBody<B> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let media = request.headers().get(header::CONTENT_TYPE).cloned();
        let body = Bytes::from_request(request, state).await.map_err(|error| {
            let kind = match error.status().as_u16() {
                413 => Kind::TooLarge,
                _ => Kind::MalformedBody,
            };
            Problem::new(kind, error.body_text())
        })?;
        let json = match (body.is_empty(), media) {
            (true, _) => b"{}",
            (false, Some(media)) if is_json(media.as_bytes()) => &body[..],
            (false, _) => {
                return Err(Problem::new(Kind::UnsupportedMedia, "send the body as `application/json`"));
            }
        };
        let mut reader = serde_json::Deserializer::from_slice(json);
        serde_path_to_error::deserialize(&mut reader).map(Self).map_err(|error| {
            let path = error.path().to_string();
            let detail = error.into_inner().to_string();
            let field = (path != ".").then_some(path.as_str());
            Problem::new(Kind::MalformedBody, &detail).fault(field, &detail, None)
        })
    }
}

fn is_json(media: &[u8]) -> bool {
    let essence = media.split(|byte| *byte == b';').next().unwrap_or(media);
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}
