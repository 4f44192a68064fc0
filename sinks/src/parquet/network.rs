//! The columns of the tables about repositories, labels and people.

use super::cells::{Cell, Columns, Tabular, Type};
use Type::{Count, Date, Maybe, Text, Time};
use springline_model::{
    Label,
    rows::{
        AuthorKindRow, CollectionDayRow, CollectionRow, ExpiryRow, GapRow, HandleRow, HotRow, IdentityRow,
        InboxRow, IssuedRow, LabelRow, LinkerRow, Reason, RepoRow, ResyncRow, TombRow,
    },
};

/// A truth, as a text: what reads Parquet reads `true` and `false`.
const fn told(truth: bool) -> Cell<'static> {
    Cell::Text(if truth { "true" } else { "false" })
}

impl Tabular for RepoRow {
    const COLUMNS: Columns = &[
        ("authority", Text),
        ("rev", Count),
        ("hosting", Text),
        ("hidden_by", Count),
        ("hidden_records", Count),
        ("desynchronized", Text),
    ];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Text(self.authority.as_str()),
            Cell::Count(self.rev.0),
            Cell::Text(self.hosting.name()),
            Cell::Count(self.hidden_by.into()),
            Cell::Count(self.hiding.into()),
            told(self.desynchronized.is_some()),
        ]);
    }
}

impl Tabular for ResyncRow {
    const COLUMNS: Columns = &[("authority", Text)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.push(Cell::Text(self.authority.as_str()));
    }
}

impl Tabular for TombRow {
    const COLUMNS: Columns = &[("uri", Text), ("rev", Count)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([Cell::Text(self.uri.as_str()), Cell::Count(self.rev.0)]);
    }
}

/// The columns of a label.
macro_rules! label_columns {
    ($($first:expr),*) => {
        &[$($first,)* ("uri", Text), ("src", Text), ("val", Text), ("cid", Maybe), ("cts", Time), ("neg", Text), ("exp", Maybe), ("in_force", Text), ("hides", Text)]
    };
}

fn label<'a>(label: &'a Label, cells: &mut Vec<Cell<'a>>) {
    cells.extend([
        Cell::Text(label.uri.as_str()),
        Cell::Text(label.src.as_str()),
        Cell::Text(&label.val),
        Cell::Maybe(label.cid.as_deref()),
        Cell::Time(label.cts),
        told(label.neg),
        label.exp.map_or(Cell::Maybe(None), |exp| Cell::Owned(exp.to_rfc3339())),
        told(label.is_in_force()),
        told(label.hides),
    ]);
}

impl Tabular for LabelRow {
    const COLUMNS: Columns = label_columns!();

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        label(&self.0, cells);
    }
}

impl Tabular for ExpiryRow {
    const COLUMNS: Columns = label_columns!(("at", Time));

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.push(Cell::Time(self.at));
        label(&self.label, cells);
    }
}

impl Tabular for IssuedRow {
    const COLUMNS: Columns = label_columns!(("seq", Count));

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.push(Cell::Count(self.seq));
        label(&self.label, cells);
    }
}

impl Tabular for IdentityRow {
    const COLUMNS: Columns =
        &[("did", Text), ("handle", Maybe), ("pds", Maybe), ("key", Maybe), ("at", Time)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        let identity = &self.0;
        cells.extend([
            Cell::Text(identity.did.as_str()),
            Cell::Maybe(identity.handle.as_deref()),
            Cell::Maybe(identity.pds.as_deref()),
            Cell::Maybe(identity.key.as_deref()),
            Cell::Time(identity.at),
        ]);
    }
}

impl Tabular for HandleRow {
    const COLUMNS: Columns = &[("handle", Text), ("at", Time), ("did", Text)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([Cell::Text(&self.handle), Cell::Time(self.at), Cell::Text(self.did.as_str())]);
    }
}

impl Tabular for InboxRow {
    const COLUMNS: Columns = &[("actor", Text), ("seen", Time), ("muted", Text)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        let muted: Vec<&str> = Reason::ALL
            .iter()
            .filter(|reason| self.muted & reason.bit() != 0)
            .map(|reason| reason.name())
            .collect();
        cells.extend([Cell::Text(self.actor.as_str()), Cell::Time(self.seen), Cell::Owned(muted.join(" "))]);
    }
}

impl Tabular for GapRow {
    const COLUMNS: Columns = &[
        ("source", Text),
        ("partition", Text),
        ("from", Text),
        ("to", Text),
        ("at", Time),
        ("reason", Text),
    ];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        let gap = &self.gap;
        cells.extend([
            Cell::Text(self.source.as_str()),
            Cell::Text(&gap.partition),
            Cell::Text(&gap.from),
            Cell::Text(&gap.to),
            Cell::Time(gap.at),
            Cell::Text(&gap.reason),
        ]);
    }
}

impl Tabular for LinkerRow {
    const COLUMNS: Columns = &[
        ("target_id", Text),
        ("kind", Text),
        ("path", Text),
        ("author", Text),
        ("at", Time),
        ("source", Text),
    ];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Owned(format!("{:032x}", self.target.0)),
            Cell::Text(&self.kind),
            Cell::Text(self.path.as_str()),
            Cell::Text(self.author.as_str()),
            Cell::Time(self.at),
            Cell::Text(self.source.as_str()),
        ]);
    }
}

impl Tabular for CollectionRow {
    const COLUMNS: Columns = &[("kind", Text), ("records", Count), ("authors", Count)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([Cell::Text(&self.kind), Cell::Count(self.records), Cell::Count(self.authors)]);
    }
}

impl Tabular for CollectionDayRow {
    const COLUMNS: Columns = &[("kind", Text), ("day", Date), ("records", Count)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([Cell::Text(&self.kind), Cell::Date(self.day), Cell::Count(self.records)]);
    }
}

impl Tabular for AuthorKindRow {
    const COLUMNS: Columns = &[("author", Text), ("kind", Text), ("records", Count)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([Cell::Text(self.author.as_str()), Cell::Text(&self.kind), Cell::Count(self.records)]);
    }
}

impl Tabular for HotRow {
    const COLUMNS: Columns = &[("ranking", Text), ("score", Count), ("uri", Text)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([Cell::Text(self.order.name()), Cell::Count(self.score), Cell::Text(self.uri.as_str())]);
    }
}
