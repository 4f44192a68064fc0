//! The recorded gardens as upstream repositories that move on, commit by commit.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Bare repositories, each with its branch at an earlier commit, and what lies ahead of it.
#[derive(Debug)]
pub struct Upstreams {
    root: PathBuf,
    gardens: Vec<Upstream>,
}

#[derive(Debug)]
struct Upstream {
    target: String,
    repository: PathBuf,
    ahead: Vec<String>,
}

impl Upstreams {
    /// Of the recorded gardens of these names (of all ten if none is named), about a hundred commits before their
    /// tips.
    ///
    /// # Panics
    /// git fails, or the recordings are not whole.
    #[must_use]
    pub fn new(data: &Path, root: &Path, names: &[&str]) -> Self {
        let truth = fs::read(data.join("gardens/truth/minus100.revs.json")).expect("the revisions are there");
        let revisions: serde_json::Value = serde_json::from_slice(&truth).expect("they are JSON");
        let mut gardens = Vec::new();
        for (target, revision) in revisions.as_object().expect("they are by garden") {
            let (place, name) = target.split_once('/').expect("a target is place/name");
            if !names.is_empty() && !names.contains(&name) {
                continue;
            }
            let bundle = data.join(format!("gardens/bundles/{place}_{name}.bundle"));
            let repository = root.join(format!("{place}-{name}.git"));
            let text = |key: &str| revision[key].as_str().expect("a commit").to_owned();
            let (at, tip) = (text("at"), text("tip"));
            let (from, to) = (bundle.to_string_lossy(), repository.to_string_lossy());
            git(
                root,
                &[
                    "-c",
                    "init.defaultBranch=main",
                    "clone",
                    "--quiet",
                    "--bare",
                    "--branch",
                    "main",
                    &from,
                    &to,
                ],
            );
            let ahead =
                git(&repository, &["rev-list", "--reverse", "--first-parent", &format!("{at}..{tip}")]);
            git(&repository, &["update-ref", "refs/heads/main", &at]);
            let ahead = ahead.lines().map(str::to_owned).collect();
            gardens.push(Upstream { target: target.clone(), repository, ahead });
        }
        Self { root: root.to_path_buf(), gardens }
    }

    /// How many commits the longest of them has ahead.
    #[must_use]
    pub fn ahead(&self) -> usize {
        self.gardens.iter().map(|garden| garden.ahead.len()).max().unwrap_or(0)
    }

    /// Moves each on by so many commits.
    pub fn advance(&mut self, commits: usize) {
        for garden in &mut self.gardens {
            let commits = commits.min(garden.ahead.len());
            if let Some(to) = garden.ahead.drain(..commits).next_back() {
                git(&garden.repository, &["update-ref", "refs/heads/main", &to]);
            }
        }
    }

    /// A configuration with one source, `gardens`, that follows all of them.
    ///
    /// # Panics
    /// It can't be written.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        let mut text = "[sources.gardens]\ntype = \"git\"\nallow_file = true\npoll_secs = 0\n".to_owned();
        for Upstream { target, repository, .. } in &self.gardens {
            let url = toml(&repository.to_string_lossy());
            text += &format!(
                "[[sources.gardens.gardens]]\ntarget = {}\nurl = {url}\nbranch = \"main\"\n",
                toml(target)
            );
        }
        let path = self.root.join("springline.toml");
        fs::write(&path, text).expect("the configuration can be written");
        path
    }
}

/// A repository to commit to.
#[derive(Debug)]
pub struct Repository {
    path: PathBuf,
}

impl Repository {
    /// An empty one.
    ///
    /// # Panics
    /// git fails.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        fs::create_dir_all(path).expect("the folder can be made");
        git(path, &["-c", "init.defaultBranch=main", "init", "--quiet"]);
        Self { path: path.to_path_buf() }
    }

    /// Writes a file and commits everything.
    ///
    /// # Panics
    /// git fails.
    pub fn commit(&self, file: &str, text: &str) {
        fs::write(self.path.join(file), text).expect("the file can be written");
        git(&self.path, &["add", "--all"]);
        let ann = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"];
        git(&self.path, &[&ann[..], &["commit", "--quiet", "--message", file]].concat());
    }
}

/// A literal string of TOML.
fn toml(text: &str) -> String {
    format!("'{text}'")
}

/// Runs git, which must succeed.
fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").arg("-C").arg(directory).args(arguments).output().expect("git runs");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
