//! The columns of the tables about jobs.

use super::cells::{Cell, Columns, Tabular, Type};
use Type::{Count, Maybe, Number, Text, Time};
use springline_model::{
    job::{JobState, Mark},
    rows::{ClusterJobRow, ClusterStateRow, JobLogRow, JobQueueRow, JobRow},
};

impl Tabular for JobRow {
    const COLUMNS: Columns = &[
        ("job", Text),
        ("cluster", Text),
        ("ordinal", Number),
        ("agent", Text),
        ("state", Text),
        ("created", Time),
        ("updated", Time),
        ("attempt", Number),
        ("lost", Number),
        ("progress", Maybe),
        ("branch", Maybe),
        ("pr_url", Maybe),
        ("reason", Maybe),
        ("log_bytes", Count),
    ];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        let Self(job) = self;
        cells.extend([
            Cell::Owned(job.id.to_string()),
            Cell::Text(job.cluster.as_str()),
            Cell::Number(job.ordinal),
            Cell::Text(&job.agent),
            Cell::Text(job.state.name()),
            Cell::Time(job.created),
            Cell::Time(job.updated),
            Cell::Number(job.attempt()),
            Cell::Number(job.lost),
            Cell::Maybe(job.progress.as_deref()),
            Cell::Maybe(job.branch.as_deref()),
            Cell::Maybe(job.pr_url.as_deref()),
            Cell::Maybe(job.reason.as_deref()),
            Cell::Count(job.log_bytes),
        ]);
    }
}

impl Tabular for JobLogRow {
    const COLUMNS: Columns = &[("job", Text), ("seq", Number), ("at", Time), ("from", Text), ("text", Text)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Owned(self.job.to_string()),
            Cell::Number(self.seq),
            Cell::Time(self.at),
            Cell::Text(self.from.name()),
            Cell::Text(&self.text),
        ]);
    }
}

impl Tabular for ClusterJobRow {
    const COLUMNS: Columns = &[("cluster", Text), ("ordinal", Number), ("job", Text), ("state", Text)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Text(self.cluster.as_str()),
            Cell::Number(self.outcome.ordinal),
            Cell::Owned(self.outcome.job.to_string()),
            Cell::Text(self.outcome.state.name()),
        ]);
    }
}

impl Tabular for ClusterStateRow {
    const COLUMNS: Columns = &[
        ("cluster", Text),
        ("state", Text),
        ("job", Maybe),
        ("jobs", Number),
        ("mark", Maybe),
        ("refused", Count),
    ];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        let mark = self.mark.map(|(mark, _)| match mark {
            Mark::Resolved => "resolved",
            Mark::Reopened => "reopened",
        });
        cells.extend([
            Cell::Text(self.cluster.as_str()),
            Cell::Text(self.fixing.state.name()),
            self.fixing.job.map_or(Cell::Maybe(None), |job| Cell::Owned(job.to_string())),
            Cell::Number(self.jobs),
            Cell::Maybe(mark),
            Cell::Count(self.refused),
        ]);
    }
}

impl Tabular for JobQueueRow {
    const COLUMNS: Columns =
        &[("job", Text), ("cluster", Text), ("state", Text), ("at", Time), ("attempt", Number)];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        let state = if self.runs { JobState::Running } else { JobState::Pending };
        cells.extend([
            Cell::Owned(self.job.to_string()),
            Cell::Text(self.cluster.as_str()),
            Cell::Text(state.name()),
            Cell::Time(self.at),
            Cell::Number(self.attempt),
        ]);
    }
}
