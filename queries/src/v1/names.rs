//! How identities in requests are read: forgiving where there is one meaning, and clear where there is none.

use super::{
    backlinks::{Filter, LinksAs},
    nodes,
};
use crate::{answer::Reading, problem::Problem};
use springline_model::{NodeName, Timestamp, Uri, uri::MAX_URI_BYTES};

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

/// What is linked to: as [`uri`], and a node as [`node`].
///
/// # Errors
/// As those.
pub fn target(reading: &Reading<'_>, parameter: &str, text: &str) -> Result<Uri, Problem> {
    match text.trim_start().strip_prefix("node:") {
        Some(name) => Ok(Uri::node(&node(reading, parameter, name)?)),
        None => uri(parameter, text),
    }
}

/// Anything that can be linked to: `node:` in any spelling, `user:`, `tag:`, or a whole URI.
///
/// # Errors
/// It is empty, too long, or has no scheme.
pub fn uri(parameter: &str, text: &str) -> Result<Uri, Problem> {
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

/// Somebody: a user's name (with or without `@`), or a whole URI (`user:…`, `did:…`).
///
/// # Errors
/// It is empty or too long.
pub fn person(parameter: &str, text: &str) -> Result<Uri, Problem> {
    bounded(parameter, text)?;
    let text = text.trim();
    Ok(match text.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme)) {
        true => Uri::new(text),
        // `anonymous@name` is a user of its own: only a leading `@` is a way of writing.
        false => Uri::user(text.strip_prefix('@').unwrap_or(text)),
    })
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
            |text: &str| uri("target", text).map(|uri| uri.to_string()).map_err(|problem| problem.kind());
        assert_eq!(uri("node:Foo-Bar").unwrap(), "node:foo bar");
        assert_eq!(uri("tag:#ToDo").unwrap(), "tag:todo");
        assert_eq!(uri(" garden://a/B c.md ").unwrap(), "garden://a/B c.md");
        assert!(uri("foo bar").is_err() && uri("").is_err() && uri(":x").is_err() && uri("a b:c").is_err());
        assert_eq!(person("author", "@flancian").unwrap().as_str(), "user:flancian");
        assert_eq!(person("author", "anonymous@foo").unwrap().as_str(), "user:anonymous@foo");
        assert_eq!(person("author", "did:plc:x").unwrap().as_str(), "did:plc:x");
        assert!(day("date", "2026-08-19").is_ok());
        for wrong in ["2026-8-19", "2026-08-19T00:00:00Z", "today", "2026-02-30", ""] {
            assert!(day("date", wrong).is_err(), "{wrong}");
        }
    }
}
