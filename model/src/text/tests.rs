use super::*;
use crate::{NodeName, Record, SourceId, Timestamp, Uri, record::attr, rows::PostingsRow};
use proptest::prelude::*;
use std::{collections::BTreeMap, ops::ControlFlow};

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let _ = Segmenter::new().each(text, |word| {
        assert!(!word.text.is_empty() && word.text.len() <= MAX_WORD_BYTES);
        assert!(
            text.is_char_boundary(word.start) && text.is_char_boundary(word.end) && word.start < word.end
        );
        words.push(word.text.to_owned());
        ControlFlow::Continue(())
    });
    words
}

fn record(title: &str, text: &str) -> Record {
    Record {
        uri: Uri::from("garden://ann/n.md"),
        kind: "note".into(),
        author: Uri::user("Ann"),
        node: None,
        title: title.into(),
        text: text.into(),
        langs: Vec::new(),
        tags: Vec::new(),
        at: Timestamp(7),
        links: Vec::new(),
        attrs: BTreeMap::new(),
    }
}

fn analyse(record: &Record) -> PostingsRow {
    Analyzer::new().analyse(record, &SourceId::new("Gardens"))
}

fn names(row: &PostingsRow) -> Vec<String> {
    row.terms.iter().map(|term| String::from_utf8(term.name.to_vec()).unwrap()).collect()
}

#[test]
fn cuts_words() {
    assert_eq!(
        words("The [[Agora-Server]]'s config.py, foo_bar: 3.14"),
        ["the", "agora", "server", "s", "config", "py", "foo", "bar", "3", "14"]
    );
    assert_eq!(words("foo—bar “baz” a…b"), ["foo", "bar", "baz", "a", "b"]);
    assert_eq!(words("c++ ++ ❤️ 👩‍💻"), ["c"]);
    assert_eq!(words(""), [""; 0]);
}

#[test]
fn folds() {
    let folded = "Naïve ÉTÉ Straße Øl ŁÓDŹ ﬁn Ｆｕｌｌ ½ İstanbul ΣΊΣΥΦΟΣ";
    assert_eq!(
        words(folded),
        ["naive", "ete", "strasse", "ol", "lodz", "fin", "full", "12", "istanbul", "σισυφοσ"]
    );
    assert_eq!(words("Ёлка Йод и\u{306}од"), ["елка", "йод", "йод"]);
    assert_eq!(words("مُحَمَّد أحمد שָׁלוֹם"), ["محمد", "احمد", "שלום"]);
    assert_eq!(words("हिन्दी"), ["हिन्दी"]);
}

#[test]
fn pairs_what_has_no_spaces() {
    assert_eq!(words("中文字 x"), ["中文", "文字", "字", "x"]);
    assert_eq!(words("abc中文def"), ["abc", "中文", "文", "def"]);
    assert_eq!(words("ｶﾞ が か\u{3099}"), ["ガ", "が", "が"]);
    assert_eq!(words("플러그인을"), ["플러", "러그", "그인", "인을", "을"]);
    assert_eq!(words("ภาษา"), ["ภา", "าษ", "ษา", "า"]);
}

#[test]
fn cuts_long_words() {
    let row = analyse(&record("t", &"x".repeat(100)));
    assert!(names(&row).contains(&format!("w{}", "x".repeat(64))));
    assert!(names(&row).contains(&"*partial".to_owned()));
    assert!(!names(&analyse(&record(&"x".repeat(100), ""))).contains(&"*partial".to_owned()));
}

#[test]
fn bounds_a_document() {
    let row = analyse(&record("t", &"a ".repeat(MAX_WORDS + 5)));
    assert_eq!(row.length as usize, MAX_WORDS + 1);
    let word = row.terms.iter().find(|term| term.name == b"wa").unwrap();
    assert_eq!((word.body, word.positions.into_iter().count()), (u16::MAX, MAX_POSITIONS));
    assert!(names(&row).contains(&"*partial".to_owned()));
}

#[test]
fn places_the_parts() {
    let mut note = record("Foo Bar", "foo");
    note.node = Some(NodeName::from_canonical("foo bar"));
    note.attrs.insert(attr::RELATIVE.into(), "Journal/Foo Bar.md".into());
    let shown = |row: &PostingsRow| {
        let words = row.terms.iter().filter(|term| term.name[0] == term::WORD);
        words.map(|term| format!("{term:?}")).collect::<Vec<_>>()
    };
    assert_eq!(shown(&analyse(&note)), ["wbar:1+0@[1, 7]", "wfoo:1+1@[0, 3, 6]", "wjournal:0+0@[5]"]);
    note.title = "The Title".into();
    let row = analyse(&note);
    assert_eq!(row.length, 5);
    assert_eq!(
        shown(&row),
        ["wbar:1+0@[4, 10]", "wfoo:1+1@[3, 6, 9]", "wjournal:0+0@[8]", "wthe:1+0@[0]", "wtitle:1+0@[1]"]
    );
}

