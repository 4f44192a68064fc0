//! How paths in the folder map to places and URIs.

use crate::{SourceError, files::FilesConfig, formats::Place, place};
use springline_model::Uri;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What a folder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One place.
    One(Place),
    /// A tree of places.
    Agora,
}

impl Layout {
    /// As configured.
    pub(crate) fn of(config: &FilesConfig) -> Result<Self, SourceError> {
        config.check()?;
        Ok(config.garden.clone().map_or(Self::Agora, |user| Self::One(Place::Garden(user))))
    }

    /// Whose a path is, and what it is called there; names that are not UTF-8 are made so.
    pub(crate) fn locate(&self, path: &Path) -> (Place, String) {
        let path = path.to_string_lossy();
        match self {
            Self::One(place) => (place.clone(), path.into_owned()),
            Self::Agora => {
                let (place, inside) = Place::parse(&path);
                (place, inside.to_owned())
            }
        }
    }

    /// What a path's record is called.
    pub(crate) fn uri(&self, path: &Path) -> Uri {
        let (place, inside) = self.locate(path);
        place.uri(&inside)
    }

    /// Where a record's file is; none if it belongs to no place of this folder.
    pub(crate) fn path(&self, uri: &Uri) -> Option<PathBuf> {
        let authority = uri.authority();
        let inside = &uri.as_str()[authority.len()..];
        match self {
            Self::One(place) => (place.authority().as_str() == authority).then(|| inside.into()),
            Self::Agora if uri.scheme() == "agora" => Some(inside.into()),
            Self::Agora => {
                let path = format!("{}/{}", uri.scheme(), uri.rest());
                (!matches!(Place::parse(&path).0, Place::Root)).then(|| path.into())
            }
        }
    }

    /// The folder of the place that a path is in.
    pub(crate) fn home(&self, path: &Path) -> PathBuf {
        self.folder(&self.locate(path).0).unwrap_or_default()
    }

    /// The folder of a place; none if the place can't be here.
    pub(crate) fn folder(&self, place: &Place) -> Option<PathBuf> {
        match self {
            Self::One(own) => (own == place).then(PathBuf::new),
            Self::Agora => Some(place.agora_path("").into()),
        }
    }

    /// The places that a folder holds now.
    pub(crate) fn places(&self, root: &Path) -> Vec<Place> {
        match self {
            Self::One(place) => vec![place.clone()],
            Self::Agora => {
                let folders = |kind| fs::read_dir(root.join(kind)).into_iter().flatten().flatten();
                let targets = ["garden", "stoa", "stream"].into_iter().flat_map(|kind| {
                    folders(kind).filter_map(move |entry| {
                        place::of_target(&format!("{kind}/{}", entry.file_name().to_str()?))
                    })
                });
                std::iter::once(Place::Root).chain(targets).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_uris_go_both_ways() {
        let agora = Layout::Agora;
        for (path, uri) in [
            ("garden/me/a b/c.md", "garden://me/a b/c.md"),
            ("stoa/x.org/y.md", "stoa://x.org/y.md"),
            ("README.md", "agora://agora/README.md"),
            ("garden/loose.md", "agora://agora/garden/loose.md"),
        ] {
            assert_eq!(agora.uri(Path::new(path)).as_str(), uri);
            assert_eq!(agora.path(&uri.into()), Some(path.into()));
        }
        assert_eq!(agora.path(&"https://example.org/x".into()), None);
        assert_eq!(agora.home(Path::new("garden/me/a/b.md")), Path::new("garden/me/"));
        assert_eq!(agora.home(Path::new("garden/me")), Path::new(""));

        let one = Layout::One(Place::Garden("me".into()));
        assert_eq!(one.uri(Path::new("garden/x.md")).as_str(), "garden://me/garden/x.md");
        assert_eq!(one.path(&"garden://me/garden/x.md".into()), Some("garden/x.md".into()));
        assert_eq!(one.path(&"garden://you/x.md".into()), None);
    }
}
