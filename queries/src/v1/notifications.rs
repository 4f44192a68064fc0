//! Who must be told of what.

use super::{list::List, names, shape::Time};
use crate::{
    answer::Reading,
    page::{Limit, Listing, Page},
    problem::{Kind, Problem},
    routes::Routes,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    Uri,
    key::KeyWriter,
    rows::{NotificationRow, Reason},
};

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Notifications");
    routes.view("/v1/notifications", notifications).may(Kind::NotFound);
}

/// What somebody should know, the newest first.
///
/// A set: nothing comes twice, and what is taken back (a link removed) is gone from it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NotificationsParams {
    /// Who is told: a user's name, a handle or a whole URI.
    recipient: String,
    /// Only those for this reason.
    reason: Option<Why>,
    /// The most items.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Why somebody is told: `link`, `subnode`, `mention`, `push`; `like`, `repost`, `follow`, `reply`, `quote`,
/// `starterpack-joined`, `verified`, `like-via-repost`, `repost-via-repost`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(inline, transparent)]
pub struct Why(#[schemars(with = "String")] pub Reason);

impl Serialize for Why {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de> Deserialize<'de> for Why {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Reason::from_name(&name).map(Self).ok_or_else(|| {
            let known: Vec<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
            serde::de::Error::custom(format!("unknown reason; there are: {}", known.join(", ")))
        })
    }
}

/// One thing that somebody should know.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Notification {
    /// The time of the record that causes it.
    pub at: Time,
    /// Why.
    pub reason: Why,
    /// The record that causes it.
    #[schemars(with = "String")]
    pub source: Uri,
    /// What it is about: the node, or the user mentioned.
    #[schemars(with = "String")]
    pub subject: Uri,
    /// Who caused it.
    #[schemars(with = "String")]
    pub actor: Uri,
    /// The causing record's title.
    pub title: String,
}

impl From<NotificationRow> for Notification {
    fn from(row: NotificationRow) -> Self {
        let NotificationRow { at, reason, source, subject, actor, title, .. } = row;
        Self { at: Time(at), reason: Why(reason), source, subject, actor, title }
    }
}

fn notifications(reading: &Reading<'_>, params: NotificationsParams) -> Result<Page<Notification>, Problem> {
    let recipient = names::person(reading.snapshot, "recipient", &params.recipient)?;
    let reason = params.reason.map(|reason| reason.0.name().to_owned()).unwrap_or_default();
    let mut prefix = KeyWriter::new();
    prefix.text(recipient.as_str());
    let list = List {
        listing: Listing::Notifications,
        scope: &[recipient.as_str(), &reason],
        prefix: prefix.into_bytes(),
        limit: params.limit,
        cursor: params.cursor.as_deref(),
    };
    list.page(reading, |row: NotificationRow| {
        params.reason.is_none_or(|reason| reason.0 == row.reason).then(|| row.into())
    })
}
