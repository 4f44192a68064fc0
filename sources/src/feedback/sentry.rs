//! Issues, events and metric alerts of Sentry, as its webhooks have them: `{ "action", "data": { kind: … } }`.
//!
//! An issue is called `issue-123`, an event `event-…`, an alert `metric-alert-…`. People's names and addresses in
//! events are passed over.

use super::{
    Reading, Refusal,
    draft::Draft,
    json::{field, name, text, time},
    manual,
};
use serde_json::Value;
use springline_model::{FeedbackSource, FeedbackStatus, Project, Timestamp, Uri};

const SOURCE: FeedbackSource = FeedbackSource::Sentry;
/// Frames of a stack that are kept: the innermost.
const MAX_FRAMES: usize = 50;
/// Exceptions of a chain that are kept.
const MAX_EXCEPTIONS: usize = 10;

/// Reads a webhook's payload, or the plain shape.
pub(super) fn read(project: &Project, payload: &Value, now: Timestamp) -> Result<Reading, Refusal> {
    if payload.get("data").is_some_and(Value::is_object) {
        return hook(project, payload, now);
    }
    manual::read(SOURCE, project, payload, now)
}

pub(super) fn hook(project: &Project, payload: &Value, now: Timestamp) -> Result<Reading, Refusal> {
    let data = &payload["data"];
    let action = text(payload, &["action"]).unwrap_or_default();
    let draft = if let Some(issue) = field(data, &["issue"]) {
        issue_draft(issue)?
    } else if let Some(event) = field(data, &["event", "error"]) {
        event_draft(event)?
    } else if let Some(alert) = field(data, &["metric_alert"]) {
        alert_draft(alert, data, action)?
    } else if field(data, &["installation"]).is_some() {
        return Ok(Reading::Passed("an installation is no feedback".into()));
    } else {
        return Ok(Reading::Passed("none of `issue`, `event`, `error`, `metric_alert` is in it".into()));
    };
    draft.cut().reading(project, now)
}

fn no_id(what: &str) -> Refusal {
    Refusal(format!("the {what} has no id"))
}

/// Paragraphs that say something.
fn paragraphs(parts: &[Option<&str>]) -> String {
    parts.iter().flatten().copied().collect::<Vec<_>>().join("\n\n")
}

fn author(project: Option<String>) -> Uri {
    let name: String =
        project.unwrap_or_else(|| "unknown".into()).chars().filter(|c| !c.is_control()).take(200).collect();
    Uri::new(format!("sentry:{name}"))
}

fn draft(external: String) -> Draft<'static> {
    Draft {
        source: SOURCE,
        external: Some(external),
        title: "",
        text: String::new(),
        author: author(None),
        created: None,
        edited: None,
        status: FeedbackStatus::Open,
        url: None,
        tags: Vec::new(),
        langs: Vec::new(),
        attrs: Vec::new(),
    }
}

fn issue_draft(issue: &Value) -> Result<Draft<'_>, Refusal> {
    let id = name(issue, &["id"]).ok_or_else(|| no_id("issue"))?;
    let status = match text(issue, &["status"]) {
        Some("resolved" | "ignored" | "archived") => FeedbackStatus::Closed,
        _ => FeedbackStatus::Open,
    };
    Ok(Draft {
        title: text(issue, &["title"]).unwrap_or_default(),
        text: paragraphs(&[
            text(issue, &["metadata.type"]),
            text(issue, &["metadata.value"]),
            text(issue, &["culprit"]),
        ]),
        author: author(name(issue, &["project.slug", "project.name", "project.id"])),
        created: time(issue, &["firstSeen"])?,
        status,
        url: text(issue, &["web_url", "permalink"]).map(str::to_owned),
        tags: name(issue, &["level"]).into_iter().chain(name(issue, &["platform"])).collect(),
        ..draft(format!("issue-{id}"))
    })
}

fn event_draft(event: &Value) -> Result<Draft<'_>, Refusal> {
    let id = name(event, &["event_id", "id"]).ok_or_else(|| no_id("event"))?;
    let exceptions = field(event, &["exception.values"]).and_then(Value::as_array);
    let exceptions: Vec<&Value> = exceptions.into_iter().flatten().take(MAX_EXCEPTIONS).collect();
    let title = text(event, &["title", "message", "logentry.formatted"])
        .or_else(|| text(exceptions.first()?, &["value", "type"]))
        .unwrap_or_default();
    let told = paragraphs(&[
        text(event, &["metadata.type"]),
        text(event, &["metadata.value"]),
        text(event, &["culprit"]),
    ]);
    let mut parts = vec![told];
    parts.extend(exceptions.iter().map(|exception| stack(exception)));
    parts.retain(|part| !part.is_empty());
    Ok(Draft {
        title,
        text: parts.join("\n\n"),
        author: author(name(event, &["project_slug", "project"])),
        created: time(event, &["datetime", "timestamp"])?,
        url: text(event, &["web_url", "issue_url"]).map(str::to_owned),
        tags: name(event, &["level"]).into_iter().chain(name(event, &["platform"])).collect(),
        ..draft(format!("event-{id}"))
    })
}

/// An exception, and where it was thrown.
fn stack(exception: &Value) -> String {
    let head: Vec<String> = ["type", "value"].iter().filter_map(|field| name(exception, &[field])).collect();
    let mut lines = vec![head.join(": ")];
    let frames = field(exception, &["stacktrace.frames"]).and_then(Value::as_array);
    let frames = frames.into_iter().flatten().rev().take(MAX_FRAMES);
    lines.extend(frames.map(|frame| {
        let part = |names: &[&str]| name(frame, names).unwrap_or_else(|| "?".into());
        format!("  at {} ({}:{})", part(&["function"]), part(&["filename", "module"]), part(&["lineno"]))
    }));
    lines.join("\n").trim().to_owned()
}

fn alert_draft<'a>(alert: &'a Value, data: &'a Value, action: &str) -> Result<Draft<'a>, Refusal> {
    let id = name(alert, &["id", "identifier"]).ok_or_else(|| no_id("alert"))?;
    Ok(Draft {
        title: text(alert, &["title", "alert_rule.name"])
            .or_else(|| text(data, &["description_title"]))
            .unwrap_or_default(),
        text: paragraphs(&[text(data, &["description_title"]), text(data, &["description_text"])]),
        author: author(name(alert, &["organization_id"])),
        created: time(alert, &["date_started", "date_created"])?,
        status: if action == "resolved" { FeedbackStatus::Closed } else { FeedbackStatus::Open },
        url: text(data, &["web_url"]).map(str::to_owned),
        tags: if action.is_empty() { Vec::new() } else { vec![action.to_owned()] },
        ..draft(format!("metric-alert-{id}"))
    })
}
