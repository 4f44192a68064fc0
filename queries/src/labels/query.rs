//! What is said of subjects.

use super::Labelled;
use crate::{answer::Reading, page::Listing, problem::Problem, routes::Routes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{Label, Row, key::KeyWriter, rows::LabelRow};
use springline_sinks::Scan;

/// The most of one answer.
const MAX_LIMIT: usize = 250;
/// The most rows that one answer looks at when some are left out.
const MAX_EXAMINED: usize = 5_000;
/// The most patterns of one question.
const MAX_PATTERNS: usize = 50;

pub(super) fn routes(routes: &mut Routes) {
    routes.view("/v1/labels", labels);
    routes.view("/xrpc/com.atproto.label.queryLabels", labels);
}

/// Labels in force, by their subjects.
///
/// Patterns are subjects (`did:…`, `at://…`), or the beginning of some with a `*` behind it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LabelsParams {
    /// Subjects. All without.
    #[serde(default, rename = "uriPatterns")]
    uri_patterns: Vec<String>,
    /// Only labels by these: DIDs.
    #[serde(default)]
    sources: Vec<String>,
    /// The most labels: 1 to 250.
    #[serde(default = "usual")]
    limit: usize,
    /// The `cursor` of the page before.
    cursor: Option<String>,
}

const fn usual() -> usize {
    50
}

/// Labels.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Labels {
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    /// Those in force.
    labels: Vec<Labelled>,
}

fn labels(reading: &Reading<'_>, params: LabelsParams) -> Result<Labels, Problem> {
    if !(1..=MAX_LIMIT).contains(&params.limit) {
        return Err(Problem::parameter("limit", format!("must be 1 to {MAX_LIMIT}")));
    }
    let mut patterns: Vec<&str> = params.uri_patterns.iter().map(String::as_str).collect();
    if patterns.is_empty() {
        patterns.push("*");
    }
    if patterns.len() > MAX_PATTERNS {
        return Err(Problem::parameter("uriPatterns", format!("the most is {MAX_PATTERNS}")));
    }
    if patterns.iter().any(|pattern| pattern.trim_end_matches('*').contains('*')) {
        return Err(Problem::parameter("uriPatterns", "a `*` stands at the end"));
    }
    patterns.sort_unstable();
    patterns.dedup();
    let sources = &params.sources;
    let by_wanted = |label: &Label| sources.is_empty() || sources.iter().any(|src| label.src.as_str() == src);
    let wanted = |label: &Label| label.is_in_force() && by_wanted(label);
    // Behind the last label shown, in the order of patterns and then of keys.
    let (asked, by) = (params.uri_patterns.join(" "), sources.join(" "));
    let scope = [asked.as_str(), by.as_str()];
    let place = Listing::Labels.resume(&scope, params.cursor.as_deref())?;
    let (mut start, mut after) = match place.as_deref().and_then(<[u8]>::split_first) {
        Some((pattern, key)) => (usize::from(*pattern), Some(key.to_vec()).filter(|key| !key.is_empty())),
        None => (0, None),
    };
    let (mut found, mut examined) = (Vec::new(), 0);
    let mut cursor = None;
    'patterns: while start < patterns.len() {
        let mut prefix = KeyWriter::new();
        match patterns[start].strip_suffix('*') {
            Some(beginning) => prefix.text_prefix(beginning),
            None => prefix.text(patterns[start]),
        };
        let prefix = prefix.into_bytes();
        loop {
            let scan = Scan { prefix: prefix.clone(), after: after.take(), reverse: false, limit: MAX_LIMIT };
            let rows: Vec<LabelRow> = reading.snapshot.scan(&scan)?;
            let is_last = rows.len() < MAX_LIMIT;
            for row in rows {
                if found.len() == params.limit || examined == MAX_EXAMINED {
                    break 'patterns;
                }
                examined += 1;
                let key = row.key_bytes();
                cursor = Some([&[u8::try_from(start).unwrap_or(u8::MAX)], key.as_slice()].concat());
                after = Some(key);
                found.extend(wanted(&row.0).then(|| Labelled::from(&row.0)));
            }
            if is_last {
                break;
            }
        }
        (start, after) = (start + 1, None);
        cursor = Some(vec![u8::try_from(start).unwrap_or(u8::MAX)]);
    }
    let more = start < patterns.len();
    let cursor = cursor.filter(|_| more).map(|place| Listing::Labels.cursor(&scope, &place));
    Ok(Labels { cursor, labels: found })
}
