//! The vectors of the protocol, the official lexicons, and real records.

use super::{format::Format, *};
use ipld_core::cid::Cid;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn interop() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/atproto/interop")
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The cases of a file of vectors: their names and what is under `field`.
fn cases(file: &str, field: &str) -> Vec<(String, Value)> {
    let cases = json(&interop().join("lexicon").join(file));
    let case = |case: &Value| (case["name"].as_str().unwrap().to_owned(), case[field].clone());
    let cases: Vec<_> = cases.as_array().unwrap().iter().map(case).collect();
    assert!(!cases.is_empty());
    cases
}

fn catalog() -> Lexicons {
    let files = fs::read_dir(interop().join("lexicon/catalog")).unwrap();
    let texts: Vec<_> = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    Lexicons::from_json(texts.iter().map(String::as_str)).unwrap()
}

/// The data that the protocol's JSON writes.
fn ipld(json: &Value) -> Ipld {
    match json {
        Value::Null => Ipld::Null,
        Value::Bool(value) => Ipld::Bool(*value),
        Value::Number(number) => number
            .as_i64()
            .map_or_else(|| Ipld::Float(number.as_f64().unwrap()), |value| Ipld::Integer(value.into())),
        Value::String(text) => Ipld::String(text.clone()),
        Value::Array(values) => Ipld::List(values.iter().map(ipld).collect()),
        Value::Object(map) => match (map.len(), map.get("$link"), map.get("$bytes")) {
            (1, Some(Value::String(link)), _) => Ipld::Link(Cid::try_from(link.as_str()).unwrap()),
            // How many there are is all that is looked at.
            (1, _, Some(Value::String(bytes))) => Ipld::Bytes(vec![0; bytes.len() * 3 / 4]),
            _ => Ipld::Map(map.iter().map(|(key, value)| (key.clone(), ipld(value))).collect()),
        },
    }
}

fn verdict(lexicons: &Lexicons, record: &Value) -> Verdict {
    lexicons.validate(record["$type"].as_str().unwrap(), &ipld(record))
}

#[test]
fn accepts_the_lexicons_that_are_valid_and_no_others() {
    for (file, valid) in [("lexicon-valid.json", true), ("lexicon-invalid.json", false)] {
        for (name, lexicon) in cases(file, "lexicon") {
            let read = Lexicons::from_json([lexicon.to_string().as_str()]);
            assert_eq!(read.is_ok(), valid, "{file}: {name}: {read:?}");
        }
    }
    assert!(matches!(Lexicons::from_json([" ".repeat(2 << 20).as_str()]), Err(LexiconError::TooLong(_))));
    assert!(Lexicons::from_json(["[".repeat(100_000).as_str()]).is_err());
}

#[test]
fn accepts_the_records_that_are_valid() {
    let catalog = catalog();
    for (name, record) in cases("record-data-valid.json", "data") {
        assert_eq!(verdict(&catalog, &record), Verdict::Valid, "{name}");
    }
}

#[test]
fn refuses_the_records_that_are_invalid_and_says_why() {
    let catalog = catalog();
    let mut kinds = BTreeMap::new();
    for (name, record) in cases("record-data-invalid.json", "data") {
        let Verdict::Invalid(reason) = verdict(&catalog, &record) else { panic!("{name} was accepted") };
        println!("{:<14} {name}: {reason}", reason.kind);
        *kinds.entry(reason.kind.name()).or_insert(0) += 1;
    }
    let seen: Vec<_> = kinds.into_keys().collect();
    let want = [
        "accept",
        "closed-union",
        "const",
        "enum",
        "format",
        "max-graphemes",
        "max-length",
        "max-size",
        "maximum",
        "min-graphemes",
        "min-length",
        "required",
        "type",
        "union",
    ];
    assert_eq!(seen, want);
}

#[test]
fn says_where() {
    let post = serde_json::json!({
        "$type": "app.bsky.feed.post", "text": "a", "createdAt": "2024-01-01T00:00:00Z",
        "embed": {"$type": "app.bsky.embed.images", "images": [
            {"alt": "", "image": {"cid": "bafkreias7oxbr6swsuggccmtnqpoeami4jza5x4w3urltn6gzhqf4k6k2e", "mimeType": "image/png"}},
            {"alt": 7},
        ]},
    });
    let Verdict::Invalid(reason) = verdict(&Lexicons::official(), &post) else { panic!("accepted") };
    assert_eq!(reason.to_string(), ".embed.images[1].alt is an integer where a string is wanted");
}

#[test]
fn accepts_what_it_does_not_know() {
    let official = Lexicons::official();
    let record = |kind: &str| serde_json::json!({"$type": kind, "createdAt": 1});
    assert_eq!(verdict(&official, &record("com.example.unknown")), Verdict::Unknown);
    let mut post = serde_json::json!({
        "$type": "app.bsky.feed.post", "text": "a", "createdAt": "2024-01-01T00:00:00Z",
        "embed": {"$type": "com.example.embed", "images": 7}, "com.example.field": 3,
    });
    assert_eq!(verdict(&official, &post), Verdict::Valid);
    post["$type"] = "app.bsky.feed.like".into();
    let wrong = official.validate("app.bsky.feed.post", &ipld(&post));
    assert!(matches!(wrong, Verdict::Invalid(reason) if reason.kind == ReasonKind::RecordType));
    let query = verdict(&official, &record("app.bsky.feed.getTimeline"));
    assert!(matches!(query, Verdict::Invalid(reason) if reason.kind == ReasonKind::NoRecord));
    // Another lexicon may be referred to that isn't there, and a format be named that isn't known.
    let text = r##"{"lexicon": 1, "id": "com.example.a", "defs": {"main": {"type": "record", "record":
        {"type": "object", "required": ["x", "z"], "properties": {
            "x": {"type": "ref", "ref": "com.example.b"}, "y": {"type": "string", "format": "new"}}}}}}"##;
    let lexicons = Lexicons::from_json([text]).unwrap();
    let record = serde_json::json!({"$type": "com.example.a", "x": 1, "y": "?", "z": []});
    assert_eq!(verdict(&lexicons, &record), Verdict::Valid);
}

