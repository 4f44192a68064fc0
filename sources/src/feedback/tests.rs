//! Recorded payloads, hostile ones, and what comes of telling the same twice.

use super::*;
use proptest::prelude::*;
use serde_json::json;
use springline_model::{FeedbackStatus, ItemName, feedback::attr};
use std::path::PathBuf;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn project() -> Project {
    Project::new("shop").unwrap()
}

/// Recorded feedback, if there is any.
fn data(name: &str) -> Option<PathBuf> {
    let found =
        std::env::var_os("SPRINGLINE_TEST_DATA").map(|data| PathBuf::from(data).join("feedback").join(name));
    if found.is_none() {
        eprintln!("skipped: SPRINGLINE_TEST_DATA is not set");
    }
    found.filter(|path| path.exists())
}

fn recorded(name: &str) -> Option<Value> {
    let text = std::fs::read_to_string(data("webhooks")?.join(name)).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

fn item(reading: Reading) -> Record {
    match reading {
        Reading::Item(item) => item.record,
        other => panic!("{other:?}"),
    }
}

fn external(record: &Record) -> String {
    ItemName::parse(&record.uri).unwrap().external
}

#[test]
fn reads_issues_of_github() {
    let Some(opened) = recorded("github-issues-opened.payload.json") else { return };
    let hook =
        |kind: &str, payload: &Value| read_hook(FeedbackSource::Github, &project(), Some(kind), payload, NOW);
    let record = item(hook("issues", &opened).unwrap());
    assert_eq!(external(&record), "Codertocat/Hello-World#1");
    assert_eq!(record.title, "Spelling error in the README file");
    assert_eq!(record.at.to_rfc3339(), "2019-05-15T15:20:18.000Z");
    assert_eq!(
        (record.tags.as_slice(), record.attrs["github_issue_number"].as_str()),
        (&["bug".to_owned()][..], "1")
    );
    assert_eq!(record.attrs[attr::REPO], "Codertocat/Hello-World");
    assert!(record.links.iter().any(|link| link.target.as_str() == record.attrs[attr::URL]));
    // The API's issue alone is the same item.
    let alone = read(FeedbackSource::Github, &project(), &opened["issue"], NOW).unwrap();
    assert_eq!(item(alone), record);

    let mut closed = opened.clone();
    closed["action"] = json!("closed");
    closed["issue"]["state"] = json!("closed");
    assert_eq!(FeedbackStatus::of(&item(hook("issues", &closed).unwrap())), FeedbackStatus::Closed);
    for name in ["edited", "reopened"] {
        let payload = recorded(&format!("github-issues-{name}.payload.json")).unwrap();
        assert_eq!(item(hook("issues", &payload).unwrap()).uri, record.uri, "{name}");
    }
    let deleted = recorded("github-issues-deleted.payload.json").unwrap();
    assert_eq!(hook("issues", &deleted).unwrap(), Reading::Gone(record.uri.clone()));
    for (name, of) in [("created", "created"), ("edited", "edited")] {
        let payload = recorded(&format!("github-issue_comment-{name}.payload.json")).unwrap();
        let comment = item(hook("issue_comment", &payload).unwrap());
        assert_eq!(external(&comment), "Codertocat/Hello-World#1/comment-492700400", "{of}");
        assert_eq!(comment.attrs[attr::ANSWERS], "Codertocat/Hello-World#1");
        // The API's comment alone is the same item, given its issue.
        let (alone, issue) = (
            &payload["comment"],
            item(read(FeedbackSource::Github, &project(), &payload["issue"], NOW).unwrap()),
        );
        let of = github::issue_of(&project(), alone).unwrap();
        assert_eq!(of.uri(), issue.uri);
        assert_eq!(item(github::read_comment(alone, &of, &issue, NOW).unwrap()), comment);
    }
    let ping = recorded("github-ping-payload.json").unwrap();
    assert!(matches!(hook("ping", &ping).unwrap(), Reading::Passed(_)));
    assert!(matches!(hook("push", &opened).unwrap(), Reading::Passed(_)));
    let mut pull = opened;
    pull["issue"]["pull_request"] = json!({ "url": "x" });
    assert!(matches!(hook("issues", &pull).unwrap(), Reading::Passed(_)));
}

#[test]
fn reads_what_sentry_sends() {
    let hook = |name: &str| {
        let payload = recorded(&format!("sentry-{name}.json"))?;
        Some(read_hook(FeedbackSource::Sentry, &project(), None, &payload, NOW).unwrap())
    };
    let Some(created) = hook("issue.created") else { return };
    let created = item(created);
    assert_eq!(
        (external(&created).as_str(), created.title.as_str()),
        ("issue-123", "Error #1: This is a test error!")
    );
    assert_eq!(created.author.as_str(), "sentry:ipe");
    assert_eq!(item(hook("issue.assigned").unwrap()), created, "who works on it is not said of it");
    for closed in ["issue.resolved", "issue.ignored"] {
        let record = item(hook(closed).unwrap());
        assert_eq!(
            (record.uri.clone(), FeedbackStatus::of(&record)),
            (created.uri.clone(), FeedbackStatus::Closed)
        );
    }
    let event = item(hook("event_alert.triggered").unwrap());
    assert_eq!(external(&event), "event-def456");
    assert_eq!(event.attrs[attr::URL], "https://sentry.io/organizations/lxyz/issues/123/events/def456/");
    let event = item(hook("event-soulcaster-fixture").unwrap());
    assert_eq!(event.title, "Export failed: Invalid date format in user data");
    assert!(
        event.text.contains("ValueError")
            && event.text.contains("at parse_date (app/utils/date_parser.py:35)")
    );
    assert!(!format!("{event:?}").contains("user@example.com"), "people's addresses are nobody's business");
    let critical = item(hook("metric_alert.critical").unwrap());
    let resolved = item(hook("metric_alert.resolved").unwrap());
    assert_eq!(critical.uri, resolved.uri);
    assert_eq!(
        [&critical, &resolved].map(FeedbackStatus::of),
        [FeedbackStatus::Open, FeedbackStatus::Closed]
    );
    for passed in ["installation.created", "installation.deleted"] {
        assert!(matches!(hook(passed).unwrap(), Reading::Passed(_)));
    }
}

#[test]
fn reads_every_recorded_thing_of_reddit() {
    let Some(folder) = data("reddit") else { return };
    let (mut items, mut gone) = (0, 0);
    for file in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let Ok(text) = std::fs::read_to_string(file.path()) else { continue };
        let Ok(cassette) = serde_json::from_str::<Value>(&text) else { continue };
        for interaction in cassette["interactions"].as_array().into_iter().flatten() {
            let body = interaction["response"]["body"]["string"].as_str().unwrap_or_default();
            let Ok(listing) = serde_json::from_str::<Value>(body) else { continue };
            for child in listing["data"]["children"].as_array().into_iter().flatten() {
                if !["t1", "t3"].contains(&child["kind"].as_str().unwrap()) {
                    continue;
                }
                match read(FeedbackSource::Reddit, &project(), child, NOW).unwrap() {
                    Reading::Item(item) => {
                        items += 1;
                        assert_eq!(external(&item.record), child["data"]["name"].as_str().unwrap());
                        assert!(item.dated && item.record.at < NOW);
                        // Without its envelope it is the same.
                        let alone = read(FeedbackSource::Reddit, &project(), &child["data"], NOW).unwrap();
                        assert_eq!(alone, Reading::Item(item));
                    }
                    Reading::Gone(_) => gone += 1,
                    Reading::Passed(why) => panic!("{why}"),
                }
            }
        }
    }
    println!("{items} items, {gone} gone");
    assert!(items > 500 && gone > 0, "{items} {gone}");
}

