//! Who may ask for what: the one place that decides, and the seam for roles and keys to come.
//!
//! ```text
//!  route            listening on a loopback address        listening elsewhere
//!  /livez /readyz   anyone                                 anyone
//!  /v1/hooks/…      what is signed (checked there)         the same
//!  reads            anyone on this machine (Host checked)  the token
//!  writes           the token                              the token
//!  PATCH of a job   the token, or the job's own            the token, or the job's own
//!  /internal/…      the cluster's secret                   the cluster's secret
//! ```
//!
//! A job's own token (`job_…`) opens that one route and nothing else; whose it is only the views know, so the route
//! itself compares it ([`Principal::Job`]).
//!
//! A read is a GET, HEAD or OPTIONS, or a question whose text would not fit into a URL; everything else writes. The
//! token comes as `Authorization: Bearer …`; for
//! reads also as the password of HTTP Basic, so that a browser can ask for it. The `Host` is checked on loopback
//! addresses because a web page from elsewhere can make a browser ask us under its own name (DNS rebinding), and
//! `Basic` does not open writes because browsers send it along with requests that a foreign page makes.

use crate::{
    config::ServerConfig,
    cors::CorsError,
    problem::{Kind, Problem},
};
use axum::http::{HeaderValue, Method, header, request::Parts, uri::Authority};
use base64::{Engine, engine::general_purpose::STANDARD};
use springline_model::{Secret, job::TokenHash};
use std::{io, net::IpAddr, path::PathBuf};
use subtle::ConstantTimeEq;
use thiserror::Error;

/// The shortest token that is taken.
pub const MIN_TOKEN_CHARS: usize = 16;

/// Routes that anyone may ask for.
const OPEN: [&str; 2] = ["/livez", "/readyz"];

/// Where webhooks are delivered: their senders have no token, but sign what they send. The handler checks that.
const HOOKS: &str = "/v1/hooks/";
/// What the paths begin with that a job's token opens, to PATCH; the second is there with `server.compat` only.
const JOBS: [&str; 2] = ["/v1/jobs/", "/jobs/"];
/// What the tokens of jobs begin with.
const JOB_TOKEN: &str = "job_";
/// What other processes of the cluster ask, and nobody else.
const INTERNAL: &str = "/internal/";
/// Routes that are asked by POST and change nothing.
const QUESTIONS: [&str; 1] = ["/v1/similar"];

/// Who asks. Handlers find it in the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    /// Anyone: may read.
    Reader,
    /// The holder of the token: may do everything.
    Operator,
    /// Somebody with what may be a job's token, on the one route that takes one: may report of that job.
    Job(TokenHash),
    /// Another process of the cluster: may see what is stored.
    Peer,
}

/// What a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Open,
    /// To look.
    Read,
    /// To change something.
    Write,
    /// To report of a job.
    Report,
    /// To be one of the cluster's processes.
    Peer,
}

impl Access {
    /// What a request of this method and path needs.
    #[must_use]
    pub fn needed(method: &Method, path: &str) -> Self {
        match *method {
            _ if path.starts_with(INTERNAL) => Self::Peer,
            Method::GET | Method::HEAD if OPEN.contains(&path) => Self::Open,
            Method::POST if path.starts_with(HOOKS) => Self::Open,
            Method::GET | Method::HEAD | Method::OPTIONS => Self::Read,
            Method::PATCH if JOBS.iter().any(|jobs| path.starts_with(jobs)) => Self::Report,
            Method::POST if QUESTIONS.contains(&path) => Self::Read,
            _ => Self::Write,
        }
    }
}

/// Decides who may do what.
#[derive(Clone, Debug)]
pub struct Gate {
    token: Option<blake3::Hash>,
    /// What the processes of the cluster know each other by.
    secret: Option<blake3::Hash>,
    local: bool,
    hosts: Vec<String>,
}

