//! An Agora's list of its gardens: `sources.yaml`, older ones `gardens.yaml`.
//!
//! ```yaml
//! - target: garden/flancian
//!   url: https://github.com/flancian/garden.git
//!   format: foam
//!   web: https://flancia.org
//! ```
//!
//! Only `target` and `url` matter here, and `branch` if it is there. As with the Agora's own bridge every `format`
//! but `fedwiki` and `stoa` stands for a git repository. What a line says that makes no sense concerns that line
//! only: the list is edited by many hands.

use super::config::{GardenConfig, GitConfig};
use serde::Deserialize;
use std::{collections::BTreeSet, fs, io::Read, path::Path};

/// Longer lists are refused.
const MAX_LIST_BYTES: u64 = 4 * 1024 * 1024;

#[derive(Debug, Deserialize)]
struct Line {
    target: String,
    url: String,
    #[serde(default)]
    format: Option<String>,
    #[serde(default)]
    branch: Option<String>,
}

/// The gardens of a list, and what is wrong with the rest of it.
#[derive(Debug, Default)]
pub(crate) struct List {
    pub(crate) gardens: Vec<GardenConfig>,
    pub(crate) complaints: Vec<String>,
}

/// Reads a list; what it has in common with `config.gardens` is as it stands there.
pub(crate) fn read(path: &Path, config: &GitConfig) -> Result<List, String> {
    let said = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut text = String::new();
    let file = fs::File::open(path).map_err(|error| said(&error))?;
    file.take(MAX_LIST_BYTES + 1).read_to_string(&mut text).map_err(|error| said(&error))?;
    if text.len() as u64 > MAX_LIST_BYTES {
        return Err(said(&format!("longer than {MAX_LIST_BYTES} bytes")));
    }
    parse(&text, config).map_err(|error| said(&error))
}

fn parse(text: &str, config: &GitConfig) -> Result<List, serde_norway::Error> {
    let lines: Option<Vec<serde_norway::Value>> = serde_norway::from_str(text)?;
    let mut seen: BTreeSet<String> = config.gardens.iter().map(|garden| garden.target.clone()).collect();
    let mut list = List::default();
    for (number, line) in lines.unwrap_or_default().into_iter().enumerate() {
        let line: Line = match serde_norway::from_value(line) {
            Ok(line) => line,
            Err(error) => {
                list.complaints.push(format!("entry {}: {error}", number + 1));
                continue;
            }
        };
        if matches!(line.format.as_deref(), Some("fedwiki" | "stoa")) {
            continue;
        }
        let target = line.target.trim_matches('/').to_owned();
        let garden = GardenConfig { target, url: line.url, branch: line.branch, path_prefixes: Vec::new() };
        if let Err(reason) = config.check_garden(&garden) {
            list.complaints.push(format!("entry {} (`{}`): {reason}", number + 1, garden.target));
        } else if seen.insert(garden.target.clone()) {
            list.gardens.push(garden);
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_makes_sense() {
        let text = "
- {target: garden/a, url: https://example.org/a.git, format: foam, web: https://a.example.org}
- {target: garden/b/, url: https://example.org/b, branch: main}
- {target: garden/a, url: https://example.org/again}
- {target: garden/wiki, url: https://example.org/w, format: fedwiki}
- {target: ../x, url: https://example.org/x}
- {target: garden/c, url: /etc}
- {target: garden/d}
- 7
";
        let list = parse(text, &GitConfig::default()).unwrap();
        let targets: Vec<&str> = list.gardens.iter().map(|garden| garden.target.as_str()).collect();
        assert_eq!(targets, ["garden/a", "garden/b"]);
        assert_eq!(list.gardens[1].branch.as_deref(), Some("main"));
        assert_eq!(list.complaints.len(), 4, "{:?}", list.complaints);
        assert!(parse("", &GitConfig::default()).unwrap().gardens.is_empty());
        assert!(parse("a: b", &GitConfig::default()).is_err());
    }
}