#[test]
fn names_filters_as_people_type_them() {
    let mut note = record("t", "");
    note.tags = vec!["todo".into(), "Über".into()];
    note.node = Some(NodeName::from_canonical("digital garden"));
    note.langs = vec!["pt-BR".into(), "nonsense".into()];
    let names = names(&analyse(&note));
    for filter in ["auser:ann", "knote", "lpt", "ndigital garden", "ogardens", "ttodo", "tüber"] {
        assert!(names.contains(&filter.to_owned()), "{filter} in {names:?}");
    }
    assert_eq!(Filter::Author.term("@Ann"), Filter::Author.term("user:ann"));
    assert_eq!(Filter::Author.term("did:plc:x"), b"adid:plc:x");
    assert_eq!(Filter::Node.term("[[Digital-Garden]]"), Filter::Node.term("node:digital garden"));
    assert_eq!(Filter::Tag.term("#TODO"), Filter::Tag.term("todo"));
    for page in
        ["example.org", "www.Example.org", "http://me@example.org:80/a?b", "https://www.example.org#x"]
    {
        assert_eq!(Filter::Domain.term(page), b"dexample.org", "{page}");
    }
    assert_eq!(Filter::Domain.term("https://[::1]:8080/x"), b"d[::1]");
    assert_eq!(Filter::Url.term("https://Example.org/A/"), b"phttps://example.org/a");
    assert_eq!(Filter::Mentions.term("@Ann"), b"muser:ann");
}

#[test]
fn links_are_filters() {
    let link = |path: &str, target: &str| crate::Link {
        path: path.into(),
        context: crate::Context::Prose,
        target: target.into(),
        span: crate::Span::default(),
        label: None,
        fragment: None,
    };
    let mut note = record("t", "");
    note.links = vec![
        link("url", "https://www.example.org/a"),
        link(".embed.external.uri", "http://example.org/b"),
        link("mention", "user:bob"),
        link(".facets[].features[app.bsky.richtext.facet#mention].did", "did:plc:ann"),
        link(".subject", "did:plc:not-named"),
        link("wikilink", "node:x"),
        link(".x", "ftp://example.net/"),
    ];
    let names = names(&analyse(&note));
    let found: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| name.starts_with(['d', 'm', 'p'])).collect();
    let urls = ["phttp://example.org/b", "phttps://www.example.org/a"];
    assert_eq!(found[..3], ["dexample.org", "mdid:plc:ann", "muser:bob"]);
    assert_eq!(found[3..], urls);
    note.links = (0..5_000).map(|number| link("url", &format!("https://{number}.example/"))).collect();
    let names = self::names(&analyse(&note));
    assert_eq!(names.iter().filter(|name| name.starts_with('d')).count(), MAX_SEARCHED_LINKS);
}

use term::Filter;

#[test]
fn stems_by_language() {
    let english = Lang::from_tag("en-GB").unwrap();
    assert_eq!(stem(english, "connecting").as_deref(), Some("connect"));
    assert_eq!(stem(english, "connect"), None);
    assert_eq!(stem(english, "книги"), None);
    assert_eq!(stem_languages("книги", [english]), [Lang::from_tag("ru").unwrap()]);
    let german = Lang::from_tag("de").unwrap();
    assert_eq!(stem_languages("haus", [german, Lang::from_tag("ja").unwrap()]), [english, german]);
    let row = analyse(&record("Connecting", "connected connections connect"));
    let stem = row.terms.iter().find(|term| term.name == b"senconnect").unwrap();
    assert_eq!((stem.title, stem.body, stem.positions.into_iter().count()), (1, 2, 0));
}

#[test]
fn detects_languages() {
    let lang = |text: &str| {
        let names = names(&analyse(&record("x", text)));
        names.iter().find_map(|name| name.strip_prefix('l').map(ToOwned::to_owned))
    };
    let english = "It is a truth universally acknowledged, that a single man in possession of a good fortune, must \
                   be in want of a wife.";
    assert_eq!(lang(english).as_deref(), Some("en"));
    let german = "Jemand musste Josef K. verleumdet haben, denn ohne dass er etwas Böses getan hätte, wurde er eines \
                  Morgens verhaftet.";
    assert_eq!(lang(german).as_deref(), Some("de"));
    let russian = "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему. Все \
                   смешалось в доме Облонских. Жена узнала, что муж был в связи с бывшею в их доме гувернанткой.";
    assert_eq!(lang(russian).as_deref(), Some("ru"));
    let japanese = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所でニャーニャー泣いていた事だけは記憶している。";
    assert_eq!(lang(japanese).as_deref(), Some("ja"));
    assert_eq!(lang("- [[foo]]"), None);
}

