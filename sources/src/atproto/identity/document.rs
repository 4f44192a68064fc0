//! What a DID document says, as far as it matters here.
//!
//! ```text
//!  { id: "did:plc:…", alsoKnownAs: ["at://alice.example"],                   ─► handle (not verified here)
//!    verificationMethod: [{ id: "…#atproto", publicKeyMultibase: "z…" }],    ─► signing_key, label_key
//!    service: [{ id: "#atproto_pds", type: …, serviceEndpoint: "https://…" }] ─► pds, labeler }
//! ```
//!
//! Documents of `did:web` are written by anyone, so one odd part doesn't spoil the others: what isn't as expected
//! counts as missing. Of several that match, the first is taken.
//!
//! Keys are given as Multikey text (`zQ3sh…`, `zDn…`), into which the older forms are rewritten. Whether the key
//! is a point of its curve is for whoever uses it to find out.

use crate::atproto::lexicon::format::{is_did, is_handle};
use ipld_core::cid::multibase::{self, Base};
use reqwest::Url;
use serde_json::Value;
use thiserror::Error;

/// A longer document isn't read.
pub(super) const MAX_BYTES: usize = 64 * 1024;
/// How many handles, keys or services are looked at.
const MAX_ENTRIES: usize = 64;
/// A longer key isn't one.
const MAX_KEY_BYTES: usize = 256;
/// A longer address isn't used.
const MAX_URL_BYTES: usize = 2048;

/// A document is none of this account.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DocumentError {
    /// It is too long.
    #[error("the DID document has more than {MAX_BYTES} bytes")]
    TooLong,
    /// It is no JSON object.
    #[error("the DID document is no JSON object")]
    Json,
    /// It is that of another account.
    #[error("the DID document is of another account")]
    OtherDid,
}

/// What a DID document says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Whose document it is.
    pub did: Box<str>,
    /// The handle it claims, in lower case.
    pub handle: Option<Box<str>>,
    /// The server that has the repository, as `https://host[:port]`.
    pub pds: Option<Box<str>>,
    /// The key that signs commits, as Multikey text.
    pub signing_key: Option<Box<str>>,
    /// The key that signs labels, as Multikey text.
    pub label_key: Option<Box<str>>,
    /// The server that has the account's labels, as `https://host[:port]`.
    pub labeler: Option<Box<str>>,
}

impl Document {
    /// Reads the document of an account.
    ///
    /// # Errors
    /// It isn't one of this account.
    pub fn parse(did: &str, json: &[u8]) -> Result<Self, DocumentError> {
        if json.len() > MAX_BYTES {
            return Err(DocumentError::TooLong);
        }
        let document: Value = serde_json::from_slice(json).map_err(|_| DocumentError::Json)?;
        if !document.is_object() || !is_did(did) {
            return Err(DocumentError::Json);
        }
        if document["id"].as_str() != Some(did) {
            return Err(DocumentError::OtherDid);
        }
        Ok(Self {
            did: did.into(),
            handle: entries(&document["alsoKnownAs"]).find_map(handle),
            pds: service(&document, did, "#atproto_pds", "AtprotoPersonalDataServer"),
            signing_key: key(&document, did, "#atproto"),
            label_key: key(&document, did, "#atproto_label"),
            labeler: service(&document, did, "#atproto_labeler", "AtprotoLabeler"),
        })
    }
}

fn entries(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten().take(MAX_ENTRIES)
}

fn handle(alias: &Value) -> Option<Box<str>> {
    let handle = alias.as_str()?.strip_prefix("at://")?;
    is_handle(handle).then(|| handle.to_ascii_lowercase().into())
}

/// Whether an entry has this fragment for its id, by itself or after the DID.
fn is_called(entry: &Value, did: &str, fragment: &str) -> bool {
    let id = entry["id"].as_str().unwrap_or_default();
    id.strip_prefix(did).unwrap_or(id) == fragment
}

fn service(document: &Value, did: &str, fragment: &str, kind: &str) -> Option<Box<str>> {
    let is_it = |entry: &&Value| is_called(entry, did, fragment) && entry["type"].as_str() == Some(kind);
    origin(entries(&document["service"]).find(is_it)?["serviceEndpoint"].as_str()?)
}

