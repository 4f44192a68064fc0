//! From a name to what it stands for now, and to the rows that tell of it.

use super::Level;
use crate::{
    problem::Problem,
    v1::{list, names},
};
use springline_model::{
    Space, TextId, UriId,
    key::KeyWriter,
    rows::{ClusterLevel, ClusterNameRow, ClusterRow, ClusterTextRow, ClusterThemeRow},
};
use springline_sinks::{Scan, Snapshot};

/// The root of the theme that a cluster belongs to.
pub(super) fn theme_of(
    snapshot: &Snapshot<'_>,
    space: &Space,
    cluster: TextId,
) -> Result<Option<TextId>, Problem> {
    Ok(snapshot.get::<ClusterThemeRow>(&text_key(space, cluster))?.map(|row| row.theme))
}

/// A cluster, a duplicate set or a theme by its root.
pub(crate) fn row(
    snapshot: &Snapshot<'_>,
    space: &Space,
    level: ClusterLevel,
    root: TextId,
) -> Result<Option<ClusterRow>, Problem> {
    let mut key = KeyWriter::new();
    key.text(space.as_str()).byte(level as u8).id(UriId(root.0));
    Ok(snapshot.get(&key.into_bytes())?)
}

/// Where the item is that a name stands for.
pub(crate) struct Named {
    pub(super) asked: String,
    pub(crate) space: Space,
    pub(crate) cluster: TextId,
    pub(super) duplicates: TextId,
    /// The item's text.
    pub(super) text: TextId,
}

impl Named {
    pub(super) fn root(&self, snapshot: &Snapshot<'_>, level: Level) -> Result<Option<TextId>, Problem> {
        match level {
            Level::Cluster => Ok(Some(self.cluster)),
            Level::Duplicates => Ok(Some(self.duplicates)),
            Level::Theme => theme_of(snapshot, &self.space, self.cluster),
        }
    }

    pub(super) fn find(&self, snapshot: &Snapshot<'_>, level: Level) -> Result<Option<ClusterRow>, Problem> {
        let Some(root) = self.root(snapshot, level)? else { return Ok(None) };
        row(snapshot, &self.space, level.into(), root)
    }

    pub(super) fn nothing(&self, level: Level) -> Problem {
        let has_none = if level == Level::Theme { "belongs to no theme" } else { "has no near-duplicates" };
        Problem::not_found(format!("`{}` {has_none}", names::shown(&self.asked)))
    }

    pub(crate) fn row(&self, snapshot: &Snapshot<'_>, level: Level) -> Result<ClusterRow, Problem> {
        self.find(snapshot, level)?.ok_or_else(|| self.nothing(level))
    }
}

/// What a name stands for now: in the space asked for, or the first that it is in.
pub(crate) fn named(snapshot: &Snapshot<'_>, id: &str, space: Option<&str>) -> Result<Named, Problem> {
    let nothing = || {
        let asked = names::shown(id);
        Problem::not_found(format!(
            "no item has the name `{asked}` (any more); /v1/clusters lists the clusters"
        ))
    };
    let parts: Vec<&str> = [Some(id), space].into_iter().flatten().collect();
    let scan = Scan { prefix: list::key(&parts), limit: 1, ..Scan::default() };
    let name: ClusterNameRow = snapshot.scan(&scan)?.pop().ok_or_else(nothing)?;
    let text = text(snapshot, &name.space, name.text)?.ok_or_else(nothing)?;
    let ClusterTextRow { space, cluster, duplicates, text, .. } = text;
    Ok(Named { asked: id.to_owned(), space, cluster, duplicates, text })
}

/// Where a text is.
pub(super) fn text(
    snapshot: &Snapshot<'_>,
    space: &Space,
    text: TextId,
) -> Result<Option<ClusterTextRow>, Problem> {
    Ok(snapshot.get(&text_key(space, text))?)
}

/// The key of a text, which is what the keys of its items begin with.
pub(super) fn text_key(space: &Space, text: TextId) -> Vec<u8> {
    let mut key = KeyWriter::new();
    key.text(space.as_str()).id(UriId(text.0));
    key.into_bytes()
}
