use super::{
    super::{Cid, commit, key::*, syntax::*},
    base64, hex, vectors,
};
use ipld_core::cid::multibase::Base;
use serde_json::Value;

fn list(path: &str) -> Vec<Value> {
    serde_json::from_str(&vectors(path)).unwrap()
}

#[test]
fn signatures_of_the_vectors_hold_where_they_should() {
    for vector in list("crypto/signature-fixtures.json") {
        let text = |field: &str| vector[field].as_str().unwrap();
        let did_key = PublicKey::from_did_key(text("publicKeyDid")).unwrap();
        let old = PublicKey::from_method(text("didDocSuite"), text("publicKeyMultibase")).unwrap();
        assert_eq!(did_key, old);
        assert_eq!(did_key.to_did_key(), text("publicKeyDid"));
        let verified = did_key.verify(&base64(text("messageBase64")), &base64(text("signatureBase64")));
        assert_eq!(verified.is_ok(), vector["validSignature"].as_bool().unwrap(), "{vector}: {verified:?}");
        if text("comment").contains("non-low-S") {
            assert_eq!(verified, Err(KeyError::HighS));
        }
    }
}

#[test]
fn secrets_of_the_vectors_have_their_public_keys() {
    let mut keys = Vec::new();
    for vector in list("crypto/w3c_didkey_K256.json") {
        let secret = hex(vector["privateKeyBytesHex"].as_str().unwrap());
        keys.push((Curve::K256, secret, vector["publicDidKey"].as_str().unwrap().to_owned()));
    }
    for vector in list("crypto/w3c_didkey_P256.json") {
        let secret = Base::Base58Btc.decode(vector["privateKeyBytesBase58"].as_str().unwrap()).unwrap();
        keys.push((Curve::P256, secret, vector["publicDidKey"].as_str().unwrap().to_owned()));
    }
    for (curve, secret, public) in keys {
        let key = SigningKey::from_bytes(curve, &secret.try_into().unwrap()).unwrap();
        assert_eq!(key.public().to_did_key(), public);
        for message in [&b""[..], b"message", &[7; 1000]] {
            let signature = key.sign(message).unwrap();
            assert_eq!(key.public().verify(message, &signature), Ok(()));
            assert_eq!(key.public().verify(b"another", &signature), Err(KeyError::Wrong));
            assert_eq!(key.public().verify(message, &signature[1..]), Err(KeyError::Malformed));
            assert_eq!(key.public().verify(message, &[0; 64]), Err(KeyError::Malformed));
        }
        assert_eq!(format!("{key:?}"), format!("SigningKey({public})", public = key.public()));
    }
}

#[test]
fn what_is_no_key_is_refused() {
    for text in
        ["", "z", "did:key:", "did:key:z", "did:key:f00", "did:web:zQ3shqwJEJyMBsBXCWyCBpUBMqxcon9oHB7mCvx4s"]
    {
        assert_eq!(PublicKey::from_did_key(text), Err(KeyError::Text), "{text}");
    }
    assert_eq!(PublicKey::from_did_key(&format!("did:key:z{}", "1".repeat(1 << 20))), Err(KeyError::Text));
    // Of Ed25519.
    let other = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK";
    assert_eq!(PublicKey::from_did_key(other), Err(KeyError::Kind));
    assert_eq!(PublicKey::from_method("Ed25519VerificationKey2020", "z25z9"), Err(KeyError::Kind));
    assert_eq!(PublicKey::from_point(Curve::P256, &[0; 33]), Err(KeyError::Key));
    assert!(SigningKey::from_bytes(Curve::K256, &[0; 32]).is_err());
    assert!(SigningKey::from_bytes(Curve::P256, &[255; 32]).is_err());
}

#[test]
fn a_commit_is_signed_by_its_key_as_a_whole() {
    let key = SigningKey::from_bytes(Curve::P256, &[1; 32]).unwrap();
    let did = Did::new("did:plc:44ybard66vv44zksje25o7dz").unwrap();
    let (rev, data) = (Tid::new(1_700_000_000_000_000, 5), Cid::of_cbor(b"root"));
    let block = commit::sign(&did, rev, &data, &key).unwrap();
    let commit = commit::Commit::read(&block).unwrap();
    assert_eq!((commit.did, commit.rev, commit.data, commit.version), (did.as_str(), Some(rev), data, 3));
    assert_eq!(commit.verify(&key.public()), Ok(()));
    let other = SigningKey::from_bytes(Curve::P256, &[2; 32]).unwrap().public();
    assert_eq!(commit.verify(&other), Err(KeyError::Wrong.into()));
    for at in 0..block.len() {
        for flip in [1, 0x80] {
            let mut block = block.clone();
            block[at] ^= flip;
            let verified = commit::Commit::read(&block).and_then(|commit| commit.verify(&key.public()));
            assert!(verified.is_err(), "byte {at}");
        }
    }
}
