//! Identities as sources need them: keys to verify by, and events that tell who is who.

use super::{
    identity::{Caps, Resolver},
    key::PublicKey,
    live_authority,
    syntax::Did,
};
use springline_model::{EventBody, Hosting, Identity, Rev, Timestamp, Uri};
use std::time::Duration;

/// The most that a short answer may have.
const SHORT: Caps = Caps { bytes: 64 * 1024, timeout: Duration::from_secs(20) };

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

    /// The key that an account signs with. With `again` it is looked up anew.
    ///
    /// # Errors
    /// It can't be had; whether that may pass.
    pub async fn key(&self, did: &str, again: bool) -> Result<PublicKey, (String, bool)> {
        let resolver = self.0.as_ref().ok_or_else(|| ("offline: no key can be looked up".to_owned(), false))?;
        let document = if again { resolver.refresh_document(did).await } else { resolver.document(did).await };
        let document = document.map_err(|error| (error.to_string(), error.is_transient()))?;
        let key = document.signing_key.as_deref().ok_or_else(|| ("the account has no key".to_owned(), false))?;
        PublicKey::from_multikey(key).map_err(|error| (error.to_string(), false))
    }

    /// What is to be told of an account whose identity may have changed: looked up anew, never believed.
    pub async fn changed(&self, did: &str) -> Option<EventBody> {
        let resolver = self.0.as_ref()?;
        match resolver.refresh(did).await {
            Ok(identity) => Some(told(&identity)),
            Err(error) => {
                tracing::debug!(did, %error, "an identity can't be looked up");
                None
            }
        }
    }

    /// What is to be told of an account that was not seen before.
    pub async fn met(&self, did: &str) -> Option<EventBody> {
        self.0.as_ref()?.resolve(did).await.ok().map(|identity| told(&identity))
    }

    /// An account that is said to be deleted: whether its own host says so too, as far as that can be had. What is
    /// deleted is purged, so one word is not enough.
    pub async fn deleted(&self, did: &Did, micros: u64) -> EventBody {
        let status = if self.is_there(did).await { Hosting::Inactive } else { Hosting::Deleted };
        EventBody::Hosting { rev: Rev(micros), authority: live_authority(did), status }
    }

    async fn is_there(&self, did: &Did) -> bool {
        let Some(resolver) = &self.0 else { return false };
        let Ok(document) = resolver.document(did).await else { return false };
        let Some(pds) = document.pds.as_deref() else { return false };
        let url = format!("{}/xrpc/com.atproto.sync.getRepoStatus?did={did}", pds.trim_end_matches('/'));
        let Ok(answer) = resolver.client().get(&url, SHORT).await else { return false };
        let Ok(body) = match answer.success() {
            Ok(answer) => answer.bytes().await,
            Err(_) => return false,
        } else {
            return false;
        };
        let told: Result<serde_json::Value, _> = serde_json::from_slice(&body);
        told.is_ok_and(|told| told.get("active") == Some(&serde_json::Value::Bool(true)))
    }

    /// A short file of a host that the operator has named.
    ///
    /// # Errors
    /// It can't be had, or is longer than `bytes`.
    pub async fn fetch(&self, url: &str, bytes: usize) -> Result<Vec<u8>, String> {
        let resolver = self.0.as_ref().ok_or("offline: nothing can be fetched")?;
        let answer = resolver.client().get_trusted(url, Caps { bytes, ..SHORT }).await;
        let answer = answer.and_then(super::identity::Response::success).map_err(|error| error.to_string())?;
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
