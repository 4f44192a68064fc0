use super::{super::syntax::*, vectors};
use proptest::prelude::*;

/// The lines of a file of vectors: those that aren't empty or comments. White space at their ends matters.
fn lines(path: &str) -> Vec<String> {
    let text = vectors(path);
    let lines: Vec<_> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(lines.len() > 3, "{path}");
    lines.into_iter().map(str::to_owned).collect()
}

fn agree(name: &str, check: impl Fn(&str) -> Result<(), SyntaxError>) {
    for text in lines(&format!("syntax/{name}_syntax_valid.txt")) {
        assert_eq!(check(&text), Ok(()), "{text}");
    }
    for text in lines(&format!("syntax/{name}_syntax_invalid.txt")) {
        assert!(check(&text).is_err(), "{text}");
    }
}

#[test]
fn what_the_vectors_accept_is_accepted_and_nothing_else() {
    agree("did", Did::check);
    agree("handle", Handle::check);
    agree("nsid", Nsid::check);
    agree("recordkey", RecordKey::check);
    agree("tid", |text| text.parse::<Tid>().map(drop));
    agree("aturi", AtUri::check);
    agree("datetime", datetime::check);
    agree("language", check_language);
    agree("uri", check_uri);
    agree("cid", check_cid);
    agree("atidentifier", |text| Did::check(text).or_else(|_| Handle::check(text)));
    for text in lines("syntax/datetime_parse_invalid.txt") {
        assert!(datetime::check(&text).is_err(), "{text}");
    }
    for text in lines("syntax/language_parse_invalid.txt") {
        assert!(check_language(&text).is_err(), "{text}");
    }
}

#[test]
fn a_handle_has_one_text() {
    assert_eq!(Handle::new("XX.LCS.MIT.EDU").unwrap().as_str(), "xx.lcs.mit.edu");
    assert_eq!(Did::new("did:web:Example.com").unwrap().as_str(), "did:web:Example.com");
}

#[test]
fn names_have_parts() {
    let did = Did::new("did:web:localhost%3A1234:a").unwrap();
    assert_eq!((did.method(), did.id()), ("web", "localhost%3A1234:a"));
    let nsid = Nsid::new("app.bsky.feed.post").unwrap();
    assert_eq!((nsid.authority(), nsid.name()), ("app.bsky.feed", "post"));
    let rkey = RecordKey::new("3jzfcijpj2z2a").unwrap();
    let uri = AtUri::of_record(&did, &nsid, &rkey);
    let parts = AtUriParts { authority: &did, collection: Some(&nsid), rkey: Some(&rkey) };
    assert_eq!((uri.parts(), AtUriParts::parse(&uri)), (parts, Ok(parts)));
    assert_eq!(uri.parts().did(), Some(did.as_str()));
    assert_eq!(AtUri::new("at://a.test").unwrap().parts().did(), None);
}

#[test]
fn datetimes_are_instants() {
    let micros = |text| datetime::micros(text).unwrap();
    assert_eq!(micros("1970-01-01T00:00:00Z"), 0);
    assert_eq!(micros("1970-01-01T01:00:00.5+01:00"), 500_000);
    assert_eq!(micros("1969-12-31T23:59:59.9999999Z"), 0, "cut off towards 1970, as the number is");
    assert_eq!(micros("2026-07-04T14:38:08.999Z"), 1_783_175_888_999_000);
    assert_eq!(micros("2026-07-04T07:08:08.999123-07:30"), 1_783_175_888_999_123);
}

#[test]
fn a_tid_has_a_time() {
    let tid: Tid = "3jzfcijpj2z2a".parse().unwrap();
    assert_eq!((tid.micros(), tid.clock()), (1_688_137_381_887_007, 6));
    assert_eq!(RecordKey::new("3jzfcijpj2z2a").unwrap().tid(), Some(tid));
    assert_eq!("jzzzzzzzzzzzz".parse::<Tid>().unwrap().to_u64(), u64::MAX);
}

proptest! {
    #[test]
    fn tids_sort_as_their_texts_do(a: u64, b: u64) {
        let (a, b) = (Tid::from_u64(a), Tid::from_u64(b));
        prop_assert_eq!(a.to_string().parse::<Tid>().unwrap(), a);
        prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        prop_assert_eq!(Tid::new(a.micros(), a.clock()).to_u64(), a.to_u64() & (u64::MAX >> 1));
    }

    #[test]
    fn no_text_is_too_strange(text in "\\PC{0,40}") {
        let _ = (Did::new(&text), Handle::new(&text), Nsid::new(&text), AtUri::new(&text), check_uri(&text));
        let _ = (RecordKey::new(&text), text.parse::<Tid>(), datetime::check(&text), check_language(&text));
    }

    #[test]
    fn nor_nearly_a_datetime(text in "[0-9:T.+-]{15,30}Z?|....-..-..T..:..:..\\PC{0,10}") {
        let _ = datetime::check(&text);
    }
}
