//! What changes in a view: in pages, or followed while it changes.
//!
//! ```text
//!  Accept: text/event-stream ─► id: 57.3-0f…      Last-Event-ID resumes strictly after it
//!                               event: change
//!                               data: {"op":"u","epoch":57,"n":3,"at":…,"table":…,"key":…,"before":{…},"after":{…}}
//!                               event: position   how far it is when nothing that was asked for has changed
//!                               event: gone       what follows is not there any more; the stream ends
//! ```
//!
//! A position is an epoch and the change's number in it, and behind `-` the name of the log that it is of: a log that
//! was begun anew (its rows were damaged, or nobody followed the view for a while) has another. Without the name it is
//! taken at its word.
//!
//! Limits: a stream reads on when its client has taken what was read; one that is slower than the log is kept is told
//! that it is gone. Nothing is read while nothing changes.

use super::shape::Time;
use crate::{
    answer,
    control::Phase,
    page::Limit,
    params::Given,
    problem::{Kind, Problem},
    routes::Routes,
    state::AppState,
};
use axum::{
    extract::State,
    http::{HeaderName, Method, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use springline_model::{Table, View};
use springline_sinks::{
    parquet::{JsonRow, column_names, json_row},
    views::{At, LogError, LogHead, LogPage, ViewChange, followed_tables},
};
use std::{collections::VecDeque, convert::Infallible, time::Duration};
use tokio::time::Instant;

/// Where a stream goes on.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Changes that are read at a time.
const PAGE: usize = 256;
/// Changes that a page looks at when a filter leaves some out.
const EXAMINED: usize = 4096;
/// How often a stream looks whether all has ended when no epoch comes.
const EVERY: Duration = Duration::from_secs(1);
/// How often a silent stream shows that it is there, and how far it is.
const ALIVE: Duration = Duration::from_secs(15);

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Operation");
    let answer = (StatusCode::OK, "application/json", Some(routes.schema::<ChangesPage>()));
    let operation =
        routes.plain_with::<ChangesParams, _, _>(Method::GET, "/v1/changes/{view}", answer, changes);
    operation.may(Kind::NotFound).may(Kind::Gone);
    operation.answers.push((StatusCode::OK, "text/event-stream", None));
}

/// What changes in a view, row by row.
///
/// A page of changes strictly after a position, in order; `next` is where to go on. With `Accept: text/event-stream` it
/// is a stream of server-sent events that goes on while there is one: `change`, each with its position as `id`;
/// `position` every 15 s when others have changed; `gone` when what follows is no longer kept. `Last-Event-ID` resumes.
/// Which views can be followed is configured (`[changes] views`); of the ledger these are jobs and the standing of
/// clusters. What lies further back than is kept answers 410; read the rows anew then.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangesParams {
    /// The view: `clusters`.
    view: String,
    /// A position: what is strictly after it is given. `57` is behind all of that epoch. Without it a page begins with
    /// the oldest change that is kept, a stream with what is to come.
    after: Option<String>,
    /// Only this table of the view.
    table: Option<String>,
    /// Only rows of this project.
    project: Option<String>,
    /// Only rows of this space.
    space: Option<String>,
    /// How many changes a page has at most.
    #[serde(default)]
    limit: Limit<1000>,
}

/// Changes of a view.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct ChangesPage {
    /// The epoch that the page is complete as of.
    epoch: u64,
    /// The changes, in order. There may be fewer than asked for, or none, and still more to come (when a filter left
    /// some out).
    changes: Vec<Change>,
    /// Where to go on: the position that everything up to here has.
    next: String,
    /// Whether there is more behind it already.
    more: bool,
    /// What lies behind this position is kept.
    oldest: String,
}

/// A row came, went, or is another.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Change {
    /// `c`: it came; `u`: it is another; `d`: it went.
    op: &'static str,
    /// The epoch that changed it.
    epoch: u64,
    /// The change's number in the epoch, among those of the view.
    n: u32,
    /// When the epoch was sealed.
    at: Time,
    /// The row's table.
    table: &'static str,
    /// What the row is found by: base64url, opaque, the same for all changes of a row.
    key: String,
    /// The row before, by the columns of the exports.
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    before: Option<JsonRow>,
    /// The row now.
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    after: Option<JsonRow>,
}

