//! Every error as RFC 9457 `application/problem+json`: what is wrong, and where.
//!
//! ```text
//!  handler ── Err(Problem) ──► response with the problem in its extensions ──► `finish` adds `instance`
//! ```
//!
//! Invariants: no answer of status 400 or above leaves the server in another shape (under `/xrpc`: XRPC's own); the detail of an error of
//! ours (5xx) never shows our insides, those go to the log.

use crate::web;
use axum::{
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::Cow;

/// The media type of RFC 9457.
pub const MEDIA: &str = "application/problem+json";

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $status:ident, $slug:literal, $title:literal;)*) => {
        /// What sort of thing went wrong. Each has a type URI (`/docs#malformed-query`) that names and explains it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind { $($(#[doc = $doc])+ $name,)* }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name in the type URI.
            #[must_use]
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }

            /// The same words for every problem of the kind.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// The status that goes with it.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// What it means and what to do about it.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+),)* }
            }
        }
    };
}

kinds! {
    /// A parameter is missing, unknown, or not what it should be. `errors` names each with what is wrong and, for
    /// a search query, the byte at which it goes wrong.
    MalformedQuery = BAD_REQUEST, "malformed-query", "The query can't be understood";
    /// The cursor is damaged, was made by another query, or by another version. Begin again without a cursor.
    MalformedCursor = BAD_REQUEST, "malformed-cursor", "The cursor can't be used";
    /// The body is not the JSON that the route takes.
    MalformedBody = BAD_REQUEST, "malformed-body", "The body can't be understood";
    /// The route needs the bearer token, and it was not given or is wrong.
    Unauthorized = UNAUTHORIZED, "unauthorized", "A token is needed";
    /// The server is not set up to allow this at all.
    Forbidden = FORBIDDEN, "forbidden", "Not allowed here";
    /// Nothing goes by this name, or not any more.
    NotFound = NOT_FOUND, "not-found", "There is no such thing";
    /// It was here and is kept no longer; the detail says what is. Read what there is now, and go on from there.
    Gone = GONE, "gone", "It is kept no longer";
    /// No route has this path.
    NoSuchRoute = NOT_FOUND, "no-such-route", "There is no such route";
    /// The route takes other methods; `Allow` names them.
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method-not-allowed", "The route does not take this method";
    /// It makes no sense in the present state.
    Conflict = CONFLICT, "conflict", "That can't be done now";
    /// What the body names is there, but does not belong together: an item of another cluster, a cluster of another space.
    Mismatch = UNPROCESSABLE_ENTITY, "mismatch", "What is named does not belong together";
    /// The body is longer than the server takes.
    TooLarge = PAYLOAD_TOO_LARGE, "too-large", "The body is too large";
    /// The body must be `application/json`.
    UnsupportedMedia = UNSUPPORTED_MEDIA_TYPE, "unsupported-media", "The body is of another type";
    /// The process is starting, stopping or has no room; try again in a moment.
    Unavailable = SERVICE_UNAVAILABLE, "unavailable", "Not available now";
    /// The answer took too long and was given up.
    Timeout = SERVICE_UNAVAILABLE, "timeout", "The answer took too long";
    /// An error of ours. The log says more.
    Internal = INTERNAL_SERVER_ERROR, "internal", "An error of ours";
}

impl Kind {
    /// What XRPC calls it.
    #[must_use]
    pub const fn xrpc(self) -> &'static str {
        match self {
            Self::MalformedQuery
            | Self::MalformedCursor
            | Self::MalformedBody
            | Self::MethodNotAllowed
            | Self::Mismatch => "InvalidRequest",
            Self::Unauthorized => "AuthenticationRequired",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "NotFound",
            Self::Gone => "Gone",
            Self::NoSuchRoute => "XRPCNotSupported",
            Self::Conflict => "Conflict",
            Self::TooLarge => "PayloadTooLarge",
            Self::UnsupportedMedia => "UnsupportedMediaType",
            Self::Unavailable | Self::Timeout => "NotEnoughResources",
            Self::Internal => "InternalServerError",
        }
    }

    /// The type URI.
    #[must_use]
    pub fn uri(self) -> String {
        format!("/docs#{}", self.slug())
    }
}

