//! HTTP for addresses that strangers chose.
//!
//! Only GET, without credentials, cookies, a proxy or compression; what the operator gave for an address that the operator
//! chose ([`Ask`]) goes there and nowhere else. Redirects are followed here, at most
//! [`MAX_REDIRECTS`], and each hop is treated as a request of its own: its address is checked, its host's limits
//! hold. Bodies come in pieces, so that one of hundreds of megabytes can be read as it comes.

use super::{config::HttpConfig, dns::Dns, error::FetchError, guard::Guard, hosts::Hosts, hosts::Pass};
use crate::SourceError;
use bytes::Bytes;
use reqwest::{
    StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER},
    redirect::Policy,
};
use std::{
    error::Error,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::time::{Instant, timeout, timeout_at};

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 3;
/// A longer address isn't asked.
const MAX_URL_BYTES: usize = 8192;
/// How long a host is left alone that has too much to do and doesn't say for how long.
const DEFAULT_WAIT: Duration = Duration::from_secs(5);
/// Unused connections are kept this long: most hosts are asked once.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// What an answer may be.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// The most bytes of its body.
    pub bytes: u64,
    /// The longest time for all of it; without, only each piece has to come in time.
    pub time: Option<Duration>,
}

/// A request to an address that the operator chose, with what the operator gave for it.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// The address.
    pub url: String,
    /// Headers: who asks, and with which right.
    pub headers: HeaderMap,
    /// A form to post, encoded; without, it is a GET.
    pub form: Option<String>,
}

/// An HTTP client that connects to public addresses only. Clones share its limits and connections.
#[derive(Clone)]
pub struct GuardedClient(Arc<Inner>);

struct Inner {
    config: HttpConfig,
    guard: Guard,
    hosts: Hosts,
    /// For addresses that strangers chose.
    guarded: reqwest::Client,
    /// For those that the operator chose.
    trusted: reqwest::Client,
    dns: Arc<Dns>,
}

impl std::fmt::Debug for GuardedClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuardedClient").field("config", &self.0.config).finish_non_exhaustive()
    }
}

impl GuardedClient {
    /// Of a configuration.
    ///
    /// # Errors
    /// A setting makes no sense, or TLS can't be set up.
    pub fn new(config: &HttpConfig) -> Result<Self, SourceError> {
        config.check()?;
        let broken = |error: &dyn Error| SourceError::Config(format!("HTTP can't be set up: {error}"));
        let dns = Arc::new(Dns::new(config).map_err(|error| broken(&error))?);
        let client = |guard: Guard| {
            let client = reqwest::Client::builder()
                .dns_resolver(Arc::new(guard))
                .redirect(Policy::none())
                .referer(false)
                .no_proxy()
                .connect_timeout(Duration::from_secs(config.connect_timeout_secs))
                .pool_idle_timeout(POOL_IDLE)
                .user_agent(concat!("springline/", env!("CARGO_PKG_VERSION")));
            client.build().map_err(|error| broken(&error))
        };
        let guard = Guard::new(dns.clone(), config.allow_private);
        Ok(Self(Arc::new(Inner {
            config: config.clone(),
            guarded: client(guard.clone())?,
            trusted: client(Guard::new(dns.clone(), true))?,
            guard,
            hosts: Hosts::new(config),
            dns,
        })))
    }

    /// Asks an address that a stranger chose. An answer of any status comes back.
    ///
    /// # Errors
    /// There is no answer, or it isn't permitted to ask.
    pub async fn get(&self, url: &str, caps: Caps) -> Result<Response, FetchError> {
        self.fetch(url, caps, false).await
    }

    /// Asks an address that the operator chose, which may be private. Where it redirects to is checked, unless
    /// that is the same host.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn get_trusted(&self, url: &str, caps: Caps) -> Result<Response, FetchError> {
        self.fetch(url, caps, true).await
    }

    /// Asks an address that the operator chose, which may be private. Redirects come back as they are: what the
    /// headers permit is for this address alone.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn ask(&self, ask: Ask, caps: Caps) -> Result<Response, FetchError> {
        let inner = &*self.0;
        let deadline = caps.time.map(|time| Instant::now() + time);
        let url = Url::parse(&ask.url).map_err(|_| refused_url(&ask.url))?;
        inner.check(&url, true)?;
        let host = host(&url);
        let pass = inner.hosts.enter(&host, inner.config.timeout()).await?;
        let request = match ask.form {
            Some(form) => {
                inner.trusted.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form)
            }
            None => inner.trusted.get(url),
        };
        let answer = inner.sent(request.headers(ask.headers), &host).await?;
        inner.respond(answer, host, caps, deadline, pass)
    }

    pub(super) fn dns(&self) -> &Dns {
        &self.0.dns
    }

    pub(super) fn config(&self) -> &HttpConfig {
        &self.0.config
    }

    async fn fetch(&self, url: &str, caps: Caps, mut trusted: bool) -> Result<Response, FetchError> {
        let inner = &*self.0;
        let deadline = caps.time.map(|time| Instant::now() + time);
        let mut url = Url::parse(url).map_err(|_| refused_url(url))?;
        for _ in 0..=MAX_REDIRECTS {
            inner.check(&url, trusted)?;
            let host = host(&url);
            let pass = inner.hosts.enter(&host, inner.config.timeout()).await?;
            let client = if trusted { &inner.trusted } else { &inner.guarded };
            let answer = inner.sent(client.get(url.clone()), &host).await?;
            if is_redirect(answer.status()) {
                let target = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok());
                let Some(target) = target.and_then(|to| url.join(to).ok()) else {
                    return Err(FetchError::Redirects(host));
                };
                trusted = trusted && target.origin() == url.origin();
                url = target;
                continue;
            }
            return inner.respond(answer, host, caps, deadline, pass);
        }
        Err(FetchError::Redirects(host(&url)))
    }
}

