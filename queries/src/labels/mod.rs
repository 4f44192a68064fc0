//! Labels: what is said of accounts and records, by the operator and by labelers that are followed.
//!
//! | route | what |
//! |---|---|
//! | `POST /v1/labels` | the operator says something, signed by the operator's key |
//! | `GET /v1/labels` | what is said of a subject |
//! | `/xrpc/com.atproto.label.queryLabels` | the same, as clients of the network ask |
//! | `/xrpc/com.atproto.label.subscribeLabels` | the operator's labels, as a stream |

mod issue;
mod query;
mod stream;

use crate::routes::Routes;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use springline_model::Label;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Labels");
    issue::routes(routes);
    query::routes(routes);
    stream::routes(routes);
}

/// A label, as `com.atproto.label.defs#label` has it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Labelled {
    ver: u8,
    /// Who says it: a DID.
    src: String,
    /// Of what: a record's URI, or an account's DID.
    uri: String,
    /// Of which version of it; of all without.
    #[serde(skip_serializing_if = "Option::is_none")]
    cid: Option<String>,
    /// What.
    val: String,
    /// It takes back what was said before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    neg: bool,
    /// When.
    cts: String,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<String>,
    /// Over all the other fields, as `{"$bytes": base64}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    sig: Option<Value>,
}

impl From<&Label> for Labelled {
    fn from(label: &Label) -> Self {
        Self {
            ver: 1,
            src: label.src.to_string(),
            uri: label.uri.to_string(),
            cid: label.cid.clone(),
            val: label.val.clone(),
            neg: label.neg,
            cts: label.cts.to_rfc3339(),
            exp: label.exp.map(springline_model::Timestamp::to_rfc3339),
            sig: label.sig.as_ref().map(|sig| serde_json::json!({ "$bytes": STANDARD_NO_PAD.encode(sig) })),
        }
    }
}
