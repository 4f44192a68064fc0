//! The operator's labels as a stream: `com.atproto.label.subscribeLabels`.
//!
//! Each label is a message with its number. A cursor is the last number that was seen; 0 gives all, none only what
//! comes. Who reads too slowly is cut off: what was missed is there to be asked for again.

use crate::{
    answer,
    control::LabelNotice,
    params::Given,
    problem::{Kind, Problem},
    routes::Routes,
    state::AppState,
};
use axum::{
    body::Bytes,
    extract::{
        State,
        ws::{Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{Method, StatusCode},
    response::Response,
};
use schemars::JsonSchema;
use serde::Deserialize;
use springline_model::{key::KeyWriter, rows::IssuedRow};
use springline_sinks::Scan;
use std::time::Duration;

/// Labels that are read at a time.
const PAGE: usize = 256;
/// How long a client may take for one message.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a silent connection is pinged.
const PING: Duration = Duration::from_secs(30);

pub(super) fn routes(routes: &mut Routes) {
    let answer = (StatusCode::SWITCHING_PROTOCOLS, "application/octet-stream", None);
    let summary = "The operator's labels, as a WebSocket of DAG-CBOR frames; `cursor=0` gives all";
    let path = "/xrpc/com.atproto.label.subscribeLabels";
    routes.plain(Method::GET, path, summary, answer, subscribe).may(Kind::MalformedQuery);
}

/// Where to begin.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SubscribeParams {
    /// The last number that was seen.
    cursor: Option<u64>,
}

async fn subscribe(
    State(state): State<AppState>,
    given: Given,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let SubscribeParams { cursor } = given.params()?;
    let upgrade = upgrade.map_err(|error| {
        Problem::new(Kind::MalformedQuery, format!("this is a WebSocket: {}", error.body_text()))
    })?;
    let last = last(&state).await?;
    Ok(upgrade.on_upgrade(move |socket| async move {
        let mut stream = Stream { socket, state };
        match cursor {
            Some(cursor) if cursor > last => {
                let message = format!("the cursor is {cursor}; the last label is {last}");
                stream.say(&LabelNotice::Error { error: "FutureCursor".into(), message }).await;
            }
            cursor => stream.follow(cursor.unwrap_or(last)).await,
        }
    }))
}

async fn last(state: &AppState) -> Result<u64, Problem> {
    let scan = Scan { limit: 1, reverse: true, ..Scan::default() };
    let rows = answer::on_snapshot(state, move |snapshot| Ok(snapshot.scan::<IssuedRow>(&scan)?)).await?;
    Ok(rows.first().map_or(0, |row| row.seq))
}

struct Stream {
    socket: WebSocket,
    state: AppState,
}

impl Stream {
    async fn follow(&mut self, mut seen: u64) {
        let mut applied = self.state.reader.watch();
        let mut ping = tokio::time::interval(PING);
        loop {
            let Ok(rows) = behind(&self.state, seen).await else { return };
            for row in &rows {
                let notice = LabelNotice::Label { seq: row.seq, label: Box::new(row.label.clone()) };
                if !self.say(&notice).await {
                    return;
                }
                seen = row.seq;
            }
            if rows.len() == PAGE {
                continue;
            }
            tokio::select! {
                changed = applied.changed() => if changed.is_err() { return },
                _ = ping.tick() => if !self.send(Message::Ping(Bytes::new())).await { return },
                heard = self.socket.recv() => match heard {
                    Some(Ok(Message::Close(_))) | Some(Err(_)) | None => return,
                    Some(Ok(_)) => {}
                },
            }
        }
    }

    async fn say(&mut self, notice: &LabelNotice) -> bool {
        let frame = self.state.control.label_frame(notice);
        self.send(Message::Binary(frame.into())).await
    }

    async fn send(&mut self, message: Message) -> bool {
        matches!(tokio::time::timeout(PATIENCE, self.socket.send(message)).await, Ok(Ok(())))
    }
}

/// The labels behind a number.
async fn behind(state: &AppState, seen: u64) -> Result<Vec<IssuedRow>, Problem> {
    let mut after = KeyWriter::new();
    after.u64(seen);
    let scan = Scan { prefix: Vec::new(), after: Some(after.into_bytes()), reverse: false, limit: PAGE };
    answer::on_snapshot(state, move |snapshot| Ok(snapshot.scan(&scan)?)).await
}
