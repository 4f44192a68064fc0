//! What is written is read back, and is what docs/log.schema.json says.

use super::*;
use proptest::prelude::*;
use serde_json::Value;
use springline_model::{
    AccountStatus, ClusterId, Context, Gap, Hosting, Identity, JobEvent, JobId, Label, Link, LinkPath,
    NodeName, Project, Quarantined, Record, RepoNews, Rev, Span, Uri,
    job::{Act, Ending, JobDeed, Lease, LogFrom, Mark, Opening, Report, RunnerId, TokenHash},
};
use std::sync::Arc;

const MOST: usize = 1 << 20;

fn record() -> Record {
    Record {
        uri: Uri::from("garden://ada/a.md"),
        kind: "note".into(),
        author: Uri::from("user:ada"),
        node: Some(NodeName::canonical("A")),
        title: "A \"title\"".into(),
        text: "text\n[[B]] \u{1F426}".into(),
        langs: vec!["en".into()],
        tags: vec!["t".into()],
        at: Timestamp(1),
        links: vec![Link {
            path: LinkPath::from("wikilink"),
            context: Context::Prose,
            target: Uri::from("node:b"),
            span: Span { start: 5, end: 10 },
            label: None,
            fragment: Some("f".into()),
        }],
        attrs: [("vector".to_owned(), "m:AAAA".to_owned())].into(),
    }
}

/// One of each kind, and of what is in them.
fn bodies() -> Vec<EventBody> {
    let (rev, at) = (Rev(u64::MAX), Timestamp(-5));
    let uri = Uri::from("at://did:plc:a/x/1");
    let authority = Uri::from("at://did:plc:a/");
    let job = |deed| EventBody::Job(Box::new(JobEvent { cluster: ClusterId::new("c1"), at, deed }));
    let act = |act| job(JobDeed::Job(JobId::new(Timestamp(9), 7), act));
    let repo = |news| EventBody::Repo { authority: authority.clone(), rev, data: [7; 32], news };
    let report = |ending| Act::Report { attempt: Some(1), report: Report { ending, ..Report::default() } };
    let label = Label {
        src: Uri::from("did:plc:l"),
        uri: uri.clone(),
        val: "spam".into(),
        cid: None,
        cts: at,
        neg: false,
        exp: Some(at),
        hides: true,
        expired: false,
        sig: Some(vec![1, 2, 255]),
    };
    let piece = Quarantined {
        uri: uri.clone(),
        source: SourceId::new("s"),
        origin: "o".into(),
        reason: "r".into(),
        at,
        bytes: 3,
        sample: vec![0, 255, 10],
    };
    let identity =
        Identity { did: Uri::from("did:plc:a"), at, handle: None, pds: Some("https://p".into()), key: None };
    let gap = Gap { partition: "p".into(), from: "1".into(), to: "4".into(), at, reason: "r".into() };
    let opening = Opening { agent: "fix".into(), snapshot: "{}".into(), retries: 2, max_log_bytes: 9 };
    let lease = Lease { attempt: 1, runner: RunnerId(u64::MAX), until: at, token: TokenHash::of("t") };
    let record = Arc::new(record());
    vec![
        EventBody::Put { rev, record: record.clone() },
        EventBody::Delete { rev, uri: uri.clone() },
        EventBody::Account { rev, authority: authority.clone(), status: AccountStatus::Forbidden },
        EventBody::Quarantine(Box::new(piece)),
        EventBody::Release { uri: uri.clone() },
        EventBody::Hosting { rev, authority: authority.clone(), status: Hosting::Takendown },
        repo(RepoNews::Commit { since: Some(rev), prev: Some([9; 32]) }),
        repo(RepoNews::Commit { since: None, prev: None }),
        repo(RepoNews::Announced),
        EventBody::Identity(Box::new(identity)),
        EventBody::Label { authority: authority.clone(), label: Box::new(label), issued: Some(4) },
        EventBody::Seen { actor: uri.clone(), rev, until: at },
        EventBody::Mute { actor: uri.clone(), rev, muted: 3 },
        EventBody::Gap(Box::new(gap)),
        EventBody::Forget { rev, uri: uri.clone() },
        EventBody::Missing { rev, uri },
        EventBody::Fetched { rev, record },
        EventBody::Subreddit { rev, name: "rust".into(), project: Project::new("shop").ok() },
        job(JobDeed::Mark(Mark::Resolved)),
        act(Act::Open(opening)),
        act(Act::Lease(lease)),
        act(Act::Start { attempt: 1 }),
        act(Act::Heartbeat { attempt: 1, runner: RunnerId(3), until: at }),
        act(Act::Log { attempt: None, from: LogFrom::Stderr, text: "x".into() }),
        act(report(None)),
        act(report(Some(Ending::Success))),
        act(report(Some(Ending::Failed { reason: "r".into() }))),
        act(Act::HandBack { attempt: 1 }),
        act(Act::Lapse { attempt: 1, until: at }),
        act(Act::Cancel { reason: "r".into() }),
    ]
}

