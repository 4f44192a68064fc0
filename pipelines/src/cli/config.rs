//! `springline config`.

use super::Global;
use crate::config::{example, schema};
use clap::Subcommand;

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print what is in force: defaults, file, environment and flags together
    Show,
    /// Print the JSON Schema, for editors
    Schema,
    /// Print an example with every key, its meaning and its default
    Generate,
    /// Say whether it is right, and what is not
    Check,
}

/// Prints it.
pub(super) fn config(global: &Global, command: &ConfigCommand) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Show => print!("{}", toml::to_string_pretty(&global.load(vec![])?)?),
        ConfigCommand::Schema => println!("{}", serde_json::to_string_pretty(&schema())?),
        ConfigCommand::Generate => print!("{}", example()),
        ConfigCommand::Check => {
            let config = global.load(vec![])?;
            crate::runtime::host::prepare(&config)?;
            println!("the configuration is right: {} sources", config.sources.len());
        }
    }
    Ok(())
}
