//! Reading the labelled texts.

use anyhow::Context;
use springline_model::{Record, SourceId, Timestamp, Uri};
use springline_operators::Visible;
use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

/// Texts with the number of the cluster that people put them in.
pub(super) struct Labelled {
    pub(super) name: &'static str,
    pub(super) texts: Vec<String>,
    pub(super) labels: Vec<usize>,
}

/// A bug report.
pub(super) struct Report {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) text: String,
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

fn lines(path: &Path) -> anyhow::Result<Vec<String>> {
    Ok(read(path)?.lines().map(str::to_owned).collect())
}

fn rows(path: &Path) -> anyhow::Result<Vec<BTreeMap<String, String>>> {
    let mut reader = csv::Reader::from_path(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(reader.deserialize().collect::<Result<_, _>>()?)
}

fn numbered(labels: impl IntoIterator<Item = String>) -> Vec<usize> {
    let mut numbers = BTreeMap::new();
    let number = |label| {
        let next = numbers.len();
        *numbers.entry(label).or_insert(next)
    };
    labels.into_iter().map(number).collect()
}

/// The three labelled sets.
pub(super) fn labelled(dir: &Path) -> anyhow::Result<Vec<Labelled>> {
    let beside = |name, texts: &str, labels: &str| {
        let (texts, labels) = (lines(&dir.join(texts))?, numbered(lines(&dir.join(labels))?));
        anyhow::ensure!(texts.len() == labels.len(), "{name}: as many labels as texts");
        Ok(Labelled { name, texts, labels })
    };
    let mut banking = rows(&dir.join("banking77/train.csv"))?;
    banking.extend(rows(&dir.join("banking77/test.csv"))?);
    let column = |name: &str| banking.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    Ok(vec![
        beside("Google News", "googlenews/GoogleNews.txt", "googlenews/GoogleNews_LABEL.txt")?,
        Labelled { name: "Banking77", texts: column("text"), labels: numbered(column("category")) },
        beside(
            "StackOverflow",
            "stackoverflow20/title_StackOverflow.txt",
            "stackoverflow20/label_StackOverflow.txt",
        )?,
    ])
}

/// The bug reports, and the pairs of them that are duplicates.
pub(super) fn reports(dir: &Path) -> anyhow::Result<(Vec<Report>, Vec<(usize, usize)>)> {
    let reports: Vec<Report> = rows(&dir.join("gitbugs-seamonkey/SeaMonkey_bugs.csv"))?
        .into_iter()
        .map(|mut row| {
            let mut take = |name: &str| row.remove(name).unwrap_or_default();
            Report { id: take("Issue id"), title: take("Summary"), text: take("Description") }
        })
        .collect();
    let numbers: BTreeMap<&str, usize> =
        reports.iter().enumerate().map(|(number, report)| (report.id.as_str(), number)).collect();
    let mut pairs = Vec::new();
    for row in rows(&dir.join("gitbugs-seamonkey/SeaMonkey_bugs-combined.csv"))? {
        let Some(number) = numbers.get(row["Issue id"].as_str()) else { continue };
        for other in row["Duplicate id"].split(';').filter_map(|id| numbers.get(id.trim())) {
            if number != other {
                pairs.extend([(*number, *other), (*other, *number)]);
            }
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    Ok((reports, pairs))
}

/// Every distinct text of the labelled sets.
pub(super) fn titles(dir: &Path) -> anyhow::Result<Vec<String>> {
    let mut titles: Vec<String> = labelled(dir)?.into_iter().flat_map(|set| set.texts).collect();
    titles.sort_unstable();
    titles.dedup();
    Ok(titles)
}

/// Each recorded text once; then halves of two, so that there are more.
pub(super) fn text(texts: &[String], number: usize) -> String {
    // The texts are sorted: a step that has no factor in common with their number mixes them.
    let at = |number: usize| &texts[number * 10_007 % texts.len()];
    if number < texts.len() {
        return at(number).clone();
    }
    let half = |text: &str, last: bool| {
        let words: Vec<&str> = text.split_whitespace().collect();
        let middle = words.len().div_ceil(2);
        if last { words[middle..].join(" ") } else { words[..middle].join(" ") }
    };
    let round = number / texts.len();
    format!("{} {}", half(at(number), false), half(at(number + 31 * round), true))
}

/// A feedback item.
pub(super) fn item(number: usize, text: &str) -> Visible {
    let record = Record {
        uri: Uri::new(format!("feedback://bench/texts/{number}")),
        kind: "feedback.item".into(),
        author: Uri::user("somebody"),
        node: None,
        title: text.to_owned(),
        text: String::new(),
        langs: Vec::new(),
        tags: Vec::new(),
        at: Timestamp(number as i64 * 1_000),
        links: Vec::new(),
        attrs: BTreeMap::new(),
    };
    Visible { source: SourceId::new("texts"), record: Arc::new(record) }
}
