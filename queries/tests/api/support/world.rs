//! Records, and the rows that the views would hold of them, made naively.

use super::{
    clusters,
    network::{self, Network},
};
use parking_lot::Mutex;
use springline_model::{
    AccountStatus, ClusterId, Context, Epoch, EpochCommit, FeedbackSource, FeedbackStatus, Job, Link,
    LinkPath, NodeName, Project, Quarantined, Record, Rev, Row, SourceId, Span, Table, Timestamp, Uri,
    job::{Fixing, LogFrom, Outcome},
    key::text_key,
    rows::{
        AccountRow, AuthorNoteRow, AuthorRow, BacklinkCountRow, BacklinkRow, ClusterJobRow, ClusterStateRow,
        FeedbackMeta, FeedbackRow, FeedbackTotalRow, JobLogRow, JobRow, JournalRow, LatestRow, NodeRow,
        NoteMeta, NotificationRow, Order, PostingsRow, ProjectFeedbackRow, QuarantineRow, Reason, RecordRow,
        SourceRow, SubnodeRow, TopRow,
    },
    text::Analyzer,
};
use springline_sinks::{
    Engine, Reader, StoreConfig, Views,
    views::{Change, Changes, Follow, peers::Layout},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

/// Workers of each process.
pub(crate) const WORKERS: usize = 2;

/// What is in the world now.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) records: BTreeMap<Uri, Record>,
    pub(crate) hidden: BTreeSet<Uri>,
    pub(crate) quarantine: Vec<Quarantined>,
    pub(crate) notifications: Vec<NotificationRow>,
    pub(crate) top: Vec<TopRow>,
    pub(crate) network: Network,
    pub(crate) clusters: Vec<Vec<Record>>,
    /// Numbers of clusters that are a theme.
    pub(crate) theme: Vec<usize>,
    pub(crate) jobs: Vec<Job>,
}

impl State {
    pub(crate) fn put(&mut self, record: Record) {
        self.records.insert(record.uri.clone(), record);
    }
}

/// The views over a state that changes: of one process, or a share of them each.
#[derive(Clone)]
pub(crate) struct World(Arc<Mutex<Inner>>);

struct Inner {
    views: Vec<Views>,
    /// Processes that have stopped taking epochs, and what they would have got.
    late: BTreeMap<usize, Vec<(EpochCommit, Changes)>>,
    epoch: Epoch,
    state: State,
    rows: BTreeSet<(Table, Vec<u8>, Vec<u8>)>,
    postings: BTreeSet<PostingsRow>,
}

impl World {
    pub(crate) fn of(processes: usize) -> Self {
        let open = |_| Views::open(&StoreConfig::of(Engine::Memory), Path::new("")).unwrap();
        let views = (0..processes).map(open).collect();
        let (rows, postings) = (BTreeSet::new(), BTreeSet::new());
        Self(Arc::new(Mutex::new(Inner {
            views,
            late: BTreeMap::new(),
            epoch: Epoch::ZERO,
            state: State::default(),
            rows,
            postings,
        })))
    }

    pub(crate) fn reader(&self, process: usize) -> Reader {
        self.0.lock().views[process].reader()
    }

    pub(crate) fn follow(&self, follow: &Follow) {
        self.0.lock().views.iter().for_each(|views| views.follow(follow).unwrap());
    }

    /// Lets a process be late with its epochs, or catch up.
    pub(crate) fn hold(&self, process: usize, is_late: bool) {
        let mut inner = self.0.lock();
        if is_late {
            inner.late.insert(process, Vec::new());
            return;
        }
        for (commit, changes) in inner.late.remove(&process).unwrap_or_default() {
            inner.views[process].apply(&commit, changes).unwrap();
        }
    }

    /// Which of so many processes keeps a row: where it may be anywhere, by its bytes.
    pub(crate) fn owner(processes: usize, table: Table, key: &[u8]) -> usize {
        let layout = Layout { process: 0, processes, workers: WORKERS };
        let anywhere = || key.iter().map(|byte| usize::from(*byte)).sum::<usize>() % processes;
        layout.owner_of_key(table, key).unwrap_or_else(anywhere)
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.0.lock().epoch
    }

