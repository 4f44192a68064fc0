//! What a stranger may have written: nothing panics, nothing takes long, nothing is lost without a word.

use super::{
    super::{MAX_TEXT_BYTES, links::MAX_LINKS},
    agora_view, note, targets,
};
use proptest::prelude::*;
use springline_model::{LinkPath, record::attr};
use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

/// A debug build on a busy machine is slow; what grows with the square of these texts takes hours.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn broken_text_is_kept() {
    let record = note("a.md", b"[[a]] \xFF\xFE [[b]]\0 \xE4\xB8");
    assert_eq!(record.text, "[[a]] \u{FFFD}\u{FFFD} [[b]]\u{FFFD} \u{FFFD}");
    assert_eq!(targets(&record, LinkPath::WIKILINK), ["a", "b"]);
    let partial = &record.attrs[attr::PARTIAL];
    assert!(partial.contains("not UTF-8") && partial.contains("NUL"), "{partial}");
    assert_eq!(note("a.md", b"\xEF\xBB\xBF# T\n").title, "T");
}

#[test]
fn utf_16_is_read_if_it_says_so() {
    let said = "# Größe\n\n[[中文]] 😀\n";
    for unit in [u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes] {
        let bytes: Vec<u8> = std::iter::once(0xFEFF).chain(said.encode_utf16()).flat_map(unit).collect();
        let record = note("a.md", &bytes);
        assert_eq!((record.title.as_str(), record.text.as_str()), ("Größe", said));
        assert_eq!(targets(&record, LinkPath::WIKILINK), ["中文"]);
        assert!(!record.attrs.contains_key(attr::PARTIAL));
        // Half a character at the end, and much of it.
        let torn = note("a.md", &bytes[..bytes.len() - 3]);
        assert!(torn.attrs[attr::PARTIAL].contains("not UTF-16"), "{:?}", torn.attrs);
        let long: Vec<u8> = bytes.iter().copied().cycle().take(MAX_TEXT_BYTES + 2 * bytes.len()).collect();
        assert!(note("a.md", &long).text.len() <= MAX_TEXT_BYTES);
    }
}

#[test]
fn long_text_is_cut_between_characters() {
    for bytes in ["é".repeat(MAX_TEXT_BYTES).into_bytes(), vec![0xFF; MAX_TEXT_BYTES]] {
        let mut shifted = b"x".to_vec();
        shifted.extend(bytes);
        let record = note("a.md", &shifted);
        assert!(record.text.len() <= MAX_TEXT_BYTES && record.text.len() > MAX_TEXT_BYTES - 4);
        assert!(record.attrs[attr::PARTIAL].contains("the rest is left out"));
        assert_eq!(record.attrs[attr::BYTES], shifted.len().to_string());
    }
}

#[test]
fn many_links_are_the_first_ones() {
    let text: String = (0..100_000).map(|n| format!("[[{n}|l]] https://x.org/{n} #t{n}\n")).collect();
    let record = note("a.md", text);
    assert_eq!(record.links.len(), MAX_LINKS);
    assert_eq!(targets(&record, LinkPath::WIKILINK).len(), MAX_LINKS / 4);
    assert!(record.tags.len() <= super::super::MAX_TAGS);
    let partial = &record.attrs[attr::PARTIAL];
    assert!(partial.contains("links") && partial.contains("tags"), "{partial}");
}

#[test]
fn long_targets_are_left_out_and_counted() {
    let long = "x".repeat(5000);
    let record = note(
        "a.md",
        format!("[[{long}]] [[a|{long}]] [b](https://x.org/{long}) #{long} https://y.org/{long} [[c]]"),
    );
    assert_eq!(targets(&record, LinkPath::WIKILINK), ["a", "c"]);
    assert_eq!(record.links[0].label.as_deref().map(str::len), Some(1024));
    let partial = &record.attrs[attr::PARTIAL];
    assert!(partial.starts_with("4 links lead to more than 4096 bytes"), "{partial}");
}

#[test]
fn a_note_may_link_to_itself() {
    assert_eq!(targets(&note("a.md", "[[a]]"), LinkPath::WIKILINK), ["a"]);
}

#[test]
fn a_name_of_4000_bytes_is_a_name() {
    let name = "n".repeat(4000) + ".md";
    let record = note(&name, "");
    assert_eq!(record.node.unwrap().as_str().len(), 4000);
    assert_eq!(record.title.len(), 512);
}

