//! `springline-bench gardens`: unpacks the gardens, has each side measured in a process of its own, prints tables.

use crate::{Job, Options, Side, measure::Figures, process::again, table};
use anyhow::{Context as _, ensure};
use clap::Args;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where the demo's gardens lie in the repository.
const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../demo/gardens");

/// Flags of `gardens`.
#[derive(Debug, Args)]
pub(crate) struct GardensArgs {
    /// The test data, with `gardens/bundles/*.bundle` and `gardens/truth/queries.json`; without it the two gardens
    /// of the demo are taken
    #[arg(long, env = "SPRINGLINE_TEST_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// How many times over the gardens are indexed, under other names
    #[arg(long, value_delimiter = ',', default_value = "1,8", value_parser = clap::value_parser!(u16).range(1..))]
    copies: Vec<u16>,
    #[command(flatten)]
    options: Options,
}

/// Measures and prints.
pub(crate) fn run(args: &GardensArgs) -> anyhow::Result<()> {
    let bundles = args.data.as_ref().map_or_else(|| DEMO.into(), |data| data.join("gardens/bundles"));
    let queries = args.data.as_ref().map(|data| data.join("gardens/truth/queries.json"));
    let queries = queries.filter(|queries| queries.is_file());
    if args.data.is_none() {
        println!(
            "No --data (or SPRINGLINE_TEST_DATA): these are the demo's two gardens; the bars are not for them.\n"
        );
    }
    let temp = tempfile::Builder::new().prefix("springline-bench-").tempdir()?;
    let pristine = temp.path().join("pristine");
    unpack(&bundles, &pristine)?;
    println!("{}\n", table::circumstances(&args.options));
    for &copies in &args.copies {
        let mut measured = [Side::Springline, Side::Sqlite].into_iter().map(|side| {
            let dir = temp.path().join(format!("{}-{copies}", side.name()));
            let job = Job {
                side,
                tree: dir.join("agora"),
                work: dir.join("work"),
                queries: queries.clone(),
                options: args.options.clone(),
            };
            fs::create_dir_all(&job.work)?;
            multiply(&pristine, &job.tree, copies)?;
            eprintln!("measuring {} over the gardens {copies} times over", side.name());
            let figures = in_a_process(&job).with_context(|| format!("measuring {}", side.name()))?;
            fs::remove_dir_all(&dir)?;
            anyhow::Ok(figures)
        });
        let (Some(springline), Some(sqlite)) = (measured.next(), measured.next()) else { continue };
        let bars = if args.data.is_some() { table::Bars::of(copies) } else { table::Bars::default() };
        println!("{}", table::table(copies, &springline?, &sqlite?, &bars));
    }
    Ok(())
}

/// Clones each bundle to where its name says: `garden_flancian.bundle` to `garden/flancian`.
fn unpack(bundles: &Path, tree: &Path) -> anyhow::Result<()> {
    let entries = fs::read_dir(bundles).with_context(|| format!("no gardens in {}", bundles.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "bundle"));
    paths.sort();
    ensure!(!paths.is_empty(), "no *.bundle in {}", bundles.display());
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (kind, user) = name.split_once('_').unwrap_or(("garden", &name));
        let target = tree.join(kind).join(user);
        fs::create_dir_all(tree.join(kind))?;
        let done = Command::new("git")
            .args([
                "-c",
                "core.hooksPath=/dev/null",
                "-c",
                "init.defaultBranch=main",
                "clone",
                "-q",
                "-b",
                "main",
                "--",
            ])
            .args([&path, &target])
            .status()
            .context("git is needed")?;
        ensure!(done.success(), "git could not clone {}", path.display());
        fs::remove_dir_all(target.join(".git"))?;
    }
    Ok(())
}

/// Copies a tree `kind/user/…` a number of times; from the second on, users are called `user-2`, ….
fn multiply(pristine: &Path, tree: &Path, copies: u16) -> anyhow::Result<()> {
    for kind in fs::read_dir(pristine)?.flatten() {
        for user in fs::read_dir(kind.path())?.flatten() {
            for copy in 1..=copies {
                let mut name = user.file_name();
                if copy > 1 {
                    name.push(format!("-{copy}"));
                }
                copy_folder(&user.path(), &tree.join(kind.file_name()).join(name))?;
            }
        }
    }
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, to) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy_folder(&entry.path(), &to)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// Has a process measure one job.
fn in_a_process(job: &Job) -> anyhow::Result<Figures> {
    again(|command| {
        command.args(["measure", "--side", job.side.name(), "--engine", job.options.engine.name()]);
        command.arg("--workers").arg(job.options.workers.to_string());
        command.arg("--edits").arg(job.options.edits.to_string());
        command.arg("--tree").arg(&job.tree).arg("--work").arg(&job.work);
        if let Some(queries) = &job.queries {
            command.arg("--queries").arg(queries);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_have_other_names() {
        let temp = tempfile::tempdir().unwrap();
        let (from, to) = (temp.path().join("from"), temp.path().join("to"));
        fs::create_dir_all(from.join("garden/ada/deep")).unwrap();
        fs::write(from.join("garden/ada/deep/note.md"), "x").unwrap();
        multiply(&from, &to, 2).unwrap();
        assert!(to.join("garden/ada/deep/note.md").is_file());
        assert!(to.join("garden/ada-2/deep/note.md").is_file());
        assert!(!to.join("garden/ada-3").exists());
    }
}
