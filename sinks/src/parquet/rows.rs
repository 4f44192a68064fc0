//! The columns of every table.

use super::cells::{Cell, Columns, Tabular, Type};
use crate::search::Posting;
use Type::{Bytes, Count, Date, Maybe, Number, Text, Texts, Time};
use springline_model::{
    Context, NodeName,
    rows::{
        AccountRow, AuthorNoteRow, AuthorRow, BacklinkCountRow, BacklinkRow, JournalRow, LatestRow, NodeRow,
        NoteMeta, NotificationRow, QuarantineRow, RecordRow, SourceRow, SubnodeRow, TopRow,
    },
};

fn node(node: Option<&NodeName>) -> Cell<'_> {
    Cell::Maybe(node.map(NodeName::as_str))
}

impl Tabular for RecordRow {
    const PARTITION: Option<&'static str> = Some("kind");
    const COLUMNS: Columns = &[
        ("uri", Text),
        ("source", Text),
        ("rev", Count),
        ("author", Text),
        ("node", Maybe),
        ("title", Text),
        ("text", Text),
        ("langs", Texts),
        ("tags", Texts),
        ("at", Time),
        ("links", Count),
        ("link_list", Text),
        ("attrs", Text),
    ];

    fn partition(&self) -> &str {
        &self.record.kind
    }

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        let record = &*self.record;
        cells.extend([
            Cell::Text(record.uri.as_str()),
            Cell::Text(self.source.as_str()),
            Cell::Count(self.rev.0),
            Cell::Text(record.author.as_str()),
            node(record.node.as_ref()),
            Cell::Text(&record.title),
            Cell::Text(&record.text),
            Cell::Texts(&record.langs),
            Cell::Texts(&record.tags),
            Cell::Time(record.at),
            Cell::Count(record.links.len() as u64),
            Cell::Owned(serde_json::to_string(&record.links).unwrap_or_default()),
            Cell::Owned(serde_json::to_string(&record.attrs).unwrap_or_default()),
        ]);
    }
}

impl Tabular for AccountRow {
    const COLUMNS: Columns = &[("authority", Text), ("rev", Count), ("status", Text)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        let status = match self.status {
            springline_model::AccountStatus::Active => "active",
            springline_model::AccountStatus::Hidden => "hidden",
            springline_model::AccountStatus::Forbidden => "forbidden",
        };
        cells.extend([Cell::Text(self.authority.as_str()), Cell::Count(self.rev.0), Cell::Text(status)]);
    }
}

impl Tabular for QuarantineRow {
    const COLUMNS: Columns = &[
        ("uri", Text),
        ("source", Text),
        ("origin", Text),
        ("reason", Text),
        ("at", Time),
        ("bytes", Count),
        ("sample", Bytes),
    ];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Text(self.0.uri.as_str()),
            Cell::Text(self.0.source.as_str()),
            Cell::Text(&self.0.origin),
            Cell::Text(&self.0.reason),
            Cell::Time(self.0.at),
            Cell::Count(self.0.bytes),
            Cell::Bytes(&self.0.sample),
        ]);
    }
}

impl Tabular for BacklinkRow {
    const PARTITION: Option<&'static str> = Some("kind");
    const COLUMNS: Columns = &[
        ("target", Text),
        ("target_id", Text),
        ("path", Text),
        ("at", Time),
        ("source", Text),
        ("ordinal", Number),
        ("context", Text),
        ("author", Text),
        ("node", Maybe),
        ("title", Text),
        ("label", Maybe),
        ("snippet", Text),
    ];

    fn partition(&self) -> &str {
        &self.kind
    }

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        let context = match self.context {
            Context::Prose => "prose",
            Context::Code => "code",
            Context::Comment => "comment",
        };
        cells.extend([
            Cell::Text(self.target.as_str()),
            Cell::Owned(format!("{:032x}", self.target.id().0)),
            Cell::Text(self.path.as_str()),
            Cell::Time(self.at),
            Cell::Text(self.source.as_str()),
            Cell::Number(self.ordinal),
            Cell::Text(context),
            Cell::Text(self.author.as_str()),
            node(self.node.as_ref()),
            Cell::Text(&self.title),
            Cell::Maybe(self.label.as_deref()),
            Cell::Text(&self.snippet),
        ]);
    }
}

