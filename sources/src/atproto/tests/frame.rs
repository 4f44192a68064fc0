use super::{
    super::{
        cbor::CborError,
        data,
        frame::*,
        json,
        key::{Curve, KeyError, SigningKey},
    },
    recorded, scenario,
};
use serde_json::{Value, json};

#[test]
fn recorded_frames_are_read_and_written() {
    let Some(frames) = recorded::frames() else { return };
    let (mut commits, mut same, mut last) = (0, 0, None);
    for bytes in &frames {
        let frame = Frame::read(bytes).unwrap();
        assert!(last.is_none_or(|last| frame.seq() == Some(last + 1)));
        last = frame.seq();
        commits += usize::from(matches!(frame, Frame::Commit(_)));
        let written = frame.write();
        assert_eq!(Frame::read(&written).unwrap(), frame);
        same += usize::from(written == *bytes);
    }
    // The others say which blobs they have, which is no longer in use.
    println!("{same} of {} are the same byte for byte", frames.len());
    assert_eq!((frames.len(), commits), (150, 148));
    assert!(same > 100, "{same}");
}

fn read(header: &Value, body: &Value) -> Result<(), FrameError> {
    Frame::read(&scenario::frame(header, body)).map(drop)
}

#[test]
fn every_message_is_the_same_when_it_was_written() {
    let sig = [7; 64];
    let label = Label {
        ver: Some(1),
        src: "did:plc:a",
        uri: "at://did:plc:b/c.d.e/f",
        cid: Some("bafy"),
        val: "spam",
        neg: Some(true),
        cts: "2026-01-01T00:00:00Z",
        exp: Some("2027-01-01T00:00:00Z"),
        sig: Some(&sig),
    };
    let bare = Label { src: "did:plc:a", uri: "did:plc:b", val: "x", cts: "2026", ..Label::default() };
    let messages = [
        Frame::Sync(Sync { seq: 1, did: "did:plc:a", rev: "3", blocks: b"car", time: "now" }),
        Frame::Identity(Identity { seq: 2, did: "did:plc:a", handle: Some("a.test"), time: "now" }),
        Frame::Identity(Identity { seq: 3, did: "did:plc:a", handle: None, time: "now" }),
        Frame::Account(Account { seq: 4, did: "did:plc:a", active: false, status: Some("odd"), time: "now" }),
        Frame::Account(Account { seq: 5, did: "did:plc:a", active: true, status: None, time: "" }),
        Frame::Info(Info { name: "OutdatedCursor", message: Some("too old") }),
        Frame::Error(StreamError { error: "FutureCursor", message: None }),
        Frame::Labels(Labels { seq: 6, labels: vec![label, bare] }),
    ];
    for message in messages {
        let written = message.write();
        assert_eq!(Frame::read(&written).unwrap(), message);
        // And both of its parts are canonical.
        assert!(
            (1..written.len())
                .any(|at| { data::decode(&written[..at]).is_ok() && data::decode(&written[at..]).is_ok() })
        );
    }
}

#[test]
fn what_isnt_known_is_ignored_and_said_to_be() {
    let bytes = scenario::frame(&json!({"op": 1, "t": "#new", "x": [1]}), &json!({"a": {"b": [null]}}));
    assert_eq!(Frame::read(&bytes).unwrap(), Frame::Unknown { op: 1, kind: "#new" });
    let bytes = scenario::frame(&json!({"op": 7}), &json!({}));
    assert_eq!(Frame::read(&bytes).unwrap(), Frame::Unknown { op: 7, kind: "" });
    let body = json!({"seq": 1, "did": "did:plc:a", "active": true, "status": null, "more": {"a": [[1]]}});
    assert_eq!(read(&json!({"op": 1, "t": "#account"}), &body), Ok(()));
}

#[test]
fn keys_may_come_in_any_order_but_once() {
    let frame = b"\xa2\x62op\x01\x61t\x65#info\xa1\x64name\x61x";
    assert_eq!(Frame::read(frame).unwrap(), Frame::Info(Info { name: "x", message: None }));
    let twice = Frame::read(b"\xa2\x62op\x01\x61t\x65#info\xa2\x64name\x61x\x64name\x61y").unwrap_err();
    assert_eq!((twice.name(), twice.ends_connection()), ("frame_body", false));
}

