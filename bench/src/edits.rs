//! How long an edit takes until every view shows it, watched from inside the process.

use crate::{
    measure::Times,
    notes::{Edit, Edits},
};
use springline_model::Row as _;
use springline_model::{
    LinkPath, NodeName, Timestamp, Uri,
    key::KeyWriter,
    rows::{BacklinkCountRow, BacklinkRow, LatestRow, NodeRow},
};
use springline_sinks::{
    Reader, Scan, Snapshot,
    search::query::{Mode, Page, Query},
};
use std::{
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

/// Between two looks.
const LOOK: Duration = Duration::from_micros(200);
/// An edit that is not seen by then is missed.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between an edit that is seen and the next one, so that each is an epoch of its own.
const PAUSE: Duration = Duration::from_millis(30);

/// What came out.
pub(crate) struct Edited {
    /// Of those that were seen, and [`PATIENCE`] for the others.
    pub times: Times,
    /// How many were not.
    pub missed: usize,
}

/// Edits notes one after the other.
///
/// # Errors
/// The disk says no, or the views can't be read.
pub(crate) fn measure(tree: &Path, count: usize, reader: &Reader) -> anyhow::Result<Edited> {
    let edits = Edits::of(tree)?;
    let (mut times, mut missed) = (Vec::with_capacity(count), 0);
    for number in 0..count {
        let edit = edits.number(number)?;
        let look = Look::new(&edit)?;
        let mut epoch = reader.applied();
        let started = Instant::now();
        edit.write()?;
        loop {
            // Views are the same between two epochs, so there is nothing to look at before the next.
            let applied = reader.applied();
            if applied != epoch {
                epoch = applied;
                if reader.read(|snapshot| look.is_everywhere(snapshot))? {
                    times.push(started.elapsed());
                    break;
                }
            }
            if started.elapsed() > PATIENCE {
                eprintln!("  not seen: {} in {}", edit.word, edit.path.display());
                times.push(PATIENCE);
                missed += 1;
                break;
            }
            sleep(LOOK);
        }
        sleep(PAUSE);
    }
    Ok(Edited { times: Times::of(times), missed })
}

/// What to look for.
struct Look {
    query: Query,
    node: NodeName,
    target: Uri,
    since: Timestamp,
}

impl Look {
    fn new(edit: &Edit) -> anyhow::Result<Self> {
        let node = NodeName::canonical(&edit.target);
        let target = Uri::node(&node);
        Ok(Self { query: Query::parse(Mode::Ranked, &edit.word)?, node, target, since: Timestamp::now() })
    }

    /// Whether search, record, backlinks and their counts, nodes and latest all have the edit.
    fn is_everywhere(&self, snapshot: &Snapshot<'_>) -> anyhow::Result<bool> {
        let page = Page { after: None, limit: 2 };
        let hits = snapshot.search()?.search(&self.query, &page, &|_| None)?.hits;
        let [hit] = hits.as_slice() else { return Ok(false) };
        let links = snapshot.scan::<BacklinkRow>(&scan(KeyWriter::new().text(self.target.as_str())))?;
        let counts = snapshot.scan::<BacklinkCountRow>(&scan(KeyWriter::new().id(self.target.id())))?;
        let latest = snapshot.scan::<LatestRow>(&scan(&mut KeyWriter::new()))?;
        let node = snapshot.get::<NodeRow>(&self.row().key_bytes())?;
        let record = snapshot.record(&hit.uri)?;
        Ok(record.is_some_and(|row| row.record.text.contains(&self.node.as_str().replace('-', " ")))
            && links.iter().any(|row| row.source == hit.uri && row.path.as_str() == LinkPath::WIKILINK)
            && counts.iter().any(|row| row.links == 1)
            && node.is_some_and(|node| node.links == 1 && node.linkers == 1)
            // A file's time may be given in whole seconds.
            && latest.iter().any(|row| row.note.uri == hit.uri && row.note.at.as_secs() + 1 >= self.since.as_secs()))
    }

    /// The node's row, for its key.
    fn row(&self) -> NodeRow {
        NodeRow { node: self.node.clone(), subnodes: 0, authors: 0, links: 0, linkers: 0 }
    }
}

/// The first rows with a prefix.
fn scan(prefix: &mut KeyWriter) -> Scan {
    Scan { prefix: prefix.take(), after: None, reverse: false, limit: 5 }
}