impl Tabular for BacklinkCountRow {
    const COLUMNS: Columns = &[
        ("target_id", Text),
        ("kind", Text),
        ("path", Text),
        ("links", Count),
        ("records", Count),
        ("authors", Count),
    ];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Owned(format!("{:032x}", self.target.0)),
            Cell::Text(&self.kind),
            Cell::Text(self.path.as_str()),
            Cell::Count(self.links),
            Cell::Count(self.records),
            Cell::Count(self.authors),
        ]);
    }
}

impl Tabular for TopRow {
    const COLUMNS: Columns = &[("ranking", Text), ("score", Count), ("node", Text)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Text(self.order.name()),
            Cell::Count(self.score),
            Cell::Text(self.node.as_str()),
        ]);
    }
}

/// The columns of [`NoteMeta`], which every listing ends with.
macro_rules! note_columns {
    ($($first:expr),*) => {
        &[$($first,)* ("uri", Text), ("kind", Text), ("author", Text), ("note_node", Maybe), ("title", Text), ("at", Time), ("bytes", Count)]
    };
}

fn note<'a>(note: &'a NoteMeta, cells: &mut Vec<Cell<'a>>) {
    cells.extend([
        Cell::Text(note.uri.as_str()),
        Cell::Text(&note.kind),
        Cell::Text(note.author.as_str()),
        node(note.node.as_ref()),
        Cell::Text(&note.title),
        Cell::Time(note.at),
        Cell::Count(note.bytes),
    ]);
}

impl Tabular for LatestRow {
    const COLUMNS: Columns = note_columns!();

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        note(&self.note, cells);
    }
}

impl Tabular for AuthorNoteRow {
    const COLUMNS: Columns = note_columns!();

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        note(&self.note, cells);
    }
}

impl Tabular for SubnodeRow {
    const COLUMNS: Columns = note_columns!(("node", Text));

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.push(Cell::Text(self.node.as_str()));
        note(&self.note, cells);
    }
}

impl Tabular for JournalRow {
    const COLUMNS: Columns = note_columns!(("day", Date));

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.push(Cell::Date(self.day));
        note(&self.note, cells);
    }
}

impl Tabular for NodeRow {
    const COLUMNS: Columns =
        &[("node", Text), ("subnodes", Count), ("authors", Count), ("links", Count), ("linkers", Count)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Text(self.node.as_str()),
            Cell::Count(self.subnodes),
            Cell::Count(self.authors),
            Cell::Count(self.links),
            Cell::Count(self.linkers),
        ]);
    }
}

impl Tabular for AuthorRow {
    const COLUMNS: Columns = &[("author", Text), ("records", Count), ("links", Count), ("bytes", Count)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Text(self.author.as_str()),
            Cell::Count(self.records),
            Cell::Count(self.links),
            Cell::Count(self.bytes),
        ]);
    }
}

impl Tabular for SourceRow {
    const COLUMNS: Columns =
        &[("source", Text), ("kind", Text), ("records", Count), ("links", Count), ("bytes", Count)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Text(self.source.as_str()),
            Cell::Text(&self.kind),
            Cell::Count(self.records),
            Cell::Count(self.links),
            Cell::Count(self.bytes),
        ]);
    }
}

impl Tabular for NotificationRow {
    const COLUMNS: Columns = &[
        ("recipient", Text),
        ("at", Time),
        ("reason", Text),
        ("source", Text),
        ("subject", Text),
        ("actor", Text),
        ("title", Text),
    ];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Text(self.recipient.as_str()),
            Cell::Time(self.at),
            Cell::Text(self.reason.name()),
            Cell::Text(self.source.as_str()),
            Cell::Text(self.subject.as_str()),
            Cell::Text(self.actor.as_str()),
            Cell::Text(&self.title),
        ]);
    }
}

impl Tabular for Posting<'_> {
    const PARTITION: Option<&'static str> = Some("field");
    const COLUMNS: Columns = &[
        ("term", Text),
        ("lang", Maybe),
        ("uri", Text),
        ("title", Number),
        ("body", Number),
        ("length", Number),
        ("at", Time),
    ];

    fn partition(&self) -> &str {
        self.meaning.field
    }

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Text(self.meaning.value),
            Cell::Maybe(self.meaning.lang),
            Cell::Text(self.uri),
            Cell::Number(self.title),
            Cell::Number(self.body),
            Cell::Number(self.length),
            Cell::Time(self.at),
        ]);
    }
}
