//! DIDs to documents, handles to DIDs, and whether the two agree.
//!
//! ```text
//!  document(did) ─────────────────────────────────► Document
//!  resolve(did) ──► Document ──► its handle ──► the handle's account: the same? ──► Identity
//! ```
//!
//! Documents and handles are kept apart: a signature needs the document alone, and shouldn't wait for a domain that
//! doesn't answer.

use super::{
    client::GuardedClient,
    config::IdentityConfig,
    document::Document,
    error::ResolveError,
    fetch::{Fetcher, Web},
    lookups::{Answer, LookupStats, Lookups, Want},
};
use crate::SourceError;
use std::sync::Arc;

/// An account, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who it is.
    pub did: Box<str>,
    /// Its handle, which stands for it both ways.
    pub handle: Option<Box<str>>,
    /// Why the handle that its document names isn't given. If that [is transient](ResolveError::is_transient), it
    /// is unknown whether the handle is right; otherwise it is wrong.
    pub unverified: Option<ResolveError>,
    /// The server that has its repository.
    pub pds: Option<Box<str>>,
    /// The key that signs its commits, as Multikey text.
    pub signing_key: Option<Box<str>>,
    /// The key that signs its labels, as Multikey text.
    pub label_key: Option<Box<str>>,
}

/// What was asked, and how it was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdentityStats {
    /// For documents.
    pub documents: LookupStats,
    /// For handles.
    pub handles: LookupStats,
}

/// Looks accounts up. Clones share a cache; questions must be asked in a Tokio runtime.
#[derive(Clone)]
pub struct Resolver {
    fetcher: Arc<Fetcher>,
    documents: Arc<Lookups<Arc<Document>>>,
    handles: Arc<Lookups<Box<str>>>,
    offline: bool,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Resolver {
    /// Of a configuration.
    ///
    /// # Errors
    /// A setting makes no sense.
    pub fn new(config: &IdentityConfig) -> Result<Self, SourceError> {
        Self::with_web(config, Web::default())
    }

    pub(super) fn with_web(config: &IdentityConfig, web: Web) -> Result<Self, SourceError> {
        config.check()?;
        let fetcher = Fetcher::new(config, web)?;
        Ok(Self {
            fetcher: Arc::new(fetcher),
            documents: Lookups::new(config),
            handles: Lookups::new(config),
            offline: config.offline,
        })
    }

    /// The client that asks for all this; others may ask with it. It doesn't know of `offline`.
    #[must_use]
    pub fn client(&self) -> &GuardedClient {
        self.fetcher.client()
    }

    /// The document of an account. Its handle isn't verified.
    ///
    /// # Errors
    /// There is none, or it can't be had now.
    pub async fn document(&self, did: &str) -> Result<Arc<Document>, ResolveError> {
        self.find_document(did, Want::Known).await
    }

    /// The document of an account, fetched now, unless that was a moment ago. If that fails for reasons that pass,
    /// the one that was known stays in the cache.
    ///
    /// # Errors
    /// There is none, or it can't be had now.
    pub async fn refresh_document(&self, did: &str) -> Result<Arc<Document>, ResolveError> {
        self.find_document(did, Want::New).await
    }

    /// The account that a handle stands for, as the handle's domain has it: whether the account wants the handle
    /// isn't asked.
    ///
    /// # Errors
    /// There is none, or it isn't known now.
    pub async fn resolve_handle(&self, handle: &str) -> Result<Box<str>, ResolveError> {
        self.find_handle(handle, Want::Known).await
    }

    /// The identity of an account, with its handle verified.
    ///
    /// # Errors
    /// Its document can't be had. A handle that can't be verified is no error.
    pub async fn resolve(&self, did: &str) -> Result<Identity, ResolveError> {
        self.identify(did, Want::Known).await
    }

    /// The same, with the document and the handle fetched now.
    ///
    /// # Errors
    /// Its document can't be had.
    pub async fn refresh(&self, did: &str) -> Result<Identity, ResolveError> {
        self.identify(did, Want::New).await
    }

    /// Puts a document into the cache, as if it had been fetched now.
    pub fn preload(&self, document: Document) {
        let did = document.did.clone();
        self.documents.put(&did, Arc::new(document));
    }

    /// What was asked so far.
    #[must_use]
    pub fn stats(&self) -> IdentityStats {
        IdentityStats { documents: self.documents.stats(), handles: self.handles.stats() }
    }

    async fn identify(&self, did: &str, want: Want) -> Result<Identity, ResolveError> {
        let document = self.find_document(did, want).await?;
        let mut identity = Identity {
            did: document.did.clone(),
            handle: None,
            unverified: None,
            pds: document.pds.clone(),
            signing_key: document.signing_key.clone(),
            label_key: document.label_key.clone(),
        };
        if let Some(handle) = &document.handle {
            match self.find_handle(handle, want).await {
                Ok(owner) if *owner == *identity.did => identity.handle = Some(handle.clone()),
                Ok(owner) => identity.unverified = Some(ResolveError::Mismatch(owner)),
                Err(error) => identity.unverified = Some(error),
            }
        }
        Ok(identity)
    }

    async fn find_document(&self, did: &str, want: Want) -> Answer<Arc<Document>> {
        if self.offline {
            return self.documents.peek(did).unwrap_or(Err(ResolveError::Offline));
        }
        // What can't be asked for isn't remembered, or anyone could fill the cache with it.
        let url = self.fetcher.document_url(did)?;
        let fetch = || {
            let (fetcher, did) = (self.fetcher.clone(), did.to_owned());
            async move { fetcher.document(&did, &url).await.map(Arc::new) }
        };
        self.documents.get(did, want, fetch).await
    }

    async fn find_handle(&self, handle: &str, want: Want) -> Answer<Box<str>> {
        let handle = handle.to_ascii_lowercase();
        if self.offline {
            return self.handles.peek(&handle).unwrap_or(Err(ResolveError::Offline));
        }
        self.fetcher.check_handle(&handle)?;
        let fetch = || {
            let (fetcher, handle) = (self.fetcher.clone(), handle.clone());
            async move { fetcher.handle(&handle, want == Want::New).await }
        };
        self.handles.get(&handle, want, fetch).await
    }
}
