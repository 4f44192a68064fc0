//! `springline demo`: two real gardens with their history, and one to edit.

use super::{Global, ServeFlags, run};
use anyhow::Context as _;
use clap::Args;
use figment::value::{Dict, Value};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Flags of `demo`.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    #[command(flatten)]
    serve: ServeFlags,
    /// Where to put the demo's gardens and data; kept from one start to the next
    #[arg(long, value_name = "DIR", default_value = "springline-demo")]
    dir: PathBuf,
}

const BUNDLES: [(&str, &[u8]); 2] = [
    ("silverbullet", include_bytes!("../../../demo/gardens/silverbullet.bundle")),
    ("logseq-docs", include_bytes!("../../../demo/gardens/logseq-docs.bundle")),
];

const NOTES: [(&str, &str); 2] = [
    ("welcome.md", include_str!("../../../demo/garden/you/welcome.md")),
    ("tutorial.md", include_str!("../../../demo/garden/you/tutorial.md")),
];

/// Unpacks the gardens, and serves them.
pub(super) fn demo(global: &Global, args: &DemoArgs) -> anyhow::Result<()> {
    let dir = &args.dir;
    let yours = dir.join("garden/you");
    let bundles = dir.join("bundles");
    fs::create_dir_all(&bundles).with_context(|| format!("cannot make {}", bundles.display()))?;
    for (name, bundle) in BUNDLES {
        place(&bundles.join(format!("{name}.bundle")), bundle)?;
    }
    if !yours.exists() {
        fs::create_dir_all(&yours).with_context(|| format!("cannot make {}", yours.display()))?;
        for (name, note) in NOTES {
            place(&yours.join(name), note.as_bytes())?;
        }
    }
    let bundles = bundles.canonicalize()?;
    let gardens = BUNDLES.map(|(name, _)| {
        let mut garden = Dict::new();
        garden.insert("target".into(), Value::from(format!("garden/{name}")));
        let url = bundles.join(format!("{name}.bundle"));
        garden.insert("url".into(), Value::from(url.to_string_lossy().into_owned()));
        garden.insert("branch".into(), Value::from("main"));
        Value::from(garden)
    });
    let mut git = Dict::new();
    git.insert("type".into(), Value::from("git"));
    git.insert("allow_file".into(), Value::from(true));
    git.insert("gardens".into(), Value::from(gardens.to_vec()));

    let mut flags = args.serve.settings();
    flags.push(("sources.gardens".into(), Value::from(git)));
    flags.push(run::source("you", &yours, &[("garden", Value::from("you"))]));
    if global.data_dir.is_none() {
        flags.push(("data_dir".into(), Value::from(dir.join("data").to_string_lossy().into_owned())));
    }
    flags.push(("journal.kind".into(), Value::from("embedded")));
    let config = global.load(flags)?;
    eprintln!("your garden to edit: {}", yours.join("welcome.md").display());
    run::serve(config, true, false, run::Role::Views)
}

/// Writes a file unless it is there as it should be.
fn place(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if fs::metadata(path).is_ok_and(|there| there.len() == bytes.len() as u64) {
        return Ok(());
    }
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
