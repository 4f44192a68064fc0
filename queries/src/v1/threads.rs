//! What a record answers to, and what answers it.
//!
//! ```text
//!  root ◄─ … ◄─ parent ◄─ the record ◄─┬─ answer ◄─ answer     parents: up, record by record
//!    (missing ones are marked)         └─ answer               answers: backlinks of `.reply.parent.uri`, breadth first
//! ```
//!
//! Answers of any kind count, not only posts. A record that answers itself, over however many steps, comes once.
//!
//! Limits: all are parameters; of more than [`MAX_KINDS`] kinds of answers to one record those with the most.

use super::{
    backlinks::groups,
    counts::PARENT,
    list,
    merge::Merge,
    names,
    posts::{Post, parent},
    records,
};
use crate::{
    answer::Reading,
    page::{Limit, Listing},
    problem::{Kind, Problem},
    routes::Routes,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::Error as _};
use springline_model::{Uri, rows::BacklinkRow};
use springline_sinks::Snapshot;
use std::{
    cmp::Reverse,
    collections::{HashSet, VecDeque},
};

/// The most kinds of answers to one record that are merged.
const MAX_KINDS: usize = 32;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Network");
    routes.view("/v1/threads/{*uri}", thread).may(Kind::NotFound);
}

/// What a record answers to, and what answers it.
///
/// Parents come with the farthest first, answers breadth first, the oldest first. What is not here (deleted, hidden, or
/// never seen) is marked `missing`. Where a node's answers are not all shown it is `truncated`; its `more` is the `cursor`
/// to ask for the rest of them, with the node's own URI; without `more` none is shown: ask for the node's thread.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ThreadParams {
    /// The record: its `at://` URI.
    uri: String,
    /// How many steps down.
    #[serde(default = "Steps::down")]
    depth: Steps,
    /// How many steps up.
    #[serde(default = "Steps::up")]
    parents: Steps,
    /// The most answers to one record.
    #[serde(default)]
    breadth: Limit,
    /// The most answers in all.
    #[serde(default = "usual")]
    limit: Limit,
    /// The `more` of the record: further answers to it.
    cursor: Option<String>,
}

const fn usual() -> Limit {
    Limit::of(200)
}

/// A number of steps from 0 to [`Self::MOST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(inline, transparent)]
struct Steps(#[schemars(range(min = 0, max = 100))] u16);

impl Steps {
    const MOST: u16 = 100;

    const fn down() -> Self {
        Self(6)
    }

    const fn up() -> Self {
        Self(50)
    }
}

impl<'de> Deserialize<'de> for Steps {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        let steps = u16::try_from(number).ok().filter(|steps| *steps <= Self::MOST);
        steps
            .map(Self)
            .ok_or_else(|| D::Error::custom(format!("{number} is not between 0 and {}", Self::MOST)))
    }
}

/// A thread around a record.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Thread {
    /// The epoch that the answer is complete as of.
    pub epoch: u64,
    /// What the record answers to, the farthest first.
    pub parents: Vec<Found>,
    /// Whether there are more parents above the first.
    pub more_parents: bool,
    /// The record itself.
    pub record: Found,
    /// Whether there are answers to it that are not shown.
    pub truncated: bool,
    /// The cursor for further answers to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more: Option<String>,
    /// Answers, breadth first.
    pub answers: Vec<Answer>,
}

/// A record of a thread, or where one should be.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Found {
    /// It is here.
    Post(Box<Post>),
    /// It is not here: deleted, hidden, or never seen.
    Missing {
        /// Its identity.
        #[schemars(with = "String")]
        uri: Uri,
        /// Always true.
        missing: bool,
    },
}

/// A record that answers.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Answer {
    /// How many steps from the record asked for.
    pub depth: u16,
    /// The record.
    #[serde(flatten)]
    pub post: Post,
    /// Whether there are answers to it that are not shown.
    pub truncated: bool,
    /// The cursor for further answers to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more: Option<String>,
}