/// The server can't be opened safely.
#[derive(Debug, Error)]
pub enum GateError {
    /// The address can be reached from elsewhere and no token protects it.
    #[error(
        "listening on {0} needs a token: set `server.token_file` or `server.token`, or listen on 127.0.0.1"
    )]
    TokenNeeded(std::net::SocketAddr),
    /// Both were given.
    #[error("`server.token` and `server.token_file` are both set: keep one")]
    TwoTokens,
    /// Nobody else may read, or somebody; this is neither.
    #[error(transparent)]
    Cors(#[from] CorsError),
    /// Too easy to guess.
    #[error("the token has fewer than {MIN_TOKEN_CHARS} characters")]
    ShortToken,
    /// The token's file can't be read.
    #[error("the token's file {path} can't be read")]
    TokenFile {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Gate {
    /// From the configuration; reads the token's file.
    ///
    /// # Errors
    /// The token is missing where one is needed, unreadable, too short, or given twice.
    pub fn new(config: &ServerConfig) -> Result<Self, GateError> {
        let token = match (&config.token, &config.token_file) {
            (Some(_), Some(_)) => return Err(GateError::TwoTokens),
            (Some(token), None) => Some(token.reveal().to_owned()),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|source| GateError::TokenFile { path: path.clone(), source })?;
                Some(text.lines().next().unwrap_or("").trim().to_owned())
            }
            (None, None) => None,
        };
        if token.as_ref().is_some_and(|token| token.chars().count() < MIN_TOKEN_CHARS) {
            return Err(GateError::ShortToken);
        }
        let local = config.listen.ip().is_loopback();
        if token.is_none() && !local {
            return Err(GateError::TokenNeeded(config.listen));
        }
        let token = token.map(|token| blake3::hash(token.as_bytes()));
        let hosts = config.hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Ok(Self { token, secret: None, local, hosts })
    }

    /// Lets in the other processes of a cluster, too.
    #[must_use]
    pub(crate) fn in_cluster(&self, secret: &Secret) -> Self {
        Self { secret: Some(blake3::hash(secret.reveal().as_bytes())), ..self.clone() }
    }

    /// Who asks, if they may have what the request needs.
    ///
    /// # Errors
    /// They may not: a problem that says what is missing.
    pub fn authorize(&self, parts: &Parts) -> Result<Principal, Problem> {
        let access = Access::needed(&parts.method, parts.uri.path());
        if access == Access::Open {
            return Ok(Principal::Reader);
        }
        let authorization = parts.headers.get(header::AUTHORIZATION);
        if access == Access::Peer {
            return self.authorize_peer(authorization);
        }
        if self.token_matches(authorization, access) {
            return Ok(Principal::Operator);
        }
        if access == Access::Report
            && let Some(token) = bearer(authorization).filter(|token| token.starts_with(JOB_TOKEN))
        {
            return Ok(Principal::Job(TokenHash::of(token)));
        }
        match (access, self.token) {
            (Access::Write | Access::Report, None) => Err(Problem::new(
                Kind::Forbidden,
                "no route that writes is open, because no token is set: set `server.token_file` or `server.token`",
            )),
            (Access::Write | Access::Report, Some(_)) => Err(unauthorized(authorization, false)),
            _ if !self.local => Err(unauthorized(authorization, true)),
            _ => self.check_host(parts).map(|()| Principal::Reader),
        }
    }

    /// The operator's token opens nothing here: what other processes see has not gone through any view.
    fn authorize_peer(&self, authorization: Option<&HeaderValue>) -> Result<Principal, Problem> {
        match self.secret {
            None => Err(Problem::new(Kind::Forbidden, "this server is not one of several processes")),
            Some(secret) if bearer(authorization).is_some_and(|given| is_same(secret, given.as_bytes())) => {
                Ok(Principal::Peer)
            }
            Some(_) => Err(unauthorized(authorization, false)),
        }
    }

    fn token_matches(&self, authorization: Option<&HeaderValue>, access: Access) -> bool {
        let Some(token) = self.token else { return false };
        let Some((scheme, given)) =
            authorization.and_then(|value| value.to_str().ok()).and_then(|value| value.split_once(' '))
        else {
            return false;
        };
        let matches = |given: &[u8]| is_same(token, given);
        let given = given.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            return matches(given.as_bytes());
        }
        if scheme.eq_ignore_ascii_case("basic") && access == Access::Read {
            let pair = STANDARD.decode(given).unwrap_or_default();
            let password = pair.splitn(2, |byte| *byte == b':').nth(1);
            return password.is_some_and(matches);
        }
        false
    }

    fn check_host(&self, parts: &Parts) -> Result<(), Problem> {
        let host =
            parts.headers.get(header::HOST).map(|host| host.to_str().unwrap_or("")).or(parts.uri.host());
        let Some(host) = host else { return Ok(()) }; // HTTP/1.0: no browser
        let name = host.parse::<Authority>().map(|authority| authority.host().to_ascii_lowercase());
        let name = name.unwrap_or_default();
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let ours = bare == "localhost"
            || bare.ends_with(".localhost")
            || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            || self.hosts.contains(&name);
        if ours {
            return Ok(());
        }
        let shown: String = host.chars().take(100).collect();
        Err(Problem::new(
            Kind::Forbidden,
            format!("this server does not answer as `{shown}`: name it in `server.hosts`, or send the token"),
        ))
    }
}