    /// Changes the state and applies the next epoch.
    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        let mut inner = self.0.lock();
        change(&mut inner.state);
        let (rows, postings) = (rows(&inner.state), postings(&inner.state));
        let processes = inner.views.len();
        let mut shares = vec![Changes::default(); processes];
        for (old, new, diff) in [(&inner.rows, &rows, -1), (&rows, &inner.rows, 1)] {
            for (table, key, value) in old.difference(new) {
                let change = Change { key: key.clone(), value: value.clone(), diff };
                let share = &mut shares[Self::owner(processes, *table, key)];
                share.tables.entry(*table).or_default().push(change);
            }
        }
        for (old, new, diff) in [(&inner.postings, &postings, -1), (&postings, &inner.postings, 1)] {
            for row in old.difference(new) {
                let with_record = Self::owner(processes, Table::Records, &text_key(row.uri.as_str()));
                shares[with_record].postings.push((row.clone(), diff));
            }
        }
        inner.epoch = inner.epoch.next();
        let at = Timestamp::from_secs(1_800_000_000);
        let commit = EpochCommit { epoch: inner.epoch, at, execution: 1, advances: Vec::new(), events: 1 };
        for (process, changes) in shares.into_iter().enumerate() {
            match inner.late.get_mut(&process) {
                Some(late) => late.push((commit.clone(), changes)),
                None => drop(inner.views[process].apply(&commit, changes).unwrap()),
            }
        }
        (inner.rows, inner.postings) = (rows, postings);
    }
}

/// `path` is `user/file.md`; `links` as [`link`] makes them.
pub(crate) fn note(path: &str, secs: i64, text: &str, links: Vec<Link>) -> Record {
    let (user, file) = path.split_once('/').unwrap();
    let stem = file.rsplit('/').next().unwrap().trim_end_matches(".md");
    Record {
        uri: format!("garden://{path}").into(),
        kind: "note".into(),
        author: Uri::user(user),
        node: Some(NodeName::canonical(stem)),
        title: stem.into(),
        text: text.into(),
        langs: vec!["en".into()],
        tags: Vec::new(),
        at: Timestamp::from_secs(secs),
        links,
        attrs: [("format".to_owned(), "markdown".to_owned())].into_iter().collect(),
    }
}

pub(crate) fn link(path: &str, target: &str) -> Link {
    let span = Span { start: 0, end: 1 };
    Link {
        path: path.into(),
        context: Context::Prose,
        target: target.into(),
        span,
        label: None,
        fragment: None,
    }
}

/// Three gardens around `digital garden`.
pub(crate) fn garden(state: &mut State) {
    let wiki = |target: &str| link(LinkPath::WIKILINK, target);
    let labelled = Link { label: Some("a label".into()), ..wiki("node:digital garden") };
    let in_code = Link { context: Context::Code, ..wiki("node:digital garden") };
    state.put(note(
        "alice/Digital Garden.md",
        100,
        "A garden of [[ideas]] by alice.",
        vec![wiki("node:ideas")],
    ));
    state.put(note(
        "bob/digital-garden.md",
        300,
        "Bob's digital garden. See https://example.org/x and [[pull]] [[tools]].",
        vec![link(LinkPath::URL, "https://example.org/x"), link(LinkPath::PULL, "node:tools")],
    ));
    state.put(note(
        "alice/ideas.md",
        200,
        "Ideas for the [[Digital Garden]].",
        vec![wiki("node:digital garden")],
    ));
    state.put(note(
        "carol/2021-05-01.md",
        400,
        "[[digital garden|a label]] and `[[digital garden]]` #todo",
        vec![
            labelled,
            link(LinkPath::AGORA, "node:digital garden|a label"),
            in_code,
            link(LinkPath::HASHTAG, "tag:todo"),
            link(LinkPath::PUSH, "node:digital garden"),
        ],
    ));
    state.put(note("carol/digital garden/tools.md", 250, "Tools <b>bold</b> & more, 中文.", vec![]));
    state.quarantine.push(Quarantined {
        uri: "garden://bob/broken.md".into(),
        source: SourceId::new("gardens"),
        origin: "garden/bob/broken.md".into(),
        reason: "too large".into(),
        at: Timestamp::from_secs(5),
        bytes: 60_000_000,
        sample: vec![b'a', 0xFF, b'b'],
    });
    state.notifications.push(NotificationRow {
        recipient: Uri::user("alice"),
        at: Timestamp::from_secs(400),
        reason: Reason::Push,
        source: "garden://carol/2021-05-01.md".into(),
        subject: "node:digital garden".into(),
        actor: Uri::user("carol"),
        title: "2021-05-01".into(),
    });
    for (node, score) in [("digital garden", 2), ("ideas", 1), ("tools", 1)] {
        state.top.push(TopRow { order: Order::Size, score, node: NodeName::canonical(node) });
    }
}

