//! The documents of the reference implementation, and real ones.

use super::*;
use std::{collections::BTreeMap, fs, path::Path};

fn vector(name: &str) -> Document {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/atproto/identity");
    let json = fs::read(folder.join(name)).unwrap();
    let did: Value = serde_json::from_slice(&json).unwrap();
    Document::parse(did["id"].as_str().unwrap(), &json).unwrap()
}

#[test]
fn reads_the_documents_of_the_reference() {
    let plc = vector("did_plc_doc.json");
    assert_eq!(plc.handle.as_deref(), Some("atproto.com"));
    assert_eq!(plc.pds.as_deref(), Some("https://bsky.social"));
    assert_eq!(plc.signing_key.as_deref(), Some(KEY));
    assert_eq!(plc.label_key, None);
    // The same, as it was written before.
    assert_eq!(vector("did_plc_doc_legacy.json"), plc);
    let web = vector("did_web_doc.json");
    assert_eq!(&*web.did, "did:web:discover.bsky.social");
    assert_eq!((web.handle, web.pds, web.signing_key), (None, None, None));
}

/// The documents of the accounts in the recorded stream.
#[test]
fn reads_real_documents() {
    let Some(data) = std::env::var_os("SPRINGLINE_TEST_DATA") else {
        println!("skipped: SPRINGLINE_TEST_DATA isn't set");
        return;
    };
    let packed = fs::read(Path::new(&data).join("atproto/jetstream-corpus/did_docs.json.zst")).unwrap();
    let documents: BTreeMap<String, Value> =
        serde_json::from_slice(&zstd::decode_all(packed.as_slice()).unwrap()).unwrap();
    assert_eq!(documents.len(), 148);
    for (did, json) in documents {
        let document = Document::parse(&did, json.to_string().as_bytes()).unwrap();
        assert!(document.signing_key.is_some_and(|key| key.starts_with("zQ3s")), "{did}");
        assert!(document.pds.is_some_and(|pds| pds.starts_with("https://")), "{did}");
        assert!(document.handle.is_some(), "{did}");
    }
}