/// As much of JSON Schema as the file uses; members that it does not name are wrong here.
fn check(schema: &Value, value: &Value, root: &Value) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("{why}: {value} against {schema}"));
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let pointed = root.pointer(name.trim_start_matches('#'));
        return check(pointed.ok_or_else(|| format!("no {name}"))?, value, root);
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(choices) = schema.get(choice).and_then(Value::as_array) {
            let fits: Vec<Result<(), String>> = choices.iter().map(|one| check(one, value, root)).collect();
            if !fits.iter().any(Result::is_ok) {
                let member = value.as_object().and_then(|object| object.keys().next());
                let of_member = choices.iter().zip(fits).find(|(one, _)| {
                    member.is_some_and(|member| one.pointer(&format!("/properties/{member}")).is_some())
                });
                return of_member.map_or_else(|| wrong("no choice fits"), |(_, fit)| fit);
            }
        }
    }
    if schema.get("const").is_some_and(|only| only != value) {
        return wrong("another constant");
    }
    if schema.get("enum").and_then(Value::as_array).is_some_and(|all| !all.contains(value)) {
        return wrong("not among these");
    }
    let is = |kind: &str| match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        _ => value.is_null(),
    };
    if schema.get("type").and_then(Value::as_str).is_some_and(|kind| !is(kind)) {
        return wrong("another type");
    }
    if let (Some(members), Some(properties)) =
        (value.as_object(), schema.get("properties").and_then(Value::as_object))
    {
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        if let Some(missing) = required.filter_map(Value::as_str).find(|name| !members.contains_key(*name)) {
            return wrong(&format!("no `{missing}`"));
        }
        for (name, member) in members {
            let Some(property) = properties.get(name) else { return wrong(&format!("`{name}` is new")) };
            check(property, member, root)?;
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        let each = schema.pointer(&format!("/prefixItems/{index}")).or_else(|| schema.get("items"));
        each.map_or(Ok(()), |each| check(each, item, root))?;
    }
    Ok(())
}

#[test]
fn all_that_is_written_is_as_the_schema_says_and_reads_back() {
    let schema: Value = serde_json::from_str(include_str!("../../../../../docs/log.schema.json")).unwrap();
    let mut named = std::collections::BTreeSet::new();
    for body in bodies() {
        let event = Event { source: SourceId::new("s"), observed: Timestamp(3), body };
        let bytes = encode(&event).unwrap();
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        named.extend(value["body"].as_object().unwrap().keys().cloned());
        check(&schema, &value, &schema).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(decode(Some(&bytes), MOST), Ok(event));
    }
    let choices = schema.pointer("/$defs/body/oneOf").unwrap().as_array().unwrap();
    assert_eq!(named.len(), choices.len(), "there is an example of each: {named:?}");
}

/// What version 1 once wrote is read for ever.
#[test]
fn what_was_written_before_is_read() {
    let written = r#"{"v":1,"source":"gardens","observed":1767225600000,"body":{"put":{"rev":7,"record":{
        "uri":"garden://ada/a.md","kind":"note","author":"user:ada","node":"a","title":"A \"title\"",
        "text":"text\n[[B]] 🐦","langs":["en"],"tags":["t"],"at":1,"links":[{"path":"wikilink","context":"prose",
        "target":"node:b","span":{"start":5,"end":10},"label":null,"fragment":"f"}],"attrs":{"vector":"m:AAAA"},
        "later":{"added":1}}}}}"#;
    let event = Event {
        source: SourceId::new("gardens"),
        observed: Timestamp(1_767_225_600_000),
        body: EventBody::Put { rev: Rev(7), record: Arc::new(record()) },
    };
    assert_eq!(decode(Some(written.as_bytes()), MOST), Ok(event));
}

proptest! {
    #[test]
    fn any_text_reads_back(uri in "\\PC{1,40}", text in any::<String>(), rev: u64, at: i64) {
        let record = Record { uri: Uri::new(uri), text, at: Timestamp(at), ..record() };
        let body = EventBody::Put { rev: Rev(rev), record: Arc::new(record) };
        let event = Event { source: SourceId::new("s"), observed: Timestamp(at), body };
        prop_assert_eq!(decode(Some(&encode(&event).unwrap()), MOST), Ok(event));
    }

    #[test]
    fn any_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(Some(&bytes), MOST).is_err());
    }
}

/// `cargo test --release -p springline-pipelines envelope -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn how_fast_it_is() {
    let event = Event {
        source: SourceId::new("gardens"),
        observed: Timestamp(1_767_225_600_000),
        body: EventBody::Put { rev: Rev(1_767_225_600_000_000), record: Arc::new(record()) },
    };
    let bytes = encode(&event).unwrap();
    let count = 200_000;
    let per_second = |started: std::time::Instant| f64::from(count) / started.elapsed().as_secs_f64();
    let started = std::time::Instant::now();
    let total: usize = (0..count).map(|_| encode(std::hint::black_box(&event)).unwrap().len()).sum();
    let encoded = per_second(started);
    let started = std::time::Instant::now();
    (0..count).for_each(|_| drop(std::hint::black_box(decode(Some(&bytes), MOST))));
    let decoded = per_second(started);
    let binary = postcard::to_stdvec(&event).unwrap().len();
    println!(
        "{} bytes ({binary} as postcard): {encoded:.0}/s written, {decoded:.0}/s read ({total})",
        bytes.len()
    );
}
