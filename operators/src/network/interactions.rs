//! Who is told of what happens to their records: a join of what is done to a record with its being there.
//!
//! Invariants: the rows are a set, one a (recipient, reason, source, subject); a row is there exactly while both the
//! record that causes it and the one that it is about are.
//!
//! Memory: about 80 bytes a record that something can happen to, and 40 for each thing that does; besides each
//! account's DID once.

use super::{
    compact::{Compact, Names},
    effects::{Target, can_be_target, effects, owner},
};
use crate::{
    Records, Rows,
    clip::{TITLE_BYTES, clip},
    per_epoch::{Changes, Emit, per_tick, routed},
};
use differential_dataflow::consolidation::consolidate;
use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};
use springline_model::{
    Record, Timestamp, Uri, UriId,
    rows::{NotificationRow, Reason},
};
use std::collections::HashMap;

/// What a record does to accounts, each told at once.
pub(crate) fn account_effects(record: &Record) -> Vec<NotificationRow> {
    let told = effects(record, Target::Account).into_iter();
    told.map(|(reason, account)| NotificationRow {
        recipient: account.clone(),
        at: record.at,
        reason,
        source: record.uri.clone(),
        subject: account.clone(),
        actor: record.author.clone(),
        title: clip(&record.title, TITLE_BYTES).to_owned(),
    })
    .collect()
}

/// What a record says that matters to a target: first of all, that it is there itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) target: UriId,
    pub(super) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum What {
    /// The target is there.
    There,
    /// Something is done to it.
    Done { target: Uri, source: Uri, at: Timestamp, reason: Reason },
}

pub(super) fn parts(record: &Record) -> Vec<Part> {
    let there = can_be_target(&record.uri).then(|| Part { target: record.uri.id(), what: What::There });
    let done = effects(record, Target::Record).into_iter().filter(|(_, target)| can_be_target(target));
    let done = done.map(|(reason, target)| Part {
        target: target.id(),
        what: What::Done { target: target.clone(), source: record.uri.clone(), at: record.at, reason },
    });
    there.into_iter().chain(done).collect()
}

/// A row for whatever happens to a record that is there.
pub(crate) fn interactions(records: Records<'_>) -> Rows<'_, NotificationRow> {
    let parts = records.flat_map(|visible| parts(&visible.record));
    let mut targets = Targets::default();
    let pact = routed(|part: &Part| part.target.route());
    per_tick(parts, pact, "Interactions", move |changes, out| targets.tick(changes, out))
}

#[derive(Default)]
struct Targets {
    names: Names,
    targets: HashMap<UriId, Known, RandomState>,
}

/// A record, as far as something is known of it.
#[derive(Default)]
struct Known {
    is_there: bool,
    /// None until something is done to it.
    uri: Option<Uri>,
    /// Sorted.
    done: Vec<Done>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Done {
    source: Compact,
    at: Timestamp,
    reason: Reason,
}

impl Targets {
    fn tick(&mut self, changes: Changes<Part>, out: &mut Emit<'_, NotificationRow>) {
        let mut changes: Vec<(Part, isize)> = changes.collect();
        consolidate(&mut changes);
        for changes in changes.chunk_by(|a, b| a.0.target == b.0.target) {
            let id = changes[0].0.target;
            let mut known = self.targets.remove(&id).unwrap_or_default();
            known.change(changes, &mut self.names, out);
            if known.is_there || !known.done.is_empty() {
                self.targets.insert(id, known);
            }
        }
    }
}

impl Known {
    fn change(&mut self, changes: &[(Part, isize)], names: &mut Names, out: &mut Emit<'_, NotificationRow>) {
        let was_there = self.is_there;
        for (part, diff) in changes {
            if part.what == What::There {
                self.is_there = *diff > 0;
            }
        }
        let flips = was_there != self.is_there;
        if flips && was_there {
            self.tell_all(names, -1, out);
        }
        let tells = was_there && self.is_there;
        // What comes first, so that names that stay are not given back in between.
        for sign in [1, -1] {
            for (part, diff) in changes.iter().filter(|(_, diff)| diff.signum() == sign) {
                let What::Done { target, source, at, reason } = &part.what else { continue };
                if tells {
                    out.change(row(target, source, *at, *reason), *diff);
                }
                if sign > 0 {
                    self.uri.get_or_insert_with(|| target.clone());
                    let done = Done { source: Compact::hold(source, names), at: *at, reason: *reason };
                    let place = self.done.partition_point(|there| *there < done);
                    self.done.insert(place, done);
                } else if let Some(source) = Compact::find(source, names)
                    && let Ok(place) = self.done.binary_search(&Done { source, at: *at, reason: *reason })
                {
                    self.done.remove(place).source.release(names);
                }
            }
        }
        if flips && self.is_there {
            self.tell_all(names, 1, out);
        }
        if self.done.is_empty() {
            (self.uri, self.done) = (None, Vec::new());
        }
    }

    fn tell_all(&self, names: &Names, diff: isize, out: &mut Emit<'_, NotificationRow>) {
        let Some(uri) = &self.uri else { return };
        for done in &self.done {
            out.change(row(uri, &done.source.uri(names), done.at, done.reason), diff);
        }
    }
}

fn row(target: &Uri, source: &Uri, at: Timestamp, reason: Reason) -> NotificationRow {
    NotificationRow {
        recipient: owner(target).unwrap_or_default().into(),
        at,
        reason,
        source: source.clone(),
        subject: target.clone(),
        actor: owner(source).unwrap_or_default().into(),
        title: String::new(),
    }
}