/// One thing wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Fault {
    /// The parameter that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// What is wrong with it.
    pub detail: String,
    /// The byte of its value at which it goes wrong, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<usize>,
}

/// An error as the client gets it. Made by the functions named after the kinds.
#[derive(Clone, Debug)]
pub struct Problem(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    kind: Kind,
    detail: String,
    faults: Vec<Fault>,
    headers: Vec<(HeaderName, HeaderValue)>,
    page: Option<String>,
}

/// The body of a problem.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub struct ProblemBody<'a> {
    /// A URI that names the kind of problem; resolves to its explanation.
    r#type: String,
    /// The same words for every problem of the kind.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request.
    detail: &'a str,
    /// The path asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
    /// The byte of the query at which it goes wrong, when there is one such place.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<usize>,
    /// What is wrong with which parameter.
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    #[schemars(with = "Vec<Fault>")]
    errors: &'a [Fault],
}

/// The body of a problem of an XRPC method.
#[derive(Serialize, JsonSchema)]
pub struct XrpcError<'a> {
    /// What sort of thing went wrong.
    error: &'static str,
    /// What is wrong with this request.
    message: &'a str,
}

impl Problem {
    /// A problem of a kind, with what is wrong with this request.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            detail: detail.into(),
            faults: Vec::new(),
            headers: Vec::new(),
            page: None,
        }))
    }

    /// A parameter that is not what it should be.
    pub fn parameter(parameter: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::new(Kind::MalformedQuery, format!("`{parameter}`: {detail}")).fault(
            Some(parameter),
            detail,
            None,
        )
    }

    /// A parameter that goes wrong at a byte.
    pub fn parameter_at(parameter: &str, detail: impl Into<String>, at: usize) -> Self {
        let detail = detail.into();
        Self::new(Kind::MalformedQuery, format!("`{parameter}`, at byte {at}: {detail}")).fault(
            Some(parameter),
            detail,
            Some(at),
        )
    }

    /// Nothing goes by this name.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, detail)
    }

    /// What would be needed for an answer is in another process that gives none.
    pub fn unreachable(detail: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, detail).header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// An error of ours: the cause goes to the log, the client learns only what was being done.
    pub fn internal(doing: &'static str, error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "{doing}");
        Self::new(Kind::Internal, format!("{doing} failed; the log says why"))
    }

    /// Adds one thing that is wrong.
    #[must_use]
    pub fn fault(mut self, parameter: Option<&str>, detail: impl Into<String>, at: Option<usize>) -> Self {
        let fault = Fault { parameter: parameter.map(str::to_owned), detail: detail.into(), at };
        self.0.faults.push(fault);
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// What a browser gets to see, in place of the page that all problems share.
    #[must_use]
    pub fn page(mut self, html: String) -> Self {
        self.0.page = Some(html);
        self
    }

    /// What sort of problem it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What is wrong with this request.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.kind.status()
    }

    fn xrpc_body(&self) -> Vec<u8> {
        let error = XrpcError { error: self.kind().xrpc(), message: self.detail() };
        serde_json::to_vec(&error).unwrap_or_default()
    }

    fn body(&self, instance: Option<&str>) -> Vec<u8> {
        let Inner { kind, detail, faults, .. } = &*self.0;
        let at = match faults.as_slice() {
            [only] => only.at,
            _ => None,
        };
        let body = ProblemBody {
            r#type: kind.uri(),
            title: kind.title(),
            status: kind.status().as_u16(),
            detail,
            instance,
            at,
            errors: faults,
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body(None)));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in &self.0.headers {
            headers.append(name, value.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<springline_sinks::ReadError> for Problem {
    fn from(error: springline_sinks::ReadError) -> Self {
        match error {
            springline_sinks::ReadError::Off(_) => Self::not_found(error.to_string()),
            error @ springline_sinks::ReadError::Unreachable { .. } => Self::unreachable(error.to_string()),
            error => Self::internal("reading the views", &error),
        }
    }
}

impl From<crate::control::ControlError> for Problem {
    fn from(error: crate::control::ControlError) -> Self {
        use crate::control::ControlError;
        match error {
            ControlError::UnknownSource { .. }
            | ControlError::UnknownAgent { .. }
            | ControlError::UnknownSink { .. } => Self::not_found(error.to_string()),
            ControlError::Refused(detail) => Self::new(Kind::Conflict, detail),
            ControlError::Unavailable(detail) => Self::new(Kind::Unavailable, detail)
                .header(header::RETRY_AFTER, HeaderValue::from_static("1")),
            ControlError::Failed(detail) => Self::internal("the command", &detail),
        }
    }
}

/// Renders a problem for people: (problem, path asked for) to a page.
pub type ErrorPage = fn(&Problem, &str) -> String;

/// Gives every error answer its last shape: the path asked for as `instance`; a page in place of JSON for a
/// browser outside of `/v1`; XRPC's own form under `/xrpc`; and a problem for errors that axum itself answers.
#[must_use]
pub fn finish(request: &Asked, response: Response, page: Option<ErrorPage>) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let problem = match response.extensions().get::<Problem>() {
        Some(problem) => problem.clone(),
        None if response.headers().get(header::CONTENT_TYPE).is_some_and(|media| !media_is_plain(media)) => {
            return response; // a document that says by itself what is wrong
        }
        None => foreign(status),
    };
    let (mut parts, _) = response.into_parts();
    let (body, media) = match page {
        _ if is_xrpc(&request.path) => (problem.xrpc_body(), "application/json"),
        Some(page) if request.html => {
            parts.headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(web::POLICY));
            let html = problem.0.page.clone().unwrap_or_else(|| page(&problem, &request.path));
            (html.into_bytes(), "text/html; charset=utf-8")
        }
        _ => (problem.body(Some(&request.path)), MEDIA),
    };
    parts.status = problem.status();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.extensions.insert(problem);
    Response::from_parts(parts, Body::from(body))
}

