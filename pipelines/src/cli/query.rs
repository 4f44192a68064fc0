//! `springline query`.

use super::{
    Global,
    client::{Client, block_on},
};
use clap::{Args, Subcommand};
use serde_json::Value;

/// What to ask.
#[derive(Debug, Subcommand)]
pub(super) enum QueryCommand {
    /// Search the text of all notes
    ///
    /// Words are joined with AND; OR, NOT, (…), "a phrase", pre* and fields work: author:flancian, node:agora,
    /// source:gardens, tag:todo, since:2026-01-01, until:2026-06-30.
    Search {
        /// The query
        #[arg(required = true)]
        query: Vec<String>,
        /// How to match: ranked, broad, exact or substring
        #[arg(long, default_value = "ranked")]
        mode: String,
        #[command(flatten)]
        output: Output,
    },
    /// What links to a node, a user, a tag or any URI
    Backlinks {
        /// `node:agora`, `user:flancian`, `tag:todo`, `https://…`; a plain name is a node
        target: String,
        #[command(flatten)]
        output: Output,
    },
    /// A node: its notes, and what it links to
    Node {
        /// Its name
        node: String,
        #[command(flatten)]
        output: Output,
    },
    /// The best nodes by an order: size, indegree, rank, trending, 1h, 24h, 7d, 30d
    Top {
        /// By what
        #[arg(default_value = "rank")]
        order: String,
        #[command(flatten)]
        output: Output,
    },
    /// The newest notes
    Latest {
        #[command(flatten)]
        output: Output,
    },
}

/// How the answer is printed.
#[derive(Debug, Args)]
pub(super) struct Output {
    /// At most this many
    #[arg(long, short = 'n', default_value_t = 20)]
    limit: u32,
    /// Print the API's JSON
    #[arg(long)]
    json: bool,
}

/// Asks, and prints.
pub(super) fn query(global: &Global, command: QueryCommand) -> anyhow::Result<()> {
    let config = global.load_quiet()?;
    block_on(async {
        let client = Client::any(&config)?;
        let (path, mut query, output, print): (String, Vec<(&str, String)>, Output, fn(&Value)) =
            match command {
                QueryCommand::Search { query, mode, output } => {
                    ("/v1/search".into(), vec![("q", query.join(" ")), ("mode", mode)], output, print_hits)
                }
                QueryCommand::Backlinks { target, output } => {
                    let target = if target.contains(':') { target } else { format!("node:{target}") };
                    ("/v1/backlinks".into(), vec![("target", target)], output, print_backlinks)
                }
                QueryCommand::Node { node, output } => {
                    (format!("/v1/nodes/{node}"), vec![], output, print_node)
                }
                QueryCommand::Top { order, output } => {
                    (format!("/v1/rankings/{order}"), vec![], output, print_top)
                }
                QueryCommand::Latest { output } => ("/v1/latest".into(), vec![], output, print_notes),
            };
        query.push(("limit", output.limit.to_string()));
        let answer = client.get(&path, &query).await?;
        if output.json {
            println!("{}", serde_json::to_string_pretty(&answer)?);
        } else {
            print(&answer);
        }
        Ok(())
    })
}

fn items<'a>(answer: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    answer.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Text from notes, safe for a terminal: control characters could move its cursor or worse.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn day(value: &Value) -> &str {
    text(value, "at").get(..10).unwrap_or_default()
}

fn print_hits(answer: &Value) {
    for hit in items(answer, "items") {
        println!("{}  {}  {}", day(hit), plain(text(hit, "title")), plain(text(hit, "uri")));
        println!("    {}", plain(text(hit, "snippet")));
    }
    println!("{} in all", answer.get("total").unwrap_or(&Value::Null));
}

fn print_backlinks(answer: &Value) {
    for link in items(answer, "items") {
        println!("{}  {:<10} {}", day(link), text(link, "path"), plain(text(link, "source")));
        println!("    {}", plain(text(link, "snippet")));
    }
}

fn print_node(answer: &Value) {
    println!("{}", plain(text(answer, "node")));
    println!("\nnotes:");
    for note in items(answer, "subnodes_list") {
        print_note("  ", note);
    }
    println!("\nlinks here:");
    for link in items(answer, "backlinks") {
        println!("  {}  {:<10} {}", day(link), text(link, "path"), plain(text(link, "source")));
    }
    println!("\nlinks to:");
    for link in items(answer, "forward") {
        println!("  {:<10} {}", text(link, "path"), plain(text(link, "target")));
    }
}

fn print_top(answer: &Value) {
    for row in items(answer, "items") {
        println!("{:>8}  {}", row.get("score").unwrap_or(&Value::Null), plain(text(row, "node")));
    }
}

fn print_notes(answer: &Value) {
    for note in items(answer, "items") {
        print_note("", note);
    }
}

fn print_note(indent: &str, note: &Value) {
    println!("{indent}{}  {:<28} {}", day(note), plain(text(note, "author")), plain(text(note, "uri")));
}
