//! Who is told of a reply: whoever it answers, and whom they answered, up to [`STEPS`] steps.
//!
//! A thread lies on one worker: a record and all that name it as their root. A chain of parents is followed within
//! the thread and through records that are there; so a reply that names another root than its parent does ends it.
//!
//! When a record comes or goes, the rows of it and of the replies below it, up to so many steps, are made anew.
//!
//! Memory: about 250 bytes a record that can be answered.

use super::effects::{can_be_target, owner, reply};
use crate::{
    Records, Rows,
    per_epoch::{Changes, Emit, per_tick, routed},
};
use differential_dataflow::consolidation::consolidate;
use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};
use springline_model::{
    Record, Timestamp, Uri, UriId,
    rows::{NotificationRow, Reason},
};
use std::collections::{BTreeSet, HashMap};

/// How far up.
const STEPS: usize = 5;

/// A record in its thread.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Part {
    root: UriId,
    post: UriId,
    uri: Uri,
    at: Timestamp,
    parent: Option<UriId>,
}

fn part(record: &Record) -> Option<Part> {
    let uri = record.uri.clone();
    let (root, parent) = match reply(record) {
        Some((root, parent)) => (root.id(), Some(parent.id())),
        None if record.has_content() && can_be_target(&uri) => (uri.id(), None),
        None => return None,
    };
    Some(Part { root, post: uri.id(), uri, at: record.at, parent })
}

/// A row for everybody who is answered.
pub(crate) fn replies(records: Records<'_>) -> Rows<'_, NotificationRow> {
    let parts = records.flat_map(|visible| part(&visible.record));
    let mut threads: HashMap<UriId, Thread, RandomState> = HashMap::default();
    let pact = routed(|part: &Part| part.root.route());
    per_tick(parts, pact, "Replies", move |changes: Changes<Part>, out| {
        let mut changes: Vec<(Part, isize)> = changes.collect();
        consolidate(&mut changes);
        for changes in changes.chunk_by(|a, b| a.0.root == b.0.root) {
            let thread = threads.entry(changes[0].0.root).or_default();
            thread.change(changes, out);
            if thread.posts.is_empty() {
                threads.remove(&changes[0].0.root);
            }
        }
    })
}

#[derive(Default)]
struct Thread {
    posts: HashMap<UriId, Post, RandomState>,
    /// Who answers what, whether that is there or not.
    children: HashMap<UriId, Vec<UriId>, RandomState>,
}

struct Post {
    uri: Uri,
    at: Timestamp,
    parent: Option<UriId>,
}

impl Thread {
    fn change(&mut self, changes: &[(Part, isize)], out: &mut Emit<'_, NotificationRow>) {
        let touched: BTreeSet<UriId> = changes.iter().map(|(part, _)| part.post).collect();
        let mut affected = BTreeSet::new();
        self.below(&touched, &mut affected);
        let before: BTreeSet<NotificationRow> = affected.iter().flat_map(|post| self.told(*post)).collect();
        for sign in [-1, 1] {
            for (part, _) in changes.iter().filter(|(_, diff)| diff.signum() == sign) {
                if sign < 0 { self.remove(part) } else { self.insert(part) }
            }
        }
        self.below(&touched, &mut affected);
        let after: BTreeSet<NotificationRow> = affected.iter().flat_map(|post| self.told(*post)).collect();
        before.difference(&after).for_each(|row| out.remove(row.clone()));
        after.difference(&before).for_each(|row| out.insert(row.clone()));
    }

    fn insert(&mut self, part: &Part) {
        if let Some(parent) = part.parent {
            self.children.entry(parent).or_default().push(part.post);
        }
        self.posts.insert(part.post, Post { uri: part.uri.clone(), at: part.at, parent: part.parent });
    }

    fn remove(&mut self, part: &Part) {
        self.posts.remove(&part.post);
        let Some(parent) = part.parent else { return };
        if let Some(children) = self.children.get_mut(&parent) {
            if let Some(place) = children.iter().position(|child| *child == part.post) {
                children.swap_remove(place);
            }
            if children.is_empty() {
                self.children.remove(&parent);
            }
        }
    }

    /// Adds these posts and what answers them, as far down as their rows can reach up.
    fn below(&self, posts: &BTreeSet<UriId>, all: &mut BTreeSet<UriId>) {
        let mut level: Vec<UriId> = posts.iter().copied().collect();
        all.extend(posts);
        for _ in 0..STEPS {
            let children = level.iter().filter_map(|post| self.children.get(post)).flatten();
            level = children.copied().collect();
            level.sort_unstable();
            level.dedup();
            all.extend(&level);
        }
    }

    /// The rows of a post: one for each other account above it, about the nearest of its posts.
    fn told(&self, id: UriId) -> Vec<NotificationRow> {
        let Some(post) = self.posts.get(&id) else { return Vec::new() };
        let author = owner(&post.uri).unwrap_or_default();
        let mut rows: Vec<NotificationRow> = Vec::new();
        let mut above = post.parent;
        for _ in 0..STEPS {
            let Some(ancestor) = above.and_then(|id| self.posts.get(&id)) else { break };
            let recipient = owner(&ancestor.uri).unwrap_or_default();
            if recipient != author && !rows.iter().any(|row| row.recipient.as_str() == recipient) {
                rows.push(NotificationRow {
                    recipient: recipient.into(),
                    at: post.at,
                    reason: Reason::Reply,
                    source: post.uri.clone(),
                    subject: ancestor.uri.clone(),
                    actor: author.into(),
                    title: String::new(),
                });
            }
            above = ancestor.parent;
        }
        rows
    }
}