/// Compares hashes, so that neither the length nor the place of the first difference shows in the time it takes.
fn is_same(known: blake3::Hash, given: &[u8]) -> bool {
    known.as_bytes().ct_eq(blake3::hash(given).as_bytes()).into()
}

fn bearer(authorization: Option<&HeaderValue>) -> Option<&str> {
    let (scheme, token) = authorization?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn unauthorized(given: Option<&HeaderValue>, basic: bool) -> Problem {
    let detail = match given {
        Some(_) => "the token is wrong",
        None => "send the token as `Authorization: Bearer …`",
    };
    let problem = Problem::new(Kind::Unauthorized, detail)
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"springline\""));
    match basic {
        true => problem.header(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(
                "Basic realm=\"springline (the token is the password)\", charset=\"UTF-8\"",
            ),
        ),
        false => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    const TOKEN: &str = "a token of some length";

    fn gate(listen: &str, token: Option<&str>) -> Gate {
        let config = ServerConfig {
            listen: listen.parse().unwrap(),
            token: token.map(Secret::new),
            hosts: vec!["Garden.Example.org".into()],
            ..ServerConfig::default()
        };
        Gate::new(&config).unwrap()
    }

    fn ask(gate: &Gate, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Principal, Kind> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        gate.authorize(&parts).map_err(|problem| problem.kind())
    }

    #[test]
    fn decides_by_table() {
        let bearer = format!("Bearer {TOKEN}");
        let basic = format!("Basic {}", STANDARD.encode(format!("me:{TOKEN}")));
        let (local, open) = (gate("127.0.0.1:0", Some(TOKEN)), gate("0.0.0.0:0", Some(TOKEN)));
        let bare = gate("[::1]:0", None);
        let (host, auth) = ("host", "authorization");
        let (reader, operator) = (Ok(Principal::Reader), Ok(Principal::Operator));
        let (several, peer) = (open.in_cluster(&Secret::new("the secret of a cluster")), Ok(Principal::Peer));
        let (unauthorized, forbidden) = (Err(Kind::Unauthorized), Err(Kind::Forbidden));
        let of_job = "Bearer job_0123456789abcdef";
        let job = Ok(Principal::Job(TokenHash::of("job_0123456789abcdef")));
        for (gate, method, path, headers, expected) in [
            (&local, "PATCH", "/v1/jobs/x", &[(auth, of_job)][..], job),
            (&open, "PATCH", "/v1/jobs/x", &[(auth, of_job)], job),
            (&bare, "PATCH", "/v1/jobs/x", &[(auth, of_job)], job),
            (&open, "PATCH", "/jobs/x", &[(auth, of_job)], job),
            (&open, "PATCH", "/v1/jobs/x", &[(auth, &bearer)], operator),
            (&open, "PATCH", "/v1/jobs/x", &[(auth, "Bearer another token")], unauthorized),
            (&bare, "PATCH", "/v1/jobs/x", &[], forbidden),
            (&open, "PATCH", "/v1/jobs", &[(auth, of_job)], unauthorized),
            (&open, "PATCH", "/v1/x", &[(auth, of_job)], unauthorized),
            (&open, "GET", "/v1/jobs/x", &[(auth, of_job)], unauthorized),
            (&local, "POST", "/v1/jobs", &[(auth, of_job)], unauthorized),
            (&local, "POST", "/v1/jobs/x/cancel", &[(auth, of_job)], unauthorized),
            (&local, "DELETE", "/v1/jobs/x", &[(auth, of_job)], unauthorized),
            (&local, "GET", "/v1/latest", &[(host, "localhost:8080")], reader),
            (&local, "GET", "/v1/latest", &[(host, "127.0.0.1:1")], reader),
            (&local, "GET", "/v1/latest", &[(host, "[::1]:8080")], reader),
            (&local, "GET", "/v1/latest", &[(host, "garden.example.org")], reader),
            (&local, "GET", "/v1/latest", &[], reader),
            (&local, "GET", "/v1/latest", &[(host, "evil.example")], forbidden),
            (&local, "GET", "/v1/latest", &[(host, "evil.example"), (auth, &bearer)], operator),
            (&local, "GET", "/livez", &[(host, "evil.example")], reader),
            (&local, "POST", "/v1/similar", &[(host, "localhost")], reader),
            (&local, "POST", "/v1/similar", &[(host, "evil.example")], forbidden),
            (&open, "POST", "/v1/similar", &[], unauthorized),
            (&local, "POST", "/livez", &[], unauthorized),
            (&local, "POST", "/v1/x", &[(host, "localhost")], unauthorized),
            (&open, "POST", "/v1/hooks/github/x", &[], reader),
            (&open, "PUT", "/v1/hooks/github/x", &[], unauthorized),
            (&open, "POST", "/v1/hooks", &[], unauthorized),
            (&local, "POST", "/v1/x", &[(auth, "Bearer a token of some lengtH")], unauthorized),
            (&local, "POST", "/v1/x", &[(auth, &bearer)], operator),
            (&local, "POST", "/v1/x", &[(auth, &basic)], unauthorized),
            (&open, "GET", "/readyz", &[], reader),
            (&open, "GET", "/metrics", &[(host, "localhost")], unauthorized),
            (&open, "GET", "/v1/latest", &[(auth, &basic)], operator),
            (&open, "DELETE", "/v1/latest", &[(auth, &bearer)], operator),
            (&bare, "GET", "/v1/latest", &[(host, "localhost")], reader),
            (&bare, "POST", "/v1/x", &[(auth, &bearer)], forbidden),
            (&local, "POST", "/internal/v1/ask", &[(auth, &bearer)], forbidden),
            (&several, "POST", "/internal/v1/ask", &[(auth, "Bearer the secret of a cluster")], peer),
            (&several, "POST", "/internal/v1/ask", &[(auth, &bearer)], unauthorized),
            (&several, "GET", "/internal/v1/ask", &[(host, "localhost")], unauthorized),
            (&several, "POST", "/v1/x", &[(auth, "Bearer the secret of a cluster")], unauthorized),
        ] {
            assert_eq!(ask(gate, method, path, headers), expected, "{method} {path} {headers:?}");
        }
    }

    #[test]
    fn refuses_an_unsafe_setup() {
        let config = |listen: &str, token: Option<&str>| ServerConfig {
            listen: listen.parse().unwrap(),
            token: token.map(Secret::new),
            ..ServerConfig::default()
        };
        assert!(matches!(Gate::new(&config("0.0.0.0:80", None)), Err(GateError::TokenNeeded(_))));
        assert!(matches!(Gate::new(&config("127.0.0.1:80", Some("short"))), Err(GateError::ShortToken)));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{TOKEN}\n")).unwrap();
        let with_file =
            |token| ServerConfig { token_file: Some(file.path().into()), ..config("0.0.0.0:80", token) };
        assert!(Gate::new(&with_file(None)).unwrap().token.is_some());
        assert!(matches!(Gate::new(&with_file(Some(TOKEN))), Err(GateError::TwoTokens)));
    }
}
