//! What to send of a garden: a decision from what was found, with no I/O in it.
//!
//! The ledger stands at the position, the last commit of which all was sent and made durable. If the process died
//! while it was sending other commits, once or several times, parts of those are in the ledger, too: `mixed` names
//! them. What is sent must be right for every such mixture.
//!
//! The clone keeps the list of commits whose sending began ([`Sendings`]), written before the first batch of each.

use gix::ObjectId;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The commit to reach.
    pub(crate) tip: ObjectId,
    /// The commit of the position, if there is one that was made by the current rules.
    pub(crate) position: Option<ObjectId>,
    /// What else may be in the ledger.
    pub(crate) mixed: Mixed,
    /// The position is on the way from the tip along first parents.
    pub(crate) reached: bool,
    /// The position's commit is still in the clone.
    pub(crate) has_position: bool,
}

/// Which commits, beside that of the position, may be in the ledger in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mixed {
    /// None.
    Clean,
    /// Such as lie on the way from the tip to the position.
    OnTheWay,
    /// Others, or nobody knows.
    Astray,
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
    let Some(position) = found.position else { return Plan::Everything };
    match found.mixed {
        Mixed::Astray => Plan::Everything,
        Mixed::Clean if position == found.tip => Plan::Nothing,
        // The way covers what was sent in part.
        Mixed::Clean | Mixed::OnTheWay if found.reached => Plan::Advance,
        Mixed::Clean if found.has_position => Plan::Compare(position),
        Mixed::Clean | Mixed::OnTheWay => Plan::Everything,
    }
}

/// The commits whose sending began, in order, from one on that the ledger was surely at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sendings(Vec<ObjectId>);

impl Sendings {
    /// Reads what [`Self::text`] wrote; nothing if it was anything else.
    pub(crate) fn parse(text: &str) -> Self {
        let ids: Result<Vec<_>, _> = text.lines().map(|line| ObjectId::from_hex(line.as_bytes())).collect();
        Self(ids.unwrap_or_default())
    }

    /// One commit a line.
    pub(crate) fn text(&self) -> String {
        self.0.iter().map(|id| format!("{id}\n")).collect()
    }

    /// What came after the ledger was at `position`, if that is in the list.
    ///
    /// Its first place counts: the same commit may have been sent again later, and in part.
    pub(crate) fn after(&self, position: ObjectId) -> Option<&[ObjectId]> {
        let first = self.0.iter().position(|id| *id == position)?;
        Some(&self.0[first + 1..])
    }

    /// With one more commit, and without what came before the ledger was at `durable`.
    ///
    /// If nobody knows what came after that, and the very same commit is sent again, the position won't tell when
    /// all of it was: then a commit that nothing meets ([`ObjectId::null`]) keeps it from looking clean.
    #[must_use]
    pub(crate) fn with(&self, durable: Option<ObjectId>, next: ObjectId) -> Self {
        let first = durable.and_then(|durable| self.0.iter().position(|id| *id == durable));
        let mut ids = self.0[first.unwrap_or(0)..].to_vec();
        ids.push(next);
        if first.is_none() && durable == Some(next) {
            ids.push(ObjectId::null(next.kind()));
        }
        Self(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ObjectId {
        ObjectId::from([n; 20])
    }

    #[test]
    fn decides_by_table() {
        use Mixed::{Astray, Clean, OnTheWay};
        let (a, c) = (Some(id(1)), Some(id(3)));
        for (position, mixed, reached, has_position, want, why) in [
            (None, Clean, false, false, Plan::Everything, "first index"),
            (None, Astray, false, false, Plan::Everything, "first index, killed and started again"),
            (c, Clean, true, true, Plan::Nothing, "no news"),
            (a, Clean, true, true, Plan::Advance, "new commits"),
            (a, OnTheWay, true, true, Plan::Advance, "killed while sending"),
            (a, Astray, true, true, Plan::Everything, "killed while sending what was rewritten then"),
            (c, Astray, true, true, Plan::Everything, "the same, and reset to the position"),
            (a, Clean, false, true, Plan::Compare(id(1)), "rewritten"),
            (a, OnTheWay, false, true, Plan::Everything, "killed while sending what was rewritten"),
            (a, Clean, false, false, Plan::Everything, "rewritten, the old commit was collected"),
            (a, Astray, true, true, Plan::Everything, "the clone was made anew"),
        ] {
            let found = Found { tip: id(3), position, mixed, reached, has_position };
            assert_eq!(plan(found), want, "{why}");
        }
    }

    #[test]
    fn remembers_what_may_be_in_the_ledger() {
        let list = Sendings::default().with(None, id(1)).with(None, id(2));
        assert_eq!(list.after(id(1)), Some(&[id(2)][..]));
        assert_eq!(list.after(id(2)), Some(&[][..]));
        assert_eq!(list.after(id(3)), None);
        assert_eq!(list.with(Some(id(2)), id(3)), Sendings(vec![id(2), id(3)]));
        assert_eq!(
            list.with(Some(id(2)), id(3)).with(Some(id(2)), id(2)).after(id(2)),
            Some(&[id(3), id(2)][..])
        );
        // The clone was made anew while the ledger was on its way: sent again in part is not clean.
        let anew = Sendings::default().with(Some(id(1)), id(1));
        assert_eq!(anew.after(id(1)).map(<[ObjectId]>::len), Some(1));
        assert_eq!(anew.with(Some(id(1)), id(2)).with(Some(id(2)), id(3)), Sendings(vec![id(2), id(3)]));
        assert_eq!(Sendings::parse(&anew.text()), anew);
        assert_eq!(Sendings::parse(&list.text()), list);
        assert_eq!(Sendings::parse("garbage"), Sendings::default());
    }
}
