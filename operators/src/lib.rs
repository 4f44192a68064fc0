//! The views as incremental dataflow operators: pure functions over collections, no I/O, no async.
//!
//! ```text
//!  events ─► ledger ─► visible records ─┬─► backlinks, backlink_counts ─► rows
//!              │                        ├─► search postings            ─► rows
//!              ▼                        ├─► catalog                    ─► rows      each row with +1 or -1
//!        record rows                    ├─► rankings (with the clock)  ─► rows      at the tick it changes in
//!                                       └─► notifications              ─► rows
//! ```
//!
//! Time is a *tick*: a number that rises by one from epoch to epoch. What an operator emits, summed over the
//! ticks, is a pure function of the visible records (and, for rankings, the clock), never of the order or the
//! history: so a rebuilt view equals one that was maintained.

mod backlinks;
mod catalog;
mod clip;
mod clusters;
mod distinct;
mod feedback;
mod groups;
mod ids;
mod ledger;
mod network;
mod notifications;
pub mod per_epoch;
mod rankings;
pub mod search;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod top_k;
mod trending;
mod walks;
mod windows;

pub use backlinks::{LINE_BYTES, SNIPPET_BYTES, backlink_counts, backlinks, linkers};
pub use catalog::{Listings, Totals, listings, totals};
pub use clusters::{Clusters, ClustersConfig, Representation, clusters};
#[cfg(feature = "testing")]
pub use clusters::{Direct, Moved};
pub use feedback::{FeedbackLists, FeedbackSums, feedback_lists, feedback_sums};
pub use ledger::{Committed, Ledger, LedgerRow, LookupError, ledger};
pub use network::{HotConfig, hot};
pub use notifications::notifications;
pub use rankings::{RankingsConfig, rankings};

use serde::{Deserialize, Serialize};
use springline_model::{Record, SourceId};
use std::sync::Arc;

/// A collection of rows that changes from tick to tick.
pub type Rows<'s, R> = differential_dataflow::VecCollection<'s, u64, R, isize>;

/// A record that everybody may see, and the source that told it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Visible {
    /// Who told.
    pub source: SourceId,
    /// What.
    pub record: Arc<Record>,
}

/// The visible records: what every view is derived from.
pub type Records<'s> = Rows<'s, Visible>;
