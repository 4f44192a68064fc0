//! The first operator: events become the current state of every record, and what of it is visible.
//!
//! ```text
//!                   exchanged by authority, a tick at a time
//!  events ─► coalesce by key ─► newer than what is there? ─┬─► records      ± every accepted change
//!                                   ▲                      ├─► accounts
//!                                   │ before-images        ├─► quarantine
//!              overlay (ticks in flight) over Committed    └─► visible      ± what everybody may see
//! ```
//!
//! The ledger keeps no records: it reads what was there from what is committed ([`Committed`], which the store
//! implements), under an overlay of what it has itself said and the store does not show yet.
//!
//! # Rules
//! 1. Of a key's events in one tick the highest [`Rev`](springline_model::Rev) counts, of equal ones the last to
//!    arrive. It is taken only if its rev is above that of the row that is there: duplicates and stale events change
//!    nothing, wherever the ticks are cut.
//! 2. A `Put` of the record that is there already raises the row's rev and changes nothing that is visible.
//! 3. A record is visible unless its authority is hidden. Hiding retracts everything the authority owns in the
//!    same tick and `records` keeps it; showing it again brings it all back, with what was put meanwhile.
//! 4. Of a key's quarantine events in one tick, and the put or delete that was taken, the last to arrive counts:
//!    a taken put or delete and a release empty the row, a new refusal fills it. Refusals do not touch the record.
//!
//! # Invariants
//! * `visible` has at most one record a URI; summed over ticks it is the records whose authority is not hidden.
//! * The overlay holds the keys that changed in ticks above [`Committed::tick`], no others: it is bounded by the
//!   ticks in flight, which the host bounds.
//!
//! # Limits
//! * A deleted record leaves no trace, so neither does its rev: an older put that arrives *after* the tick of the
//!   delete brings the record back until the delete is delivered again. Sources resume from positions that were
//!   committed with the data, in order, so the delete follows in the same replay.
//! * The events of one key in one tick should come through one worker if their revs can be equal: between workers
//!   there is no order of arrival.
//! * Account rows stay after their authority is shown again: their rev tells stale events from new ones.

mod machine;
mod overlay;
#[cfg(test)]
mod tests;

use crate::{
    Records, Rows, Visible,
    per_epoch::{Stash, Update},
};
use differential_dataflow::{AsCollection, Hashable};
use machine::Machine;
use springline_model::{
    Event, Uri,
    rows::{AccountRow, QuarantineRow, RecordRow},
};
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

/// What the ledger has said before, as far as it is committed.
///
/// Lookups may show a later state than [`Committed::tick`] said a moment ago, never an earlier one.
pub trait Committed {
    /// The highest tick that all lookups reflect; `None` before the first.
    fn tick(&self) -> Option<u64>;

    /// A record's row.
    ///
    /// # Errors
    /// The row is there and cannot be read.
    fn record(&self, uri: &Uri) -> Result<Option<RecordRow>, LookupError>;

    /// An authority's row.
    ///
    /// # Errors
    /// The row is there and cannot be read.
    fn account(&self, authority: &str) -> Result<Option<AccountRow>, LookupError>;

    /// A refused input's row.
    ///
    /// # Errors
    /// The row is there and cannot be read.
    fn quarantined(&self, uri: &Uri) -> Result<Option<QuarantineRow>, LookupError>;

    /// Shows every record of an authority.
    ///
    /// # Errors
    /// A row cannot be read.
    fn owned(&self, authority: &str, visit: &mut dyn FnMut(RecordRow)) -> Result<(), LookupError>;
}

/// What is committed cannot be read back: our own corruption.
#[derive(Debug, thiserror::Error)]
#[error("the stored ledger cannot be read")]
pub struct LookupError(#[source] pub Box<dyn Error + Send + Sync>);

/// What the ledger says.
pub struct Ledger<'s> {
    /// What everybody may see: what all views are made from.
    pub visible: Records<'s>,
    /// Every record's newest version, hidden ones too.
    pub records: Rows<'s, RecordRow>,
    /// Authorities of which anything was ever said.
    pub accounts: Rows<'s, AccountRow>,
    /// What could not be taken.
    pub quarantine: Rows<'s, QuarantineRow>,
}

/// Keeps the books. See the module.
///
/// # Panics
/// The worker panics when `committed` cannot be read: the ledger would have to guess what to retract, and every
/// view would be wrong from then on. The host rebuilds the store from the journal.
#[must_use]
pub fn ledger<'s>(events: Stream<'s, u64, Vec<Event>>, committed: Rc<dyn Committed>) -> Ledger<'s> {
    let mut builder = OperatorBuilder::new("Ledger".to_owned(), events.scope());
    let by_authority = Exchange::new(|event: &Event| event.body.authority().hashed());
    let mut input = builder.new_input(events, by_authority);
    let (output, visible) = builder.new_output::<Vec<Update<Visible>>>();
    let mut to_visible = OutputBuilder::<_, CapacityContainerBuilder<_>>::from(output);
    let (output, records) = builder.new_output::<Vec<Update<RecordRow>>>();
    let mut to_records = OutputBuilder::<_, CapacityContainerBuilder<_>>::from(output);
    let (output, accounts) = builder.new_output::<Vec<Update<AccountRow>>>();
    let mut to_accounts = OutputBuilder::<_, CapacityContainerBuilder<_>>::from(output);
    let (output, quarantine) = builder.new_output::<Vec<Update<QuarantineRow>>>();
    let mut to_quarantine = OutputBuilder::<_, CapacityContainerBuilder<_>>::from(output);

    builder.build(move |_capabilities| {
        let mut stash: Stash<[Capability<u64>; 4], Event> = Stash::default();
        let mut machine = Machine::new(committed);
        move |frontiers| {
            input.for_each(|capability, events| {
                let hold = || [0, 1, 2, 3].map(|output| capability.retain(output));
                stash.file(*capability.time(), hold, std::mem::take(events));
            });
            let (mut visible, mut records) = (to_visible.activate(), to_records.activate());
            let (mut accounts, mut quarantine) = (to_accounts.activate(), to_quarantine.activate());
            while let Some((tick, capabilities, events)) = stash.complete(&[&frontiers[0]]) {
                let said = machine.tick(tick, events.into_iter().flatten()).unwrap_or_else(|error| {
                    let cause = error.source().map(ToString::to_string).unwrap_or_default();
                    panic!("{error}, so tick {tick} cannot be applied: {cause}")
                });
                let [to_visible, to_records, to_accounts, to_quarantine] = &capabilities;
                send(&mut visible, to_visible, said.visible);
                send(&mut records, to_records, said.records);
                send(&mut accounts, to_accounts, said.accounts);
                send(&mut quarantine, to_quarantine, said.quarantine);
            }
        }
    });
    Ledger {
        visible: visible.as_collection(),
        records: records.as_collection(),
        accounts: accounts.as_collection(),
        quarantine: quarantine.as_collection(),
    }
}

fn send<R: Clone + 'static>(
    output: &mut OutputBuilderSession<'_, u64, CapacityContainerBuilder<Vec<Update<R>>>>,
    capability: &Capability<u64>,
    changes: Vec<(R, isize)>,
) {
    let tick = *capability.time();
    output.session(capability).give_iterator(changes.into_iter().map(|(row, diff)| (row, tick, diff)));
}
