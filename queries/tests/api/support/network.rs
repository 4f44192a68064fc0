//! A small network of accounts, and the rows that the views would hold of it, made naively.

use super::world::{Rows, State, link};
use serde_json::{Value, json};
use springline_model::{
    Gap, Hosting, Identity, Label, Link, Record, Rev, SourceId, Timestamp, Uri,
    record::attr,
    rows::{
        AuthorKindRow, CollectionDayRow, CollectionRow, GapRow, HandleRow, HotRow, IdentityRow, InboxRow,
        LabelRow, LinkerRow, NotificationRow, Order, Reason, RepoRow, ResyncRow,
    },
};
use std::collections::{BTreeMap, BTreeSet};

const MENTION: &str = ".facets[].features[app.bsky.richtext.facet#mention].did";
const DAY: i64 = 86_400_000;

/// What the network says beside records.
#[derive(Clone, Debug, Default)]
pub(crate) struct Network {
    /// By authority; what is not here is active.
    pub(crate) hosting: BTreeMap<Uri, Hosting>,
    /// Authorities.
    pub(crate) desynchronized: BTreeSet<Uri>,
    pub(crate) identities: Vec<Identity>,
    pub(crate) labels: Vec<Label>,
    pub(crate) hot: Vec<HotRow>,
    pub(crate) inboxes: Vec<InboxRow>,
    pub(crate) gaps: Vec<GapRow>,
}

impl Network {
    /// Whether neither its host nor a label hides a record.
    pub(crate) fn shows(&self, record: &Record) -> bool {
        let authority = record.uri.authority();
        let hides = |label: &Label| label.hides && label.is_in_force();
        let cid = record.attrs.get(attr::CID);
        self.hosting.get(authority).is_none_or(|hosting| hosting.is_visible())
            && !self.labels.iter().any(|label| {
                let on_record =
                    label.uri == record.uri && label.cid.as_ref().is_none_or(|of| Some(of) == cid);
                hides(label)
                    && (on_record || (label.is_of_account() && label.authority().as_str() == authority))
            })
    }
}

pub(crate) fn did(name: &str) -> String {
    format!("did:plc:{name}")
}

/// `path` is `name/collection/rkey`; the text and title come from the JSON.
pub(crate) fn record(path: &str, secs: i64, value: &Value, links: Vec<Link>) -> Record {
    let (name, rest) = path.split_once('/').unwrap();
    let (collection, rkey) = rest.split_once('/').unwrap();
    let field = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let text = if value["text"].is_null() { field("description") } else { field("text") };
    let title = field("displayName");
    let tags: Vec<String> =
        value["tags"].as_array().into_iter().flatten().map(|tag| tag.as_str().unwrap().into()).collect();
    let mut attrs = BTreeMap::from([(attr::CID.to_owned(), format!("cid-{name}-{rkey}"))]);
    if !text.is_empty() || !title.is_empty() {
        attrs.insert(attr::RECORD.to_owned(), value.to_string());
    }
    let mut links = links;
    links.extend(tags.iter().map(|tag| link("hashtag", &format!("tag:{tag}"))));
    Record {
        uri: format!("at://{}/{collection}/{rkey}", did(name)).into(),
        kind: collection.into(),
        author: did(name).into(),
        node: None,
        title,
        text,
        langs: value["langs"].as_array().into_iter().flatten().map(|l| l.as_str().unwrap().into()).collect(),
        tags,
        at: Timestamp::from_secs(secs),
        links,
        attrs,
    }
}

/// The URI of a post: `name/rkey`.
pub(crate) fn post_uri(post: &str) -> String {
    let (name, rkey) = post.split_once('/').unwrap();
    format!("at://{}/app.bsky.feed.post/{rkey}", did(name))
}

pub(crate) fn post(post: &str, secs: i64, text: &str, links: Vec<Link>) -> Record {
    let (name, rkey) = post.split_once('/').unwrap();
    let value = json!({ "$type": "app.bsky.feed.post", "text": text, "langs": ["en"] });
    record(&format!("{name}/app.bsky.feed.post/{rkey}"), secs, &value, links)
}

pub(crate) fn reply(at: &str, secs: i64, text: &str, root: &str, parent: &str) -> Record {
    let links = vec![link(".reply.parent.uri", &post_uri(parent)), link(".reply.root.uri", &post_uri(root))];
    post(at, secs, text, links)
}

pub(crate) fn like(at: &str, secs: i64, subject: &str) -> Record {
    let (name, rkey) = at.split_once('/').unwrap();
    let links = vec![link(".subject.uri", &post_uri(subject))];
    record(&format!("{name}/app.bsky.feed.like/{rkey}"), secs, &json!({}), links)
}