fn thread(reading: &Reading<'_>, params: ThreadParams) -> Result<Thread, Problem> {
    let snapshot = reading.snapshot;
    let uri = names::uri(snapshot, "uri", &params.uri)?;
    let mut after = Listing::Thread.resume(&[uri.as_str()], params.cursor.as_deref())?;
    let mut seen = HashSet::from([uri.clone()]);
    let record = records::visible(snapshot, &uri)?.map(|row| row.record);
    let mut parents = Vec::new();
    let mut above = record.as_deref().and_then(parent).cloned();
    while let Some(uri) =
        above.take_if(|uri| parents.len() < params.parents.0.into() && seen.insert(uri.clone()))
    {
        let record = records::visible(snapshot, &uri)?.map(|row| row.record);
        above = record.as_deref().and_then(parent).cloned();
        parents.push(found(reading, uri, record.as_deref())?);
    }
    parents.reverse();

    let mut answers: Vec<Answer> = Vec::new();
    let (mut truncated, mut more) = (false, None);
    let mut waiting = VecDeque::from([(uri.clone(), None::<usize>)]);
    while let Some((uri, number)) = waiting.pop_front() {
        let depth = number.map_or(0, |number| answers[number].depth);
        let left = if depth < params.depth.0 { params.limit.get() - answers.len() } else { 0 };
        let children = children(snapshot, &uri, after.take().as_deref(), left.min(params.breadth.get()))?;
        for row in children.rows.into_iter().filter(|row| seen.insert(row.source.clone())) {
            // It may be seen: it comes from a view.
            let Some(child) = reading.beside(snapshot.record(&row.source))? else { continue };
            let post = Post::of(reading, &child.record)?;
            waiting.push_back((row.source, Some(answers.len())));
            answers.push(Answer { depth: depth + 1, post, truncated: false, more: None });
        }
        let next = children.last.map(|place| Listing::Thread.cursor(&[uri.as_str()], &place));
        match number {
            None => (truncated, more) = (children.more, next.filter(|_| children.more)),
            Some(number) => {
                let answer = &mut answers[number];
                (answer.truncated, answer.more) = (children.more, next.filter(|_| children.more));
            }
        }
    }
    if record.is_none() && answers.is_empty() {
        let asked = names::shown(uri.as_str());
        return Err(Problem::not_found(format!("there is no record `{asked}` (or not any more)")));
    }
    let record = found(reading, uri, record.as_deref())?;
    let (epoch, more_parents) = (snapshot.epoch().0, above.is_some());
    Ok(Thread { epoch, parents, more_parents, record, truncated, more, answers })
}

fn found(
    reading: &Reading<'_>,
    uri: Uri,
    record: Option<&springline_model::Record>,
) -> Result<Found, Problem> {
    match record {
        Some(record) => Ok(Found::Post(Box::new(Post::of(reading, record)?))),
        None => Ok(Found::Missing { uri, missing: true }),
    }
}

/// Direct answers to a record.
struct Children {
    rows: Vec<BacklinkRow>,
    /// The place of the last.
    last: Option<Vec<u8>>,
    /// Whether others follow.
    more: bool,
}

/// The oldest direct answers to a record, behind a place.
fn children(
    snapshot: &Snapshot<'_>,
    uri: &Uri,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Children, Problem> {
    let mut kinds = groups(snapshot, uri.id())?;
    kinds.retain(|group| group.path.as_str() == PARENT);
    kinds.sort_by_key(|group| Reverse(group.records));
    let mut more = kinds.len() > MAX_KINDS;
    kinds.truncate(MAX_KINDS);
    let prefixes = kinds.iter().map(|group| list::key(&[uri.as_str(), &group.kind, PARENT])).collect();
    let mut merged: Merge<BacklinkRow> = Merge::new(snapshot, prefixes, after, true, limit)?;
    let (mut rows, mut last) = (Vec::new(), None);
    while let Some((place, row)) = merged.next(snapshot)? {
        if rows.len() == limit {
            more = true;
            break;
        }
        rows.push(row);
        last = Some(place);
    }
    Ok(Children { rows, last, more })
}
