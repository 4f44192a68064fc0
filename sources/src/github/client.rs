//! GitHub's API: the token, the room that it has for us, and pages.

use crate::{
    SourceError,
    atproto::identity::{Ask, retry_after},
    feedback::poll::{Answer, Api, LONGEST_WAIT, Trouble},
};
use reqwest::{
    Url,
    header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, IF_NONE_MATCH},
};
use springline_model::{Secret, Timestamp};
use std::time::Duration;
use tokio::time::Instant;

/// How often a request that the API has no room for is made again.
const MAX_WAITS: u32 = 5;

pub(super) struct Client {
    api: Api,
    base: String,
    headers: HeaderMap,
    /// Until when the API has no room for us.
    full: Option<Instant>,
}

impl Client {
    pub(super) fn new(api: Api, base: &str, token: Option<&Secret>) -> Result<Self, SourceError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
        headers.insert("x-github-api-version", HeaderValue::from_static("2022-11-28"));
        if let Some(token) = token {
            let value = HeaderValue::try_from(format!("Bearer {}", token.reveal()));
            let mut value = value.map_err(|_| {
                SourceError::Config("the token has characters that no header can have".into())
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(Self { api, base: base.trim_end_matches('/').to_owned(), headers, full: None })
    }

    /// The address of something of a repository.
    pub(super) fn address(&self, repo: &str, path: &str, query: &[(&str, &str)]) -> Result<Url, Trouble> {
        let mut url = Url::parse(&format!("{}/repos/{repo}/{path}", self.base))
            .map_err(|error| Trouble::Gone(format!("its address makes no sense: {error}")))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// Asks for a page; waits while the API has no room for us. 304 comes back only if there is a tag.
    pub(super) async fn page(&mut self, url: &Url, tag: Option<HeaderValue>) -> Result<Answer, Trouble> {
        let answer = self.ask(url, tag).await?;
        match answer.status {
            200 | 304 => Ok(answer),
            401 => Err(Trouble::Gone("it does not take the token".into())),
            403 => Err(Trouble::Gone("it answers with status 403: not for us".into())),
            301 | 302 | 307 | 308 => Err(Trouble::Gone("the repository has another name now".into())),
            404 | 410 | 451 => {
                Err(Trouble::Gone(format!("there is no such repository for us ({})", answer.status)))
            }
            status => Err(Trouble::Later(format!("it answers with status {status}"))),
        }
    }

    /// Asks for one thing: nothing if it is deleted or has moved to another repository.
    pub(super) async fn thing(&mut self, url: &Url) -> Result<Option<Answer>, Trouble> {
        let answer = self.ask(url, None).await?;
        match answer.status {
            200 => Ok(Some(answer)),
            301 | 302 | 307 | 308 | 404 | 410 => Ok(None),
            status => Err(Trouble::Later(format!("it answers with status {status}"))),
        }
    }

    async fn ask(&mut self, url: &Url, tag: Option<HeaderValue>) -> Result<Answer, Trouble> {
        let mut headers = self.headers.clone();
        if let Some(tag) = tag {
            headers.insert(IF_NONE_MATCH, tag);
        }
        let ask = Ask { url: url.as_str().to_owned(), headers, form: None };
        for _ in 0..=MAX_WAITS {
            if let Some(until) = self.full.take() {
                self.api.pause(until.saturating_duration_since(Instant::now())).await?;
            }
            let answer = self.api.send(&ask).await?;
            self.full = exhausted(&answer).map(|wait| Instant::now() + wait);
            match room_in(&answer).filter(|_| matches!(answer.status, 403 | 429)) {
                Some(wait) => self.api.pause(wait).await?,
                None => return Ok(answer),
            }
        }
        Err(Trouble::Later("it has no room for us".into()))
    }
}

/// How long to wait until there is room again, if that is what a refusal is about.
fn room_in(answer: &Answer) -> Option<Duration> {
    let told = retry_after(&answer.headers).map(|wait| wait.min(LONGEST_WAIT));
    told.or_else(|| exhausted(answer)).or((answer.status == 429).then_some(Duration::from_secs(60)))
}

/// How long the window still is in which no request is left.
fn exhausted(answer: &Answer) -> Option<Duration> {
    let is_empty = answer.number("x-ratelimit-remaining") == Some(0.0);
    let reset = answer.number("x-ratelimit-reset").filter(|_| is_empty)?;
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
    let left = reset - Timestamp::now().as_secs() as f64 + 1.0;
    Some(Duration::from_secs_f64(left.clamp(1.0, LONGEST_WAIT.as_secs_f64())))
}

/// Where `Link` leads on to: nowhere but to the same host.
pub(super) fn next_page(answer: &Answer, from: &Url) -> Result<Option<Url>, Trouble> {
    let Some(links) = answer.header("link") else { return Ok(None) };
    let next = links.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters
            .split(';')
            .any(|parameter| matches!(parameter.trim().strip_prefix("rel="), Some("next" | "\"next\"")));
        is_next.then(|| from.join(target).ok())?
    });
    match next {
        Some(next) if next.origin() != from.origin() => Err(Trouble::Later(format!(
            "its next page is on another host: {}",
            next.host_str().unwrap_or_default()
        ))),
        next => Ok(next),
    }
}
