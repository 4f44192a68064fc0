//! How a read is answered: one snapshot, off the async threads, with the epoch and an ETag.
//!
//! ```text
//!  If-None-Match names the current epoch ──► 304, nothing read
//!  else: permit ─► blocking thread ─► Reader::settled(one whole epoch) ─► view ─► bytes ─► headers
//! ```
//!
//! Of several processes each applies an epoch at its own moment. There an answer is made first, and its ETag is of its
//! bytes; one that somebody's part is missing from, or that is of several epochs, says so and has none.
//!
//! Invariants: a view sees one epoch; at most [`crate::ServerConfig::max_reads`] views run at one time, also when
//! their clients have gone; no read blocks an async thread; a panic in a view is a 500 and nothing more.

use crate::{
    params::{Given, Params},
    problem::{Kind, Problem},
    state::AppState,
    v1::names,
    web,
};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use springline_model::{Epoch, Identity, Uri};
use springline_sinks::{Reader, Snapshot, views::peers::Heard};
use std::{cell::RefCell, collections::BTreeSet};

/// The header that names the epoch an answer is complete as of.
pub const EPOCH: HeaderName = HeaderName::from_static("springline-epoch");
/// The header that says that the views are older than the epoch's journal: the process is still catching up.
pub const STALE: HeaderName = HeaderName::from_static("springline-stale");
/// The header that says that some of several processes did not answer, so that what only they know is missing.
pub const PARTIAL: HeaderName = HeaderName::from_static("springline-partial");
/// The header that says that processes were at different epochs while they were read: `57-58`. The answer has all of the
/// first, and some of those behind it.
pub const EPOCHS: HeaderName = HeaderName::from_static("springline-epochs");

/// What a view reads from.
pub struct Reading<'a> {
    /// The views, as of one epoch.
    pub snapshot: &'a Snapshot<'a>,
    /// Everything else.
    pub state: &'a AppState,
    /// What absolute links begin with, without a slash at the end: `http://localhost:8080`.
    pub base_url: &'a str,
    /// Accounts that this answer has had looked up.
    met: RefCell<BTreeSet<Uri>>,
}

/// The most accounts that one answer has looked up.
const MAX_MET: usize = 25;

impl<'a> Reading<'a> {
    fn new(snapshot: &'a Snapshot<'a>, state: &'a AppState, base_url: &'a str) -> Self {
        Self { snapshot, state, base_url, met: RefCell::default() }
    }

    /// What is told beside what was asked for: nothing, if the process that knows it does not answer. The answer is
    /// marked as partial then.
    ///
    /// # Errors
    /// Any other.
    pub fn beside<T: Default>(&self, found: Result<T, impl Into<Problem>>) -> Result<T, Problem> {
        match found.map_err(Into::into) {
            Err(problem) if problem.kind() == Kind::Unavailable => Ok(T::default()),
            found => found,
        }
    }

    /// Who an account is, as far as it is known. If it is not, it is looked up for the next time: the first of an
    /// answer, once each.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn identity(&self, did: &Uri) -> Result<Option<Identity>, Problem> {
        let identity = self.beside(names::identity(self.snapshot, did))?;
        let is_unknown = identity.is_none() && !self.snapshot.heard().is_partial();
        if is_unknown && did.scheme() == "did" {
            let mut met = self.met.borrow_mut();
            if met.len() < MAX_MET && met.insert(did.clone()) {
                self.state.control.meet(did);
            }
        }
        Ok(identity)
    }

    /// The handle of an account, as far as it is known; as [`Self::identity`].
    ///
    /// # Errors
    /// The store can't be read.
    pub fn handle(&self, did: &Uri) -> Result<Option<String>, Problem> {
        Ok(self.identity(did)?.and_then(|identity| identity.handle))
    }
}

/// A finished answer that is not JSON, or not a 200.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, the media type among them.
    pub headers: HeaderMap,
    /// Its bytes.
    pub body: Vec<u8>,
}

impl Document {
    /// A document of a media type.
    #[must_use]
    pub fn new(media: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        Self { status: StatusCode::OK, headers, body: body.into() }
    }

    /// A page for browsers, under [`web::POLICY`].
    #[must_use]
    pub fn html(body: impl Into<Vec<u8>>) -> Self {
        let policy = HeaderValue::from_static(web::POLICY);
        Self::new("text/html; charset=utf-8", body).header(header::CONTENT_SECURITY_POLICY, policy)
    }

    /// Leads elsewhere, for this time (302).
    #[must_use]
    pub fn redirect(to: &str) -> Self {
        let location = HeaderValue::try_from(to).unwrap_or(HeaderValue::from_static("/"));
        let mut document =
            Self::new("text/plain; charset=utf-8", Vec::new()).header(header::LOCATION, location);
        document.status = StatusCode::FOUND;
        document
    }

    /// Sets a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

/// What a view gives.
pub trait Answer: Send + 'static {
    /// Turns it into bytes, after the snapshot is let go. A document with a `Cache-Control` of its own gets no ETag.
    ///
    /// # Errors
    /// It can't be: an error of ours.
    fn document(self) -> Result<Document, Problem>;
}

impl Answer for Document {
    fn document(self) -> Result<Document, Problem> {
        Ok(self)
    }
}

/// Anything that serialises, as JSON.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: Serialize + Send + 'static> Answer for Json<T> {
    fn document(self) -> Result<Document, Problem> {
        let body = serde_json::to_vec(&self.0).map_err(|error| Problem::internal("writing JSON", &error))?;
        Ok(Document::new("application/json", body))
    }
}

/// Whether a client may keep an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// Yes, and must ask each time whether it is still good: there is an ETag, and a 304 while no epoch follows.
    Revalidate,
    /// No: it changes without a new epoch.
    Never,
}