/// What [`Analyzer`] does, one word at a time into a map.
fn naive(record: &Record) -> BTreeMap<Vec<u8>, (u32, u32, Vec<u32>)> {
    let mut terms: BTreeMap<Vec<u8>, (u32, u32, Vec<u32>)> = BTreeMap::new();
    let mut position = 0;
    let mut add = |text: &str, title: u32, body: u32| {
        for word in words(text) {
            let entry = terms.entry(term::word(&word)).or_default();
            (entry.0, entry.1) = (entry.0 + title, entry.1 + body);
            entry.2.push(position);
            position += 1;
        }
        position += 1;
    };
    let path = record.attrs.get(attr::RELATIVE).map(|path| path.strip_suffix(".md").unwrap());
    add(&record.title, 1, 0);
    let name = path.map(|path| path.rsplit('/').next().unwrap());
    if let Some(name) = name.filter(|name| words(name) != words(&record.title)) {
        add(name, 1, 0);
    }
    add(&record.text, 0, 1);
    if let Some(alt) = record.attrs.get(attr::ALT) {
        add(alt, 0, 1);
    }
    if let Some(path) = path {
        add(path, 0, 0);
    }
    let lang = Lang::from_tag(&record.langs[0]);
    for (name, counts) in terms.clone() {
        let word = std::str::from_utf8(&name[1..]).unwrap();
        for lang in stem_languages(word, lang).into_iter().rev().take(1) {
            if let Some(stem) = stem(lang, word) {
                let entry = terms.entry(term::stem(lang, &stem)).or_default();
                (entry.0, entry.1) = (entry.0 + counts.0, entry.1 + counts.1);
            }
        }
    }
    terms
}

fn text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        4 => prop::sample::select(vec!["connect", "connecting", "Naïve", "a", "rivers", "river", "книги", "книга"]),
        1 => prop::sample::select(vec!["中文字", "テスト", "x中y", "maisons", "maison", "한국어", "ab12", "हिन्दी"]),
    ];
    let gap = prop::sample::select(vec![" ", "-", "\n", "…", "👩‍💻", "_"]);
    prop::collection::vec((word, gap), 0..30)
        .prop_map(|parts| parts.into_iter().flat_map(|(word, gap)| [word, gap]).collect())
}

proptest! {
    #[test]
    fn analyses_as_naively(
        texts in prop::collection::vec((text(), text(), text(), prop::sample::select(vec!["en", "ru", "fr", "zh"])), 1..4)
    ) {
        let mut analyzer = Analyzer::new();
        for (title, body, path, lang) in texts {
            let mut record = record(&title, &body);
            record.langs = vec![lang.to_owned()];
            if path.len() % 2 == 0 {
                record.attrs.insert(attr::RELATIVE.into(), format!("{path}/{title}x.md"));
            }
            if body.len() % 2 == 0 {
                record.attrs.insert(attr::ALT.into(), path.clone());
            }
            let row = analyzer.analyse(&record, &SourceId::new("s"));
            let expected = naive(&record);
            let length: u32 = expected.iter().filter(|(name, _)| name[0] == b'w').map(|(_, counts)| counts.0 + counts.1).sum();
            prop_assert_eq!(row.length, length);
            let found: BTreeMap<_, _> = row.terms.iter().filter(|term| matches!(term.name[0], b's' | b'w'))
                .map(|term| {
                    let positions: Vec<u32> = term.positions.into_iter().collect();
                    (term.name.to_vec(), (u32::from(term.title), u32::from(term.body), positions))
                })
                .collect();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(crate::rows::Terms::from_bytes(row.terms.as_bytes()), Some(row.terms));
        }
    }

    #[test]
    fn any_text_is_analysed(title in ".{0,30}", body: String, path: String, chars: Vec<char>) {
        let mut note = record(&title, &body);
        note.attrs.insert(attr::RELATIVE.into(), path);
        note.tags = vec![body.clone()];
        let row = analyse(&note);
        prop_assert_eq!(crate::rows::Terms::from_bytes(row.terms.as_bytes()), Some(row.terms));
        for word in words(&chars.into_iter().collect::<String>()) {
            prop_assert_eq!(words(&word).concat().chars().next(), word.chars().next(), "folding is idempotent");
        }
    }

    #[test]
    fn stemmers_take_any_word(chars in prop::collection::vec("[a-zäöüßñçéёжийщ\u{620}-\u{64A}\u{B85}-\u{BCD}α-ω]", 0..12)) {
        let word = chars.concat();
        for lang in ["ar", "da", "de", "el", "en", "es", "fi", "fr", "hu", "it", "nb", "nl", "pt", "ro", "ru", "sv", "ta", "tr"] {
            drop(stem(Lang::from_tag(lang).unwrap(), &word));
        }
    }

    #[test]
    fn a_piece_has_the_words_of_the_whole(before in text(), piece in text(), after in text()) {
        let inner = words(&piece);
        let whole = words(&format!("{before} {piece} {after}"));
        prop_assert!(inner.is_empty() || whole.windows(inner.len()).any(|window| window == inner));
    }
}
