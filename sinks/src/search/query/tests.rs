use super::*;
use proptest::prelude::*;

fn shown(node: &Node) -> String {
    let join = |nodes: &[Node], with: &str| nodes.iter().map(shown).collect::<Vec<_>>().join(with);
    match node {
        Node::And(nodes) => format!("({})", join(nodes, " & ")),
        Node::Or(nodes) => format!("({})", join(nodes, " | ")),
        Node::Not(node) => format!("!{}", shown(node)),
        Node::Leaf(leaf) => match leaf {
            Leaf::Word { word, title } => format!("{}{word}", if *title { "title:" } else { "" }),
            Leaf::Prefix { word, title, stems, .. } => {
                format!("{}{}{word}*", if *title { "title:" } else { "" }, if *stems { "~" } else { "" })
            }
            Leaf::Phrase { items, title, .. } => {
                let items = items.iter().map(|item| {
                    format!("{}{}@{}", item.word, if item.prefix { "*" } else { "" }, item.offset)
                });
                format!("{}{:?}", if *title { "title:" } else { "" }, items.collect::<Vec<_>>().join(" "))
            }
            Leaf::Filter { term, prefix, .. } => {
                format!("{}{}", String::from_utf8_lossy(term), if *prefix { "*" } else { "" })
            }
            Leaf::Time(times) => format!("[{}, {}]", times.start().0, times.end().0),
            Leaf::Substring(text) => format!("<{text}>"),
        },
    }
}

fn parsed(mode: Mode, text: &str) -> String {
    match Query::parse(mode, text) {
        Ok(query) => shown(&query.root),
        Err(error) => format!("{} @{}", error.message, error.at),
    }
}

#[test]
fn reads_the_language() {
    for (text, expected) in [
        ("digital garden", "(digital & garden)"),
        ("a AND b", "(a & b)"),
        ("a b OR c -d", "((a & b) | (c & !d))"),
        ("NOT (a OR b) c", "(!(a | b) & c)"),
        ("\"Digital  Garden\"", "\"digital@0 garden@1\""),
        ("state-of-the-art", "\"state@0 of@1 the@2 art@3\""),
        ("gard*", "gard*"),
        ("foo-ba*", "\"foo@0 ba*@1\""),
        ("\"one\"", "\"one@0\""),
        ("c++ ++ - --x", "(c & x)"),
        ("title:foo title:\"a b\" title:x*", "(title:foo & title:\"a@0 b@1\" & title:x*)"),
        ("author:@Ann node:Digital-Garden", "(auser:ann & ndigital garden)"),
        ("tag:\"x y\"* kind:Note lang:EN", "(tx y* & knote & len)"),
        ("https://x.org/y Foo:bar", "(\"https@0 x@1 org@2 y@3\" & \"foo@0 bar@1\")"),
        ("since:1970-01-02", "[86400000, 9223372036854775807]"),
        ("until:1970-01-02", "[-9223372036854775808, 172799999]"),
        (
            "until:1970 since:1970-12",
            "([-9223372036854775808, 31535999999] & [28857600000, 9223372036854775807])",
        ),
        ("since:1970-01-01T00:00:01Z", "[1000, 9223372036854775807]"),
        ("中文 中 文字x", "(\"中文@0\" & 中* & \"文字@0 x@2\")"),
        ("or not and", "(or & not & and)"),
        ("ORx", "orx"),
        ("(a)(b)\"c d\"e", "(a & b & \"c@0 d@1\" & e)"),
    ] {
        let expected = expected.replace("\"中文@0\"", "中文");
        assert_eq!(parsed(Mode::Ranked, text), expected, "{text}");
    }
}

#[test]
fn says_what_is_wrong_and_where() {
    for (text, expected) in [
        ("", "there is nothing to search for @0"),
        ("++ --", "there is nothing to search for @0"),
        ("foo \"bar", "there is no second `\"` for this one @4"),
        ("foo (bar", "there is no `)` for this `(` @4"),
        ("foo) bar", "there is no `(` for this `)` @3"),
        ("OR a", "`OR` stands between two things to search for @0"),
        ("a OR", "`OR` stands between two things to search for @4"),
        ("a OR OR b", "`OR` stands between two things to search for @5"),
        ("a AND", "`AND` stands between two things to search for @1"),
        ("AND a", "`AND` stands between two things to search for @0"),
        ("a NOT", "`NOT` stands before something to search for @2"),
        ("a tag: b", "`tag:` needs a value right behind it @2"),
        (
            "a since:tomorrow",
            "`tomorrow` is no year (2024), month (2024-05), day (2024-05-31) or time \
                              (2024-05-31T12:00:00Z) @8",
        ),
    ] {
        assert_eq!(parsed(Mode::Ranked, text), expected, "{text}");
    }
    let deep = format!("{}a{}", "(".repeat(40), ")".repeat(40));
    assert_eq!(parsed(Mode::Ranked, &deep), "parentheses and NOTs go at most 32 deep @32");
    assert!(parsed(Mode::Ranked, &"a ".repeat(65)).starts_with("a query has at most 64 words"));
    assert!(parsed(Mode::Broad, &"x".repeat(5000)).starts_with("a query has at most 4096 bytes"));
}