pub(crate) fn shown(state: &State) -> impl Iterator<Item = &Record> {
    state
        .records
        .values()
        .filter(|record| !state.hidden.contains(record.uri.authority()) && state.network.shows(record))
}

fn postings(state: &State) -> BTreeSet<PostingsRow> {
    let mut analyzer = Analyzer::new();
    let records = shown(state).filter(|record| record.has_content());
    records.map(|record| analyzer.analyse(record, &SourceId::new("gardens"))).collect()
}

fn rows(state: &State) -> BTreeSet<(Table, Vec<u8>, Vec<u8>)> {
    let mut rows = Rows::default();
    for record in state.records.values() {
        let (source, record) = (SourceId::new("gardens"), Arc::new(record.clone()));
        rows.add(&RecordRow { rev: Rev(1), source, record });
    }
    for authority in &state.hidden {
        let status = AccountStatus::Hidden;
        rows.add(&AccountRow { authority: authority.clone(), rev: Rev(1_000_000), status });
    }
    state.quarantine.iter().for_each(|piece| rows.add(&QuarantineRow(piece.clone())));
    state.notifications.iter().for_each(|row| rows.add(row));
    state.top.iter().for_each(|row| rows.add(row));
    state.clusters.iter().for_each(|members| clusters::rows(&mut rows, members));
    clusters::theme(&mut rows, state.theme.iter().map(|number| state.clusters[*number].as_slice()));
    let mut nodes: BTreeMap<NodeName, [Vec<Uri>; 2]> = BTreeMap::new();
    let mut groups: BTreeMap<(Uri, String, LinkPath), Vec<(Uri, Uri)>> = BTreeMap::new();
    let mut authors: BTreeMap<Uri, AuthorRow> = BTreeMap::new();
    for record in shown(state) {
        let note = NoteMeta::of(record);
        if record.has_content() {
            rows.add(&LatestRow { note: note.clone() });
        }
        if record.has_content() || record.kind == "app.bsky.feed.repost" {
            rows.add(&AuthorNoteRow { note: note.clone() });
        }
        if let Some(node) = &record.node {
            rows.add(&SubnodeRow { node: node.clone(), note: note.clone() });
            nodes.entry(node.clone()).or_default()[0].push(record.author.clone());
            if let Some(day) = node.journal_day() {
                rows.add(&JournalRow { day, note: note.clone() });
            }
        }
        let author = record.author.clone();
        let empty = AuthorRow { author: author.clone(), records: 0, links: 0, bytes: 0 };
        let sums = authors.entry(author.clone()).or_insert(empty);
        sums.records += 1;
        sums.links += record.links.len() as u64;
        sums.bytes += note.bytes;
        for (ordinal, link) in record.links.iter().enumerate() {
            let group = (link.target.clone(), record.kind.clone(), link.path.clone());
            groups.entry(group).or_default().push((record.uri.clone(), author.clone()));
            if let (LinkPath::WIKILINK, Some(node)) = (link.path.as_str(), link.target.as_node()) {
                nodes.entry(node).or_default()[1].push(author.clone());
            }
            rows.add(&BacklinkRow {
                target: link.target.clone(),
                kind: record.kind.clone(),
                path: link.path.clone(),
                at: record.at,
                source: record.uri.clone(),
                ordinal: u32::try_from(ordinal).unwrap(),
                context: link.context,
                author: author.clone(),
                node: record.node.clone(),
                title: record.title.clone(),
                label: link.label.clone(),
                snippet: record.text.clone(),
            });
        }
    }
    let distinct = |of: &[Uri]| of.iter().collect::<BTreeSet<_>>().len() as u64;
    for (node, [writers, linkers]) in nodes {
        let (subnodes, links) = (writers.len() as u64, linkers.len() as u64);
        let (authors, linkers) = (distinct(&writers), distinct(&linkers));
        rows.add(&NodeRow { node, subnodes, authors, links, linkers });
    }
    for ((target, kind, path), links) in groups {
        let (records, authors): (Vec<Uri>, Vec<Uri>) = links.into_iter().unzip();
        let (links, records, authors) = (records.len() as u64, distinct(&records), distinct(&authors));
        rows.add(&BacklinkCountRow { target: target.id(), kind, path, links, records, authors });
    }
    let records = authors.values().map(|author| author.records).sum();
    authors.values().for_each(|row| rows.add(row));
    if records > 0 {
        let source = SourceId::new("gardens");
        rows.add(&SourceRow { source, kind: "note".into(), records, links: 7, bytes: 9 });
    }
    network::rows(state, &mut rows);
    feedback(state, &mut rows);
    states(&state.jobs, &mut rows);
    for job in &state.jobs {
        rows.add(&JobRow(Box::new(job.clone())));
        rows.add(&ClusterJobRow { cluster: job.cluster.clone(), outcome: Outcome::of(job) });
        let (from, text) = (LogFrom::Given, "{\"title\":\"t\"}".to_owned());
        rows.add(&JobLogRow { job: job.id, seq: 0, at: job.created, from, text });
        for seq in 1..=job.log_rows {
            let (from, text) = (LogFrom::Report, format!("line {seq}\n"));
            rows.add(&JobLogRow { job: job.id, seq, at: job.created, from, text });
        }
    }
    rows.0
}

