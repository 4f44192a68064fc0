//! The columns of the tables about clusters.

use super::cells::{Cell, Columns, Tabular, Type};
use Type::{Count, Number, Text, Texts, Time};
use springline_model::rows::{
    ClusterItemRow, ClusterMemberRow, ClusterNameRow, ClusterRankRow, ClusterRow, ClusterTextRow,
    ClusterThemeRow, ThemeClusterRow,
};

impl Tabular for ClusterRow {
    const COLUMNS: Columns = &[
        ("space", Text),
        ("level", Text),
        ("root", Text),
        ("id", Text),
        ("items", Count),
        ("texts", Count),
        ("by_hand", Count),
        ("representative", Text),
        ("title", Text),
        ("summary", Text),
        ("keywords", Texts),
        ("first_seen", Time),
        ("last_seen", Time),
        ("last_hour", Count),
        ("last_day", Count),
        ("last_week", Count),
        ("trend", Count),
    ];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        let facts = &self.facts;
        cells.extend([
            Cell::Text(self.space.as_str()),
            Cell::Text(self.level.name()),
            Cell::Owned(format!("{:?}", self.root)),
            Cell::Text(self.id.as_str()),
            Cell::Count(facts.items),
            Cell::Count(facts.texts),
            Cell::Count(facts.by_hand),
            Cell::Text(facts.representative.as_str()),
            Cell::Text(&facts.title),
            Cell::Text(&facts.summary),
            Cell::Texts(&facts.keywords),
            Cell::Time(facts.first_seen),
            Cell::Time(facts.last_seen),
        ]);
        cells.extend(facts.growth.map(Cell::Count));
        cells.push(Cell::Count(facts.trend));
    }
}

impl Tabular for ClusterRankRow {
    const COLUMNS: Columns =
        &[("space", Text), ("level", Text), ("ranking", Text), ("score", Count), ("root", Text)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Text(self.space.as_str()),
            Cell::Text(self.level.name()),
            Cell::Text(self.order.name()),
            Cell::Count(self.score),
            Cell::Owned(format!("{:?}", self.root)),
        ]);
    }
}

impl Tabular for ClusterMemberRow {
    const COLUMNS: Columns = &[("space", Text), ("cluster", Text), ("duplicates", Text), ("text", Text)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Text(self.space.as_str()),
            Cell::Owned(format!("{:?}", self.cluster)),
            Cell::Owned(format!("{:?}", self.duplicates)),
            Cell::Owned(format!("{:?}", self.text)),
        ]);
    }
}

impl Tabular for ClusterTextRow {
    const COLUMNS: Columns = &[
        ("space", Text),
        ("text", Text),
        ("cluster", Text),
        ("duplicates", Text),
        ("by_hand", Number),
        ("features", Count),
    ];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Text(self.space.as_str()),
            Cell::Owned(format!("{:?}", self.text)),
            Cell::Owned(format!("{:?}", self.cluster)),
            Cell::Owned(format!("{:?}", self.duplicates)),
            Cell::Number(self.by_hand.into()),
            Cell::Count(self.words.iter().len() as u64),
        ]);
    }
}

impl Tabular for ClusterItemRow {
    const COLUMNS: Columns =
        &[("space", Text), ("text", Text), ("at", Time), ("uri", Text), ("source", Text), ("title", Text)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Text(self.space.as_str()),
            Cell::Owned(format!("{:?}", self.text)),
            Cell::Time(self.at),
            Cell::Text(self.uri.as_str()),
            Cell::Text(&self.source),
            Cell::Text(&self.title),
        ]);
    }
}

impl Tabular for ClusterNameRow {
    const COLUMNS: Columns = &[("id", Text), ("space", Text), ("uri", Text), ("text", Text)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Text(self.id.as_str()),
            Cell::Text(self.space.as_str()),
            Cell::Text(self.uri.as_str()),
            Cell::Owned(format!("{:?}", self.text)),
        ]);
    }
}

impl Tabular for ClusterThemeRow {
    const COLUMNS: Columns = &[("space", Text), ("cluster", Text), ("theme", Text)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Text(self.space.as_str()),
            Cell::Owned(format!("{:?}", self.cluster)),
            Cell::Owned(format!("{:?}", self.theme)),
        ]);
    }
}

impl Tabular for ThemeClusterRow {
    const COLUMNS: Columns = &[("space", Text), ("theme", Text), ("cluster", Text)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Text(self.space.as_str()),
            Cell::Owned(format!("{:?}", self.theme)),
            Cell::Owned(format!("{:?}", self.cluster)),
        ]);
    }
}
