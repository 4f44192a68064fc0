//! Which of several processes keeps a row.
//!
//! ```text
//!  key of a row, or what it begins with ─► number ─► modulo all workers ─► the worker's process
//! ```
//!
//! A table's rows are kept together where their keys begin alike, so that whoever looks for them need ask one process.
//! The ledger's rows are with the authority that they belong to, for it reads them itself. Where the key does not say it,
//! everybody has to be asked.
//!
//! Invariant: the number is a function of the table and the key's first part, the same in every process and version of
//! the program that shares a store.

use crate::{Table, Uri, UriId, key::KeyReader};

/// What decides where a table's rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Home {
    /// The authority of the URI that the key begins with.
    Authority,
    /// The text that the key begins with.
    Text,
    /// The id that it begins with: where the rows are whose keys begin with that text.
    Id,
    /// The worker that made the row.
    Anywhere,
}

const fn of_table(table: Table) -> Home {
    match table {
        Table::Records | Table::Accounts | Table::Quarantine | Table::Repos | Table::Tombs => Home::Authority,
        Table::Identities
        | Table::Inboxes
        | Table::Subreddits
        | Table::ClusterJobs
        | Table::ClusterStates
        | Table::Backlinks
        | Table::Subnodes
        | Table::AuthorNotes
        | Table::Nodes
        | Table::Authors
        | Table::AuthorKinds
        | Table::Sources
        | Table::Collections
        | Table::CollectionDays
        | Table::Notifications
        | Table::ProjectFeedback
        | Table::FeedbackTotals
        | Table::FeedbackDays
        | Table::Clusters
        | Table::ClusterRanks
        | Table::ClusterMembers
        | Table::ClusterTexts
        | Table::ClusterItems
        | Table::ClusterNames
        | Table::ClusterThemes
        | Table::ThemeClusters => Home::Text,
        Table::BacklinkCounts | Table::Linkers => Home::Id,
        Table::Labels
        | Table::Handles
        | Table::Gaps
        | Table::Issued
        | Table::Expiries
        | Table::Resyncs
        | Table::Jobs
        | Table::JobLogs
        | Table::JobQueue
        | Table::Search
        | Table::Top
        | Table::Hot
        | Table::Latest
        | Table::Journals
        | Table::Feedback => Home::Anywhere,
    }
}

/// The number of an authority ([`Uri::authority`]), or of any other text: what has the same is in the same place.
#[must_use]
pub fn of(text: &str) -> u64 {
    UriId::of(text).route()
}

/// The number of the row with this key, or of all whose keys begin with this; none if everybody has to be asked.
#[must_use]
pub fn of_key(table: Table, key: &[u8]) -> Option<u64> {
    let mut key = KeyReader::new(key);
    match of_table(table) {
        Home::Authority => key.text().ok().map(|uri| of(Uri::from(uri).authority())),
        Home::Text => key.text().ok().map(|text| of(&text)),
        Home::Id => key.id().ok().map(UriId::route),
        Home::Anywhere => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyWriter, text_key, text_prefix};

    #[test]
    fn what_begins_alike_is_together() {
        let target = "at://did:plc:x/app.bsky.feed.post/1";
        let all = of_key(Table::Backlinks, &text_key(target));
        let some = of_key(Table::Backlinks, &KeyWriter::new().text(target).text("kind").take());
        let count =
            of_key(Table::BacklinkCounts, &KeyWriter::new().id(UriId::of(target)).text("kind").take());
        assert_eq!((all, some, count), (Some(of(target)), all, all));
    }

    #[test]
    fn records_are_with_their_authority() {
        let [one, other] = ["at://did:plc:x/a/1", "at://did:plc:x/b/2"].map(text_key);
        let account = text_key("at://did:plc:x/");
        assert_eq!(of_key(Table::Records, &one), of_key(Table::Records, &other));
        assert_eq!(of_key(Table::Records, &one), of_key(Table::Accounts, &account));
        assert_eq!(of_key(Table::Records, &one), Some(of("at://did:plc:x/")));
    }

    #[test]
    fn half_a_part_says_nothing() {
        assert_eq!(of_key(Table::Nodes, &text_prefix("ag")), None);
        assert_eq!(of_key(Table::BacklinkCounts, &[1, 2, 3]), None);
        assert_eq!(of_key(Table::Nodes, &[]), None);
        assert_eq!(of_key(Table::Latest, &[0; 40]), None);
    }
}