#[test]
fn reads_the_other_modes() {
    assert_eq!(parsed(Mode::Broad, "Agora server -x agora OR"), "(~agora* & ~server* & ~x* & ~or*)");
    assert_eq!(
        parsed(Mode::Broad, "中文字x 中"),
        "(\"中文@0 文字@1\" & ~x* & 中*)"
            .replace("(\"", "(~x* & 中* & \"")
            .replace("1\" & ~x* & 中*)", "1\")")
    );
    assert_eq!(parsed(Mode::Exact, "[[Agora]] \"server"), "\"agora@0 server@1\"");
    assert_eq!(parsed(Mode::Substring, " [[Agora\" "), "<[[agora\">");
}

fn marked(query: &str, text: &str) -> String {
    let query = Query::parse(Mode::Ranked, query).unwrap();
    let highlighter = Highlighter::new(&query, &std::iter::empty());
    let mut shown = String::new();
    let mut at = 0;
    for mark in highlighter.marks(text) {
        shown += &format!("{}<{}>", &text[at..mark.start], &text[mark.clone()]);
        at = mark.end;
    }
    shown + &text[at..]
}

#[test]
fn marks_what_was_asked_for() {
    assert_eq!(
        marked("connect", "Connecting, connected; disconnect"),
        "<Connecting>, <connected>; disconnect"
    );
    assert_eq!(marked("naive", "a Naïve one"), "a <Naïve> one");
    assert_eq!(
        marked("\"digital garden\"", "digital digital-garden, garden"),
        "digital <digital-garden>, garden"
    );
    assert_eq!(marked("gar* -dig", "gardens dig gar"), "<gardens> dig <gar>");
    assert_eq!(marked("中文", "这是中文字"), "这是<中文>字");
    assert_eq!(marked("tag:foo x", "foo x"), "foo <x>");
    let query = Query::parse(Mode::Substring, "ÏVE").unwrap();
    let marks = Highlighter::new(&query, &std::iter::empty()).marks("İ naïve");
    assert_eq!(marks.first().map(|mark| (mark.start, mark.end)), Some((5, 9)));
}

#[test]
fn shows_the_best_piece() {
    let filler = "lorem ipsum ".repeat(50);
    let text = format!("alpha {filler} alpha beta {filler}");
    let query = Query::parse(Mode::Ranked, "alpha beta").unwrap();
    let snippet = Highlighter::new(&query, &std::iter::empty()).snippet(&text);
    let marked: Vec<&str> = snippet.marks.iter().map(|mark| &snippet.text[mark.clone()]).collect();
    assert_eq!(marked, ["alpha", "beta"]);
    assert!(snippet.start > 500 && snippet.more && snippet.text.chars().count() <= 201);
    assert!(snippet.text.starts_with("ipsum") || snippet.text.starts_with("lorem"), "{}", snippet.text);
    let none = Highlighter::new(&query, &std::iter::empty()).snippet("nothing here");
    assert_eq!((none.text.as_str(), none.marks.len(), none.start, none.more), ("nothing here", 0, 0, false));
}

proptest! {
    #[test]
    fn any_text_is_read(text: String, mode in prop::sample::select(Mode::ALL.to_vec())) {
        if let Err(error) = Query::parse(mode, &text) {
            prop_assert!(text.is_char_boundary(error.at));
        }
    }

    #[test]
    fn anything_like_a_query_is_read(text in r#"([a"()*: -]|OR |AND |NOT |title:|since:|tag:|中|ß|1970){0,12}"#) {
        if let Err(error) = Query::parse(Mode::Ranked, &text) {
            prop_assert!(text.is_char_boundary(error.at));
        }
    }

    #[test]
    fn any_text_is_shown(text: String, query in "[a-c中文 ]{1,8}", mode in prop::sample::select(Mode::ALL.to_vec())) {
        let Ok(query) = Query::parse(mode, &query) else { return Ok(()) };
        let highlighter = Highlighter::new(&query, &std::iter::empty());
        let text = format!("{text} abc 中文 {text}");
        let snippet = highlighter.snippet(&text);
        prop_assert_eq!(&text[snippet.start..snippet.start + snippet.text.len()], snippet.text.as_str());
        let mut last = 0;
        for mark in highlighter.marks(&text).into_iter().chain([]) {
            prop_assert!(mark.start >= last && mark.end > mark.start && text.get(mark.clone()).is_some());
            last = mark.end;
        }
        for mark in snippet.marks {
            prop_assert!(snippet.text.get(mark).is_some());
        }
    }
}
