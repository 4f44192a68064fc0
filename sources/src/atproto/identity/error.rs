//! What can go wrong when an account is looked up.

use super::document::DocumentError;
use std::{net::IpAddr, time::Duration};
use thiserror::Error;

/// A request had no answer that can be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FetchError {
    /// The address isn't one to ask: another scheme, or with a user name.
    #[error("`{0}` can't be asked")]
    Url(String),
    /// The host is on this machine or in a private network.
    #[error("`{host}` is refused: {address} isn't a public address")]
    Refused {
        /// Which host.
        host: String,
        /// The address that it has.
        address: IpAddr,
    },
    /// The name of the host has no address.
    #[error("`{0}` has no address")]
    NoAddress(String),
    /// The name servers don't answer.
    #[error("the name servers don't answer for `{host}`: {reason}")]
    Dns {
        /// Which host.
        host: String,
        /// Why.
        reason: String,
    },
    /// The host asked to be left alone, or there are too many requests waiting.
    #[error("`{host}` can be asked in {} s", wait.as_secs())]
    Busy {
        /// Which host.
        host: String,
        /// For how long.
        wait: Duration,
    },
    /// The host answered with a status that is no success.
    #[error("`{host}` answered with status {status}")]
    Status {
        /// Which host.
        host: String,
        /// The status.
        status: u16,
        /// When to try again, if it says so.
        retry_after: Option<Duration>,
    },
    /// The answer is longer than it may be.
    #[error("`{host}` answered with more than {most} bytes")]
    TooLong {
        /// Which host.
        host: String,
        /// The most that is read.
        most: u64,
    },
    /// It redirected too often, or without saying where to.
    #[error("`{0}` redirects in circles")]
    Redirects(String),
    /// It took too long.
    #[error("`{0}` took too long")]
    Timeout(String),
    /// The connection failed.
    #[error("`{host}` can't be reached: {reason}")]
    Network {
        /// Which host.
        host: String,
        /// Why.
        reason: String,
    },
}

impl FetchError {
    /// Whether it can be another time soon.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Url(_) | Self::Refused { .. } | Self::NoAddress(_) => false,
            Self::TooLong { .. } | Self::Redirects(_) => false,
            Self::Dns { .. } | Self::Busy { .. } | Self::Timeout(_) | Self::Network { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..),
        }
    }

    /// When to try again, if the host said so.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { wait, .. } => Some(*wait),
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Why an account or a handle has no identity.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ResolveError {
    /// It is no DID, or one of a method that isn't used.
    #[error("`{0}` is no DID that can be resolved")]
    Did(Box<str>),
    /// It is no handle, or one under a domain that has none.
    #[error("`{0}` is no handle that can be resolved")]
    Handle(Box<str>),
    /// There is no such account, or nobody has the handle.
    #[error("there is no such identity")]
    NotFound,
    /// The DID was deleted.
    #[error("the identity was deleted")]
    Deleted,
    /// Its document makes no sense.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The handle stands for several accounts at once.
    #[error("the handle names more than one account")]
    Ambiguous,
    /// The handle stands for another account.
    #[error("the handle is that of `{0}`")]
    Mismatch(Box<str>),
    /// What the handle's domain answers is no DID.
    #[error("the handle's domain doesn't answer with a DID")]
    NoDid,
    /// The network isn't to be used, and it isn't known.
    #[error("it isn't known offline")]
    Offline,
    /// Too many are being looked up.
    #[error("too many identities are being looked up")]
    Overload,
    /// A request failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

impl ResolveError {
    /// Whether it can be another time soon: nothing is known then, where otherwise it is known that there is none.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Fetch(error) => error.is_transient(),
            Self::Offline | Self::Overload => true,
            _ => false,
        }
    }

    /// When to try again, if a host said so.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Fetch(error) => error.retry_after(),
            _ => None,
        }
    }
}
