//! What to send of a garden: a decision from what was found, with no I/O in it.
//!
//! The ledger stands at the position (the last commit of which all was sent and made durable), or, if the process
//! died while it was sending, part-way between the position and the commit that was being sent then (`sending`,
//! kept in the clone, written before the first batch). What is sent must be right for every such part.

use gix::ObjectId;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The commit to reach.
    pub(crate) tip: ObjectId,
    /// The commit of the durable position, if there is one that was made by the current rules.
    pub(crate) position: Option<ObjectId>,
    /// The commit that was last being sent, if the clone is old enough to know.
    pub(crate) sending: Option<ObjectId>,
    /// The position is on the way from the tip along first parents.
    pub(crate) reached: bool,
    /// So is `sending`, at the position or before it was reached.
    pub(crate) met: bool,
    /// The position's commit is still in the clone.
    pub(crate) has_position: bool,
}

/// What to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Nothing: the ledger is there.
    Nothing,
    /// What changed on the way from the position.
    Advance,
    /// What differs between this commit and the tip: history was rewritten.
    Compare(ObjectId),
    /// Everything, and that whatever else the ledger has is gone.
    Everything,
}

/// Decides.
pub(crate) fn plan(found: Found) -> Plan {
    let (Some(position), Some(sending)) = (found.position, found.sending) else { return Plan::Everything };
    let clean = sending == position;
    match found {
        _ if clean && position == found.tip => Plan::Nothing,
        // The way covers what was sent in part, too.
        Found { reached: true, met: true, .. } => Plan::Advance,
        Found { reached: false, has_position: true, .. } if clean => Plan::Compare(position),
        _ => Plan::Everything,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decides_by_table() {
        let id = |n: u8| ObjectId::from([n; 20]);
        let (a, b, c) = (Some(id(1)), Some(id(2)), Some(id(3)));
        let tip = id(3);
        for (position, sending, reached, met, has_position, want, why) in [
            (None, None, false, false, false, Plan::Everything, "first index"),
            (None, c, false, true, false, Plan::Everything, "first index, killed and started again"),
            (c, c, true, true, true, Plan::Nothing, "no news"),
            (a, a, true, true, true, Plan::Advance, "new commits"),
            (a, b, true, true, true, Plan::Advance, "killed while sending b, which is on the way"),
            (a, c, true, true, true, Plan::Advance, "killed while sending the tip"),
            (a, b, true, false, true, Plan::Everything, "killed while sending b, then b was rewritten"),
            (c, b, true, false, true, Plan::Everything, "killed while sending b, then reset to the position"),
            (a, a, false, false, true, Plan::Compare(id(1)), "rewritten"),
            (a, b, false, false, true, Plan::Everything, "killed while sending b, then rewritten"),
            (a, c, false, true, true, Plan::Everything, "killed while sending a rewritten tip"),
            (a, a, false, false, false, Plan::Everything, "rewritten, the old commit was collected"),
            (a, None, true, false, true, Plan::Everything, "the clone was made anew"),
        ] {
            let found = Found { tip, position, sending, reached, met, has_position };
            assert_eq!(plan(found), want, "{why}");
        }
    }
}