/// Texts on which a careless reader overflows its stack or takes the square of their length.
fn texts(bytes: usize) -> Vec<(&'static str, String)> {
    let fill = |unit: &str| unit.repeat(bytes / unit.len());
    let root = bytes.isqrt();
    let indented =
        |by: &str| (0..root).map(|depth| by.repeat(depth) + "- [[push]] [[x]]\n").collect::<String>();
    let halves = |open: &str, close: &str| open.repeat(bytes / 4) + &close.repeat(bytes / 4);
    vec![
        ("bullets on a line", "- ".repeat(10_000) + "x\n" + &fill("y\n")),
        ("bullets and blank lines", "- ".repeat(10_000) + "x\n" + &fill("\n")),
        ("quotations", ">".repeat(10_000) + "x\n" + &fill("y\n")),
        ("indented lists", indented("  ")),
        ("lists by tabs", indented("\t") + &fill("y\n")),
        ("one list", fill("- [[push]] [[t]]\n")),
        ("open brackets", fill("[")),
        ("open marks", fill("[[ ")),
        ("closed marks", halves("[[", "]]")),
        ("nested images", halves("![", "](x)")),
        ("links that never end", fill("[a](")),
        ("marks in a line", fill("[[a]] ")),
        ("marks that push", fill("[[a]]!")),
        ("calls", fill("[[go]] [[a]] #go [[b]] ")),
        ("calls with marks", "[[go]] [[a]]\n".repeat(1000) + &fill("[[a]] ")),
        ("hashes", fill("#")),
        ("tags", fill("#a ")),
        ("tag without end", fill("#a")),
        ("addresses", fill("https://")),
        ("closing brackets in an address", "https://x".to_owned() + &fill(")")),
        ("colons", fill("://")),
        ("comments", fill("<!--")),
        ("comments on lines", fill("a <!--\n")),
        ("code and comments", fill("`<!--`")),
        ("backticks", (1..root).map(|count| "`".repeat(count) + " ").collect()),
        ("fences", fill("```\n")),
        ("tables", "|a".repeat(root) + "\n" + &"|-".repeat(root) + "\n" + &"|a\n".repeat(bytes / 4)),
        ("stars", fill("*a ")),
        ("definitions", fill("[a]: /x\n")),
        ("a long reference often", format!("[a]: /{}\n\n", "x".repeat(4000)) + &fill("[a] ")),
        ("org blocks", fill("#+begin_src\n")),
        ("org verbatim", fill("=a ~b ")),
        ("org headlines", fill("* a :b:\n")),
        ("org stars", (1..root).map(|count| "*".repeat(count) + " x\n").collect()),
        ("rockets", fill("=> a | b\n")),
        ("one line", fill("x")),
        ("spaces", fill(" ")),
        ("carriage returns", fill("\r")),
        ("front matter", "---\n".to_owned() + &fill("tags: a\n")),
        ("controls", fill("\u{1}\u{85}\u{2028}\u{7F}")),
    ]
}

fn reads_in_time(bytes: usize) {
    for (what, text) in texts(bytes) {
        for name in ["a.md", "a.org", "a.myco", "a.py"] {
            let started = Instant::now();
            note(name, &text);
            let taken = started.elapsed();
            if std::env::var_os("SPRINGLINE_TEST_TIMES").is_some() {
                println!("{taken:>10.3?} {name} {what}");
            }
            assert!(taken < PATIENCE, "{what} as {name} took {taken:?}");
        }
    }
}

#[test]
fn nothing_takes_the_square_of_its_length() {
    reads_in_time(1 << 19);
}

#[test]
#[ignore = "the same at full size: minutes in a debug build"]
fn nothing_takes_the_square_of_the_longest_text() {
    reads_in_time(MAX_TEXT_BYTES);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_a_note(bytes: Vec<u8>, name in "[a-z.é ]{1,8}\\.(md|org|myco|py|png)") {
        prop_assume!(!name.starts_with('.'));
        note(&name, bytes);
    }

    #[test]
    fn any_markup_is_a_note(
        text in r"([-\[\]|#!`<>*:=~ \ta\r\n()é@]|\[\[|\]\]|\]\(|---\n|tags: |\[\[push\]\] |#go |https://x|<!--|-->|#\+begin_src\n|```\n|  - ){0,60}",
        extension in "(md|org|myco|py)",
    ) {
        let record = note(&format!("x.{extension}"), &text);
        // A wikilink with a label or fragment has a twin for the peer's reading, and no other has.
        let at = |path| record.links.iter().filter(move |link| link.path.as_str() == path);
        let twins: HashSet<_> = at(LinkPath::AGORA).map(|twin| twin.span).collect();
        for link in at(LinkPath::WIKILINK) {
            let is_cut = link.label.is_some() || link.fragment.is_some();
            prop_assert_eq!(is_cut, twins.contains(&link.span));
        }
        // One reading of every mark is the peer's.
        let marks = super::super::wikilinks::scan(&record.text, &mut super::super::links::Links::new());
        let linked = marks.iter().filter(|mark| !record.text[mark.inner.clone()].contains("]["));
        prop_assert_eq!(agora_view(&record).len(), linked.count());
    }
}
