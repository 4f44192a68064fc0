//! A tick's events, in order of arrival, by the authority that they are about.

use springline_model::{
    Event, EventBody, Gap, Identity, JobEvent, Rev, SourceId, Timestamp, Uri, rows::SubredditRow,
};
use std::collections::BTreeMap;

/// What a tick brings.
#[derive(Default)]
pub(super) struct News {
    /// Of authorities and what they own: who tells, and what.
    pub(super) authorities: BTreeMap<Uri, Vec<(SourceId, EventBody)>>,
    pub(super) identities: Vec<Identity>,
    pub(super) inboxes: Vec<(Uri, Inbox)>,
    pub(super) gaps: Vec<(SourceId, Gap)>,
    pub(super) subreddits: Vec<SubredditRow>,
    pub(super) jobs: Vec<JobEvent>,
}

/// What somebody says of their notifications.
pub(super) enum Inbox {
    Seen(Rev, Timestamp),
    Mute(Rev, u64),
}

impl News {
    pub(super) fn of(events: impl Iterator<Item = Event>) -> Self {
        let mut news = Self::default();
        for Event { source, body, .. } in events {
            match body {
                EventBody::Identity(identity) => news.identities.push(*identity),
                EventBody::Seen { actor, rev, until } => news.inboxes.push((actor, Inbox::Seen(rev, until))),
                EventBody::Mute { actor, rev, muted } => news.inboxes.push((actor, Inbox::Mute(rev, muted))),
                EventBody::Gap(gap) => news.gaps.push((source, *gap)),
                EventBody::Subreddit { rev, name, project } => {
                    news.subreddits.push(SubredditRow { name, project, rev });
                }
                EventBody::Job(event) => news.jobs.push(*event),
                body => match news.authorities.get_mut(body.authority()) {
                    Some(events) => events.push((source, body)),
                    None => {
                        let authority = Uri::from(body.authority());
                        news.authorities.insert(authority, vec![(source, body)]);
                    }
                },
            }
        }
        news
    }
}