/// Which changes are wanted.
#[derive(Clone, Debug)]
struct Wanted {
    view: View,
    tables: Vec<Table>,
    /// Columns that must have these values.
    columns: Vec<(&'static str, String)>,
}

impl Wanted {
    fn of(params: &ChangesParams) -> Result<Self, Problem> {
        let names = |names: Vec<&str>| names.join(", ");
        let followed = |view: &View| followed_tables(*view).next().is_some();
        let view = View::from_name(&params.view).filter(followed).ok_or_else(|| {
            let known = View::ALL.iter().copied().filter(followed).map(View::name).collect();
            Problem::not_found(format!("the views that can be followed are {}", names(known)))
        })?;
        let mut tables: Vec<Table> = followed_tables(view).collect();
        if let Some(name) = &params.table {
            let known = names(tables.iter().map(|table| table.name()).collect());
            tables.retain(|table| table.name() == name);
            if tables.is_empty() {
                return Err(Problem::parameter("table", format!("the tables of this view are {known}")));
            }
        }
        let mut columns = Vec::new();
        for (name, value) in [("project", &params.project), ("space", &params.space)] {
            let Some(value) = value else { continue };
            tables.retain(|table| column_names(*table).contains(&name));
            if tables.is_empty() {
                return Err(Problem::parameter(name, "no row that was asked for has that"));
            }
            columns.push((name, value.clone()));
        }
        Ok(Self { view, tables, columns })
    }

    /// What to show of a change, if it is wanted.
    fn show(&self, change: &ViewChange) -> Result<Option<Change>, Problem> {
        if !self.tables.contains(&change.table) {
            return Ok(None);
        }
        let row = |value: &Option<Vec<u8>>| {
            value.as_ref().map(|value| json_row(change.table, &change.key, value)).transpose()
        };
        let (before, after) = (row(&change.before)?, row(&change.after)?);
        let fits = |row: &JsonRow| {
            self.columns.iter().all(|(name, value)| row.get(*name) == Some(&Value::from(value.as_str())))
        };
        if !before.iter().chain(&after).any(fits) {
            return Ok(None);
        }
        let op = match (&before, &after) {
            (None, _) => "c",
            (_, None) => "d",
            _ => "u",
        };
        Ok(Some(Change {
            op,
            epoch: change.at.epoch.0,
            n: change.at.n,
            at: Time(change.clock),
            table: change.table.name(),
            key: URL_SAFE_NO_PAD.encode(&change.key),
            before,
            after,
        }))
    }
}

/// A position of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    at: At,
    log: Option<u64>,
}

impl Position {
    fn parse(parameter: &str, text: &str) -> Result<Self, Problem> {
        let parsed = || {
            let (at, log) = match text.trim().split_once('-') {
                Some((at, log)) if log.len() <= 16 => (at, Some(u64::from_str_radix(log, 16).ok()?)),
                Some(_) => return None,
                None => (text.trim(), None),
            };
            Some(Self { at: at.parse().ok()?, log })
        };
        parsed().ok_or_else(|| Problem::parameter(parameter, "is not a position that this route gives"))
    }

    fn text(at: At, log: u64) -> String {
        format!("{at}-{log:016x}")
    }
}

/// Changes of a view: a page, or a stream.
async fn changes(State(state): State<AppState>, given: Given) -> Result<Response, Problem> {
    let params: ChangesParams = given.params()?;
    let wanted = Wanted::of(&params)?;
    let accept = given.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let streams = accept.contains("text/event-stream");
    let last = given.headers.get(LAST_EVENT_ID).filter(|_| streams);
    let after = match (last, &params.after) {
        (Some(last), _) => Some(Position::parse("Last-Event-ID", last.to_str().unwrap_or(""))?),
        (None, Some(after)) => Some(Position::parse("after", after)?),
        (None, None) => None,
    };
    if streams {
        follow(state, wanted, after).await
    } else {
        page(&state, &wanted, after, params.limit).await
    }
}

async fn page(
    state: &AppState,
    wanted: &Wanted,
    after: Option<Position>,
    limit: Limit<1000>,
) -> Result<Response, Problem> {
    let (view, mut examined) = (wanted.view, 0);
    let mut position = after;
    let mut shown = Vec::new();
    loop {
        let (epoch, head, read) = read(state, view, position, PAGE).await?;
        let mut at = position.map_or(head.oldest, |position| position.at);
        let mut more = read.has_more;
        for change in &read.changes {
            if shown.len() == limit.get() {
                more = true;
                break;
            }
            at = change.at;
            examined += 1;
            shown.extend(wanted.show(change)?);
        }
        position = Some(Position { at, log: Some(head.id) });
        if more && shown.len() < limit.get() && examined < EXAMINED {
            continue;
        }
        let (next, oldest) = (Position::text(at, head.id), Position::text(head.oldest, head.id));
        let page = ChangesPage { epoch, changes: shown, next, more, oldest };
        return Ok(([(header::CACHE_CONTROL, "no-store")], axum::Json(page)).into_response());
    }
}

