//! Records that join two things: a list item joins an account and a list.
//!
//! For each record that links to the subject, newest first, its links at the other path are read from the record.
//!
//! Limits: a page reads [`MAX_READ`] records, a count [`MAX_JOINED`] and as many links; what it then leaves out is
//! told by `truncated`.

use super::{
    LinkRecord, PageLimit, dids, dotted, joined, links,
    lookup::{Links, Records},
    usual,
};
use crate::{
    answer::Reading,
    page::Listing,
    problem::{Kind, Problem},
    routes::Routes,
    v1::names,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    Uri,
    key::{DecodeError, KeyReader, KeyWriter},
};
use std::collections::{BTreeMap, BTreeSet};

/// The most records that a page reads.
const MAX_READ: usize = 2_000;
/// The most records, and the most links in them, that a count reads.
const MAX_JOINED: usize = 10_000;

/// Adds the routes.
pub(super) fn routes(routes: &mut Routes) {
    routes.view("/xrpc/blue.microcosm.links.getManyToMany", many_to_many).may(Kind::NotFound);
    routes.view("/xrpc/blue.microcosm.links.getManyToManyCounts", counts).may(Kind::NotFound);
}

/// Records that link to a subject and to something else, newest first.
///
/// Constellation's `blue.microcosm.links.getManyToMany`. A page may hold fewer items than asked for and still have a
/// next one.
#[derive(Debug, Deserialize, JsonSchema)]
struct ManyParams {
    /// What is linked to: an `at://` URI, a DID, a handle, or any other URI.
    subject: String,
    /// Where these links stand: `app.bsky.graph.listitem:subject`.
    source: String,
    /// Where in the same record the other links stand: `list`.
    #[serde(rename = "pathToOther")]
    path_to_other: String,
    /// Only records of these accounts. May be given up to 100 times.
    #[serde(rename = "linkDid", default)]
    link_did: Vec<String>,
    /// The same.
    #[serde(default)]
    did: Vec<String>,
    /// Only these others. May be given up to 200 times.
    #[serde(rename = "otherSubject", default)]
    other_subject: Vec<String>,
    /// The most items.
    #[serde(default = "usual")]
    limit: PageLimit,
    /// The `cursor` of the page before.
    cursor: Option<String>,
}

/// What is linked to beside a subject, and how often, in the order of its URIs.
///
/// Constellation's `blue.microcosm.links.getManyToManyCounts`. The newest 10,000 records that link to the subject are
/// counted; if there are more, `truncated` says so.
#[derive(Debug, Deserialize, JsonSchema)]
struct CountsParams {
    /// What is linked to: an `at://` URI, a DID, a handle, or any other URI.
    subject: String,
    /// Where these links stand: `app.bsky.graph.listitem:subject`.
    source: String,
    /// Where in the same record the other links stand: `list`.
    #[serde(rename = "pathToOther")]
    path_to_other: String,
    /// Only records of these accounts. May be given up to 100 times.
    #[serde(default)]
    did: Vec<String>,
    /// The same.
    #[serde(rename = "linkDid", default)]
    link_did: Vec<String>,
    /// Only these others. May be given up to 200 times.
    #[serde(rename = "otherSubject", default)]
    other_subject: Vec<String>,
    /// The most items.
    #[serde(default = "usual")]
    limit: PageLimit,
    /// The `cursor` of the page before.
    cursor: Option<String>,
}

/// Records that join a subject with others.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ManyToMany {
    /// One for each record and other subject.
    pub items: Vec<Join>,
    /// The cursor of the next page; null on the last one.
    pub cursor: Option<String>,
}

/// A record that joins the subject with another one.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Join {
    /// The record.
    pub link_record: LinkRecord,
    /// What it links to beside the subject.
    #[schemars(with = "String")]
    pub other_subject: Uri,
}

/// What is linked to beside a subject.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct OtherSubjects {
    /// One for each other subject.
    pub counts_by_other_subject: Vec<OtherSubject>,
    /// There are more links than were counted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// The cursor of the next page; null on the last one.
    pub cursor: Option<String>,
}

/// How much joins the subject with another one.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct OtherSubject {
    /// The other one.
    #[schemars(with = "String")]
    pub subject: Uri,
    /// Records that link to both.
    pub total: u64,
    /// The accounts that they are of.
    pub distinct: u64,
}

/// What is asked for, in both.
struct Asked<'a> {
    links: Links<'a>,
    /// With its leading dot.
    other_path: String,
    dids: Vec<Uri>,
    others: Vec<Uri>,
}

impl<'a> Asked<'a> {
    fn of(
        reading: &'a Reading<'_>,
        [subject, source, path]: [&str; 3],
        did: [&[String]; 2],
        others: &[String],
    ) -> Result<Self, Problem> {
        let other = |other: &str| names::target(reading, "otherSubject", other);
        let others = others.iter().map(|other| other.trim()).filter(|other| !other.is_empty());
        let mut others: Vec<Uri> = others.map(other).collect::<Result<_, _>>()?;
        others.sort_unstable();
        Ok(Self {
            links: links(reading, "subject", subject, source)?,
            other_path: dotted(path).map_err(|detail| Problem::parameter("pathToOther", detail))?,
            dids: dids(reading, &did.concat())?,
            others,
        })
    }

    /// What a cursor is tied to.
    fn scope(&self) -> [String; 6] {
        let Links { target, kind, path, .. } = &self.links;
        let (dids, others) = (joined(&self.dids), joined(&self.others));
        [target.to_string(), kind.clone(), path.clone(), self.other_path.clone(), dids, others]
    }

