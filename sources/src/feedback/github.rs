//! Issues and their comments, as GitHub's API and its webhooks have them. Pull requests are no feedback.
//!
//! An issue is called `owner/name#12`, a comment `owner/name#12/comment-492700400`.

use super::{
    Reading, Refusal,
    draft::{Draft, MAX_TAGS},
    json::{name, names, text, time},
    manual,
};
use serde_json::Value;
use springline_model::{
    FeedbackSource, FeedbackStatus, ItemName, Project, Record, Timestamp, Uri, feedback::attr,
};

const SOURCE: FeedbackSource = FeedbackSource::Github;

/// Reads an issue as the API has it, a webhook's whole payload, or the plain shape.
///
/// # Errors
/// It breaks a bound, or its repository is not told.
pub fn read(project: &Project, payload: &Value, now: Timestamp) -> Result<Reading, Refusal> {
    if payload.get("issue").is_some_and(Value::is_object) && payload.get("action").is_some() {
        return hook(project, None, payload, now);
    }
    match number(payload) {
        Some(_) if payload.get("external_id").is_none() => issue(project, payload, payload, now),
        _ => manual::read(SOURCE, project, payload, now),
    }
}

pub(super) fn hook(
    project: &Project,
    kind: Option<&str>,
    payload: &Value,
    now: Timestamp,
) -> Result<Reading, Refusal> {
    let passed = |why: String| Ok(Reading::Passed(why));
    let action = text(payload, &["action"]).unwrap_or_default();
    let has = |field: &str| payload.get(field).is_some_and(Value::is_object);
    match kind {
        Some("issues" | "issue_comment") | None if has("issue") => {}
        Some("ping") => return passed("a ping: the hook is set up".into()),
        None if payload.get("zen").is_some() => return passed("a ping: the hook is set up".into()),
        kind => {
            return passed(format!(
                "`{}` is no feedback",
                kind.unwrap_or("this").chars().take(64).collect::<String>()
            ));
        }
    }
    let thing = &payload["issue"];
    let is_comment = has("comment");
    match (is_comment, action) {
        (false, "deleted" | "transferred") => {
            let Some(external) = issue_name(thing, payload) else { return Err(no_repository()) };
            Ok(Reading::Gone(ItemName { project: project.clone(), source: SOURCE, external }.uri()))
        }
        (false, "opened" | "edited" | "closed" | "reopened" | "labeled" | "unlabeled") => {
            issue(project, thing, payload, now)
        }
        (true, "created" | "edited" | "deleted") => comment(project, thing, payload, action, now),
        (_, action) => passed(format!(
            "`{}` changes nothing of what is said",
            action.chars().take(64).collect::<String>()
        )),
    }
}

fn issue(project: &Project, issue: &Value, around: &Value, now: Timestamp) -> Result<Reading, Refusal> {
    if issue.get("pull_request").is_some_and(|request| !request.is_null()) {
        return Ok(Reading::Passed("a pull request is no feedback".into()));
    }
    let Some(external) = issue_name(issue, around) else { return Err(no_repository()) };
    let url = text(issue, &["html_url"]).map(str::to_owned);
    let draft = Draft {
        source: SOURCE,
        title: text(issue, &["title"]).unwrap_or_default(),
        text: text(issue, &["body"]).unwrap_or_default().to_owned(),
        author: author(issue),
        created: time(issue, &["created_at"])?,
        edited: time(issue, &["updated_at"])?,
        status: status(issue),
        tags: names(issue, "labels", MAX_TAGS),
        langs: Vec::new(),
        attrs: vec![
            (attr::REPO, repository(issue, around).unwrap_or_default()),
            (attr::ISSUE, number(issue).map(|number| number.to_string()).unwrap_or_default()),
            (attr::ISSUE_URL, url.clone().unwrap_or_default()),
        ],
        external: Some(external),
        url,
    };
    draft.cut().reading(project, now)
}

fn comment(
    project: &Project,
    issue: &Value,
    payload: &Value,
    action: &str,
    now: Timestamp,
) -> Result<Reading, Refusal> {
    if issue.get("pull_request").is_some_and(|request| !request.is_null()) {
        return Ok(Reading::Passed("a comment on a pull request is no feedback".into()));
    }
    let said = &payload["comment"];
    let Some(external) = issue_name(issue, payload) else { return Err(no_repository()) };
    let of = ItemName { project: project.clone(), source: SOURCE, external };
    if action == "deleted" {
        return Ok(Reading::Gone(comment_name(&of, said)?.uri()));
    }
    let on = On {
        title: text(issue, &["title"]).unwrap_or_default(),
        repo: repository(issue, payload).unwrap_or_default(),
        number: number(issue).map(|number| number.to_string()).unwrap_or_default(),
        url: text(issue, &["html_url"]).unwrap_or_default().to_owned(),
    };
    on.comment(&of, said, now)
}