#[test]
fn bounds_the_depth_of_definitions_that_contain_themselves() {
    let text = r##"{"lexicon": 1, "id": "com.example.a", "defs": {"main": {"type": "record", "record":
        {"type": "object", "properties": {"x": {"type": "ref", "ref": "#x"}}}},
        "x": {"type": "object", "properties": {"x": {"type": "ref", "ref": "#x"}}}}}"##;
    let lexicons = Lexicons::from_json([text]).unwrap();
    let nested = |depth| {
        let mut value = Ipld::Map(BTreeMap::new());
        for _ in 0..depth {
            value = Ipld::Map(BTreeMap::from([("x".to_owned(), value)]));
        }
        if let Ipld::Map(map) = &mut value {
            map.insert("$type".to_owned(), Ipld::String("com.example.a".to_owned()));
        }
        lexicons.validate("com.example.a", &value)
    };
    assert_eq!(nested(60), Verdict::Valid);
    assert!(matches!(nested(1000), Verdict::Invalid(reason) if reason.kind == ReasonKind::Depth));
}

#[test]
fn carries_the_official_lexicons() {
    assert_eq!(packed().unwrap().len(), 402);
    let official = Lexicons::official();
    let collections: BTreeSet<_> = official.collections().collect();
    assert_eq!(collections.len(), 26);
    assert!(collections.contains("app.bsky.feed.post") && collections.contains("site.standard.document"));
    let own = r#"{"lexicon": 1, "id": "app.bsky.feed.like", "defs": {}}"#;
    assert_eq!(Lexicons::official_and([own]).unwrap().collections().count(), 25);
}

/// Every vector of a format.
fn vectors(format: &str, file: &str) {
    let format = Format::named(format).unwrap();
    for (suffix, valid) in [("valid", true), ("invalid", false)] {
        let file = interop().join("syntax").join(format!("{file}_syntax_{suffix}.txt"));
        let text = fs::read_to_string(&file).unwrap();
        let mut count = 0;
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")) {
            assert_eq!(format.accepts(line), valid, "{}: `{line}`", format.name);
            count += 1;
        }
        assert!(count > 0);
    }
}

#[test]
fn formats_are_those_of_the_vectors() {
    vectors("at-identifier", "atidentifier");
    vectors("at-uri", "aturi");
    vectors("cid", "cid");
    vectors("datetime", "datetime");
    vectors("did", "did");
    vectors("handle", "handle");
    vectors("language", "language");
    vectors("nsid", "nsid");
    vectors("record-key", "recordkey");
    vectors("tid", "tid");
    vectors("uri", "uri");
    let datetime = Format::named("datetime").unwrap();
    let text = fs::read_to_string(interop().join("syntax/datetime_parse_invalid.txt")).unwrap();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        assert!(!datetime.accepts(line), "{line}");
    }
    for format in ["did", "handle", "at-uri", "datetime", "language", "cid", "tid"] {
        let format = Format::named(format).unwrap();
        for odd in ["", ":", "::", ".", "-", "/", "at://", "did:", "é", "1985-04-12T23:20:5é", "did:é:é"]
        {
            assert!(!format.accepts(odd), "{}: {odd}", format.name);
        }
    }
    assert!(Format::named("uri").unwrap().accepts("https://de.wikipedia.org/wiki/Zürich"));
}

/// Records of the network that the official lexicons refuse, and why.
const REFUSED: [(&str, &str); 0] = [];

#[test]
fn accepts_real_records() {
    let Some(data) = std::env::var_os("SPRINGLINE_TEST_DATA") else {
        println!("skipped: SPRINGLINE_TEST_DATA isn't set");
        return;
    };
    let corpus = Path::new(&data).join("atproto/jetstream-corpus/expected_v1.jsonl");
    let text = fs::read_to_string(corpus).unwrap();
    let official = Lexicons::official();
    let (mut valid, mut unknown, mut refused) = (0, BTreeSet::new(), Vec::new());
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let commit = &event["commit"];
        let Some(record) = commit.get("record") else { continue };
        let collection = commit["collection"].as_str().unwrap();
        match official.validate(collection, &ipld(record)) {
            Verdict::Valid => valid += 1,
            Verdict::Unknown => _ = unknown.insert(collection.to_owned()),
            Verdict::Invalid(reason) => {
                refused.push((commit["rkey"].as_str().unwrap().to_owned(), reason.to_string()));
            }
        }
    }
    println!("{valid} valid, of unknown types {unknown:?}, refused {refused:?}");
    let refused: Vec<_> = refused.iter().map(|(rkey, reason)| (rkey.as_str(), reason.as_str())).collect();
    assert_eq!(refused, REFUSED);
    assert_eq!(valid, 145);
    assert_eq!(unknown.into_iter().collect::<Vec<_>>(), ["fm.teal.alpha.actor.status"]);
}