/// Reads one epoch on a thread that may block. What is decided by it can't be marked, so everybody who was asked must
/// have answered.
///
/// # Errors
/// What `work` gives; or it panicked; or another process did not answer.
pub async fn on_snapshot<T: Send + 'static>(
    state: &AppState,
    work: impl FnOnce(&Snapshot<'_>) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    on_thread(state, move |reader| match reader.heard(work) {
        (_, heard) if heard.is_partial() => Err(Problem::unreachable(heard.to_string())),
        (done, _) => done,
    })
    .await
}

/// Does work on a thread that may block, once there is room for one more read.
async fn on_thread<T: Send + 'static>(
    state: &AppState,
    work: impl FnOnce(&Reader) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let permit = state.reads.clone().acquire_owned().await;
    let permit = permit.map_err(|error| Problem::internal("waiting for a read", &error))?;
    let reader = state.reader.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work(&reader)
    });
    reading.await.map_err(|error| Problem::internal("the read", &error))?
}

/// Answers a read: `view` runs on a thread that may block, over one epoch.
///
/// # Errors
/// The parameters are not what they should be, or the view says so.
pub async fn read<P: Params, A: Answer>(
    state: AppState,
    given: Given,
    caching: Caching,
    view: impl Fn(&Reading<'_>, P) -> Result<A, Problem> + Send + 'static,
) -> Result<Response, Problem> {
    let params = given.params::<P>()?;
    let stale = !state.control.ready();
    let alone = state.cluster.is_none();
    let keepable = caching == Caching::Revalidate && !stale;
    let now = state.reader.applied();
    if keepable && alone {
        let tag = etag(&state, &given, now, None);
        if matches(&given.headers, &tag) {
            return Ok(not_modified(now, &tag));
        }
    }
    let (base_url, reading, again) = (base_url(&state, &given.headers), state.clone(), given.clone());
    let (document, heard) = on_thread(&state, move |reader| {
        let mut params = Some(params);
        let (answer, heard) = reader.settled(|snapshot| {
            // Read again, they are parsed again: what a view is given it may use up.
            let params = params.take().map_or_else(|| again.params::<P>(), Ok)?;
            view(&Reading::new(snapshot, &reading, &base_url), params)
        });
        // Made into bytes only now: while a snapshot is held, no epoch can be committed.
        Ok((answer.map_err(|problem| undecided(problem, &heard))?.document()?, heard))
    })
    .await?;
    let epoch = heard.epoch();
    let lasting = keepable
        && heard.is_exact()
        && document.status == StatusCode::OK
        && !document.headers.contains_key(header::CACHE_CONTROL);
    let tag = lasting.then(|| etag(&state, &given, epoch, (!alone).then_some(&document.body)));
    if let Some(tag) = tag.as_ref().filter(|tag| !alone && matches(&given.headers, tag)) {
        return Ok(not_modified(epoch, tag));
    }
    let mut response = Response::new(Body::from(document.body));
    *response.status_mut() = document.status;
    *response.headers_mut() = document.headers;
    if caching == Caching::Never {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    mark(response.headers_mut(), epoch, tag.as_deref());
    if heard.is_partial()
        && let Ok(missing) = HeaderValue::try_from(heard.to_string())
    {
        response.headers_mut().insert(PARTIAL, missing);
    }
    if heard.is_mixed()
        && let Ok(epochs) = HeaderValue::try_from(format!("{}-{}", heard.epochs.0.0, heard.epochs.1.0))
    {
        response.headers_mut().insert(EPOCHS, epochs);
    }
    if stale {
        response.headers_mut().insert(STALE, HeaderValue::from_static("catching up"));
    }
    Ok(response)
}

/// What is not there may be with a process that did not answer.
fn undecided(problem: Problem, heard: &Heard) -> Problem {
    match problem.kind() {
        Kind::NotFound if heard.is_partial() => {
            Problem::unreachable(format!("{heard}; of the others, none has it: {}", problem.detail()))
        }
        _ => problem,
    }
}

fn not_modified(epoch: Epoch, tag: &str) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    mark(response.headers_mut(), epoch, Some(tag));
    response
}

/// Weak, because compression changes the bytes and not the meaning. `body`: the answer, if its epoch does not say it all.
fn etag(state: &AppState, given: &Given, epoch: Epoch, body: Option<&Vec<u8>>) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&state.started.0.to_be_bytes());
    for name in [header::HOST, header::ACCEPT] {
        let value = given.headers.get(name).map_or(&[][..], HeaderValue::as_bytes);
        hasher.update(&value.len().to_be_bytes()).update(value);
    }
    hasher.update(given.uri.path().as_bytes()).update(b"?");
    hasher.update(given.uri.query().unwrap_or("").as_bytes());
    if let Some(body) = body {
        hasher.update(b"\n").update(body);
    }
    let hash = hasher.finalize().to_hex();
    format!("W/\"{epoch}-{}\"", &hash[..16])
}

fn matches(headers: &HeaderMap, tag: &str) -> bool {
    let strong = tag.trim_start_matches("W/");
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.trim_start_matches("W/") == strong)
}

fn mark(headers: &mut HeaderMap, epoch: Epoch, tag: Option<&str>) {
    headers.insert(EPOCH, HeaderValue::from(epoch.0));
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    if let Some(tag) = tag.and_then(|tag| HeaderValue::from_str(tag).ok()) {
        headers.insert(header::ETAG, tag);
    }
}

fn base_url(state: &AppState, headers: &HeaderMap) -> String {
    if let Some(url) = &state.config.public_url {
        return url.trim_end_matches('/').to_owned();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    format!("http://{}", host.map_or_else(|| state.config.listen.to_string(), str::to_owned))
}
