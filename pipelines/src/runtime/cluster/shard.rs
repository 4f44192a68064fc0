//! Whose share a store is: it stands in the store, for its rows mean nothing to another number of processes.

use super::{ClusterError, NAME};
use springline_model::Epoch;
use springline_sinks::views::{Views, ViewsError};
use std::{collections::BTreeMap, fmt};

/// A process' share of the views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    pub(crate) process: usize,
    pub(crate) processes: usize,
    pub(crate) workers: usize,
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, processes, workers } = self;
        write!(f, "the share of process {process} of {processes} with {workers} workers each")
    }
}

const WHOLE: &str = "of one process alone";

fn settings(views: &Views) -> Result<BTreeMap<String, String>, ViewsError> {
    Ok(views.settings()?.and_then(|settings| serde_json::from_str(&settings).ok()).unwrap_or_default())
}

/// Whose share a store is, in words; none if it is not one of several.
pub(crate) fn of_store(views: &Views) -> Result<Option<String>, ViewsError> {
    Ok(settings(views)?.remove(NAME))
}

/// Makes a new store a share, or makes sure that it is this one.
pub(crate) fn claim(views: &Views, shard: Option<Shard>) -> Result<(), ClusterError> {
    let mut settings = settings(views)?;
    let (found, wanted) = (settings.get(NAME).cloned(), shard.map(|shard| shard.to_string()));
    if found == wanted {
        return Ok(());
    }
    if views.applied() > Epoch::ZERO || found.is_some() && wanted.is_none() {
        let name = |shard: Option<String>| shard.unwrap_or_else(|| WHOLE.to_owned());
        return Err(ClusterError::OtherShard { found: name(found), wanted: name(wanted) });
    }
    settings.extend(wanted.map(|wanted| (NAME.to_owned(), wanted)));
    views.keep_settings(&serde_json::json!(settings).to_string())?;
    // The redo must not be all that is left of the first epochs, in a store that does not know whose it is.
    views.sync()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use springline_model::{EpochCommit, Timestamp};
    use springline_sinks::{Engine, StoreConfig, views::Changes};

    #[test]
    fn a_share_stays_what_it_is() {
        let views = Views::open(&StoreConfig::of(Engine::Memory), std::path::Path::new("unused")).unwrap();
        let two = |process| Some(Shard { process, processes: 2, workers: 1 });
        claim(&views, two(0)).unwrap();
        claim(&views, two(1)).unwrap();
        let commit =
            EpochCommit { epoch: Epoch(1), at: Timestamp(0), execution: 0, advances: vec![], events: 0 };
        views.apply(&commit, Changes::default()).unwrap();
        claim(&views, two(1)).unwrap();
        let three = Some(Shard { process: 1, processes: 3, workers: 1 });
        for other in [two(0), three, None] {
            assert!(matches!(claim(&views, other), Err(ClusterError::OtherShard { .. })));
        }
        assert!(of_store(&views).unwrap().unwrap().contains("process 1 of 2"));
    }
}
