//! A note with the links that its text says, read by the simplest rules that the tests need.

use super::world::{link, note};
use springline_model::{Link, LinkPath, NodeName, Record, Uri, record::attr};

/// A Markdown note: `path` is `user/file.md`.
pub(crate) fn written(path: &str, secs: i64, text: &str) -> Record {
    let mut links = Vec::new();
    for line in text.lines() {
        links.extend(links_of(line));
    }
    let mut record = note(path, secs, text, links);
    let relative = path.split_once('/').unwrap().1.to_owned();
    record.attrs.insert(attr::PATH.into(), format!("garden/{path}"));
    record.attrs.insert(attr::RELATIVE.into(), relative);
    record.attrs.insert(attr::FORMAT.into(), "markdown".into());
    for tag in record.links.iter().filter_map(|link| link.target.as_str().strip_prefix("tag:")) {
        record.tags.push(tag.to_owned());
    }
    record
}

fn links_of(line: &str) -> Vec<Link> {
    let mut links = Vec::new();
    let mut nodes = Vec::new();
    for inside in line.split("[[").skip(1).filter_map(|rest| rest.split("]]").next()) {
        let (target, label) =
            inside.split_once('|').map_or((inside, None), |(target, label)| (target, Some(label)));
        let (target, fragment) =
            target.split_once('#').map_or((target, None), |(target, rest)| (target, Some(rest)));
        let node = Uri::node(&NodeName::canonical(target));
        links.push(Link {
            label: label.map(str::to_owned),
            fragment: fragment.map(str::to_owned),
            ..link(LinkPath::WIKILINK, node.as_str())
        });
        if target != inside {
            links.push(link(LinkPath::AGORA, Uri::node(&NodeName::canonical(inside)).as_str()));
        }
        nodes.push(node);
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    for tag in words.iter().filter_map(|word| word.strip_prefix('#')).filter(|tag| !tag.is_empty()) {
        links.push(link(
            LinkPath::HASHTAG,
            &format!("tag:{}", tag.trim_end_matches(['.', ',']).to_lowercase()),
        ));
    }
    let says =
        |verb: &str| line.contains(&format!("[[{verb}]]")) || words.contains(&format!("#{verb}").as_str());
    let others =
        || nodes.iter().filter(|node| !["node:push", "node:pull", "node:go"].contains(&node.as_str()));
    for (verb, path) in [("push", LinkPath::PUSH), ("pull", LinkPath::PULL), ("go", LinkPath::GO)] {
        if says(verb) {
            links.extend(others().map(|node| link(path, node.as_str())));
        }
    }
    for url in words.iter().filter(|word| word.starts_with("https://")) {
        links.push(link(if says("go") { LinkPath::GO } else { LinkPath::URL }, url));
    }
    links
}
