//! The operator's own labels.

use super::Labelled;
use crate::{
    control::LabelDraft,
    problem::{Kind, Problem},
    routes::Routes,
    state::AppState,
    v1::write::{self, Wait, WaitSecs},
};
use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{Timestamp, Uri, uri::MAX_URI_BYTES};

/// The longest value.
const MAX_VAL_BYTES: usize = 128;

pub(super) fn routes(routes: &mut Routes) {
    let operation = routes.command(Method::POST, "/v1/labels", issue);
    operation.may(Kind::Unavailable).may(Kind::Conflict);
    operation.answers.push((StatusCode::ACCEPTED, "application/json", operation.answers[0].2.clone()));
}

/// Says something of an account or a record, or takes it back (`neg`).
///
/// The label is signed with the key of `[labeler]`, and those who follow the labels of this server hear of it. A value
/// that hides (`!takedown`, unless configured otherwise) takes its subject out of every view in one epoch; taken back,
/// everything is there again. 200 if the views follow already, 202 if it is only durable.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct IssueParams {
    /// `visible`: wait until every view shows it.
    wait: Option<Wait>,
    /// How long to wait at most.
    #[serde(default = "WaitSecs::usual")]
    wait_secs: WaitSecs,
}

/// What is said.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Said {
    /// Of what: a record's `at://` URI with a DID in it, or a DID.
    uri: String,
    /// What: `!takedown`, `spam`, …; at most 128 bytes.
    val: String,
    /// Of this version of the record only.
    cid: Option<String>,
    /// Take back what was said before.
    #[serde(default)]
    neg: bool,
    /// Until when it counts: an RFC 3339 time.
    exp: Option<String>,
}

/// A label that was made.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Issued {
    /// The epoch that it is part of.
    epoch: u64,
    /// Whether every view shows it.
    visible: bool,
    /// As it was signed.
    label: Labelled,
}

async fn issue(state: AppState, params: IssueParams, body: Said) -> Result<(StatusCode, Issued), Problem> {
    let wrong = |field: &str, detail: &str| {
        Err(Problem::new(Kind::MalformedBody, format!("`{field}`: {detail}")).fault(
            Some(field),
            detail,
            None,
        ))
    };
    let subject = body.uri.trim();
    let did =
        subject.strip_prefix("at://").map_or(subject, |rest| rest.split('/').next().unwrap_or_default());
    if subject.len() > MAX_URI_BYTES || !crate::v1::backfill::is_did(did) {
        return wrong("uri", "is neither a record (`at://did:…/collection/key`) nor an account (`did:…`)");
    }
    if subject.starts_with("at://") && subject.split('/').filter(|part| !part.is_empty()).count() != 4 {
        return wrong("uri", "a record is `at://did:…/collection/key`; for the whole account write its DID");
    }
    if body.val.is_empty() || body.val.len() > MAX_VAL_BYTES || body.val.chars().any(char::is_control) {
        return wrong("val", "must have 1 to 128 bytes, and no control characters");
    }
    let exp = match body.exp.as_deref().map(Timestamp::parse) {
        None => None,
        Some(Ok(exp)) => Some(exp),
        Some(Err(error)) => return wrong("exp", &error.to_string()),
    };
    let draft = LabelDraft { uri: Uri::from(subject), val: body.val, cid: body.cid, neg: body.neg, exp };
    let (label, epoch) = state.control.issue_label(draft).await?;
    let (status, written) = write::shown(&state, epoch, params.wait, params.wait_secs).await;
    let label = Labelled::from(&label);
    Ok((status, Issued { epoch: written.epoch, visible: written.visible, label }))
}