pub(crate) fn follow(who: &str, secs: i64, whom: &str) -> Record {
    let links = vec![link(".subject", &did(whom))];
    record(&format!("{who}/app.bsky.graph.follow/to-{whom}"), secs, &json!({}), links)
}

fn identity(name: &str, handle: Option<&str>, secs: i64) -> Identity {
    Identity {
        did: did(name).into(),
        at: Timestamp::from_secs(secs),
        handle: handle.map(str::to_owned),
        pds: Some("https://pds.example".into()),
        key: None,
    }
}

pub(crate) fn label(uri: &str, val: &str, hides: bool) -> Label {
    Label {
        src: did("labeler").into(),
        uri: uri.into(),
        val: val.into(),
        cid: None,
        cts: Timestamp::from_secs(900),
        neg: false,
        exp: None,
        hides,
        expired: false,
        sig: None,
    }
}

/// Around a post of alice's: answers, a quote, likes, follows; mallory is taken down, one answer of bob's hidden.
pub(crate) fn network(state: &mut State) {
    let mut put = |record: Record| state.put(record);
    put(post("alice/p1", 1000, "A first post about gardens", vec![]));
    put(reply("bob/r1", 1010, "An answer by bob", "alice/p1", "alice/p1"));
    put(reply("carol/r2", 1020, "An answer by carol", "alice/p1", "alice/p1"));
    put(reply("alice/r3", 1030, "An answer to bob", "alice/p1", "bob/r1"));
    put(reply("mallory/rm", 1040, "A vile answer", "alice/p1", "alice/p1"));
    put(reply("bob/rh", 1050, "A hidden answer", "alice/p1", "alice/p1"));
    put(reply("carol/r4", 1060, "To what is gone", "gone/x", "gone/x"));
    put(post("dan/q1", 1070, "Look at this", vec![link(".embed.record.uri", &post_uri("alice/p1"))]));
    let page = "https://www.example.org/page";
    let value = json!({ "text": "Hello @alice, see this", "langs": ["de"], "tags": ["garden"] });
    let links = vec![link(MENTION, &did("alice")), link(".embed.external.uri", page)];
    put(record("dan/app.bsky.feed.post/m1", 1080, &value, links));
    for (who, secs) in [("bob", 1100), ("carol", 1110), ("dan", 1120), ("mallory", 1130)] {
        put(like(&format!("{who}/l1"), secs, "alice/p1"));
    }
    put(like("bob/l2", 1140, "alice/p1"));
    put(record(
        "carol/app.bsky.feed.repost/s1",
        1150,
        &json!({}),
        vec![link(".subject.uri", &post_uri("alice/p1"))],
    ));
    for (who, whom, secs) in
        [("bob", "alice", 1200), ("carol", "alice", 1210), ("mallory", "alice", 1220), ("alice", "bob", 1230)]
    {
        put(follow(who, secs, whom));
    }
    let profile = json!({
        "displayName": "Alice", "description": "I garden.",
        "avatar": { "$type": "blob", "ref": { "$link": "bafkavatar" }, "mimeType": "image/png", "size": 3 },
    });
    put(record("alice/app.bsky.actor.profile/self", 1300, &profile, vec![]));
    put(record("mallory/app.bsky.actor.profile/self", 1300, &json!({ "displayName": "Mal" }), vec![]));
    for (list, rkey, whom) in [("a", "i1", "bob"), ("a", "i2", "carol"), ("b", "i3", "bob")] {
        let list = format!("at://did:plc:alice/app.bsky.graph.list/{list}");
        let links = vec![link(".list", &list), link(".subject", &did(whom))];
        put(record(&format!("alice/app.bsky.graph.listitem/{rkey}"), 1400, &json!({}), links));
    }
    let network = &mut state.network;
    network.identities = vec![
        identity("alice", Some("alice.example"), 500),
        identity("bob", Some("bob.example"), 500),
        identity("carol", Some("carol.example"), 500),
        identity("dan", None, 500),
        identity("mallory", Some("mallory.example"), 500),
        // Has lost it to bob.
        identity("erin", Some("bob.example"), 400),
    ];
    network.hosting.insert("at://did:plc:mallory/".into(), Hosting::Takendown);
    network.desynchronized.insert("at://did:plc:dan/".into());
    network.labels = vec![
        label(&post_uri("bob/rh"), "!takedown", true),
        label(&post_uri("alice/p1"), "pretty", false),
        Label { neg: true, ..label(&post_uri("alice/p1"), "taken-back", false) },
        Label { expired: true, ..label(&post_uri("alice/p1"), "over", false) },
        Label { cid: Some("another".into()), ..label(&post_uri("alice/p1"), "of-another", false) },
        label(&did("alice"), "gardener", false),
    ];
    for (order, score, post) in
        [(Order::Trending, 9, "alice/p1"), (Order::Trending, 5, "bob/r1"), (Order::Day, 4, "bob/r1")]
    {
        network.hot.push(HotRow { order, score, uri: post_uri(post).into() });
    }
    network.gaps.push(GapRow {
        source: SourceId::new("relay"),
        gap: Gap {
            partition: "relay.example".into(),
            from: "10".into(),
            to: "20".into(),
            at: Timestamp::from_secs(700),
            reason: "the relay was away".into(),
        },
    });
    network.inboxes.push(InboxRow {
        actor: did("alice").into(),
        seen: Timestamp::from_secs(1105),
        seen_rev: Rev(1),
        muted: Reason::Follow.bit(),
        muted_rev: Rev(1),
    });
    for (reason, who, source, secs) in [
        (Reason::Reply, "bob", post_uri("bob/r1"), 1010),
        (Reason::Like, "bob", "at://did:plc:bob/app.bsky.feed.like/l1".into(), 1100),
        (Reason::Like, "carol", "at://did:plc:carol/app.bsky.feed.like/l1".into(), 1110),
        (Reason::Follow, "bob", "at://did:plc:bob/app.bsky.graph.follow/to-alice".into(), 1200),
    ] {
        state.notifications.push(NotificationRow {
            recipient: did("alice").into(),
            at: Timestamp::from_secs(secs),
            reason,
            source: source.into(),
            subject: if reason == Reason::Follow { did("alice") } else { post_uri("alice/p1") }.into(),
            actor: did(who).into(),
            title: String::new(),
        });
    }
}

