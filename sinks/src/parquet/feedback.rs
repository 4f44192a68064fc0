//! The columns of the tables about feedback.

use super::cells::{Cell, Columns, Tabular, Type};
use Type::{Count, Date, Maybe, Text, Time};
use springline_model::rows::{
    FeedbackDayRow, FeedbackMeta, FeedbackRow, FeedbackTotalRow, ProjectFeedbackRow, SubredditRow,
};

const ITEM: Columns = &[
    ("project", Text),
    ("at", Time),
    ("uri", Text),
    ("source", Text),
    ("status", Text),
    ("author", Text),
    ("title", Text),
    ("excerpt", Text),
    ("edited", Maybe),
    ("url", Maybe),
    ("repo", Maybe),
    ("issue", Maybe),
];

fn item<'a>(item: &'a FeedbackMeta, cells: &mut Vec<Cell<'a>>) {
    cells.extend([
        Cell::Text(item.project.as_str()),
        Cell::Time(item.at),
        Cell::Text(item.uri.as_str()),
        Cell::Text(item.source.name()),
        Cell::Text(item.status.name()),
        Cell::Text(item.author.as_str()),
        Cell::Text(&item.title),
        Cell::Text(&item.excerpt),
        item.edited.map_or(Cell::Maybe(None), |edited| Cell::Owned(edited.to_rfc3339())),
        Cell::Maybe(item.url.as_deref()),
        Cell::Maybe(item.repo.as_deref()),
        item.issue.map_or(Cell::Maybe(None), |issue| Cell::Owned(issue.to_string())),
    ]);
}

impl Tabular for FeedbackRow {
    const COLUMNS: Columns = ITEM;

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        item(&self.0, cells);
    }
}

impl Tabular for ProjectFeedbackRow {
    const COLUMNS: Columns = ITEM;

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        item(&self.0, cells);
    }
}

impl Tabular for FeedbackTotalRow {
    const COLUMNS: Columns = &[("project", Text), ("source", Text), ("status", Text), ("items", Count)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Text(self.project.as_str()),
            Cell::Text(self.source.name()),
            Cell::Text(self.status.name()),
            Cell::Count(self.items),
        ]);
    }
}

impl Tabular for FeedbackDayRow {
    const COLUMNS: Columns =
        &[("project", Text), ("day", Date), ("source", Text), ("status", Text), ("items", Count)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Text(self.project.as_str()),
            Cell::Date(self.day),
            Cell::Text(self.source.name()),
            Cell::Text(self.status.name()),
            Cell::Count(self.items),
        ]);
    }
}

impl Tabular for SubredditRow {
    const COLUMNS: Columns = &[("name", Text), ("project", Maybe)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Text(&self.name),
            Cell::Maybe(self.project.as_ref().map(springline_model::Project::as_str)),
        ]);
    }
}
