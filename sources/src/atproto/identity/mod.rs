//! Who an account is: DIDs resolved to documents, handles to DIDs, over a network that isn't trusted.
//!
//! ```text
//!   Resolver ── document(did) ──► Lookups (cache, one fetch a key) ──► plc directory, did:web ─┐
//!       │                                                                                      ├─► GuardedClient
//!       └────── handle ─────────► Lookups ──► DNS TXT, else /.well-known/atproto-did ──────────┘        │
//!                                                                                                       ▼
//!                                             per host: places, pace, Retry-After ── Guard: addresses checked
//! ```
//!
//! | module | what |
//! |---|---|
//! | `resolver` | the questions that can be asked, and the two-way check of handles |
//! | `fetch` | where documents and handles are found |
//! | `document` | what a DID document says, for us |
//! | `lookups` | a cache with fresh, stale and failed answers, in which equal questions are asked once |
//! | `client`, `hosts`, `guard`, `dns` | HTTP for addresses that strangers chose |
//! | `config`, `error` | settings; what can go wrong |
//!
//! Invariants:
//! 1. No connection goes to an address that wasn't checked: names are resolved here, the addresses that are
//!    refused are dropped, and the rest are what is connected to. Redirects are followed here, each hop checked
//!    like the first. What the operator configured (the directory) is taken as it is; where it redirects isn't.
//! 2. Everything that comes from outside is bounded: bytes, time, redirects, addresses, entries of a document.
//! 3. A handle is given only after both directions agree. A handle that couldn't be checked is told from one
//!    that is wrong.
//! 4. A failed fetch never takes away a good answer before its time.
//!
//! Limits: certificates are checked against Mozilla's roots, not those of the machine. HTTP proxies aren't used:
//! they would resolve names unseen. Identities are cached in memory only.

mod client;
mod config;
mod dns;
mod document;
mod error;
mod fetch;
mod guard;
mod hosts;
mod lookups;
mod resolver;
#[cfg(test)]
mod tests;

pub(crate) use client::retry_after;
pub use client::{Ask, Caps, GuardedClient, Response};
pub use config::{HttpConfig, IdentityConfig};
pub use document::{Document, DocumentError};
pub use error::{FetchError, ResolveError};
pub use guard::is_public;
pub use lookups::LookupStats;
pub use resolver::{Identity, IdentityStats, Resolver};

/// What is shown instead of a handle that isn't verified.
pub const INVALID_HANDLE: &str = "handle.invalid";
