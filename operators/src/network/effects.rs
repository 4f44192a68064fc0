//! What a link of a record does to what it points at.
//!
//! The kinds and paths are those of the official lexicons; the reasons those that the Bluesky AppView tells.

use springline_model::{Link, Record, Uri, rows::Reason};

/// What a link means for its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A record, which has to be there.
    Record,
    /// An account.
    Account,
}

/// What a link of a kind of record at a path does: why its target's owner is told.
pub(crate) fn effect(kind: &str, path: &str) -> Option<(Reason, Target)> {
    use Reason::{
        Follow, Like, LikeViaRepost, Mention, Quote, Repost, RepostViaRepost, StarterpackJoined, Verified,
    };
    use Target::{Account, Record};
    Some(match (kind, path) {
        ("app.bsky.feed.like", ".subject.uri") => (Like, Record),
        ("app.bsky.feed.like", ".via.uri") => (LikeViaRepost, Record),
        ("app.bsky.feed.repost", ".subject.uri") => (Repost, Record),
        ("app.bsky.feed.repost", ".via.uri") => (RepostViaRepost, Record),
        ("app.bsky.feed.post", ".embed.record.uri" | ".embed.record.record.uri") => (Quote, Record),
        ("app.bsky.feed.post", ".facets[].features[app.bsky.richtext.facet#mention].did") => {
            (Mention, Account)
        }
        ("app.bsky.graph.follow", ".subject") => (Follow, Account),
        ("app.bsky.graph.verification", ".subject") => (Verified, Account),
        ("app.bsky.actor.profile", ".joinedViaStarterPack.uri") => (StarterpackJoined, Record),
        _ => return None,
    })
}

/// The links of a record that do something to somebody else, once each.
pub(crate) fn effects(record: &Record, on: Target) -> Vec<(Reason, &Uri)> {
    let effect = |link: &Link| effect(&record.kind, link.path.as_str());
    let links = record.links.iter().filter_map(|link| Some((effect(link)?, &link.target)));
    let mut effects: Vec<(Reason, &Uri)> = links
        .filter(|((_, target), _)| *target == on)
        .map(|((reason, _), target)| (reason, target))
        .collect();
    effects.retain(|(_, target)| owner(target).is_some_and(|owner| owner != record.author.as_str()));
    effects.sort_unstable();
    effects.dedup();
    effects
}

/// The account that a target belongs to, or is.
pub(crate) fn owner(target: &Uri) -> Option<&str> {
    match target.scheme() {
        "did" => Some(target.as_str()),
        "at" => target.rest().split_once('/').map(|(did, _)| did),
        _ => None,
    }
}

/// Whether anything can happen to a record: not to a bare reference of the commonest kinds, of which there are most.
pub(crate) fn can_be_target(record: &Uri) -> bool {
    const NEVER: [&str; 5] = [
        "app.bsky.feed.like",
        "app.bsky.graph.follow",
        "app.bsky.graph.block",
        "app.bsky.graph.listitem",
        "app.bsky.feed.threadgate",
    ];
    let mut parts = record.rest().split('/');
    record.scheme() == "at" && parts.nth(1).is_some_and(|collection| !NEVER.contains(&collection))
}

/// The thread that a record answers in: (root, parent).
pub(crate) fn reply(record: &Record) -> Option<(&Uri, &Uri)> {
    let at =
        |path: &str| record.links.iter().find(|link| link.path.as_str() == path).map(|link| &link.target);
    Some((at(".reply.root.uri")?, at(".reply.parent.uri")?))
}
