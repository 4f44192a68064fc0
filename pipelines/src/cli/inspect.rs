//! `springline inspect`.

use super::Global;
use crate::{
    config::JournalKind,
    runtime::{DataDir, journal::Journal},
};
use clap::Subcommand;
use indicatif::HumanBytes;
use springline_model::{
    Epoch, EventBody, JobEvent,
    job::{Act, JobDeed},
};

/// What to look into.
#[derive(Debug, Subcommand)]
pub(super) enum InspectCommand {
    /// List the journal's segments and check every byte of them
    Journal {
        /// Print the events of this epoch
        #[arg(long, value_name = "N")]
        epoch: Option<u64>,
    },
}

/// Looks.
pub(super) fn inspect(global: &Global, command: &InspectCommand) -> anyhow::Result<()> {
    let InspectCommand::Journal { epoch } = command;
    let config = global.load_quiet()?;
    if config.journal.kind == JournalKind::Kafka {
        anyhow::bail!(
            "the journal is the topic {}: look into it with Kafka's tools",
            config.journal.kafka.topic
        );
    }
    let data = DataDir::take_existing(&config.data_dir)?;
    let journal = Journal::open(&data.journal(), config.journal.options())?;
    if let Some(epoch) = epoch {
        return print_epoch(&journal, Epoch(*epoch));
    }
    for segment in journal.segments() {
        let name = segment.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        println!("{name}  from epoch {:<10} {:>12}", segment.first, HumanBytes(segment.bytes).to_string());
    }
    let (mut epochs, mut events) = (0u64, 0u64);
    for record in journal.replay(journal.first())? {
        let record = record?;
        epochs += 1;
        events += record.commit.events;
    }
    if journal.cut_bytes() > 0 {
        println!("cut {} of an epoch that was never finished", HumanBytes(journal.cut_bytes()));
    }
    println!("{epochs} epochs ({} to {}), {events} events, no damage", journal.first(), journal.last());
    Ok(())
}

fn print_epoch(journal: &Journal, epoch: Epoch) -> anyhow::Result<()> {
    let record = journal.replay(epoch)?.next().transpose()?;
    let Some(record) = record else { anyhow::bail!("the journal ends at epoch {}", journal.last()) };
    let commit = &record.commit;
    println!(
        "epoch {} sealed {} by run {:016x}, {} events",
        commit.epoch, commit.at, commit.execution, commit.events
    );
    for advance in &commit.advances {
        let from = advance.from.as_ref().map_or("", |from| from.0.as_str());
        println!("  {}/{}: ({from}, {}]", advance.partition.source, advance.partition.name, advance.to.0);
    }
    for event in &record.events {
        let (which, rev) = match &event.body {
            EventBody::Put { rev, record } => (record.uri.to_string(), Some(*rev)),
            EventBody::Delete { rev, uri } => (uri.to_string(), Some(*rev)),
            EventBody::Account { rev, authority, status } => (format!("{authority} {status:?}"), Some(*rev)),
            EventBody::Quarantine(row) => (format!("{}: {}", row.uri, row.reason), None),
            EventBody::Release { uri } => (uri.to_string(), None),
            EventBody::Fetched { rev, record } => (record.uri.to_string(), Some(*rev)),
            EventBody::Forget { rev, uri } => (uri.to_string(), Some(*rev)),
            EventBody::Missing { rev, uri } => (uri.to_string(), Some(*rev)),
            EventBody::Hosting { rev, authority, status } => {
                (format!("{authority} {}", status.name()), Some(*rev))
            }
            EventBody::Repo { authority, rev, news, .. } => (format!("{authority} {news:?}"), Some(*rev)),
            EventBody::Identity(identity) => {
                let handle = identity.handle.as_deref().unwrap_or("no handle");
                (format!("{} {handle}", identity.did), None)
            }
            EventBody::Label { label, .. } => {
                let neg = if label.neg { "not " } else { "" };
                (format!("{} {neg}{} by {}", label.uri, label.val, label.src), None)
            }
            EventBody::Seen { actor, rev, until } => (format!("{actor} until {until}"), Some(*rev)),
            EventBody::Mute { actor, rev, muted } => (format!("{actor} {muted:b}"), Some(*rev)),
            EventBody::Subreddit { rev, name, project } => {
                let project = project.as_ref().map_or("none", springline_model::Project::as_str);
                (format!("{name} for {project}"), Some(*rev))
            }
            EventBody::Job(event) => (job(event), None),
            EventBody::Gap(gap) => {
                (format!("{} ({}, {}): {}", gap.partition, gap.from, gap.to, gap.reason), None)
            }
        };
        let rev = rev.map(|rev| format!(" @{}", rev.0)).unwrap_or_default();
        println!("  {} {:<10} {which}{rev}", event.source, event.body.name());
    }
    Ok(())
}

/// A line about something that happens to a cluster's jobs; never what was said or given, which may be long.
fn job(event: &JobEvent) -> String {
    let (cluster, at) = (&event.cluster, event.at);
    match &event.deed {
        JobDeed::Mark(mark) => format!("{cluster} {mark:?} ({at})"),
        JobDeed::Job(id, Act::Open(order)) => {
            format!("{id} of {cluster}: open for {}, {} bytes ({at})", order.agent, order.snapshot.len())
        }
        JobDeed::Job(id, Act::Log { from, text, .. }) => {
            format!("{id} of {cluster}: {} bytes of {} ({at})", text.len(), from.name())
        }
        JobDeed::Job(id, act) => format!("{id} of {cluster}: {act:?} ({at})"),
    }
}