/// The rows beside those of any record.
pub(crate) fn rows(state: &State, rows: &mut Rows) {
    let network = &state.network;
    let mut authorities: BTreeSet<&str> =
        state.records.keys().map(Uri::authority).filter(|authority| authority.starts_with("at:")).collect();
    authorities.extend(network.hosting.keys().map(Uri::as_str));
    for authority in authorities {
        let hiding =
            |label: &&Label| label.hides && label.is_in_force() && label.authority().as_str() == authority;
        let count = |of_account| {
            let labels = network.labels.iter().filter(hiding);
            u32::try_from(labels.filter(|label| label.is_of_account() == of_account).count()).unwrap()
        };
        let desynchronized = network.desynchronized.contains(authority).then_some(Rev(7));
        rows.add(&RepoRow {
            rev: Rev(1 << 53),
            hosting: network.hosting.get(authority).copied().unwrap_or_default(),
            hidden_by: count(true),
            hiding: count(false),
            desynchronized,
            ..RepoRow::new(authority.into())
        });
        if desynchronized.is_some() {
            rows.add(&ResyncRow { authority: authority.into() });
        }
    }
    for identity in &network.identities {
        rows.add(&IdentityRow(identity.clone()));
        if let Some(handle) = identity.handle.clone() {
            rows.add(&HandleRow { handle, at: identity.at, did: identity.did.clone() });
        }
    }
    network.labels.iter().for_each(|label| rows.add(&LabelRow(label.clone())));
    network.hot.iter().for_each(|row| rows.add(row));
    network.inboxes.iter().for_each(|row| rows.add(row));
    network.gaps.iter().for_each(|row| rows.add(row));
    let mut kinds: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in super::world::shown(state) {
        kinds.entry(&record.kind).or_default().push(record);
        for link in record.links.iter().filter(|_| record.uri.scheme() == "at") {
            rows.add(&LinkerRow {
                target: link.target.id(),
                kind: record.kind.clone(),
                path: link.path.clone(),
                author: record.author.clone(),
                at: record.at,
                source: record.uri.clone(),
            });
        }
    }
    for (kind, records) in kinds {
        let authors: BTreeSet<&Uri> = records.iter().map(|record| &record.author).collect();
        for author in &authors {
            let of_author = records.iter().filter(|record| record.author == **author).count() as u64;
            rows.add(&AuthorKindRow { author: (*author).clone(), kind: kind.to_owned(), records: of_author });
        }
        let (kind, authors) = (kind.to_owned(), authors.len() as u64);
        rows.add(&CollectionRow { kind: kind.clone(), records: records.len() as u64, authors });
        let mut days: BTreeMap<i64, u64> = BTreeMap::new();
        records.iter().for_each(|record| *days.entry(record.at.0.div_euclid(DAY)).or_default() += 1);
        for (day, records) in days {
            rows.add(&CollectionDayRow { kind: kind.clone(), day: Timestamp(day * DAY), records });
        }
    }
}