#[test]
fn bounds_hold() {
    let manual = |payload: Value| read(FeedbackSource::Manual, &project(), &payload, NOW);
    let refused = |payload: Value| manual(payload).unwrap_err().0;
    assert!(refused(json!({})).contains("neither"));
    assert!(refused(json!({ "title": " ", "text": "\n" })).contains("neither"));
    assert!(refused(json!({ "text": "a\u{0}b" })).contains("NUL"));
    assert!(refused(json!({ "text": "x".repeat(MAX_TEXT_BYTES + 1) })).contains("the most"));
    assert!(refused(json!({ "title": "x".repeat(MAX_TITLE_BYTES + 1) })).contains("the most"));
    assert!(refused(json!({ "text": 7 })).contains("no text"));
    assert!(refused(json!({ "text": "x", "created_at": "soon" })).contains("no time"));
    assert!(refused(json!({ "text": "x", "external_id": "a\nb" })).contains("external_id"));
    assert!(refused(json!({ "text": "x", "status": "lost" })).contains("status"));
    assert!(manual(json!(["x"])).is_err());
    let long = json!({ "name": "t3_a", "title": "é".repeat(3_000), "selftext": "x", "created_utc": 1 });
    let cut = item(read(FeedbackSource::Reddit, &project(), &long, NOW).unwrap());
    assert_eq!(
        (cut.title.len(), cut.attrs.contains_key("partial")),
        (MAX_TITLE_BYTES, true),
        "an upstream's is cut"
    );
    let at = |created: Value| match manual(json!({ "text": "x", "created_at": created })).unwrap() {
        Reading::Item(item) => (item.record.at, item.dated),
        other => panic!("{other:?}"),
    };
    let ahead = |millis: i64| json!(Timestamp(NOW.0 + millis).to_rfc3339());
    assert_eq!(at(ahead(299_000)), (Timestamp(NOW.0 + 299_000), true));
    assert_eq!(at(ahead(301_000)), (NOW, false), "a clock that is wrong is not believed");
    assert_eq!(at(json!(1e300)), (NOW, false));
    assert_eq!(at(json!(1_700_000_000)), (Timestamp(1_700_000_000_000), true));
    assert_eq!(
        at(json!("2024-01-01T00:00:00.123456")),
        (Timestamp::parse("2024-01-01T00:00:00.123Z").unwrap(), true)
    );
    let twice = || item(manual(json!({ "title": "a", "text": "b" })).unwrap());
    assert_eq!(twice().uri, twice().uri, "what has no name is named by what it says");
    assert_ne!(twice().uri, item(manual(json!({ "title": "ab", "text": "" })).unwrap()).uri);
    let told = item(
        manual(json!({ "text": "see https://x.example/ and [[Foo Bar]]", "url": "javascript:x" })).unwrap(),
    );
    let targets: Vec<&str> = told.links.iter().map(|link| link.target.as_str()).collect();
    assert!(targets.contains(&"https://x.example/") && targets.contains(&"node:foo bar"), "{targets:?}");
    assert!(!told.attrs.contains_key(attr::URL));
}

