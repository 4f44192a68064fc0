//! Nodes: every note that goes by one name, and what it is tied to.

use super::{
    backlinks::{Backlink, Filter, Found},
    list::List,
    names, related,
    shape::Note,
};
use crate::{
    answer::Reading,
    page::{Limit, Listing, Page},
    problem::{Kind, Problem},
    routes::Routes,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    LinkPath, NodeName, Record, Uri,
    key::KeyWriter,
    record::attr,
    rows::{NodeRow, SubnodeRow},
};
use springline_sinks::{Scan, Snapshot};
use std::{collections::HashMap, sync::Arc};

/// The most bytes of text in one answer; what lies beyond is left out and said to be.
const MAX_TEXT_BYTES: usize = 1024 * 1024;
/// The most distinct links out of a node that one answer lists.
const MAX_LINKS: usize = 500;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Nodes");
    routes.view("/v1/nodes", nodes);
    routes.view("/v1/nodes/{*node}", node).may(Kind::NotFound);
    routes.view("/v1/subnodes", subnodes);
}

/// Nodes that have a note or that something links to, by name.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NodesParams {
    /// Only nodes whose canonical name begins with this.
    prefix: Option<String>,
    /// The most items.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// A node: its notes, what links to it, what it links to, and what it is related to.
///
/// The name may be given in any spelling (`Digital Garden`, `digital-garden`); slashes in it may stand as they
/// are. Each list is bounded: `subnodes_next` is a cursor of `/v1/subnodes?node=…`, `backlinks_next` one of
/// `/v1/backlinks?target=node:…`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NodeParams {
    /// The node.
    node: String,
    /// Whether its notes come with their texts (the first mebibyte of them).
    #[serde(default = "yes")]
    text: bool,
    /// The most items of each list.
    #[serde(default)]
    limit: Limit,
}

const fn yes() -> bool {
    true
}

/// The notes of a node, by author.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SubnodesParams {
    /// The node, in any spelling.
    node: String,
    /// The most items.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// A node, as lists show it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Node {
    /// Its canonical name.
    #[schemars(with = "String")]
    pub node: NodeName,
    /// Notes of it.
    pub subnodes: u64,
    /// Distinct authors of its notes.
    pub authors: u64,
    /// Links to it.
    pub links: u64,
    /// Distinct authors who link to it.
    pub linkers: u64,
}

impl From<NodeRow> for Node {
    fn from(NodeRow { node, subnodes, authors, links, linkers }: NodeRow) -> Self {
        Self { node, subnodes, authors, links, linkers }
    }
}

/// A node and everything around it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct NodePage {
    /// The epoch that the answer is complete as of.
    pub epoch: u64,
    /// Its name and counts.
    #[serde(flatten)]
    pub node: Node,
    /// The name as it stands in an address.
    pub slug: String,
    /// Its notes, by author.
    pub subnodes_list: Vec<Subnode>,
    /// The cursor of further notes, for `/v1/subnodes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnodes_next: Option<String>,
    /// What links to it, the newest first.
    pub backlinks: Vec<Backlink>,
    /// The cursor of further links to it, for `/v1/backlinks`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backlinks_next: Option<String>,
    /// What the notes shown link to, in the order of their texts; at most 500.
    pub forward: Vec<Forward>,
    /// What others pushed to it, the newest first.
    pub pushes: Vec<Backlink>,
    /// Nodes that the notes shown pull in.
    #[schemars(with = "Vec<String>")]
    pub pulls: Vec<NodeName>,
    /// Who pulls it in, the newest first.
    pub pulled_by: Vec<Backlink>,
    /// Nodes that it is tied to, the strongest first.
    pub related: Vec<related::Related>,
}

/// A note of a node.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Subnode {
    /// What lists show of it.
    #[serde(flatten)]
    pub note: Note,
    /// `markdown`, `org`, `myco`, `python`, `image`; absent when its source has no formats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Its text as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Whether the text was left out or cut for its length.
    pub cut: bool,
}

/// A link out of a node.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Forward {
    /// What it links to.
    #[schemars(with = "String")]
    pub target: Uri,
    /// Where in the notes: `wikilink`, `url`, ….
    #[schemars(with = "String")]
    pub path: LinkPath,
    /// How often.
    pub links: u64,
}

fn nodes(reading: &Reading<'_>, params: NodesParams) -> Result<Page<Node>, Problem> {
    // Not canonicalised: the beginning of a name need not be a name (`foo/`, `2026-`).
    let wanted = params.prefix.unwrap_or_default().to_lowercase();
    let mut prefix = KeyWriter::new();
    prefix.text_prefix(&wanted);
    let list = List {
        listing: Listing::Nodes,
        scope: &[&wanted],
        prefix: prefix.into_bytes(),
        limit: params.limit,
        cursor: params.cursor.as_deref(),
    };
    list.page(reading, |row: NodeRow| Some(row.into()))
}

fn subnodes(reading: &Reading<'_>, params: SubnodesParams) -> Result<Page<Note>, Problem> {
    subnodes_page(
        reading,
        &names::node(reading, "node", &params.node)?,
        params.limit,
        params.cursor.as_deref(),
    )
}

fn subnodes_page(
    reading: &Reading<'_>,
    node: &NodeName,
    limit: Limit,
    cursor: Option<&str>,
) -> Result<Page<Note>, Problem> {
    let mut prefix = KeyWriter::new();
    prefix.text(node.as_str());
    let prefix = prefix.into_bytes();
    let list = List { listing: Listing::Subnodes, scope: &[node.as_str()], prefix, limit, cursor };
    list.page(reading, |row: SubnodeRow| Some(row.note.into()))
}

