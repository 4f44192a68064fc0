//! The first operator: events become the current state of every record, and what of it is visible.
//!
//! ```text
//!                   exchanged by authority, a tick at a time
//!  events ─► by authority ─► newer than what is there? ─┬─► rows      ± records, accounts, repositories, labels, …
//!                                ▲                      └─► visible   ± what everybody may see
//!                                │ before-images
//!            overlay (ticks in flight) over Committed
//! ```
//!
//! The ledger keeps no records: it reads what was there from what is committed ([`Committed`], which the store
//! implements), under an overlay of what it has itself said and the store does not show yet.
//!
//! # Rules
//! 1. Events are taken one after the other, in order of arrival, and each sees what those before it have left: what
//!    there is in the end is the same wherever ticks are cut. A version is taken only if its
//!    [`Rev`](springline_model::Rev) is above that of the row that is there: duplicates and stale events change
//!    nothing, and of equal revs the first to arrive counts.
//! 2. A `Put` of the record that is there already raises the row's rev and changes nothing that is visible.
//! 3. A record is visible unless its authority is hidden (by the operator, by its host, by a label that hides) or a
//!    label hides the record. Hiding retracts everything the authority owns in the same tick and `records` keeps it;
//!    showing it again brings it all back, with what was put meanwhile. An account that is deleted or forbidden is
//!    purged: nothing comes back, but by a fetch of the whole when its host shows it again.
//! 4. Of a key's quarantine events, and the puts and deletes that were taken, the last to arrive counts: a taken put
//!    or delete and a release empty the row, a new refusal fills it. Refusals do not touch the record.
//! 5. A repository (`at://<did>/`) has versions of its own: a put or delete older than what was heard of its
//!    repository is stale, even if nothing is left of what superseded it. So deliveries may be repeated and replayed
//!    at will, as long as those of one repository keep their order.
//! 6. A repository that is being fetched as a whole merges with what arrives meanwhile by version: deletes are
//!    remembered (`tombs`) from when it has to be fetched until it has been, also over a purge. The copy names every
//!    record that it has with its own version; at its end what is older was not in it, and is gone, even if it came
//!    after the copy was compared. A commit that does not follow the one before leaves the repository desynchronized
//!    (`resyncs`): somebody has to fetch it.
//! 7. Deletes of feedback are remembered (`tombs`) until a newer version is put: its sources may tell old news.
//! 8. Of a labeler's labels of one value on one subject the one made last counts.
//! 9. What happens to jobs happens in order of arrival, if it may (`Job::take`); what may not is counted. A cluster
//!    has one job at a time that is not over; how it stands follows from its jobs (`Fixing::of`).
//!
//! # Invariants
//! * `visible` has at most one record a URI; summed over ticks it is the records of rule 3.
//! * The overlay holds the rows that changed in ticks above [`Committed::tick`], no others: it is bounded by the
//!   ticks in flight, which the host bounds.
//!
//! # Limits
//! * Outside of repositories and feedback a deleted record leaves no trace, so neither does its rev: an older put
//!   that arrives *after* the delete brings the record back until the delete is delivered again. Sources resume from
//!   positions that were committed with the data, in order, so the delete follows in the same replay.
//! * One copy of a repository at a time: of two that overlap the second one's records may come while nobody waits for
//!   them, and be taken for missing at its end, until it is fetched again.
//! * The events of one authority have to come through one worker: between workers there is no order of arrival.
//! * Numbers of our own labels, and names of jobs, are taken to be nobody else's: between authorities there is no order
//!   that would say whose the first one is.
//! * Account and repository rows stay after their authority is shown again: their revs tell stale events from new
//!   ones.

mod books;
mod jobs;
mod labels;
mod machine;
mod news;
mod overlay;
mod owned;
mod row;
mod standing;
#[cfg(test)]
mod tests;

