//! Symbolic links: followed inside a garden, refused when they leave it, go round in circles or point at hidden
//! files (`.git/config` may hold a password).

use super::{ignores::is_hidden, open::Stamp, open::not_regular};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where a link leads.
#[derive(Debug)]
pub(crate) enum Leads {
    /// To a file; its path without links.
    File(PathBuf, Stamp),
    /// To a folder; its path without links.
    Folder(PathBuf),
    /// Nowhere that we go, and why.
    Refused(String),
}

/// Follows a link to its end.
///
/// `boundary` is the folder, without links in its path, that the link must not leave; `inside_linked` says that
/// the link was found in a folder that was itself reached by a link: folders are followed once, so that no
/// arrangement of links makes the tree larger than files times links.
pub(crate) fn follow(link: &Path, boundary: &Path, inside_linked: bool) -> Leads {
    match try_follow(link, boundary, inside_linked) {
        Ok(leads) => leads,
        Err(reason) => Leads::Refused(reason),
    }
}

fn try_follow(link: &Path, boundary: &Path, inside_linked: bool) -> Result<Leads, String> {
    let real = fs::canonicalize(link).map_err(|error| {
        if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
            "a symbolic link that goes round in circles".to_owned()
        } else {
            format!("a symbolic link that leads nowhere: {error}")
        }
    })?;
    let Ok(inside) = real.strip_prefix(boundary) else {
        return Err("a symbolic link that leaves the garden".to_owned());
    };
    if inside.components().any(|part| is_hidden(part.as_os_str())) {
        return Err("a symbolic link to something hidden".to_owned());
    }
    let meta = fs::metadata(&real).map_err(|error| format!("a symbolic link that leads nowhere: {error}"))?;
    if meta.is_file() {
        return Ok(Leads::File(real, Stamp::of(&meta)));
    }
    if !meta.is_dir() {
        return Err(format!("a symbolic link to something that is {}", not_regular(&meta)));
    }
    let above = link.parent().and_then(|parent| fs::canonicalize(parent).ok());
    if above.is_none_or(|above| above.starts_with(&real)) {
        return Err("a symbolic link to a folder that it lies in".to_owned());
    }
    if inside_linked {
        return Err("a symbolic link to a folder, in a folder that was itself reached by a link".to_owned());
    }
    Ok(Leads::Folder(real))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn stays_inside() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        let garden = root.join("garden");
        fs::create_dir_all(garden.join("a/b")).unwrap();
        fs::create_dir_all(garden.join(".git")).unwrap();
        fs::write(garden.join("a/x.md"), "x").unwrap();
        fs::write(garden.join(".git/config"), "secret").unwrap();
        fs::write(root.join("out.md"), "x").unwrap();
        let link = |to: &str, name: &str| {
            let path = garden.join(name);
            symlink(to, &path).unwrap();
            path
        };
        let leads = |path: &Path| follow(path, &garden, false);
        assert!(
            matches!(leads(&link("a/x.md", "l1.md")), Leads::File(real, _) if real == garden.join("a/x.md"))
        );
        let folder = link("../a", "a/../l2");
        let folder_leads = leads(&folder);
        assert!(matches!(folder_leads, Leads::Refused(_)), "{folder_leads:?}");
        let folder = link("a", "l3");
        assert!(matches!(leads(&folder), Leads::Folder(real) if real == garden.join("a")));
        assert!(matches!(follow(&folder, &garden, true), Leads::Refused(_)));
        for (to, name, why) in [
            ("../out.md", "l4.md", "leaves"),
            ("/etc/passwd", "l5.md", "leaves"),
            ("..", "l6", "leaves"),
            (".git/config", "l7.md", "hidden"),
            ("l8.md", "l8.md", "circles"),
            ("nowhere", "l9.md", "nowhere"),
            (".", "l10", "lies in"),
            ("..", "a/l11", "lies in"),
            ("../../a", "a/b/l12", "lies in"),
        ] {
            let path = link(to, name);
            match leads(&path) {
                Leads::Refused(reason) => assert!(reason.contains(why), "{name}: {reason}"),
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}
