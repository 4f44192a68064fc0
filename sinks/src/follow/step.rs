//! What a sink is told next.

use super::{Horizon, Item, Op, Progress};
use crate::{
    Scan, Snapshot,
    views::{At, LogError, ReadError, ViewChange},
};
use springline_model::{Table, View};
use thiserror::Error;

/// Changes, and rows, of one step.
pub(super) const PAGE: usize = 1000;

/// Why there is no next step.
#[derive(Debug, Error)]
pub(super) enum StepError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// What is followed.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) view: View,
    /// In their order; not empty.
    pub(super) tables: Vec<Table>,
}

/// Some items, and how far they lead.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) items: Vec<Item>,
    pub(super) progress: Progress,
    /// It ends with an epoch: it may be committed.
    pub(super) is_whole: bool,
    /// There is more to tell already.
    pub(super) has_more: bool,
}

impl Plan {
    /// Where a sink begins that has nothing: what it is told first, and how far it is then.
    pub(super) fn beginning(&self, snapshot: &Snapshot<'_>) -> Result<(Vec<Item>, Progress), StepError> {
        let head = snapshot.log(self.view).ok_or(LogError::Unfollowed(self.view))?;
        let truncate = |table: &Table| Item {
            op: Op::Truncate,
            at: At { epoch: snapshot.epoch(), n: 0 },
            clock: snapshot.clock(),
            table: *table,
            key: Vec::new(),
            before: None,
            after: None,
        };
        let horizon = self.tables.first().map(|table| Horizon { table: *table, key: None });
        let progress = Progress { log: head.id, at: head.newest, horizon };
        Ok((self.tables.iter().map(truncate).collect(), progress))
    }

    /// The step behind one.
    pub(super) fn step(&self, snapshot: &Snapshot<'_>, from: &Progress) -> Result<Step, StepError> {
        let page = snapshot.changes(self.view, Some(from.log), from.at, PAGE)?;
        let mut progress = from.clone();
        let mut items = Vec::new();
        for change in page.changes {
            progress.at = change.at;
            let covers = |horizon: &Horizon| horizon.covers(change.table, &change.key);
            if self.tables.contains(&change.table) && from.horizon.as_ref().is_none_or(covers) {
                items.push(item(change));
            }
        }
        if !page.has_more
            && let Some(horizon) = progress.horizon.take()
        {
            progress.horizon = self.rows(snapshot, horizon, &mut items)?;
        }
        let has_more = page.has_more || progress.horizon.is_some();
        Ok(Step { items, progress, is_whole: !page.cuts_epoch, has_more })
    }

    /// Adds the rows behind a horizon; gives the next one.
    fn rows(
        &self,
        snapshot: &Snapshot<'_>,
        horizon: Horizon,
        items: &mut Vec<Item>,
    ) -> Result<Option<Horizon>, StepError> {
        let Horizon { table, key } = horizon;
        let scan = Scan { prefix: Vec::new(), after: key, reverse: false, limit: PAGE };
        let mut rows = snapshot.scan_raw(table, &scan)?;
        let last = (rows.len() == PAGE).then(|| rows.last().map(|(key, _)| key.clone())).flatten();
        if table == Table::Records {
            rows = snapshot.visible_raw(rows)?;
        }
        let (at, clock) = (At { epoch: snapshot.epoch(), n: 0 }, snapshot.clock());
        items.extend(rows.into_iter().map(|(key, value)| Item {
            op: Op::Read,
            at,
            clock,
            table,
            key,
            before: None,
            after: Some(value),
        }));
        Ok(match last {
            Some(last) => Some(Horizon { table, key: Some(last) }),
            None => {
                let next = self.tables.iter().find(|next| **next > table);
                next.map(|next| Horizon { table: *next, key: None })
            }
        })
    }
}

fn item(change: ViewChange) -> Item {
    let ViewChange { at, clock, table, key, before, after } = change;
    let op = match (&before, &after) {
        (None, _) => Op::Create,
        (_, None) => Op::Delete,
        _ => Op::Update,
    };
    Item { op, at, clock, table, key, before, after }
}
