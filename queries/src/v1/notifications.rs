//! Who must be told of what.

use super::{
    list::{self, List, MAX_EXAMINED},
    names,
    posts::readable,
    shape::Time,
};
use crate::{
    answer::Reading,
    page::{Limit, Listing, Page},
    problem::{Kind, Problem},
    routes::Routes,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    Row, Timestamp, Uri,
    rows::{InboxRow, NotificationRow, Reason},
};
use springline_sinks::{Scan, Snapshot};

/// The most of a causing record's text that is shown.
const MAX_TEXT_BYTES: usize = 2 * 1024;
/// The most unread ones that are counted.
const MAX_UNREAD: usize = 1_000;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Notifications");
    routes.view("/v1/notifications", notifications).may(Kind::NotFound);
}

/// What somebody should know, the newest first.
///
/// A set: nothing comes twice, and what is taken back (a link removed) is gone from it. What the recipient has muted is
/// left out. `unread` counts what came after the time up to which they have `seen` it, at most 1,000.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NotificationsParams {
    /// Who is told: a user's name, a handle or a whole URI.
    recipient: String,
    /// Only those for this reason.
    reason: Option<Why>,
    /// Only those that came after what they have seen.
    #[serde(default)]
    unread: bool,
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

/// What somebody should know.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Notifications {
    /// Up to when they have seen it, if they ever said so.
    pub seen: Option<Time>,
    /// How much came after that, of any reason that is not muted; at most 1,000.
    pub unread: usize,
    /// The notifications.
    #[serde(flatten)]
    pub page: Page<Notification>,
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
    /// The causing record's text, if it is of the network; at most 2,048 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Whether they have seen it.
    pub is_read: bool,
}

impl Notification {
    fn of(row: NotificationRow, seen: Timestamp) -> Self {
        let NotificationRow { at, reason, source, subject, actor, title, .. } = row;
        let is_read = at <= seen;
        Self { at: Time(at), reason: Why(reason), source, subject, actor, title, text: None, is_read }
    }
}

/// What somebody has said of their notifications.
struct Inbox {
    seen: Timestamp,
    muted: u64,
}

impl Inbox {
    fn of(snapshot: &Snapshot<'_>, who: &Uri) -> Result<Self, Problem> {
        let row: Option<InboxRow> = snapshot.get(&list::key(&[who.as_str()]))?;
        Ok(row.map_or(Self { seen: Timestamp(i64::MIN), muted: 0 }, |row| Self {
            seen: row.seen,
            muted: row.muted,
        }))
    }

    const fn takes(&self, reason: Reason) -> bool {
        self.muted & reason.bit() == 0
    }

    /// How many came after what was seen.
    fn unread(&self, snapshot: &Snapshot<'_>, who: &Uri) -> Result<usize, Problem> {
        const CHUNK: usize = 200;
        let (prefix, mut after) = (list::key(&[who.as_str()]), None);
        let (mut unread, mut examined) = (0, 0);
        while examined < MAX_EXAMINED {
            let scan = Scan { prefix: prefix.clone(), after, reverse: false, limit: CHUNK };
            let rows: Vec<NotificationRow> = snapshot.scan(&scan)?;
            let new = rows.iter().take_while(|row| row.at > self.seen);
            unread += new.clone().filter(|row| self.takes(row.reason)).count();
            if new.count() < CHUNK || unread >= MAX_UNREAD {
                break;
            }
            examined += CHUNK;
            after = rows.last().map(Row::key_bytes);
        }
        Ok(unread.min(MAX_UNREAD))
    }
}

fn notifications(reading: &Reading<'_>, params: NotificationsParams) -> Result<Notifications, Problem> {
    let snapshot = reading.snapshot;
    let recipient = names::person(snapshot, "recipient", &params.recipient)?;
    let inbox = Inbox::of(snapshot, &recipient)?;
    let reason = params.reason.map(|reason| reason.0.name().to_owned()).unwrap_or_default();
    let list = List {
        listing: Listing::Notifications,
        scope: &[recipient.as_str(), &reason, if params.unread { "unread" } else { "" }],
        prefix: list::key(&[recipient.as_str()]),
        limit: params.limit,
        cursor: params.cursor.as_deref(),
    };
    let mut all_new = true;
    let mut page = list.page(reading, |row: NotificationRow| {
        all_new &= row.at > inbox.seen;
        let is_asked_for = params.reason.is_none_or(|reason| reason.0 == row.reason)
            && inbox.takes(row.reason)
            && (!params.unread || row.at > inbox.seen);
        is_asked_for.then(|| Notification::of(row, inbox.seen))
    })?;
    if params.unread && !all_new {
        page.next = None; // what follows is older still
    }
    snapshot.fetch_records(page.items.iter().map(|item| &item.source).filter(|uri| uri.scheme() == "at"));
    for item in page.items.iter_mut().filter(|item| item.source.scheme() == "at") {
        // It may be seen: it comes from a view.
        let record = reading.beside(snapshot.record(&item.source))?.map(|row| row.record);
        let text = record.filter(|record| !record.text.is_empty());
        item.text = text.map(|record| readable(&record.text, MAX_TEXT_BYTES));
    }
    page.partial |= snapshot.heard().is_partial();
    let seen = (inbox.seen.0 > i64::MIN).then_some(Time(inbox.seen));
    Ok(Notifications { seen, unread: inbox.unread(snapshot, &recipient)?, page })
}