impl Inner {
    async fn sent(
        &self,
        request: reqwest::RequestBuilder,
        host: &str,
    ) -> Result<reqwest::Response, FetchError> {
        match timeout(self.config.timeout(), request.send()).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(failure(host.to_owned(), &error)),
            Err(_) => Err(FetchError::Timeout(host.to_owned())),
        }
    }

    fn respond(
        &self,
        answer: reqwest::Response,
        host: String,
        caps: Caps,
        deadline: Option<Instant>,
        pass: Pass,
    ) -> Result<Response, FetchError> {
        let retry_after = retry_after(answer.headers());
        if matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            self.hosts.quiet(&host, retry_after.unwrap_or(DEFAULT_WAIT));
        }
        if answer.content_length().is_some_and(|length| length > caps.bytes) {
            return Err(FetchError::TooLong { host, most: caps.bytes });
        }
        let idle = Duration::from_secs(self.config.idle_timeout_secs);
        Ok(Response { answer, host, caps, read: 0, idle, deadline, retry_after, _pass: pass })
    }

    fn check(&self, url: &Url, trusted: bool) -> Result<(), FetchError> {
        let is_open = trusted || self.config.allow_private;
        let is_web = url.scheme() == "https" || (is_open && url.scheme() == "http");
        let is_bare = url.username().is_empty() && url.password().is_none();
        if !is_web || !is_bare || !url.has_host() || url.as_str().len() > MAX_URL_BYTES {
            return Err(refused_url(url.as_str()));
        }
        if trusted { Ok(()) } else { self.guard.check(url) }
    }
}

/// An answer: its head is there, its body is read in pieces.
pub struct Response {
    answer: reqwest::Response,
    host: String,
    caps: Caps,
    read: u64,
    idle: Duration,
    deadline: Option<Instant>,
    retry_after: Option<Duration>,
    /// The host is in use until the body is read.
    _pass: Pass,
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response")
            .field("answer", &self.answer)
            .field("read", &self.read)
            .finish_non_exhaustive()
    }
}

impl Response {
    /// Its status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.answer.status().as_u16()
    }

    /// A header, if it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.answer.headers().get(name)?.to_str().ok()
    }

    /// All headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.answer.headers()
    }

    /// Itself, if its status says that it is what was asked for.
    ///
    /// # Errors
    /// [`FetchError::Status`].
    pub fn success(self) -> Result<Self, FetchError> {
        if self.answer.status().is_success() {
            return Ok(self);
        }
        Err(FetchError::Status { status: self.status(), host: self.host, retry_after: self.retry_after })
    }

    /// The next piece of its body; `None` after the last one.
    ///
    /// # Errors
    /// The connection broke, took too long, or the body is longer than it may be.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, FetchError> {
        let latest = Instant::now() + self.idle;
        let latest = self.deadline.map_or(latest, |deadline| deadline.min(latest));
        let piece = match timeout_at(latest, self.answer.chunk()).await {
            Ok(Ok(piece)) => piece,
            Ok(Err(error)) => return Err(failure(self.host.clone(), &error)),
            Err(_) => return Err(FetchError::Timeout(self.host.clone())),
        };
        self.read += piece.as_ref().map_or(0, Bytes::len) as u64;
        if self.read > self.caps.bytes {
            return Err(FetchError::TooLong { host: self.host.clone(), most: self.caps.bytes });
        }
        Ok(piece)
    }

    /// All of its body.
    ///
    /// # Errors
    /// As [`Self::chunk`].
    pub async fn bytes(mut self) -> Result<Vec<u8>, FetchError> {
        let mut all = Vec::new();
        while let Some(piece) = self.chunk().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }
}

fn refused_url(url: &str) -> FetchError {
    FetchError::Url(url.chars().take(200).collect())
}

/// The host and port of an address, as they stand in it.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

const fn is_redirect(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    )
}

/// Seconds, or a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// What failed: our own check, or the innermost reason.
fn failure(host: String, error: &reqwest::Error) -> FetchError {
    let mut inner: &dyn Error = error;
    loop {
        if let Some(known) = inner.downcast_ref::<FetchError>() {
            return known.clone();
        }
        let Some(source) = inner.source() else { break };
        inner = source;
    }
    if error.is_timeout() {
        return FetchError::Timeout(host);
    }
    FetchError::Network { host, reason: inner.to_string() }
}
