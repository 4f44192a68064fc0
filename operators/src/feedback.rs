//! What people say of projects: lists of items by time, and how many there are.
//!
//! ```text
//!  visible records ─ of kind feedback.item ─┬─► feedback, project_feedback: a row an item          no state
//!                                           └─► (project, source, status[, day]) ─ summed ─► totals, days
//! ```
//!
//! A row is a function of its record alone; the sums are as the catalog's, exact under retraction. So an item that is
//! edited, deleted or hidden changes all four in the tick in which its record does.
//!
//! Memory: about 100 bytes a (project, source, status, day) that has items.

use crate::{
    Records, Rows,
    catalog::{Size, sizes},
};
use springline_model::{
    FeedbackSource, FeedbackStatus, Project, Timestamp,
    rows::{FeedbackDayRow, FeedbackMeta, FeedbackRow, FeedbackTotalRow, ProjectFeedbackRow},
    time::DAY_MILLIS,
};

/// Feedback as lists. Stateless, so neither has to be hydrated.
pub struct FeedbackLists<'s> {
    /// Every item, by time.
    pub all: Rows<'s, FeedbackRow>,
    /// Every item, by project and time.
    pub by_project: Rows<'s, ProjectFeedbackRow>,
}

/// Feedback as lists. See the module.
#[must_use]
pub fn feedback_lists<'s>(records: Records<'s>) -> FeedbackLists<'s> {
    let items = records.flat_map(|visible| FeedbackMeta::of(&visible.record));
    FeedbackLists { all: items.clone().map(FeedbackRow), by_project: items.map(ProjectFeedbackRow) }
}

/// How much feedback there is. Both with state.
pub struct FeedbackSums<'s> {
    /// By project, source and status.
    pub totals: Rows<'s, FeedbackTotalRow>,
    /// The same by day.
    pub days: Rows<'s, FeedbackDayRow>,
}

/// What a sum is of.
type Group = (Project, FeedbackSource, FeedbackStatus);

/// Feedback as sums. See the module.
#[must_use]
pub fn feedback_sums<'s>(records: Records<'s>) -> FeedbackSums<'s> {
    let items = records.flat_map(|visible| {
        let at = visible.record.at;
        FeedbackMeta::of(&visible.record).map(|item| ((item.project, item.source, item.status), at))
    });
    let one = Size([1, 0, 0]);
    let by_group = items.clone().map(move |(group, _): (Group, Timestamp)| (group, one));
    let by_day = items.map(move |(group, at)| {
        let day = at.0.div_euclid(DAY_MILLIS).saturating_mul(DAY_MILLIS);
        ((group, day), one)
    });
    FeedbackSums {
        totals: sizes(by_group, "FeedbackTotals", |(project, source, status), [items, ..]| {
            FeedbackTotalRow { project: project.clone(), source: *source, status: *status, items }
        }),
        days: sizes(by_day, "FeedbackDays", |((project, source, status), day), [items, ..]| FeedbackDayRow {
            project: project.clone(),
            day: Timestamp(*day),
            source: *source,
            status: *status,
            items,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Visible,
        testing::{Edit, TestRecord, check},
    };
    use proptest::{collection::vec, prelude::*, sample::select};
    use springline_model::{
        ItemName, Record, Uri,
        feedback::{KIND, attr},
        rows::EXCERPT_BYTES,
    };
    use std::collections::{BTreeMap, BTreeSet};

    type State = BTreeSet<Visible>;

    fn uri() -> impl Strategy<Value = Uri> {
        let project = select(vec!["shop", "shop-2"]);
        let source = select(FeedbackSource::ALL.to_vec());
        (project, source, select(vec!["1", "a/b#2", "é"])).prop_map(|(project, source, external)| {
            let project = Project::new(project).unwrap();
            ItemName { project, source, external: external.into() }.uri()
        })
    }

    prop_compose! {
        fn item()(uri in uri(), day in -3..6_i64, status in select(vec![None, Some("open"), Some("closed"), Some("?")]),
                  long in prop::bool::weighted(0.1), note in prop::bool::weighted(0.1),
                  edited in prop::option::of(0..9_i64), issue in select(vec![None, Some("7"), Some("x")])) -> Visible {
            let fill = |record: &mut Record| {
                record.uri = uri;
                if !note { KIND.clone_into(&mut record.kind); }
                if long { record.text = "é".repeat(EXCERPT_BYTES); }
                let attrs = [
                    (attr::STATUS, status.map(str::to_owned)), (attr::ISSUE, issue.map(str::to_owned)),
                    (attr::EDITED, edited.map(|edited| Timestamp(edited).to_rfc3339())),
                ];
                record.attrs.extend(attrs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
            };
            TestRecord::note("ada", "x").at(Timestamp(day * DAY_MILLIS / 2)).with(fill).visible()
        }
    }

    fn histories() -> impl Strategy<Value = Vec<Vec<Edit>>> {
        let edit = prop_oneof![3 => item().prop_map(Edit::Put), 1 => uri().prop_map(Edit::Delete)];
        vec(vec(edit, 0..8), 1..8)
    }

    /// The items of a state, read in the plainest way.
    fn items(state: &State) -> impl Iterator<Item = (FeedbackMeta, i64)> {
        state.iter().filter(|visible| visible.record.kind == "feedback.item").map(
            |Visible { record, .. }| {
                let parts: Vec<&str> = record.uri.as_str().split('/').collect();
                let attr = |name: &str| record.attrs.get(name).map(String::as_str);
                let item = FeedbackMeta {
                    uri: record.uri.clone(),
                    at: record.at,
                    edited: attr("edited").map(|at| Timestamp::parse(at).unwrap()),
                    project: Project::new(parts[2]).unwrap(),
                    source: FeedbackSource::from_name(parts[3]).unwrap(),
                    status: if attr("status") == Some("closed") {
                        FeedbackStatus::Closed
                    } else {
                        FeedbackStatus::Open
                    },
                    author: record.author.clone(),
                    title: record.title.clone(),
                    excerpt: record.text.chars().take(EXCERPT_BYTES / 2).collect(),
                    url: None,
                    repo: None,
                    issue: (attr("github_issue_number") == Some("7")).then_some(7),
                };
                (item, record.at.0.div_euclid(86_400_000) * 86_400_000)
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_view_equals_the_oracle(history in histories()) {
            check(&history, |records| feedback_lists(records).all, |state| {
                items(state).map(|(item, _)| FeedbackRow(item)).collect()
            });
            check(&history, |records| feedback_lists(records).by_project, |state| {
                items(state).map(|(item, _)| ProjectFeedbackRow(item)).collect()
            });
            check(&history, |records| feedback_sums(records).totals, |state| {
                let mut sums = BTreeMap::new();
                for (item, _) in items(state) {
                    *sums.entry((item.project, item.source, item.status)).or_default() += 1;
                }
                let row = |((project, source, status), items)| FeedbackTotalRow { project, source, status, items };
                sums.into_iter().map(row).collect()
            });
            check(&history, |records| feedback_sums(records).days, |state| {
                let mut sums = BTreeMap::new();
                for (item, day) in items(state) {
                    *sums.entry((item.project, day, item.source, item.status)).or_default() += 1;
                }
                let row = |((project, day, source, status), items)| {
                    FeedbackDayRow { project, day: Timestamp(day), source, status, items }
                };
                sums.into_iter().map(row).collect()
            });
        }
    }
}
