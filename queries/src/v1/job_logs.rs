//! What a job has said: as text, or followed while it is said.
//!
//! ```text
//!  Accept: text/event-stream ─► id: 7        Last-Event-ID: 7 resumes strictly after it
//!                               event: log
//!                               data: {"seq":7,"at":…,"from":"stdout","text":"…"}
//!                               event: end    data: {"state":"success"}        and the stream ends
//! ```

use super::{jobs, shape::Time};
use crate::{
    answer::{self, Document},
    control::Phase,
    params::Given,
    problem::{Kind, Problem},
    routes::Routes,
    state::AppState,
};
use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    Job, Row as _,
    rows::{JobLogRow, job_key},
};
use springline_sinks::{Scan, Snapshot};
use std::{collections::VecDeque, convert::Infallible, time::Duration};

/// Set when the job has said more than was kept.
const TRUNCATED: HeaderName = HeaderName::from_static("springline-truncated");
/// Where a stream goes on.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Pieces that are read at a time.
const PAGE: usize = 64;
/// How often a stream looks whether all has ended when no epoch comes.
const EVERY: Duration = Duration::from_secs(1);
/// How often a silent stream shows that it is there.
const ALIVE: Duration = Duration::from_secs(15);

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Jobs");
    let answer = (StatusCode::OK, "text/plain", None);
    let operation = routes.plain_with::<LogsParams, _, _>(Method::GET, "/v1/jobs/{id}/logs", answer, logs);
    operation.may(Kind::NotFound);
}

/// What a job has said, as text, or followed while it is said.
///
/// With `Accept: text/event-stream` it is a stream of server-sent events: `log` with `{seq, at, from, text}`, and `end`
/// with the job's state, after which it ends. `Last-Event-ID` resumes strictly after a piece. The header
/// `Springline-Truncated` of the text says whether more was said than was kept.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogsParams {
    /// The job's name.
    id: String,
}

/// A piece of a log.
#[derive(Serialize)]
struct Piece<'a> {
    seq: u32,
    at: Time,
    from: &'static str,
    text: &'a str,
}

/// What a job has said: text, or events.
pub(crate) async fn logs(State(state): State<AppState>, given: Given) -> Result<Response, Problem> {
    let LogsParams { id } = given.params()?;
    let accept = given.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    if !accept.contains("text/event-stream") {
        return text(&state, id).await;
    }
    let seen = match given.headers.get(LAST_EVENT_ID) {
        None => 0,
        Some(last) => {
            let last = last.to_str().ok().and_then(|last| last.trim().parse::<u32>().ok());
            last.ok_or_else(|| Problem::parameter("Last-Event-ID", "is not the number of a piece"))?
        }
    };
    let job = answer::on_snapshot(&state, move |snapshot| jobs::find(snapshot, &id)).await?;
    if seen > job.log_rows {
        let detail = format!("the last piece is {}", job.log_rows);
        return Err(Problem::parameter("Last-Event-ID", detail));
    }
    let follower = Follower { state, id: job.id.to_string(), seen, waiting: VecDeque::new(), is_over: false };
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    let stream = Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE));
    Ok(([(header::CACHE_CONTROL, "no-store")], stream).into_response())
}

async fn text(state: &AppState, id: String) -> Result<Response, Problem> {
    let (job, text) = answer::on_snapshot(state, move |snapshot| {
        let job = jobs::find(snapshot, &id)?;
        let (mut text, mut seen) = (String::new(), 0);
        loop {
            let rows = behind(snapshot, &job, seen)?;
            rows.iter().for_each(|row| text.push_str(&row.text));
            match rows.last() {
                Some(last) => seen = last.seq,
                None => return Ok((job, text)),
            }
        }
    })
    .await?;
    let truncated = HeaderValue::from_static(if job.truncated { "true" } else { "false" });
    let document = Document::new("text/plain; charset=utf-8", text).header(TRUNCATED, truncated);
    Ok((document.status, document.headers, document.body).into_response())
}

/// The end of what a job has said: the last pieces that have at most so many bytes together, or else the last one.
pub(crate) fn tail(snapshot: &Snapshot<'_>, job: &Job, bytes: usize) -> Result<String, Problem> {
    let scan = Scan { prefix: job_key(job.id), after: None, reverse: true, limit: PAGE };
    let rows: Vec<JobLogRow> = snapshot.scan(&scan)?;
    let (mut pieces, mut len) = (Vec::new(), 0);
    for row in rows.into_iter().filter(|row| row.seq > 0) {
        len += row.text.len();
        if len > bytes && !pieces.is_empty() {
            break;
        }
        pieces.push(row.text);
    }
    pieces.reverse();
    Ok(pieces.concat())
}

/// The pieces behind one.
fn behind(snapshot: &Snapshot<'_>, job: &Job, seen: u32) -> Result<Vec<JobLogRow>, Problem> {
    let after = JobLogRow {
        job: job.id,
        seq: seen,
        at: job.created,
        from: springline_model::job::LogFrom::Given,
        text: String::new(),
    };
    let scan = Scan { prefix: job_key(job.id), after: Some(after.key_bytes()), reverse: false, limit: PAGE };
    Ok(snapshot.scan(&scan)?)
}

/// Somebody who follows a job's log.
struct Follower {
    state: AppState,
    id: String,
    seen: u32,
    waiting: VecDeque<JobLogRow>,
    is_over: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<Event> {
        let mut applied = self.state.reader.watch();
        loop {
            if let Some(row) = self.waiting.pop_front() {
                self.seen = row.seq;
                let piece = Piece { seq: row.seq, at: Time(row.at), from: row.from.name(), text: &row.text };
                return Event::default().id(row.seq.to_string()).event("log").json_data(piece).ok();
            }
            if self.is_over {
                return None;
            }
            applied.borrow_and_update();
            let (id, seen) = (self.id.clone(), self.seen);
            let read = answer::on_snapshot(&self.state, move |snapshot| {
                let job = jobs::find(snapshot, &id)?;
                let rows = behind(snapshot, &job, seen)?;
                Ok((job, rows))
            });
            // Gone with the cluster's oldest jobs, or the store can't be read: that ends it.
            let (job, rows) = read.await.ok()?;
            self.waiting.extend(rows);
            if !self.waiting.is_empty() {
                continue;
            }
            // Its last words may come after its report.
            let is_at_work = || {
                let agents = self.state.control.agents();
                agents.iter().any(|agent| agent.instances.iter().any(|instance| instance.job == job.id))
            };
            if job.state.is_over() && !is_at_work() {
                self.is_over = true;
                let state = serde_json::json!({ "state": job.state.name() });
                return Event::default().event("end").json_data(state).ok();
            }
            if self.state.control.status().phase == Phase::Stopping {
                return None;
            }
            tokio::select! {
                changed = applied.changed() => changed.ok()?,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }
}
