//! Whole repositories: fetched when the ledger says that they are not complete here, or somebody asks for them.
//!
//! ```text
//!  ledger: resyncs ─┐
//!  backfill of a host: listRepos ─► Fetching ─► ledger ─┘
//!                                                 │ which, a few at a time, politely
//!   CAR ◄── getRepo ◄── PDS of its DID document ◄─┘
//!    └─► verified, walked ─► Fetched, Missing (the difference to the ledger) ─► Fetched: complete
//! ```
//!
//! What has to be fetched is a table of the ledger, so nothing of it is lost by a restart. While a repository is being
//! fetched its live events go on being applied: the ledger merges both by version.

mod config;
mod diff;
mod error;
mod fetch;
mod run;
mod walk;

use error::FetchRepoError;

pub use config::BackfillConfig;
pub use fetch::Fetcher;
pub use run::Backfill;
