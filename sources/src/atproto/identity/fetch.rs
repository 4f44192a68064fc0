//! What asks the network: the documents of DIDs and the accounts of handles, one at a time.
//!
//! ```text
//!  did:plc:…            ─► <plc_url>/did:plc:…
//!  did:web:example.com  ─► https://example.com/.well-known/did.json
//!  alice.example.com    ─► TXT _atproto.alice.example.com "did=did:…",
//!                          else https://alice.example.com/.well-known/atproto-did
//! ```

use super::{
    client::{Caps, GuardedClient},
    config::IdentityConfig,
    document::{self, Document},
    error::{FetchError, ResolveError},
};
use crate::{
    SourceError,
    atproto::lexicon::format::{is_did, is_handle},
};
use std::time::Duration;

/// A longer answer to a question for a handle isn't read.
const MAX_HANDLE_BYTES: u64 = 2 * 1024;
/// Domains that nobody has, under which there are no handles.
const RESERVED: [&str; 8] = ["alt", "arpa", "example", "internal", "invalid", "local", "localhost", "onion"];
/// The one for tests.
const TEST: &str = "test";

/// How the web servers of domains are reached: tests have them elsewhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Web {
    /// Unencrypted, at this port.
    pub(super) test_port: Option<u16>,
}

impl Web {
    fn url(&self, domain: &str, path: &str) -> String {
        match self.test_port {
            Some(port) => format!("http://{domain}:{port}/.well-known/{path}"),
            None => format!("https://{domain}/.well-known/{path}"),
        }
    }
}

/// Where a document is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DocumentUrl {
    /// In the directory, which the operator chose.
    Plc(String),
    /// At a domain.
    Web(String),
}

/// What asks the network.
pub(super) struct Fetcher {
    client: GuardedClient,
    plc_url: String,
    web: Web,
}

impl Fetcher {
    pub(super) fn new(config: &IdentityConfig, web: Web) -> Result<Self, SourceError> {
        let plc_url = config.plc_url.trim_end_matches('/').to_owned();
        Ok(Self { client: GuardedClient::new(&config.http)?, plc_url, web })
    }

    pub(super) const fn client(&self) -> &GuardedClient {
        &self.client
    }

    /// Refuses what can be nobody's handle.
    pub(super) fn check_handle(&self, handle: &str) -> Result<(), ResolveError> {
        if self.is_domain(handle) { Ok(()) } else { Err(ResolveError::Handle(excerpt(handle))) }
    }

    /// Whether it is a domain that can have a handle or an account.
    fn is_domain(&self, text: &str) -> bool {
        let last = text.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
        let is_test = last == TEST && !self.client.config().allow_private;
        is_handle(text) && !RESERVED.contains(&last.as_str()) && !is_test
    }

    /// Where the document of an account is.
    pub(super) fn document_url(&self, did: &str) -> Result<DocumentUrl, ResolveError> {
        let plc =
            |id: &str| id.len() == 24 && id.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
        match did.strip_prefix("did:").and_then(|rest| rest.split_once(':')) {
            Some(("plc", id)) if plc(id) => Ok(DocumentUrl::Plc(format!("{}/{did}", self.plc_url))),
            Some(("web", domain)) if is_did(did) && self.is_domain(domain) => {
                Ok(DocumentUrl::Web(self.web.url(domain, "did.json")))
            }
            Some(("web", domain)) if self.client.config().allow_private => local(domain),
            _ => Err(()),
        }
        .map_err(|()| ResolveError::Did(excerpt(did)))
    }

    pub(super) async fn document(&self, did: &str, url: &DocumentUrl) -> Result<Document, ResolveError> {
        let caps = self.caps(document::MAX_BYTES as u64);
        let answer = match url {
            DocumentUrl::Plc(url) => self.client.get_trusted(url, caps).await?,
            DocumentUrl::Web(url) => self.client.get(url, caps).await?,
        };
        match answer.status() {
            404 => return Err(ResolveError::NotFound),
            410 => return Err(ResolveError::Deleted),
            _ => {}
        }
        let json = answer.success()?.bytes().await?;
        Ok(Document::parse(did, &json)?)
    }

    /// The account that a handle's domain names; `anew` if what the name servers said before won't do.
    pub(super) async fn handle(&self, handle: &str, anew: bool) -> Result<Box<str>, ResolveError> {
        let name = format!("_atproto.{handle}");
        if anew {
            self.client.dns().forget_texts(&name);
        }
        let named = self.client.dns().texts(&name).await;
        match named.as_deref().map(of_texts) {
            Ok(Ok(Some(did))) => return Ok(did),
            Ok(Err(error)) => return Err(error),
            Ok(Ok(None)) | Err(_) => {}
        }
        let served = self.served_handle(handle).await;
        match (served, named) {
            // Whether there is a text that says it is unknown.
            (Err(error), Err(unknown)) if !error.is_transient() => Err(unknown.into()),
            (served, _) => served,
        }
    }