fn node(reading: &Reading<'_>, params: NodeParams) -> Result<NodePage, Problem> {
    let name = names::node(reading, "node", &params.node)?;
    let (snapshot, limit, target) = (reading.snapshot, params.limit, Uri::node(&name));
    let backlinks = Filter::default().page(reading, &target, limit, None)?;
    let row = match row(snapshot, &name)? {
        Some(row) => row,
        None if backlinks.items.is_empty() => return Err(unknown(snapshot, &name)?),
        // Something other than a wikilink names it (an alias, a push): no row of its own.
        None => NodeRow { node: name.clone(), subnodes: 0, authors: 0, links: 0, linkers: 0 },
    };
    let Page { epoch, items: notes, next: subnodes_next, .. } = subnodes_page(reading, &name, limit, None)?;
    let records = records(snapshot, notes.iter().map(|note| &note.uri))?;
    let arriving = |path| -> Result<Vec<Backlink>, Problem> {
        let Found { rows, .. } = Filter::path(path).newest(snapshot, &target, None, limit.get())?;
        Ok(rows.into_iter().map(Backlink::from).collect())
    };
    let forward = forward(&records);
    let pulls = forward.iter().filter(|link| link.path.as_str() == LinkPath::PULL);
    Ok(NodePage {
        epoch,
        slug: name.slug(),
        pulls: pulls.filter_map(|link| link.target.as_node()).collect(),
        pushes: arriving(LinkPath::PUSH)?,
        pulled_by: arriving(LinkPath::PULL)?,
        related: related::related(snapshot, &name, &backlinks.items, &forward)?,
        node: row.into(),
        subnodes_list: with_texts(notes, &records, params.text),
        subnodes_next,
        backlinks: backlinks.items,
        backlinks_next: backlinks.next,
        forward,
    })
}

/// A node's counts.
///
/// # Errors
/// The store can't be read.
pub fn row(snapshot: &Snapshot<'_>, name: &NodeName) -> Result<Option<NodeRow>, Problem> {
    let mut key = KeyWriter::new();
    key.text(name.as_str());
    Ok(snapshot.get(&key.into_bytes())?)
}

/// The records of a list, those that are there.
///
/// # Errors
/// The store can't be read.
pub fn records<'u>(
    snapshot: &Snapshot<'_>,
    uris: impl Iterator<Item = &'u Uri> + Clone,
) -> Result<Vec<Arc<Record>>, Problem> {
    let mut records = Vec::new();
    snapshot.fetch_records(uris.clone());
    for uri in uris {
        records.extend(snapshot.record(uri)?.map(|row| row.record));
    }
    Ok(records)
}

/// Nodes by name, from a beginning on.
pub(crate) fn beginning_with(
    snapshot: &Snapshot<'_>,
    beginning: &str,
    limit: usize,
) -> Result<Vec<NodeRow>, Problem> {
    let mut prefix = KeyWriter::new();
    prefix.text_prefix(beginning);
    Ok(snapshot.scan(&Scan { prefix: prefix.into_bytes(), after: None, reverse: false, limit })?)
}

fn unknown(snapshot: &Snapshot<'_>, name: &NodeName) -> Result<Problem, Problem> {
    let asked = names::shown(name.as_str());
    let first_word = name.as_str().split([' ', '/']).next().unwrap_or_default();
    let alike = match first_word.is_empty() {
        true => Vec::new(),
        false => beginning_with(snapshot, first_word, 5)?,
    };
    let alike: Vec<String> =
        alike.iter().map(|row| format!("`{}`", names::shown(row.node.as_str()))).collect();
    let hint = match alike.is_empty() {
        true => "/v1/search may find what you mean".to_owned(),
        false => format!("names that begin alike: {}", alike.join(", ")),
    };
    Ok(Problem::not_found(format!("no note has the name `{asked}` and nothing links to it; {hint}")))
}

fn with_texts(notes: Vec<Note>, records: &[Arc<Record>], wanted: bool) -> Vec<Subnode> {
    let records: HashMap<&Uri, &Arc<Record>> = records.iter().map(|record| (&record.uri, record)).collect();
    let mut room = if wanted { MAX_TEXT_BYTES } else { 0 };
    let shown = notes.into_iter().map(|note| {
        let record = records.get(&note.uri);
        let whole = record.map_or("", |record| record.text.as_str());
        let text = &whole[..whole.floor_char_boundary(room)];
        room -= text.len();
        Subnode {
            format: record.and_then(|record| record.attrs.get(attr::FORMAT).cloned()),
            text: wanted.then(|| text.to_owned()),
            cut: text.len() < whole.len(),
            note,
        }
    });
    shown.collect()
}

pub(crate) fn forward(records: &[Arc<Record>]) -> Vec<Forward> {
    let mut places: HashMap<(&LinkPath, &Uri), usize> = HashMap::new();
    let mut forward: Vec<Forward> = Vec::new();
    let links = records.iter().flat_map(|record| &record.links);
    for link in links.filter(|link| link.path.as_str() != LinkPath::AGORA) {
        match places.get(&(&link.path, &link.target)) {
            Some(place) => forward[*place].links += 1,
            None if forward.len() < MAX_LINKS => {
                places.insert((&link.path, &link.target), forward.len());
                forward.push(Forward { target: link.target.clone(), path: link.path.clone(), links: 1 });
            }
            None => {}
        }
    }
    forward
}