/// The changes behind a position, or the oldest.
async fn read(
    state: &AppState,
    view: View,
    after: Option<Position>,
    limit: usize,
) -> Result<(u64, LogHead, LogPage), Problem> {
    answer::on_snapshot(state, move |snapshot| {
        if snapshot.is_off(view) {
            return Err(springline_sinks::ReadError::Off(view).into());
        }
        let head = snapshot.log(view).ok_or(LogError::Unfollowed(view))?;
        let after = after.unwrap_or(Position { at: head.oldest, log: Some(head.id) });
        let page = snapshot.changes(view, after.log, after.at, limit)?;
        Ok((snapshot.epoch().0, head, page))
    })
    .await
}

async fn follow(state: AppState, wanted: Wanted, after: Option<Position>) -> Result<Response, Problem> {
    // What is wrong is told before the stream begins.
    let (_, head, _) = read(&state, wanted.view, after, 1).await?;
    let at = after.map_or(head.newest, |after| after.at);
    let follower = Follower {
        state,
        wanted,
        log: head.id,
        at,
        told: at,
        told_at: Instant::now(),
        waiting: VecDeque::new(),
        is_over: false,
    };
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    let stream = Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE));
    Ok(([(header::CACHE_CONTROL, "no-store")], stream).into_response())
}

/// Somebody who follows a view.
struct Follower {
    state: AppState,
    wanted: Wanted,
    log: u64,
    /// Everything up to here has been looked at.
    at: At,
    /// The last position that the client was told.
    told: At,
    told_at: Instant,
    waiting: VecDeque<ViewChange>,
    is_over: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<Event> {
        let mut applied = self.state.reader.watch();
        loop {
            while let Some(change) = self.waiting.pop_front() {
                self.at = change.at;
                if let Some(shown) = self.wanted.show(&change).ok()? {
                    return self.tell("change", &shown);
                }
            }
            if self.is_over || self.state.control.status().phase == Phase::Stopping {
                return None;
            }
            if self.told != self.at && self.told_at.elapsed() >= ALIVE {
                return self.tell("position", &serde_json::json!({ "epoch": self.at.epoch.0 }));
            }
            applied.borrow_and_update();
            let position = Position { at: self.at, log: Some(self.log) };
            match read(&self.state, self.wanted.view, Some(position), PAGE).await {
                Ok((_, _, page)) => self.waiting.extend(page.changes),
                Err(problem) if problem.kind() == Kind::Gone => {
                    self.is_over = true;
                    return Event::default()
                        .event("gone")
                        .json_data(serde_json::json!({ "detail": problem.detail() }))
                        .ok();
                }
                Err(_) => return None,
            }
            if !self.waiting.is_empty() {
                continue;
            }
            tokio::select! {
                changed = applied.changed() => changed.ok()?,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    fn tell(&mut self, event: &str, data: &impl Serialize) -> Option<Event> {
        (self.told, self.told_at) = (self.at, Instant::now());
        Event::default().id(Position::text(self.at, self.log)).event(event).json_data(data).ok()
    }
}

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        match &error {
            LogError::Unfollowed(view) => Self::not_found(format!(
                "the changes of `{}` are not kept: add it to `changes.views`",
                view.name()
            )),
            LogError::Gone { head, .. } => Self::new(
                Kind::Gone,
                format!(
                    "the oldest position that can be gone on from is {}",
                    Position::text(head.oldest, head.id)
                ),
            ),
            LogError::Ahead { head, .. } => Self::parameter(
                "after",
                format!("has not come yet: the last change is {}", Position::text(head.newest, head.id)),
            ),
            LogError::Damaged(_) | LogError::Store(_) => Self::internal("reading the changes", &error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use springline_model::Epoch;

    #[test]
    fn positions_read_back() {
        let at = At { epoch: Epoch(57), n: 3 };
        let text = Position::text(at, 0xF0);
        assert_eq!(text, "57.3-00000000000000f0");
        assert_eq!(Position::parse("after", &text).unwrap(), Position { at, log: Some(0xF0) });
        assert_eq!(Position::parse("after", "57.3").unwrap(), Position { at, log: None });
        for wrong in ["", "-", "57.3-", "57.3-x", "57.3-00000000000000f00", "x"] {
            assert!(Position::parse("after", wrong).is_err(), "{wrong}");
        }
    }
}
