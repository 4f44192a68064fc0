//! How identities in requests are read: forgiving where there is one meaning, and clear where there is none.
//!
//! Wherever a DID can stand a handle can, too: `alice.example` or `@alice.example` for the account,
//! `at://alice.example/collection/rkey` for a record. What a handle leads to is what the views say: an account that
//! was resolved to this handle and has not been to another one since. Nothing is asked of the network.

use super::{
    backlinks::{Filter, LinksAs},
    list, nodes,
};
use crate::{answer::Reading, problem::Problem};
use springline_model::{
    Identity, NodeName, Timestamp, Uri,
    rows::{AuthorRow, HandleRow, IdentityRow},
    uri::MAX_URI_BYTES,
};
use springline_sinks::{Scan, Snapshot};

/// The most accounts that a handle is looked for at: a handle moves rarely, and the last owner comes first.
const MAX_OWNERS: usize = 16;
/// The longest handle, by the specification.
const MAX_HANDLE_BYTES: usize = 253;

/// A node by its name, slug or any spelling of it. A name that is known as it stands is that one: a few canonical names
/// (`a //b`) would read as others.
///
/// # Errors
/// The name is empty or longer than any name can be; or the store fails.
pub fn node(reading: &Reading<'_>, parameter: &str, text: &str) -> Result<NodeName, Problem> {
    bounded(parameter, text)?;
    let text = text.strip_prefix("node:").unwrap_or(text);
    let (canonical, as_is) = (NodeName::canonical(text), NodeName::from_canonical(text));
    if canonical == as_is {
        return Ok(canonical);
    }
    let is_linked = |links| {
        let filter = Filter { links, ..Filter::default() };
        let found = filter.newest(reading.snapshot, &Uri::node(&as_is), None, 1)?;
        Ok::<bool, Problem>(!found.rows.is_empty())
    };
    let is_known = nodes::row(reading.snapshot, &as_is)?.is_some()
        || is_linked(LinksAs::True)?
        || is_linked(LinksAs::Agora)?;
    Ok(if is_known { as_is } else { canonical })
}

/// What is linked to: as [`uri`], a node as [`node`], and an account also by its bare handle.
///
/// # Errors
/// As those.
pub fn target(reading: &Reading<'_>, parameter: &str, text: &str) -> Result<Uri, Problem> {
    match text.trim_start().strip_prefix("node:") {
        Some(name) => Ok(Uri::node(&node(reading, parameter, name)?)),
        None => match as_handle(text) {
            Some(handle) => resolved(reading.snapshot, &handle),
            None => uri(reading.snapshot, parameter, text),
        },
    }
}

/// Anything that can be linked to: `node:` in any spelling, `user:`, `tag:`, or a whole URI; in an `at://` URI a
/// handle may stand for the DID.
///
/// # Errors
/// It is empty, too long, has no scheme, or names a handle that is not known here.
pub fn uri(snapshot: &Snapshot<'_>, parameter: &str, text: &str) -> Result<Uri, Problem> {
    let uri = written(parameter, text)?;
    let Some(place) = uri.as_str().strip_prefix("at://") else { return Ok(uri) };
    let (authority, rest) = place.split_at(place.find('/').unwrap_or(place.len()));
    match as_handle(authority) {
        Some(handle) => Ok(Uri::new(format!("at://{}{rest}", resolved(snapshot, &handle)?))),
        None => Ok(uri),
    }
}

/// A URI as it is written, but for `node:` and `tag:`.
fn written(parameter: &str, text: &str) -> Result<Uri, Problem> {
    bounded(parameter, text)?;
    let Some((scheme, rest)) = text.trim().split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
        let detail = format!("`{}` has no scheme: for a node write `node:{0}`", shown(text));
        return Err(Problem::parameter(parameter, detail));
    };
    Ok(match scheme {
        "node" => Uri::node(&NodeName::canonical(rest)),
        "tag" => Uri::tag(&rest.trim_start_matches('#').to_lowercase()),
        _ => Uri::new(text.trim()),
    })
}

/// Somebody: a user's name or a handle (with or without `@`), or a whole URI (`user:…`, `did:…`). What looks like a
/// handle and is the name of a user who wrote something is that user.
///
/// # Errors
/// It is empty or too long, or a handle that is not known here.
pub fn person(snapshot: &Snapshot<'_>, parameter: &str, text: &str) -> Result<Uri, Problem> {
    bounded(parameter, text)?;
    let text = text.trim();
    if text.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme)) {
        return Ok(Uri::new(text));
    }
    // `anonymous@name` is a user of its own: only a leading `@` is a way of writing.
    let user = Uri::user(text.strip_prefix('@').unwrap_or(text));
    match as_handle(text) {
        Some(handle) if snapshot.get::<AuthorRow>(&list::key(&[user.as_str()]))?.is_none() => {
            resolved(snapshot, &handle)
        }
        _ => Ok(user),
    }
}