#[test]
fn a_message_that_is_wrong_is_told_from_a_stream_that_is() {
    let header = json!({"op": 1, "t": "#identity"});
    let whole = scenario::frame(&header, &json!({"seq": 5, "did": "did:plc:a", "time": "now"}));
    assert!(Frame::read(&whole).is_ok());
    for end in 0..whole.len() {
        assert!(Frame::read(&whole[..end]).unwrap_err().ends_connection(), "{end}");
    }
    let more = Frame::read(&[&whole[..], &[0]].concat()).unwrap_err();
    assert!(more.ends_connection());
    assert!(Frame::read(&vec![0; MAX_FRAME + 1]).unwrap_err().ends_connection());
    assert!(Frame::read(b"").unwrap_err().ends_connection());
    for (body, seq) in [
        (json!({"seq": 5, "time": "now"}), Some(5)),
        (json!({"seq": 5, "did": 1}), Some(5)),
        (json!({"seq": 0, "did": "did:plc:a"}), None),
        (json!({"seq": -1, "did": "did:plc:a"}), None),
        (json!({"did": "did:plc:a"}), None),
    ] {
        let error = read(&header, &body).unwrap_err();
        assert!(!error.ends_connection());
        assert!(matches!(error, FrameError::Body { seq: found, .. } if found == seq), "{body}: {error}");
    }
}

#[test]
fn a_commit_has_limits() {
    let link = json!({"$link": "bafyreie5cvv4h45feadgeuwhbcutmh6t2ceseocckahdoe6uat64zmz454"});
    let commit = |ops: usize, bytes: usize| {
        let op = json!({"action": "create", "path": "a.b.c/d", "cid": link});
        let mut body = json::from_json(&json!({
            "seq": 1, "repo": "did:plc:a", "rev": "3", "since": null, "commit": link, "time": "now",
            "ops": vec![op; ops],
        }))
        .unwrap();
        let ipld_core::ipld::Ipld::Map(fields) = &mut body else { unreachable!() };
        // Larger than a record may be, so that it is put together by hand.
        let mut writer = super::super::cbor::Writer::default();
        writer.map(fields.len() + 1);
        for (key, value) in &*fields {
            writer.text(key);
            writer.raw(&data::encode(value).unwrap());
        }
        writer.text("blocks");
        writer.bytes(&vec![0; bytes]);
        let header = data::encode(&json::from_json(&json!({"op": 1, "t": "#commit"})).unwrap()).unwrap();
        let bytes = [header, writer.into_bytes()].concat();
        Frame::read(&bytes).map(drop).map_err(|error| error.name())
    };
    assert_eq!(commit(200, 2_000_000), Ok(()));
    assert_eq!(commit(201, 1), Err("frame_too_many_ops"));
    assert_eq!(commit(1, 2_000_001), Err("frame_too_many_blocks"));
    let sync = |bytes: usize| {
        let sync = Sync { seq: 1, did: "did:plc:a", rev: "3", blocks: &vec![0; bytes], time: "" };
        Frame::read(&Frame::Sync(sync).write()).map(drop).map_err(|error| error.name())
    };
    assert_eq!((sync(10_000), sync(10_001)), (Ok(()), Err("frame_too_many_blocks")));
    let deep = [&b"\xa2\x61t\x65#info\x62op\x01\xa2\x64name\x61x\x61y"[..], &[0x81; 40], &[0]].concat();
    let error = Frame::read(&deep).unwrap_err();
    assert!(matches!(error, FrameError::Body { error: BodyError::Cbor(CborError::TooDeep), .. }));
}

#[test]
fn a_label_is_signed_with_all_that_it_says() {
    let key = SigningKey::from_bytes(Curve::K256, &[3; 32]).unwrap();
    let label = Label {
        ver: Some(1),
        src: "did:plc:a",
        uri: "did:plc:b",
        val: "spam",
        cts: "2026-01-01T00:00:00Z",
        ..Label::default()
    };
    let sig = label.sign(&key).unwrap();
    let signed = Label { sig: Some(&sig), ..label.clone() };
    assert_eq!(signed.verify(&key.public()), Ok(()));
    assert_eq!(signed.sign(&key), Ok(sig));
    assert_eq!(label.verify(&key.public()), Err(KeyError::Malformed));
    for other in [
        Label { val: "ham", ..signed.clone() },
        Label { neg: Some(false), ..signed.clone() },
        Label { ver: None, ..signed.clone() },
        Label { cid: Some("bafy"), ..signed.clone() },
    ] {
        assert_eq!(other.verify(&key.public()), Err(KeyError::Wrong));
    }
}