#[test]
fn rules_are_kept() {
    let config = |change: fn(&mut ProjectConfig)| {
        let mut settings = ProjectConfig::default();
        change(&mut settings);
        let projects = [("shop".to_owned(), settings)].into_iter().collect();
        Projects::new(&FeedbackConfig { projects }).map(|projects| projects.get(&project()).unwrap().clone())
    };
    let said =
        |text: &str| item(read(FeedbackSource::Manual, &project(), &json!({ "text": text }), NOW).unwrap());
    let words = config(|settings| settings.keywords = vec!["Crash".into()]).unwrap();
    assert!(words.wants(&said("it CRASHES")).is_ok() && words.wants(&said("it works")).is_err());
    let length = config(|settings| settings.min_length = 5).unwrap();
    assert!(length.wants(&said("éééé")).is_err() && length.wants(&said("ééééé")).is_ok());
    let german = config(|settings| settings.languages = vec!["de".into()]).unwrap();
    let english = "The application does not start when there is no network, and it should tell the user what is wrong with it instead of this.";
    assert!(german.wants(&said(english)).is_err() && german.wants(&said("kurz")).is_ok());
    let repos = config(|settings| settings.repos = vec!["A/b".into()]).unwrap();
    let mut record = said("x");
    record.attrs.insert(attr::REPO.into(), "a/B".into());
    assert!(repos.wants(&record).is_ok());
    record.attrs.insert(attr::REPO.into(), "a/c".into());
    assert!(repos.wants(&record).is_err());
    assert!(config(|settings| settings.languages = vec!["klingon".into()]).is_err());
    assert!(config(|settings| settings.github_secret_file = Some("/no/such/file".into())).is_err());
}

