//! Identities as sources need them: keys to verify by, and events that tell who is who.

use super::{
    identity::{Caps, Document, Resolver, Response},
    key::PublicKey,
    syntax::Did,
};
use springline_model::{EventBody, Hosting, Identity, Rev, Timestamp, Uri};
use std::{sync::Arc, time::Duration};

/// What a short answer may be.
const SHORT: Caps = Caps { bytes: 64 * 1024, time: Some(Duration::from_secs(20)) };

/// Looks accounts up; or, offline, doesn't. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Identities(Option<Resolver>);

impl Identities {
    /// By this resolver.
    #[must_use]
    pub const fn by(resolver: Resolver) -> Self {
        Self(Some(resolver))
    }

    /// Not at all.
    #[must_use]
    pub const fn offline() -> Self {
        Self(None)
    }

    /// Whether nobody is asked.
    #[must_use]
    pub const fn is_offline(&self) -> bool {
        self.0.is_none()
    }

    /// Who looks them up.
    #[must_use]
    pub const fn resolver(&self) -> Option<&Resolver> {
        self.0.as_ref()
    }

    /// The key that a labeler signs its labels with. With `again` it is looked up anew.
    ///
    /// # Errors
    /// It can't be had: why.
    pub async fn label_key(&self, did: &str, again: bool) -> Result<PublicKey, String> {
        let document = self.document(did, again).await?;
        let key = document.label_key.as_deref().ok_or("the account has no key for labels")?;
        PublicKey::from_multikey(key).map_err(|error| error.to_string())
    }

    /// Where a labeler's labels can be followed: `wss://…`.
    ///
    /// # Errors
    /// It can't be had: why.
    pub async fn labeler(&self, did: &str) -> Result<String, String> {
        let document = self.document(did, false).await?;
        let url = document.labeler.as_deref().ok_or("its document names no labeler")?;
        Ok(url.replacen("http", "ws", 1))
    }

    async fn document(&self, did: &str, again: bool) -> Result<Arc<Document>, String> {
        let resolver = self.0.as_ref().ok_or("offline: no key can be looked up")?;
        let document =
            if again { resolver.refresh_document(did).await } else { resolver.document(did).await };
        document.map_err(|error| error.to_string())
    }

    /// The key that an account signs with. With `again` it is looked up anew.
    ///
    /// # Errors
    /// It can't be had: why.
    pub async fn key(&self, did: &str, again: bool) -> Result<PublicKey, String> {
        let resolver = self.0.as_ref().ok_or("offline: no key can be looked up")?;
        let document =
            if again { resolver.refresh_document(did).await } else { resolver.document(did).await };
        let document = document.map_err(|error| error.to_string())?;
        let key = document.signing_key.as_deref().ok_or("the account has no key")?;
        PublicKey::from_multikey(key).map_err(|error| error.to_string())
    }

    /// What is to be told of an account whose identity may have changed: looked up anew, never believed.
    pub async fn changed(&self, did: &str) -> Option<EventBody> {
        match self.0.as_ref()?.refresh(did).await {
            Ok(identity) => Some(told(&identity)),
            Err(error) => {
                tracing::debug!(did, %error, "an identity can't be looked up");
                None
            }
        }
    }

    /// What is to be told of an account, as far as it is known.
    pub async fn met(&self, did: &str) -> Option<EventBody> {
        self.0.as_ref()?.resolve(did).await.ok().map(|identity| told(&identity))
    }

    /// An account that is said to be deleted: unless its own host, as far as that can be asked, says otherwise. What
    /// is deleted is purged, so one word is not enough.
    pub async fn deleted(&self, did: &Did, micros: u64) -> EventBody {
        let is_there = self.hosted(did).await.is_some_and(|active| active);
        let status = if is_there { Hosting::Inactive } else { Hosting::Deleted };
        EventBody::Hosting { rev: Rev(micros), authority: Uri::repository(did), status }
    }

    /// Whether the host of an account has it, and shows it.
    async fn hosted(&self, did: &Did) -> Option<bool> {
        let resolver = self.0.as_ref()?;
        let document = resolver.document(did).await.ok()?;
        let pds = document.pds.as_deref()?.trim_end_matches('/');
        let url = format!("{pds}/xrpc/com.atproto.sync.getRepoStatus?did={did}");
        let answer = resolver.client().get(&url, SHORT).await.ok()?.success().ok()?;
        let told: serde_json::Value = serde_json::from_slice(&answer.bytes().await.ok()?).ok()?;
        told.get("active")?.as_bool()
    }

    /// A short file of a host that the operator has named.
    ///
    /// # Errors
    /// It can't be had, or is longer than `bytes`.
    pub async fn fetch(&self, url: &str, bytes: u64) -> Result<Vec<u8>, String> {
        let resolver = self.0.as_ref().ok_or("offline: nothing can be fetched")?;
        let answer = resolver.client().get_trusted(url, Caps { bytes, ..SHORT }).await;
        let answer = answer.and_then(Response::success).map_err(|error| error.to_string())?;
        answer.bytes().await.map_err(|error| error.to_string())
    }
}

fn told(identity: &super::identity::Identity) -> EventBody {
    let text = |text: &Option<Box<str>>| text.as_ref().map(ToString::to_string);
    EventBody::Identity(Box::new(Identity {
        did: Uri::from(&*identity.did),
        at: Timestamp::now(),
        handle: text(&identity.handle),
        pds: text(&identity.pds),
        key: text(&identity.signing_key),
    }))
}