    /// What a record links to at the other path, each once.
    fn others_of(&self, record: &Uri) -> Result<Vec<Uri>, Problem> {
        // It may be seen: it comes from a view.
        let Some(row) = self.links.snapshot.record(record)? else { return Ok(Vec::new()) };
        let links = row.record.links.iter().filter(|link| link.path.as_str() == self.other_path);
        let others: BTreeSet<&Uri> = links.map(|link| &link.target).collect();
        let asked_for = |other: &&Uri| self.others.is_empty() || self.others.binary_search(other).is_ok();
        Ok(others.into_iter().filter(asked_for).cloned().collect())
    }
}

fn many_to_many(reading: &Reading<'_>, params: ManyParams) -> Result<ManyToMany, Problem> {
    let ManyParams { subject, source, path_to_other, .. } = &params;
    let named = [subject.as_str(), source, path_to_other];
    let asked = Asked::of(reading, named, [&params.link_did, &params.did], &params.other_subject)?;
    let scope = asked.scope();
    let scope = scope.each_ref().map(String::as_str);
    let after = Listing::ManyToMany.resume(&scope, params.cursor.as_deref())?;
    let after = after.map(|key| Place::read(&key)).transpose();
    let after = after.map_err(|error| Problem::internal("reading a cursor of ours", &error))?;
    let snapshot = reading.snapshot;
    // From the record on that the page before ended in: more of it may be left.
    let from = after.as_ref().map(|place| &place.record[..place.record.len() - 1]);
    let mut records: Records = asked.links.each(&asked.dids, false, from, params.limit.get())?;
    let (mut items, mut read, mut last) = (Vec::new(), 0, None);
    while let Some((uri, place)) = records.next(snapshot)? {
        let shown = after.as_ref().filter(|after| after.record == place).map(|after| after.other.as_str());
        for other in asked.others_of(&uri)? {
            if shown.is_some_and(|shown| other.as_str() <= shown) {
                continue;
            }
            if items.len() == params.limit.get() {
                let next: Option<Place> = last;
                let cursor = next.map(|place| Listing::ManyToMany.cursor(&scope, &place.write()));
                return Ok(ManyToMany { items, cursor });
            }
            last = Some(Place { record: place.clone(), other: other.to_string() });
            let link_record = LinkRecord::of(&uri);
            items.extend(link_record.map(|link_record| Join { link_record, other_subject: other }));
        }
        read += 1;
        if read == MAX_READ {
            let place = Place { record: place, other: char::MAX.to_string() };
            let cursor = Some(Listing::ManyToMany.cursor(&scope, &place.write()));
            return Ok(ManyToMany { items, cursor });
        }
    }
    let cut = records.cut().map(|record| Place { record, other: char::MAX.to_string() });
    let cursor = cut.map(|place| Listing::ManyToMany.cursor(&scope, &place.write()));
    Ok(ManyToMany { items, cursor })
}

/// Behind which a page of joins begins: a record's place and another subject of it.
struct Place {
    record: Vec<u8>,
    other: String,
}

impl Place {
    fn write(&self) -> Vec<u8> {
        let mut key = self.record.clone();
        let mut other = KeyWriter::new();
        other.text(&self.other);
        key.extend(other.into_bytes());
        key
    }

    fn read(key: &[u8]) -> Result<Self, DecodeError> {
        let mut parts = KeyReader::new(key);
        parts.newest()?;
        parts.text()?;
        let record = key[..key.len() - parts.rest().len()].to_vec();
        Ok(Self { record, other: parts.text()? })
    }
}

fn counts(reading: &Reading<'_>, params: CountsParams) -> Result<OtherSubjects, Problem> {
    let CountsParams { subject, source, path_to_other, .. } = &params;
    let named = [subject.as_str(), source, path_to_other];
    let asked = Asked::of(reading, named, [&params.did, &params.link_did], &params.other_subject)?;
    let scope = asked.scope();
    let scope = scope.each_ref().map(String::as_str);
    let after = Listing::OtherSubjects.resume(&scope, params.cursor.as_deref())?;
    let after = after.map(|key| String::from_utf8_lossy(&key).into_owned());
    let (others, truncated) = count(&asked)?;
    let mut rest =
        others.into_iter().filter(|(other, _)| after.as_deref().is_none_or(|after| other.as_str() > after));
    let mut items = Vec::new();
    for (subject, (total, whose)) in rest.by_ref().take(params.limit.get()) {
        items.push(OtherSubject { subject, total, distinct: whose.len() as u64 });
    }
    let more = rest.next().and(items.last());
    let cursor = more.map(|last| Listing::OtherSubjects.cursor(&scope, last.subject.as_str().as_bytes()));
    Ok(OtherSubjects { counts_by_other_subject: items, truncated, cursor })
}

/// By other subject: how many records, and whose.
type Counted = BTreeMap<Uri, (u64, BTreeSet<String>)>;

/// Whether there is more than was counted comes with it.
fn count(asked: &Asked<'_>) -> Result<(Counted, bool), Problem> {
    let (mut counted, mut left): (Counted, usize) = (BTreeMap::new(), MAX_JOINED);
    // A chunk that is no page: rows are read by the hundred.
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = asked.links.records(&asked.dids, false, after.as_deref(), 500)?;
        for uri in &page.uris {
            let Some(record) = LinkRecord::of(uri) else { continue };
            for other in asked.others_of(uri)? {
                if left == 0 {
                    return Ok((counted, true));
                }
                left -= 1;
                let (total, whose) = counted.entry(other).or_default();
                *total += 1;
                whose.insert(record.did.clone());
            }
        }
        match page.next {
            Some(next) if left > 0 => after = Some(next),
            Some(_) => return Ok((counted, true)),
            None => return Ok((counted, false)),
        }
    }
}