/// Of the feedback items.
fn feedback(state: &State, rows: &mut Rows) {
    let mut totals: BTreeMap<(Project, FeedbackSource, FeedbackStatus), u64> = BTreeMap::new();
    for item in shown(state).filter_map(FeedbackMeta::of) {
        *totals.entry((item.project.clone(), item.source, item.status)).or_default() += 1;
        rows.add(&FeedbackRow(item.clone()));
        rows.add(&ProjectFeedbackRow(item));
    }
    for ((project, source, status), items) in totals {
        rows.add(&FeedbackTotalRow { project, source, status, items });
    }
}

/// How the clusters stand that have jobs.
fn states(jobs: &[Job], rows: &mut Rows) {
    let mut clusters: BTreeMap<ClusterId, Vec<Outcome>> = BTreeMap::new();
    for job in jobs {
        clusters.entry(job.cluster.clone()).or_default().push(Outcome::of(job));
    }
    for (cluster, outcomes) in clusters {
        let fixing = Fixing::of(&outcomes, None);
        let jobs = u32::try_from(outcomes.len()).unwrap();
        rows.add(&ClusterStateRow { jobs, fixing, ..ClusterStateRow::new(cluster) });
    }
}

#[derive(Default)]
pub(crate) struct Rows(BTreeSet<(Table, Vec<u8>, Vec<u8>)>);

impl Rows {
    pub(crate) fn add<R: Row>(&mut self, row: &R) {
        self.0.insert((R::TABLE, row.key_bytes(), row.value_bytes()));
    }
}
