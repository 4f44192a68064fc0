//! Pages by number: so many rows behind so many others, both bounded, as is what is looked at for them.

use crate::problem::Problem;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error as _};
use springline_model::Row;
use springline_sinks::{Scan, Snapshot};
use std::borrow::Cow;

/// How many items a page may have.
pub(super) type Limit = crate::page::Limit<100>;

/// The most items that can be passed over.
const MAX_OFFSET: u16 = 10_000;
/// The most rows that are looked at for a page.
const MAX_EXAMINED: usize = 20_000;
/// Rows that are read at a time.
const CHUNK: usize = 512;

/// When nothing is said: a whole page.
pub(super) const fn whole() -> Limit {
    Limit::of(100)
}

/// How many items are passed over: at most [`MAX_OFFSET`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Offset(u16);

impl Offset {
    pub(super) const fn get(self) -> u16 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Offset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        let fits = u16::try_from(number).ok().filter(|number| *number <= MAX_OFFSET);
        fits.map(Self).ok_or_else(|| {
            D::Error::custom(format!("{number} is above {MAX_OFFSET}: the lists of /v1 go on with a cursor"))
        })
    }
}

impl JsonSchema for Offset {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Offset".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "maximum": MAX_OFFSET })
    }
}

/// The wanted rows of a page, of those whose keys begin so. There are at most `most` wanted ones in all.
pub(super) fn page<R: Row>(
    snapshot: &Snapshot<'_>,
    prefix: &[u8],
    (offset, limit): (Offset, Limit),
    most: u64,
    is_wanted: impl Fn(&R) -> bool,
) -> Result<Vec<R>, Problem> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let (first, end) = (usize::from(offset.0), usize::from(offset.0) + limit.get());
    let (mut rows, mut after) = (Vec::new(), None);
    let (mut examined, mut wanted) = (0, 0);
    while wanted < end.min(most) {
        if examined >= MAX_EXAMINED {
            let detail = format!(
                "more than {MAX_EXAMINED} items would have to be looked at: the lists of /v1 go on with a cursor"
            );
            return Err(Problem::parameter("offset", detail));
        }
        let scan = Scan { prefix: prefix.to_vec(), after, limit: CHUNK, reverse: false };
        let found: Vec<R> = snapshot.scan(&scan)?;
        let is_last = found.len() < CHUNK;
        examined += found.len();
        after = found.last().map(Row::key_bytes);
        for row in found.into_iter().filter(&is_wanted) {
            if (first..end).contains(&wanted) {
                rows.push(row);
            }
            wanted += 1;
        }
        if is_last {
            break;
        }
    }
    Ok(rows)
}
