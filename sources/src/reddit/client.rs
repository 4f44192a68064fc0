//! Reddit's API: tokens, room, and answers that are none.

use super::window::Window;
use crate::{
    atproto::identity::{Ask, retry_after},
    feedback::poll::{Answer, Api, Trouble},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, USER_AGENT};
use serde::Deserialize;
use serde_json::Value;
use springline_model::Secret;
use std::time::Duration;
use tokio::time::Instant;

/// Further tries of a request that is answered with something else than JSON.
const BROKEN: u32 = 2;
/// Waits for room before a request is given up.
const THROTTLED: u32 = 5;
/// How long to wait for room when nothing says for how long.
const WAIT: Duration = Duration::from_secs(5);
/// A token is taken to end this much earlier than it says, but not before three quarters of its time.
const EARLIER: Duration = Duration::from_secs(60);

pub(super) struct Client {
    pub(super) api: Api,
    pub(super) auth_url: String,
    pub(super) api_url: String,
    pub(super) user_agent: HeaderValue,
    /// The application's id and secret.
    pub(super) id: String,
    pub(super) secret: Secret,
    pub(super) window: Window,
    token: Option<(HeaderValue, Instant)>,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    expires_in: u64,
}

impl Client {
    pub(super) fn new(
        api: Api,
        config: &super::RedditConfig,
        user_agent: HeaderValue,
        secret: Secret,
    ) -> Self {
        Self {
            api,
            auth_url: config.auth_url.trim_end_matches('/').to_owned(),
            api_url: config.api_url.trim_end_matches('/').to_owned(),
            user_agent,
            id: config.client_id.clone(),
            secret,
            window: Window::new(config.window_requests, Instant::now()),
            token: None,
        }
    }

    /// Asks for something: `/r/rust/new`, and parameters.
    pub(super) async fn get(&mut self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, Trouble> {
        let url = self.url(path, parameters);
        let (mut renewed, mut throttled, mut broken) = (false, 0, 0);
        loop {
            let token = self.token().await?;
            let wait = self.window.enter(Instant::now());
            self.api.pause(wait).await?;
            let answer = self.api.send(&self.ask(url.clone(), token, None)).await?;
            self.window.note(&answer, Instant::now());
            match answer.status {
                200 => match serde_json::from_slice(&answer.body) {
                    Ok(value) => return Ok(value),
                    Err(_) if broken < BROKEN => {
                        broken += 1;
                        self.api.pause(Duration::from_millis(500 * u64::from(broken))).await?;
                    }
                    Err(error) => return Err(Trouble::Later(format!("it answers with no JSON: {error}"))),
                },
                401 if !renewed => (renewed, self.token) = (true, None),
                401 => return Err(Trouble::Later("it does not take a token that it gave".into())),
                429 if throttled < THROTTLED => {
                    throttled += 1;
                    self.api.pause(self.room_in(&answer)).await?;
                }
                403 => return Err(Trouble::Gone("it is private, quarantined or banned (403)".into())),
                // A subreddit that is not there leads to a search for its name.
                404 | 451 | 301..=308 => {
                    return Err(Trouble::Gone(format!("there is no such thing ({})", answer.status)));
                }
                status => return Err(Trouble::Later(format!("it answers with status {status}"))),
            }
        }
    }

    fn url(&self, path: &str, parameters: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("raw_json", "1").extend_pairs(parameters);
        format!("{}{path}?{}", self.api_url, query.finish())
    }

    fn room_in(&self, answer: &Answer) -> Duration {
        let told = retry_after(&answer.headers);
        let reset = answer.number("x-ratelimit-reset").map(|_| self.window.left(Instant::now()));
        told.or(reset).unwrap_or(WAIT)
    }

    fn ask(&self, url: String, authorization: HeaderValue, form: Option<String>) -> Ask {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, authorization);
        headers.insert(USER_AGENT, self.user_agent.clone());
        Ask { url, headers, form }
    }

    /// The token that is good now.
    async fn token(&mut self) -> Result<HeaderValue, Trouble> {
        if let Some((token, until)) = &self.token
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let pair = STANDARD.encode(format!("{}:{}", self.id, self.secret.reveal()));
        let basic = header(&format!("Basic {pair}"))?;
        let form = Some("grant_type=client_credentials".to_owned());
        let ask = self.ask(format!("{}/api/v1/access_token", self.auth_url), basic, form);
        for tries in 0..=THROTTLED {
            let answer = self.api.send(&ask).await?;
            match answer.status {
                200 => {}
                429 if tries < THROTTLED => {
                    self.api.pause(retry_after(&answer.headers).unwrap_or(WAIT * (tries + 1))).await?;
                    continue;
                }
                401 | 403 => {
                    return Err(Trouble::Later(
                        "it does not know the application: check id and secret".into(),
                    ));
                }
                status => return Err(Trouble::Later(format!("it gives no token (status {status})"))),
            }
            let token: Token = serde_json::from_slice(&answer.body)
                .map_err(|error| Trouble::Later(format!("it gives no token: {error}")))?;
            let life = Duration::from_secs(token.expires_in.min(30 * 86_400));
            let until = Instant::now() + life.saturating_sub(EARLIER).max(life * 3 / 4);
            let bearer = header(&format!("Bearer {}", token.access_token))?;
            self.token = Some((bearer.clone(), until));
            return Ok(bearer);
        }
        Err(Trouble::Later("it has no room for a token".into()))
    }
}

fn header(text: &str) -> Result<HeaderValue, Trouble> {
    let value = HeaderValue::try_from(text);
    let mut value = value.map_err(|_| Trouble::Later("a token that no header can have".into()))?;
    value.set_sensitive(true);
    Ok(value)
}