/// The issue that a comment of the API answers, if it says so.
#[must_use]
pub fn issue_of(project: &Project, comment: &Value) -> Option<ItemName> {
    let (_, path) = text(comment, &["issue_url"])?.split_once("/repos/")?;
    let (repo, number) = path.split_once("/issues/")?;
    let number: u64 = number.parse().ok()?;
    let external = format!("{repo}#{number}");
    is_repository(repo).then(|| ItemName { project: project.clone(), source: SOURCE, external })
}

/// Reads a comment as the API has it, given the issue that it answers as it is here.
///
/// # Errors
/// It breaks a bound, or has no `id`.
pub fn read_comment(
    comment: &Value,
    of: &ItemName,
    issue: &Record,
    now: Timestamp,
) -> Result<Reading, Refusal> {
    let attr = |name: &str| issue.attrs.get(name).cloned().unwrap_or_default();
    let (repo, number, url) = (attr(attr::REPO), attr(attr::ISSUE), attr(attr::ISSUE_URL));
    On { title: &issue.title, repo, number, url }.comment(of, comment, now)
}

/// What a comment takes from its issue.
struct On<'a> {
    title: &'a str,
    repo: String,
    number: String,
    url: String,
}

impl On<'_> {
    fn comment(self, of: &ItemName, comment: &Value, now: Timestamp) -> Result<Reading, Refusal> {
        let draft = Draft {
            source: SOURCE,
            external: Some(comment_name(of, comment)?.external),
            title: self.title,
            text: text(comment, &["body"]).unwrap_or_default().to_owned(),
            author: author(comment),
            created: time(comment, &["created_at"])?,
            edited: time(comment, &["updated_at"])?,
            // Whether anything is left to do is the issue's matter.
            status: FeedbackStatus::Open,
            url: text(comment, &["html_url"]).map(str::to_owned),
            tags: Vec::new(),
            langs: Vec::new(),
            attrs: vec![
                (attr::REPO, self.repo),
                (attr::ISSUE, self.number),
                (attr::ISSUE_URL, self.url),
                (attr::ANSWERS, of.external.clone()),
            ],
        };
        draft.cut().reading(&of.project, now)
    }
}

/// What a comment on an issue is called.
fn comment_name(of: &ItemName, comment: &Value) -> Result<ItemName, Refusal> {
    let id = name(comment, &["id"]).ok_or_else(|| Refusal("the comment has no `id`".into()))?;
    Ok(ItemName { external: format!("{}/comment-{id}", of.external), ..of.clone() })
}

fn no_repository() -> Refusal {
    Refusal("there is no `number`, or no repository that it is of".into())
}

fn number(issue: &Value) -> Option<u64> {
    issue.get("number").and_then(Value::as_u64)
}

/// `owner/name`, from wherever it stands.
fn repository(issue: &Value, around: &Value) -> Option<String> {
    let named = text(around, &["repository.full_name", "repo"])
        .or_else(|| text(issue, &["repository.full_name", "repo"]));
    let of_url = || Some(text(issue, &["repository_url"])?.split_once("/repos/")?.1);
    let of_page = || {
        let (place, _) = text(issue, &["html_url"])?.split_once("/issues/")?;
        let mut parts = place.rsplitn(3, '/');
        let (repo, owner) = (parts.next()?, parts.next()?);
        place.get(place.len() - repo.len() - owner.len() - 1..)
    };
    named.or_else(of_url).or_else(of_page).filter(|name| is_repository(name)).map(str::to_owned)
}

/// Whether a text is `owner/name`.
#[must_use]
pub fn is_repository(name: &str) -> bool {
    let plain = |part: &str| {
        (1..=100).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
            && !matches!(part, "." | "..")
    };
    name.split_once('/').is_some_and(|(owner, name)| plain(owner) && plain(name))
}

fn issue_name(issue: &Value, around: &Value) -> Option<String> {
    Some(format!("{}#{}", repository(issue, around)?, number(issue)?))
}

fn status(issue: &Value) -> FeedbackStatus {
    if text(issue, &["state"]) == Some("closed") { FeedbackStatus::Closed } else { FeedbackStatus::Open }
}

fn author(thing: &Value) -> Uri {
    Uri::new(format!("https://github.com/{}", text(thing, &["user.login"]).unwrap_or("ghost").trim()))
}