/// What [`finish`] must remember of a request.
#[derive(Clone, Debug)]
pub struct Asked {
    path: String,
    html: bool,
}

impl Asked {
    /// Of a request.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let path = request.uri().path();
        let accepts_html = request
            .headers()
            .get(header::ACCEPT)
            .and_then(|accept| accept.to_str().ok())
            .is_some_and(|accept| accept.contains("text/html"));
        let html = accepts_html && !path.starts_with("/v1/") && !is_xrpc(path) && path != "/openapi.json";
        Self { path: path.chars().take(2048).collect(), html }
    }
}

/// Whether a path is of an XRPC method, whose errors have another form.
#[must_use]
pub fn is_xrpc(path: &str) -> bool {
    path.starts_with("/xrpc/")
}

fn media_is_plain(media: &HeaderValue) -> bool {
    media.to_str().is_ok_and(|media| media.starts_with("text/plain"))
}

/// An error that axum answers on its own, with a line of text or nothing.
fn foreign(status: StatusCode) -> Problem {
    let (kind, detail): (_, Cow<'static, str>) = match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            (Kind::MethodNotAllowed, "the route does not take this method; see Allow".into())
        }
        StatusCode::NOT_FOUND => (Kind::NoSuchRoute, "no route has this path; /docs lists them".into()),
        StatusCode::PAYLOAD_TOO_LARGE => (Kind::TooLarge, "the body is too large".into()),
        status if status.is_client_error() => {
            (Kind::MalformedQuery, "the request can't be understood".into())
        }
        _ => (Kind::Internal, "the server failed".into()),
    };
    Problem::new(kind, detail)
}