/// The handle that a text may be, in lower case: a name with a dot in it.
fn as_handle(text: &str) -> Option<String> {
    let name = text.trim().trim_start_matches('@');
    let is_handle = name.len() <= MAX_HANDLE_BYTES
        && name.contains('.')
        && name.split('.').all(|label| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        });
    is_handle.then(|| name.to_ascii_lowercase())
}

fn resolved(snapshot: &Snapshot<'_>, handle: &str) -> Result<Uri, Problem> {
    did_of(snapshot, handle)?
        .ok_or_else(|| Problem::not_found(format!("this server has not seen the handle `{}`", shown(handle))))
}

/// Whose handle it is now: the last to be resolved to it whose handle it still is.
///
/// # Errors
/// The store can't be read.
pub fn did_of(snapshot: &Snapshot<'_>, handle: &str) -> Result<Option<Uri>, Problem> {
    let scan = Scan { prefix: list::key(&[handle]), limit: MAX_OWNERS, ..Scan::default() };
    for HandleRow { did, .. } in snapshot.scan(&scan)? {
        if handle_of(snapshot, &did)?.as_deref() == Some(handle) {
            return Ok(Some(did));
        }
    }
    Ok(None)
}

/// The handle of an account, as far as it is known. Answers that show it ask [`Reading::handle`].
///
/// # Errors
/// The store can't be read.
pub fn handle_of(snapshot: &Snapshot<'_>, did: &Uri) -> Result<Option<String>, Problem> {
    Ok(identity(snapshot, did)?.and_then(|identity| identity.handle))
}

/// Who an account is, as far as it is known. Answers that show it ask [`Reading::identity`].
///
/// # Errors
/// The store can't be read.
pub fn identity(snapshot: &Snapshot<'_>, did: &Uri) -> Result<Option<Identity>, Problem> {
    let row: Option<IdentityRow> = snapshot.get(&list::key(&[did.as_str()]))?;
    Ok(row.map(|IdentityRow(identity)| identity))
}

/// A day as `2026-08-19`: its midnight in UTC.
///
/// # Errors
/// It is no such day.
pub fn day(parameter: &str, text: &str) -> Result<Timestamp, Problem> {
    Timestamp::parse(text).ok().filter(|at| at.date() == text).ok_or_else(|| {
        Problem::parameter(parameter, format!("`{}` is no day, as 2026-08-19 is", shown(text)))
    })
}

/// The beginning of a text from a stranger, for an error's detail.
pub fn shown(text: &str) -> String {
    const MOST: usize = 100;
    let mut shown: String = text.chars().take(MOST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

fn bounded(parameter: &str, text: &str) -> Result<(), Problem> {
    match text.trim().len() {
        0 => Err(Problem::parameter(parameter, "is empty")),
        bytes if bytes > MAX_URI_BYTES => {
            Err(Problem::parameter(parameter, format!("has {bytes} bytes; the most is {MAX_URI_BYTES}")))
        }
        _ => Ok(()),
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_identities() {
        let uri =
            |text: &str| written("target", text).map(|uri| uri.to_string()).map_err(|problem| problem.kind());
        assert_eq!(uri("node:Foo-Bar").unwrap(), "node:foo bar");
        assert_eq!(uri("tag:#ToDo").unwrap(), "tag:todo");
        assert_eq!(uri(" garden://a/B c.md ").unwrap(), "garden://a/B c.md");
        assert!(uri("foo bar").is_err() && uri("").is_err() && uri(":x").is_err() && uri("a b:c").is_err());
        assert_eq!(as_handle(" @Alice.Example").as_deref(), Some("alice.example"));
        for not in
            ["flancian", "anonymous@foo.example", "did:plc:x.y", "a..b", ".a", "a b.c", "é.example", ""]
        {
            assert_eq!(as_handle(not), None, "{not}");
        }
        assert!(day("date", "2026-08-19").is_ok());
        for wrong in ["2026-8-19", "2026-08-19T00:00:00Z", "today", "2026-02-30", ""] {
            assert!(day("date", wrong).is_err(), "{wrong}");
        }
    }
}
