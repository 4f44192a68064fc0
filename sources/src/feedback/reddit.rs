//! Submissions (`t3`) and comments (`t1`) of Reddit, as its API has them: a thing (`{ "kind", "data" }`) or its data.

use super::{
    Reading, Refusal,
    draft::Draft,
    json::{field, name, text, time},
    manual,
};
use serde_json::Value;
use springline_model::{FeedbackSource, FeedbackStatus, ItemName, Project, Timestamp, Uri, feedback::attr};

/// What stands in place of what its author, or a moderator, has taken away.
const TAKEN_AWAY: [&str; 2] = ["[deleted]", "[removed]"];

/// Reads a thing. One that is deleted or removed is gone.
///
/// # Errors
/// It has no name, or breaks a bound.
pub fn read(project: &Project, payload: &Value, now: Timestamp) -> Result<Reading, Refusal> {
    let data = payload.get("data").filter(|data| data.is_object()).unwrap_or(payload);
    let Some(fullname) = fullname(payload, data) else {
        return match field(payload, &["created_utc", "data"]) {
            Some(_) => Err(Refusal("there is no `name` as `t3_5dec00` or `t1_d7ltv00` is".into())),
            None => manual::read(FeedbackSource::Reddit, project, payload, now),
        };
    };
    let source = FeedbackSource::Reddit;
    let body = text(data, &["selftext", "body"]).unwrap_or_default();
    let author = text(data, &["author"]);
    let is_gone = TAKEN_AWAY.contains(&body.trim())
        || field(data, &["removed_by_category", "banned_by"])
            .is_some_and(|by| by.is_string() || *by == Value::Bool(true));
    if is_gone {
        return Ok(Reading::Gone(ItemName { project: project.clone(), source, external: fullname }.uri()));
    }
    let title = text(data, &["title", "link_title"]).unwrap_or_default();
    let is_comment = fullname.starts_with("t1_");
    let path = text(data, &["permalink"]).map(str::to_owned).or_else(|| comment_path(data, &fullname));
    let draft = Draft {
        source,
        title,
        text: body.to_owned(),
        author: Uri::new(format!("reddit://u/{}", author.unwrap_or("[deleted]").trim())),
        created: time(data, &["created_utc"])?,
        edited: time(data, &["edited"])?,
        status: FeedbackStatus::Open,
        url: path.map(|path| format!("https://www.reddit.com{path}")),
        tags: Vec::new(),
        langs: Vec::new(),
        attrs: vec![
            (attr::SUBREDDIT, text(data, &["subreddit"]).unwrap_or_default().to_lowercase()),
            (attr::ANSWERS, name(data, &["parent_id"]).filter(|_| is_comment).unwrap_or_default()),
        ],
        external: Some(fullname),
    };
    draft.cut().reading(project, now)
}

/// `t3_…` or `t1_…`, from the name or from kind and id.
fn fullname(payload: &Value, data: &Value) -> Option<String> {
    let kind = || payload.get("kind").and_then(Value::as_str);
    let named = name(data, &["name"]);
    let built = || Some(format!("{}_{}", kind()?, name(data, &["id"])?));
    named.filter(|name| is_fullname(name)).or_else(built).filter(|name| is_fullname(name))
}

/// Whether a text names a submission or a comment.
#[must_use]
pub fn is_fullname(text: &str) -> bool {
    let id = text.strip_prefix("t3_").or_else(|| text.strip_prefix("t1_"));
    id.is_some_and(|id| (1..=16).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Old answers have no permalink of comments.
fn comment_path(data: &Value, fullname: &str) -> Option<String> {
    let (subreddit, link) = (text(data, &["subreddit"])?, text(data, &["link_id"])?.strip_prefix("t3_")?);
    Some(format!("/r/{subreddit}/comments/{link}/_/{}/", fullname.strip_prefix("t1_")?))
}
