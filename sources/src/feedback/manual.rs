//! What clients post in the plain shape, which every source takes beside its own:
//! `{ "external_id", "title", "body" | "text" | "raw_text", "author", "created_at", "updated_at", "url", "status",
//! "tags", "langs", "repo", "github_issue_number", "github_issue_url" }`. Other fields are passed over.

use super::{
    Reading, Refusal,
    draft::{Draft, MAX_TAGS, person},
    json::{name, names, text, time},
};
use serde_json::Value;
use springline_model::{FeedbackSource, FeedbackStatus, Project, Timestamp, feedback::attr};

pub(super) fn read(
    source: FeedbackSource,
    project: &Project,
    payload: &Value,
    now: Timestamp,
) -> Result<Reading, Refusal> {
    for field in ["title", "body", "text", "raw_text"] {
        if payload.get(field).is_some_and(|value| !value.is_string() && !value.is_null()) {
            return Err(Refusal(format!("`{field}` is no text")));
        }
    }
    let status = match text(payload, &["status"]) {
        None => FeedbackStatus::Open,
        Some(status) => FeedbackStatus::from_name(&status.to_lowercase())
            .ok_or_else(|| Refusal("`status` is neither `open` nor `closed`".into()))?,
    };
    let attr = |key, names: &[&str]| (key, name(payload, names).unwrap_or_default());
    let draft = Draft {
        source,
        external: name(payload, &["external_id"]),
        title: text(payload, &["title"]).unwrap_or_default(),
        text: text(payload, &["body", "text", "raw_text"]).unwrap_or_default().to_owned(),
        author: person(text(payload, &["author", "metadata.author"])),
        created: time(payload, &["created_at", "created"])?,
        edited: time(payload, &["updated_at", "edited_at"])?,
        status,
        url: text(payload, &["url", "github_issue_url", "metadata.url", "metadata.permalink"])
            .map(str::to_owned),
        tags: names(payload, "tags", MAX_TAGS),
        langs: names(payload, "langs", MAX_TAGS),
        attrs: vec![
            attr(attr::REPO, &["repo"]),
            attr(attr::ISSUE, &["github_issue_number"]),
            attr(attr::ISSUE_URL, &["github_issue_url"]),
            (
                attr::SUBREDDIT,
                text(payload, &["subreddit", "metadata.subreddit"]).unwrap_or_default().to_lowercase(),
            ),
        ],
    };
    draft.reading(project, now)
}