use crate::{
    Records, Rows, Visible,
    per_epoch::{Stash, Update},
};
use differential_dataflow::AsCollection;
use machine::Machine;
use springline_model::{Event, Table, home};
use std::{error::Error, rc::Rc};
use timely::{
    container::CapacityContainerBuilder,
    dataflow::{
        Stream,
        channels::pact::Exchange,
        operators::{
            Capability,
            generic::{OutputBuilder, OutputBuilderSession, builder_rc::OperatorBuilder},
        },
    },
};

pub use row::LedgerRow;

/// What the ledger has said before, as far as it is committed.
///
/// Lookups may show a later state than [`Committed::tick`] said a moment ago, never an earlier one.
pub trait Committed {
    /// The highest tick that all lookups reflect; `None` before the first.
    fn tick(&self) -> Option<u64>;

    /// The value of a row.
    ///
    /// # Errors
    /// The row is there and cannot be read.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, LookupError>;

    /// Shows key and value of every row of a table whose key begins with this.
    ///
    /// # Errors
    /// A row cannot be read.
    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), LookupError>;
}

/// What is committed cannot be read back: our own corruption.
#[derive(Debug, thiserror::Error)]
#[error("the stored ledger cannot be read")]
pub struct LookupError(#[source] pub Box<dyn Error + Send + Sync>);

/// What the ledger says.
pub struct Ledger<'s> {
    /// What everybody may see: what all views are made from.
    pub visible: Records<'s>,
    /// Every row of the ledger's own tables: records, hidden ones too; accounts, repositories, labels, ….
    pub rows: Rows<'s, LedgerRow>,
}

/// Keeps the books. See the module.
///
/// # Panics
/// The worker panics when `committed` cannot be read: the ledger would have to guess what to retract, and every
/// view would be wrong from then on. The host rebuilds the store from the journal.
#[must_use]
pub fn ledger<'s>(events: Stream<'s, u64, Vec<Event>>, committed: Rc<dyn Committed>) -> Ledger<'s> {
    let mut builder = OperatorBuilder::new("Ledger".to_owned(), events.scope());
    let by_authority = Exchange::new(|event: &Event| home::of(event.body.authority()));
    let mut input = builder.new_input(events, by_authority);
    let (output, visible) = builder.new_output::<Vec<Update<Visible>>>();
    let mut to_visible = OutputBuilder::<_, CapacityContainerBuilder<_>>::from(output);
    let (output, rows) = builder.new_output::<Vec<Update<LedgerRow>>>();
    let mut to_rows = OutputBuilder::<_, CapacityContainerBuilder<_>>::from(output);

    builder.build(move |_capabilities| {
        let mut stash: Stash<[Capability<u64>; 2], Event> = Stash::default();
        let mut machine = Machine::new(committed);
        move |frontiers| {
            input.for_each(|capability, events| {
                let hold = || [0, 1].map(|output| capability.retain(output));
                stash.file(*capability.time(), hold, std::mem::take(events));
            });
            let (mut visible, mut rows) = (to_visible.activate(), to_rows.activate());
            while let Some((tick, [for_visible, for_rows], events)) = stash.complete(&[&frontiers[0]]) {
                let said = machine.tick(tick, events.into_iter().flatten()).unwrap_or_else(|error| {
                    let cause = error.source().map(ToString::to_string).unwrap_or_default();
                    panic!("{error}, so tick {tick} cannot be applied: {cause}")
                });
                send(&mut visible, &for_visible, said.visible);
                send(&mut rows, &for_rows, said.rows);
            }
        }
    });
    Ledger { visible: visible.as_collection(), rows: rows.as_collection() }
}

fn send<R: Clone + 'static>(
    output: &mut OutputBuilderSession<'_, u64, CapacityContainerBuilder<Vec<Update<R>>>>,
    capability: &Capability<u64>,
    changes: Vec<(R, isize)>,
) {
    let tick = *capability.time();
    output.session(capability).give_iterator(changes.into_iter().map(|(row, diff)| (row, tick, diff)));
}