#[test]
fn news_is_told_from_what_is_known() {
    let told = |payload: Value, now: i64| {
        read(FeedbackSource::Manual, &project(), &payload, Timestamp(now)).unwrap()
    };
    let hook = |delivery: &str| Teller::Hook(delivery.into());
    let on = |record| Here { record: Some(record), was_deleted: false };
    let put = |verdict: Verdict| match verdict {
        Verdict::Put(record) => *record,
        other => panic!("{other:?}"),
    };
    let first = || told(json!({ "external_id": "1", "text": "a" }), 1_000);
    let known = put(judge(first(), Here::default(), None, &hook("d1")));
    let later = |payload: Value, teller: Teller| judge(told(payload, 2_000), on(&known), None, &teller);
    let same = json!({ "external_id": "1", "text": "a" });
    for teller in [Teller::Client, Teller::Poller, hook("d2")] {
        assert!(
            matches!(later(same.clone(), teller), Verdict::Duplicate(_)),
            "when it was told does not matter"
        );
    }
    let edited = put(later(json!({ "external_id": "1", "text": "b" }), hook("d2")));
    assert_eq!(
        (edited.text.as_str(), edited.at, edited.attrs[attr::DELIVERIES].as_str()),
        ("b", Timestamp(1_000), "d1 d2")
    );
    assert!(
        matches!(judge(first(), on(&edited), None, &hook("d1")), Verdict::Duplicate(_)),
        "a delivery again"
    );
    let dated =
        |text: &str, day: &str| told(json!({ "external_id": "1", "text": text, "updated_at": day }), NOW.0);
    let new = item(dated("new", "2024-02-02"));
    assert!(matches!(
        judge(dated("old", "2024-02-01"), on(&new), None, &Teller::Poller),
        Verdict::Duplicate(_)
    ));
    assert!(matches!(judge(dated("newer", "2024-02-03"), on(&new), None, &Teller::Poller), Verdict::Put(_)));
    // Who deletes means it; only a client may change their mind.
    let gone = || Reading::Gone(known.uri.clone());
    assert_eq!(judge(gone(), on(&known), None, &Teller::Poller), Verdict::Delete);
    let deleted = Here { record: None, was_deleted: true };
    assert!(matches!(judge(gone(), deleted, None, &Teller::Poller), Verdict::Duplicate(_)));
    assert!(matches!(judge(gone(), Here::default(), None, &Teller::Poller), Verdict::Filtered(_)));
    assert!(matches!(judge(first(), deleted, None, &Teller::Poller), Verdict::Duplicate(_)));
    assert!(matches!(judge(first(), deleted, None, &Teller::Client), Verdict::Put(_)));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec!["t3_abc", "created", "issues", "[deleted]", "2024-01-01", "a/b"])
            .prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "data",
        "kind",
        "name",
        "id",
        "title",
        "body",
        "selftext",
        "issue",
        "event",
        "metric_alert",
        "action",
        "number",
        "repository",
        "full_name",
        "html_url",
        "comment",
        "user",
        "login",
        "external_id",
        "created_at",
        "edited",
        "exception",
        "values",
        "stacktrace",
        "frames",
        "labels",
        "tags",
        "created_utc",
        "text",
        "repository_url",
    ]);
    leaf.prop_recursive(5, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..8).prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_payload_is_read_or_refused(payload in any_json(), kind in prop::option::of("[a-z_]{0,12}")) {
        for source in FeedbackSource::ALL {
            let readings = [
                read(*source, &project(), &payload, NOW),
                read_hook(*source, &project(), kind.as_deref(), &payload, NOW),
            ];
            for reading in readings.into_iter().flatten() {
                if let Reading::Item(item) = reading {
                    prop_assert!(ItemName::parse(&item.record.uri).is_some());
                    prop_assert!(item.record.has_content() && item.record.at.0 <= NOW.0 + 300_000);
                }
            }
        }
    }
}
