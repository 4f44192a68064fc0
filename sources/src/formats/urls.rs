//! Bare `http://` and `https://` addresses.

use super::{
    links::{Found, Links, MAX_TARGET_BYTES},
    outline::Outline,
};
use memchr::memmem::Finder;
use springline_model::{LinkPath, Uri};
use std::ops::Range;

/// Links the bare addresses of a text, in any context, except in what is a link already.
pub(super) fn link(text: &str, outline: &Outline, links: &mut Links) {
    links.pass();
    let slashes = Finder::new(b"://");
    let mut at = 0;
    while let Some(found) = slashes.find(&text.as_bytes()[at..]) {
        let colon = at + found;
        at = colon + 3;
        let Some(start) = scheme_start(text, colon) else { continue };
        if let Some(end) = outline.covered_until(start) {
            at = at.max(end);
            continue;
        }
        let url = start..at + address_len(&text[at..]);
        if url.end == at {
            continue;
        }
        at = url.end;
        if url.len() > MAX_TARGET_BYTES {
            links.skip_long();
        } else {
            link_one(text, url, outline, links);
        }
    }
}

fn link_one(text: &str, url: Range<usize>, outline: &Outline, links: &mut Links) {
    links.add(Found {
        path: LinkPath::URL,
        context: outline.context(url.start),
        target: Uri::from(&text[url.clone()]),
        span: url,
        label: None,
        fragment: None,
    });
}

/// Where the scheme before `://` starts, if it is one of the web's.
fn scheme_start(text: &str, colon: usize) -> Option<usize> {
    let before = &text.as_bytes()[..colon];
    let letters = ["https", "http"].into_iter().find_map(|scheme| {
        let tail = before.get(before.len().checked_sub(scheme.len())?..)?;
        tail.eq_ignore_ascii_case(scheme.as_bytes()).then_some(scheme.len())
    })?;
    let start = colon - letters;
    (start == 0 || !before[start - 1].is_ascii_alphanumeric()).then_some(start)
}

/// How much of a text belongs to an address: up to a space, quote or bracket, without closing punctuation.
pub(super) fn address_len(text: &str) -> usize {
    let stops = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || "<>\"`[]{}|\\^".contains(c)
            || "。，、）」』】；：！？".contains(c)
    };
    let mut address = &text[..text.find(stops).unwrap_or(text.len())];
    let opened = address.bytes().filter(|byte| *byte == b'(').count();
    let mut closed = address.bytes().filter(|byte| *byte == b')').count();
    while let Some(last) = address.bytes().next_back() {
        match last {
            b'.' | b',' | b';' | b':' | b'!' | b'?' | b'\'' | b'*' | b'_' | b'~' => {}
            b')' if closed > opened => closed -= 1,
            _ => break,
        }
        address = &address[..address.len() - 1];
    }
    address.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_end_where_people_end_them() {
        let urls = |text: &str| {
            let mut links = Links::new();
            link(text, &Outline::default(), &mut links);
            let links = links.finish(&mut Vec::new());
            links.iter().map(|link| link.target.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            urls("see https://x.org/a_(b)), or HTTP://Y.org."),
            ["https://x.org/a_(b)", "HTTP://Y.org"]
        );
        assert_eq!(urls("<a href=\"https://x.org/?a=1&b\">"), ["https://x.org/?a=1&b"]);
        assert_eq!(urls("见https://x.org/中文。 xhttp://no https:// gopher://x"), ["https://x.org/中文"]);
        assert!(urls(&format!("https://{}", "x".repeat(5000))).is_empty());
    }
}