    /// What the handle's own web server says.
    async fn served_handle(&self, handle: &str) -> Result<Box<str>, ResolveError> {
        let url = self.web.url(handle, "atproto-did");
        let answer = match self.client.get(&url, self.caps(MAX_HANDLE_BYTES)).await {
            Ok(answer) => answer,
            Err(FetchError::NoAddress(_)) => return Err(ResolveError::NotFound),
            Err(error) => return Err(error.into()),
        };
        match answer.success() {
            Ok(answer) => {
                let text = answer.bytes().await?;
                let did = std::str::from_utf8(&text).unwrap_or_default().trim();
                if is_did(did) { Ok(did.into()) } else { Err(ResolveError::NoDid) }
            }
            Err(error) if error.is_transient() => Err(error.into()),
            Err(_) => Err(ResolveError::NotFound),
        }
    }

    fn caps(&self, bytes: u64) -> Caps {
        // Waiting for the host's turn and its redirects take their time, too.
        Caps { bytes, time: Some(4 * self.client.config().timeout().max(Duration::from_secs(1))) }
    }
}

/// `did:web:localhost%3A1234`, for tests.
fn local(domain: &str) -> Result<DocumentUrl, ()> {
    let (host, port) = domain.split_once("%3A").ok_or(())?;
    let port: u16 = port.parse().map_err(|_| ())?;
    if host != "localhost" {
        return Err(());
    }
    Ok(DocumentUrl::Web(format!("http://localhost:{port}/.well-known/did.json")))
}

/// The account that the texts of a handle name.
fn of_texts(texts: &[String]) -> Result<Option<Box<str>>, ResolveError> {
    let mut found: Option<&str> = None;
    for did in texts.iter().filter_map(|text| text.strip_prefix("did=")).map(str::trim) {
        if found.is_some_and(|found| found != did) {
            return Err(ResolveError::Ambiguous);
        }
        found = Some(did);
    }
    match found {
        Some(did) if is_did(did) => Ok(Some(did.into())),
        Some(_) => Err(ResolveError::NoDid),
        None => Ok(None),
    }
}

/// The start of something that may be long.
fn excerpt(text: &str) -> Box<str> {
    text.chars().take(100).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetcher(allow_private: bool) -> Fetcher {
        let mut config = IdentityConfig::default();
        config.http.allow_private = allow_private;
        Fetcher::new(&config, Web::default()).unwrap()
    }

    #[tokio::test]
    async fn knows_where_documents_are() {
        let plc = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
        for allow_private in [false, true] {
            let url = |did| fetcher(allow_private).document_url(did);
            assert_eq!(url(plc), Ok(DocumentUrl::Plc(format!("https://plc.directory/{plc}"))));
            let web = "https://a.example.com/.well-known/did.json";
            assert_eq!(url("did:web:a.example.com"), Ok(DocumentUrl::Web(web.into())));
            assert_eq!(url("did:web:localhost%3A80").is_ok(), allow_private);
            assert_eq!(url("did:web:a.test").is_ok(), allow_private);
            for bad in [
                "",
                "did",
                "did:plc:",
                "did:plc:ewvi7nxzyoun6zhxrhs64oi1",
                "did:plc:ewvi7nxzyoun6zhxrhs64oiza",
                "did:plc:EWVI7NXZYOUN6ZHXRHS64OIZ",
                "did:plc:../../../../../../export",
                "did:web:",
                "did:web:localhost",
                "did:web:127.0.0.1",
                "did:web:a.example.com:path",
                "did:web:a.example.com%3A80",
                "did:web:localhost%3A99999",
                "did:web:a.localhost",
                "did:web:a.internal",
                "did:web:a.example.com/x",
                "did:web:a.example.com?x",
                "did:web:u@a.example.com",
                "did:web:xn",
                "did:key:zQ3sh",
                "a.example.com",
            ] {
                assert_eq!(url(bad), Err(ResolveError::Did(bad.into())), "{bad}");
            }
        }
    }

    #[test]
    fn reads_texts() {
        let of = |texts: &[&str]| of_texts(&texts.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&["v=spf1 -all", "DID=did:a:b", "xdid=did:a:b"]), Ok(None));
        assert_eq!(of(&["x", "did=did:a:b ", "did=did:a:b"]), Ok(Some("did:a:b".into())));
        assert_eq!(of(&["did=did:a:b", "did=did:a:c"]), Err(ResolveError::Ambiguous));
        assert_eq!(of(&["did=did:a:"]), Err(ResolveError::NoDid));
    }
}