/// The address of a server, without a path.
fn origin(text: &str) -> Option<Box<str>> {
    if text.len() > MAX_URL_BYTES {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let is_origin = matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    is_origin.then(|| url.origin().ascii_serialization().into())
}

fn key(document: &Value, did: &str, fragment: &str) -> Option<Box<str>> {
    let entry = entries(&document["verificationMethod"]).find(|entry| is_called(entry, did, fragment))?;
    let text = entry["publicKeyMultibase"].as_str().filter(|text| text.len() <= MAX_KEY_BYTES)?;
    match entry["type"].as_str()? {
        "Multikey" => text.starts_with('z').then(|| text.into()),
        // Bare points, whose curve the type names.
        "EcdsaSecp256k1VerificationKey2019" => multikey([0xe7, 0x01], text),
        "EcdsaSecp256r1VerificationKey2019" => multikey([0x80, 0x24], text),
        _ => None,
    }
}

/// A point in multibase as a Multikey: with the code of its curve before it, and compressed.
fn multikey(code: [u8; 2], text: &str) -> Option<Box<str>> {
    let (_, point) = multibase::decode(text).ok()?;
    let mut key = code.to_vec();
    match point.as_slice() {
        [2 | 3, x @ ..] if x.len() == 32 => key.extend_from_slice(&point),
        [4, xy @ ..] if xy.len() == 64 => {
            // One of two points has this x, and y is even in one of them.
            key.push(2 + (xy[63] & 1));
            key.extend_from_slice(&xy[..32]);
        }
        _ => return None,
    }
    Some(multibase::encode(Base::Base58Btc, key).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DID: &str = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    const KEY: &str = "zQ3shXjHeiBuRCKmM36cuYnm7YEMzhGnCmCyW92sRJ9pribSF";

    fn parse(document: &Value) -> Document {
        Document::parse(DID, document.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn reads_the_three_forms_of_a_key_alike() {
        let bare =
            "zQYEBzXeuTM9UR3rfvNag6L3RNAs5pQZyYPsomTsgQhsxLdEgCrPTLgFna8yqCnxPpNT7DBk6Ym3dgPKNu86vt9GR";
        let compressed = multibase::decode(KEY).unwrap().1[2..].to_vec();
        let old = "EcdsaSecp256k1VerificationKey2019";
        for (kind, id, text) in [
            ("Multikey", format!("{DID}#atproto"), KEY.to_owned()),
            (old, "#atproto".into(), bare.into()),
            (old, "#atproto".into(), multibase::encode(Base::Base58Btc, compressed)),
        ] {
            let method = json!({"id": id, "type": kind, "controller": DID, "publicKeyMultibase": text});
            let document = parse(&json!({"id": DID, "verificationMethod": [method]}));
            assert_eq!(document.signing_key.as_deref(), Some(KEY), "{kind} {text}");
        }
    }

    #[test]
    fn reads_a_labeler() {
        let document = parse(&json!({
            "id": DID, "alsoKnownAs": ["https://x.example", "at://UPPER.example", "at://second.example"],
            "verificationMethod": [{"id": "#atproto_label", "type": "Multikey", "publicKeyMultibase": KEY}],
            "service": [
                {"id": "#atproto_labeler", "type": "AtprotoLabeler", "serviceEndpoint": "https://l.example/"},
                {"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": "https://p.example:8443"},
            ],
        }));
        assert_eq!(document.handle.as_deref(), Some("upper.example"));
        assert_eq!(document.label_key.as_deref(), Some(KEY));
        assert_eq!(document.labeler.as_deref(), Some("https://l.example"));
        assert_eq!(document.pds.as_deref(), Some("https://p.example:8443"));
        assert_eq!(document.signing_key, None);
    }

    #[test]
    fn takes_what_is_odd_for_missing() {
        for odd in [json!(null), json!(7), json!("x"), json!({}), json!([null, 7, "x", {}, []])] {
            let all = json!({"id": DID, "alsoKnownAs": odd, "verificationMethod": odd, "service": odd});
            let document = parse(&all);
            assert_eq!((document.handle, document.pds, document.signing_key), (None, None, None), "{odd}");
        }
        for url in
            ["ftp://x.example", "https://u:p@x.example", "https://x.example/p", "https://x.example?q", "x"]
        {
            let pds =
                json!({"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": url});
            assert_eq!(parse(&json!({"id": DID, "service": [pds]})).pds, None, "{url}");
        }
        let old = "EcdsaSecp256k1VerificationKey2019";
        for (kind, id, text) in [
            (old, "#atproto", "z2"),
            (old, "#atproto", "?"),
            ("JsonWebKey2020", "#atproto", KEY),
            ("Multikey", "did:web:x.example#atproto", KEY),
        ] {
            let method = json!({"id": id, "type": kind, "publicKeyMultibase": text});
            assert_eq!(
                parse(&json!({"id": DID, "verificationMethod": [method]})).signing_key,
                None,
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_what_is_no_document_of_the_account() {
        let parse = |json: &str| Document::parse(DID, json.as_bytes()).unwrap_err();
        assert_eq!(parse(r#"{"id": "did:plc:other"}"#), DocumentError::OtherDid);
        assert_eq!(parse("{}"), DocumentError::OtherDid);
        for text in ["", "[]", "null", "<html>", "{"] {
            assert_eq!(parse(text), DocumentError::Json, "{text}");
        }
        assert_eq!(parse(&"[".repeat(60_000)), DocumentError::Json);
        assert_eq!(parse(&" ".repeat(MAX_BYTES + 1)), DocumentError::TooLong);
    }
}
