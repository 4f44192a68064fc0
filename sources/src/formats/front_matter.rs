//! The YAML at the top of a Markdown note: title, tags, aliases.
//!
//! YAML that is broken, too long, or no mapping says nothing; that is no error, and the note is read all the
//! same.

use super::{
    links::{Found, Links},
    outline::Outline,
    text::lines,
};
use memchr::memmem;
use serde::Deserialize;
use serde_norway::Value;
use springline_model::{Context, LinkPath, NodeName, Uri};
use std::ops::Range;

/// How much front matter is looked at, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// How deep brackets may be nested: the parser takes the square of that.
const MAX_DEPTH: usize = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Known {
    title: Value,
    tags: Value,
    tag: Value,
    aliases: Value,
    alias: Value,
}

/// Reads front matter, if the text starts with some, and says where it ends.
pub(super) fn read(text: &str, outline: &mut Outline, links: &mut Links) {
    let Some(yaml) = find(text, outline) else { return };
    let known = Known::parse(&text[yaml.clone()]);
    if let Some(title) = scalar(&known.title) {
        outline.offer_title(&title);
    }
    links.pass();
    let tags = [("tags", &known.tags), ("tag", &known.tag)].map(|(key, value)| (key, entries(value, true)));
    for (key, entries) in tags {
        let names = entries.iter().map(|entry| entry.trim_start_matches('#').to_lowercase());
        let named: Vec<_> = entries.iter().zip(names).filter(|(_, name)| !name.is_empty()).collect();
        for (entry, span) in locate(text, &yaml, key, named.iter().map(|(entry, _)| entry.as_str())) {
            let target = Uri::tag(&entry.trim_start_matches('#').to_lowercase());
            add(LinkPath::TAG, target, span, links);
        }
        outline.add_tags(named.into_iter().map(|(_, name)| name));
    }
    for (key, value) in [("aliases", &known.aliases), ("alias", &known.alias)] {
        let entries = entries(value, false);
        for (entry, span) in locate(text, &yaml, key, entries.iter().map(String::as_str)) {
            add(LinkPath::ALIAS, Uri::node(&NodeName::canonical(entry)), span, links);
        }
    }
}

fn add(path: &'static str, target: Uri, span: Range<usize>, links: &mut Links) {
    links.add(Found { path, context: Context::Prose, target, span, label: None, fragment: None });
}

/// Where the YAML stands: between a first line `---` and the next line `---` or `...`.
fn find(text: &str, outline: &mut Outline) -> Option<Range<usize>> {
    let mut all = lines(text);
    let first = all.next().filter(|line| text[line.clone()].trim_end() == "---")?;
    let start = text.len().min(first.end + 1);
    for line in all {
        if matches!(text[line.clone()].trim_end(), "---" | "...") {
            outline.body = line.end;
            if line.start - start > MAX_BYTES {
                outline.partial.push(format!("front matter over {MAX_BYTES} bytes: not read"));
                return None;
            }
            return Some(start..line.start);
        }
    }
    None
}

