//! Where in an Agora's tree a file is, and so whose it is and what it is called.

use crate::place::is_name;
use springline_model::Uri;

/// A garden, a stoa, a stream, or the Agora itself.
///
/// ```text
///   garden/flancian/foo.md       Garden("flancian")        garden://flancian/foo.md        user:flancian
///   stoa/doc.anagora.org/foo.md  Stoa("doc.anagora.org")   stoa://doc.anagora.org/foo.md   user:anonymous@doc.anagora.org
///   stream/bot@x.org/foo.md      Stream("bot@x.org")       stream://bot@x.org/foo.md       user:bot@x.org
///   README.md                    Root                      agora://agora/README.md         user:agora
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// What one user writes, by the user's name.
    Garden(String),
    /// What anybody may write, by the name of the platform.
    Stoa(String),
    /// What a bot logs, by the account that it logs.
    Stream(String),
    /// The Agora's own files.
    Root,
}

impl Place {
    /// Takes a path in an Agora's tree apart into the place and the path inside it.
    #[must_use]
    pub fn parse(path: &str) -> (Self, &str) {
        let mut parts = path.splitn(3, '/');
        if let (Some(kind), Some(name), Some(relative)) = (parts.next(), parts.next(), parts.next())
            && is_name(name)
            && !relative.is_empty()
        {
            match kind {
                "garden" => return (Self::Garden(name.into()), relative),
                "stoa" => return (Self::Stoa(name.into()), relative),
                "stream" => return (Self::Stream(name.into()), relative),
                _ => {}
            }
        }
        (Self::Root, path)
    }

    const fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Garden(name) => ("garden", name.as_str()),
            Self::Stoa(name) => ("stoa", name.as_str()),
            Self::Stream(name) => ("stream", name.as_str()),
            Self::Root => ("agora", "agora"),
        }
    }

    /// What the record of a file is called: `garden://flancian/journal/2022-01-01.md`.
    #[must_use]
    pub fn uri(&self, relative: &str) -> Uri {
        let (scheme, name) = self.parts();
        Uri::from(format!("{scheme}://{name}/{relative}"))
    }

    /// What all of its records' URIs start with: `garden://flancian/`.
    #[must_use]
    pub fn authority(&self) -> Uri {
        self.uri("")
    }

    /// Who is said to have written what is there.
    #[must_use]
    pub fn author(&self) -> Uri {
        match self {
            Self::Garden(name) | Self::Stream(name) => Uri::user(name),
            Self::Stoa(name) => Uri::user(&format!("anonymous@{name}")),
            Self::Root => Uri::user("agora"),
        }
    }

    /// The path in the Agora's tree.
    #[must_use]
    pub fn agora_path(&self, relative: &str) -> String {
        match (self, self.parts()) {
            (Self::Root, _) => relative.to_owned(),
            (_, (kind, name)) => format!("{kind}/{name}/{relative}"),
        }
    }
}