impl Known {
    fn parse(yaml: &str) -> Self {
        // Most front matter holds none of these, and YAML is slow.
        if !["title", "tag", "alias"]
            .iter()
            .any(|key| memmem::find(yaml.as_bytes(), key.as_bytes()).is_some())
        {
            return Self::default();
        }
        let mut depth = 0_usize;
        for byte in yaml.bytes() {
            match byte {
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > MAX_DEPTH {
                return Self::default();
            }
        }
        serde_norway::from_str(yaml).unwrap_or_default()
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A list, a list in a list (that is what YAML makes of `[[foo]]`), or a text with commas, or for words with
/// spaces.
fn entries(value: &Value, words: bool) -> Vec<String> {
    let mut entries = Vec::new();
    match value {
        Value::Sequence(list) => {
            for item in list {
                match item {
                    Value::Sequence(inner) => entries.extend(inner.iter().filter_map(scalar)),
                    item => entries.extend(scalar(item)),
                }
            }
        }
        Value::String(text) if words && !text.contains(',') => {
            entries.extend(text.split_whitespace().map(str::to_owned));
        }
        Value::String(text) => entries.extend(text.split(',').map(|entry| entry.trim().to_owned())),
        value => entries.extend(scalar(value)),
    }
    entries.retain(|entry| !entry.is_empty());
    entries
}

/// Each entry with the bytes that it stands at; with the whole front matter if it is written in another way
/// there.
fn locate<'a>(
    text: &str,
    yaml: &Range<usize>,
    key: &str,
    entries: impl Iterator<Item = &'a str>,
) -> Vec<(&'a str, Range<usize>)> {
    let find = |what: &str, from: usize| {
        memmem::find(&text.as_bytes()[from..yaml.end], what.as_bytes()).map(|at| from + at)
    };
    let mut at = find(&format!("{key}:"), yaml.start).map_or(yaml.start, |at| at + key.len() + 1);
    let mut located = Vec::new();
    for entry in entries {
        let span = match find(entry, at) {
            Some(start) => {
                at = start + entry.len();
                start..at
            }
            None => yaml.clone(),
        };
        located.push((entry, span));
    }
    located
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &str) -> (Outline, Vec<(String, String, String)>) {
        let mut outline = Outline::default();
        let mut links = Links::new();
        read(text, &mut outline, &mut links);
        let links = links.finish(&mut Vec::new()).into_iter();
        let shown = |link: springline_model::Link| {
            (link.path.as_str().to_owned(), link.target.as_str().to_owned(), link.span.of(text).to_owned())
        };
        let shown = links.map(shown).collect();
        (outline, shown)
    }

    #[test]
    fn reads_what_people_write() {
        let text =
            "---\r\ntitle: 'A: b'\ntags: [Foo, \"#b/c\", 7]\ntag: x y\naliases:\n  - Other Name\n---\n# No\n";
        let (outline, links) = read_all(text);
        assert_eq!(outline.title.as_deref(), Some("A: b"));
        assert_eq!(
            outline.tags.iter().map(String::as_str).collect::<Vec<_>>(),
            ["7", "b/c", "foo", "x", "y"]
        );
        assert_eq!(&text[outline.body..], "\n# No\n");
        let links: Vec<_> = links
            .iter()
            .map(|(path, target, span)| (path.as_str(), target.as_str(), span.as_str()))
            .collect();
        assert_eq!(
            links,
            [
                ("tag", "tag:foo", "Foo"),
                ("tag", "tag:b/c", "#b/c"),
                ("tag", "tag:7", "7"),
                ("tag", "tag:x", "x"),
                ("tag", "tag:y", "y"),
                ("alias", "node:other name", "Other Name"),
            ]
        );
        assert_eq!(read_all("---\ntags: [[a]]\n...\n").0.tags.len(), 1);
    }

    #[test]
    fn what_is_no_front_matter_says_nothing() {
        for text in [
            "---",
            "---\n",
            "---\ntags: a",
            "x\n---\ntags: a\n---\n",
            "---\ntags: [a\n---\n",
            "---\n- tags\n---\n",
        ] {
            let (outline, links) = read_all(text);
            assert!(outline.tags.is_empty() && links.is_empty(), "{text:?}");
        }
    }

    #[test]
    fn hostile_yaml_is_bounded() {
        let started = std::time::Instant::now();
        let bomb: String = (1..9)
            .map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(",")))
            .collect();
        for yaml in [
            "[".repeat(60_000),
            "tags: ".to_owned() + &"[".repeat(60_000),
            "tags: ".to_owned() + &"{a: ".repeat(15_000),
            format!("tags: [{}]", "a,".repeat(30_000)),
            format!("tags: {}", "&a ".repeat(20_000)),
            format!("a0: &a0 [x]\n{bomb}tags: *a8\n"),
            "- ".repeat(30_000) + "tags",
            "tags: x\n".repeat(8000),
            "tags: x\n".repeat(9000),
            "? tags ".repeat(9000),
            "tags: ".repeat(10_000),
            (0..8000).map(|n| format!("{n}: x\n")).collect::<String>() + "tags: y",
            "tags: !!x ".repeat(6000),
            "tags: \"".to_owned() + &"\\\n ".repeat(15_000),
            "tags: >\n".to_owned() + &" \n".repeat(30_000),
            "tags: *x\n".repeat(7000),
            (0..300).map(|depth| " ".repeat(depth) + "tags:\n").collect(),
        ] {
            let _ = read_all(&format!("---\n{yaml}\n---\n"));
        }
        assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    }
}
