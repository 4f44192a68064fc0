use super::*;
use proptest::prelude::*;
use std::time::{Duration, Instant};

fn markdown(text: &str) -> String {
    note(Format::Markdown, text, MAX_SOURCE_BYTES, &mut Ids::default()).html.into_string()
}

fn org(text: &str) -> String {
    note(Format::Org, text, MAX_SOURCE_BYTES, &mut Ids::default()).html.into_string()
}

fn myco(text: &str) -> String {
    note(Format::Myco, text, MAX_SOURCE_BYTES, &mut Ids::default()).html.into_string()
}

#[test]
fn markdown_of_gardens() {
    assert_eq!(
        markdown("# Foo [[bar]]\n\n- [[Baz|label]] #todo\n- [x] done `[[code]] #x`\n"),
        "<h3 id=\"h-foo-bar\">Foo <a href=\"/node/bar\" class=\"wikilink\">bar</a></h3>\n\
         <ul><li><a href=\"/node/baz\" class=\"wikilink\">label</a> <a href=\"/tag/todo\" class=\"tag\">#todo</a></li>\n\
         <li>☑ done <code>[[code]] #x</code></li>\n</ul>\n"
    );
    assert_eq!(
        markdown("[a](b%20c.md#D) [x](https://x.org) https://y.org. ![[pic.png]] ![p](https://x.org/p.png)"),
        "<p><a href=\"/node/b-c#h-d\">a</a> <a href=\"https://x.org\" rel=\"nofollow noopener\">x</a> \
         <a href=\"https://y.org\" rel=\"nofollow noopener\">https://y.org</a>. \
         <a href=\"/node/pic-png\" class=\"embed\">pic.png</a> \
         <img src=\"https://x.org/p.png\" alt=\"p\" loading=\"lazy\" referrerpolicy=\"no-referrer\"></p>\n"
    );
    assert!(markdown("---\ntitle: x\ntags: [a]\n---\nbody").starts_with("<p>body"));
    assert!(markdown("|a|b|\n|-|-:|\n|[[x\\|y]]|2|\n").contains("<td class=\"right\">2</td>"));
    assert!(markdown("|a|\n|-|\n|[[x\\|y]]|\n").contains("<a href=\"/node/x\" class=\"wikilink\">y</a>"));
    assert!(markdown("a[^n]\n\n[^n]: note").contains("<div class=\"footnote\" id=\"fn-1-1\">1. <p>note</p>"));
    assert!(
        markdown("<details><summary>s</summary>\n\n*x*\n\n</details>\n\ny")
            .contains("<details><summary>s</summary>\n<p><em>x</em></p>\n</details>")
    );
}

#[test]
fn the_same_heading_twice_on_a_page_has_one_id() {
    let mut ids = Ids::default();
    let first = note(Format::Markdown, "# A", MAX_SOURCE_BYTES, &mut ids).html.into_string();
    let second = note(Format::Org, "* A", MAX_SOURCE_BYTES, &mut ids).html.into_string();
    assert!(first.contains("id=\"h-a\"") && !second.contains("id="));
}

#[test]
fn org_of_gardens() {
    let html = org(
        "#+title: T\n* TODO Plan :work:\n:PROPERTIES:\n:ID: 1\n:END:\nText *b* [[foo]] [[https://x.org][X]]\n\
         - one\n  - two\n- three\n\n| a | b |\n|---+---|\n| 1 | 2 |\n#+begin_src rust\nfn <x>\n#+end_src\n\
         #+begin_quote\nq\n#+end_quote\n: fixed\n-----\n1. n",
    );
    for part in [
        "<h3 id=\"h-todo-plan\"><small>TODO</small> Plan <a href=\"/tag/work\" class=\"tag\">#work</a></h3>",
        "Text <strong>b</strong> <a href=\"/node/foo\" class=\"wikilink\">foo</a>",
        "<a href=\"https://x.org\" rel=\"nofollow noopener\">X</a>",
        "<ul><li>one\n<ul><li>two\n</li></ul></li><li>three\n</li></ul>",
        "<td>2</td>",
        "<pre><code>fn &lt;x&gt;\n</code></pre>",
        "<blockquote><p>q\n</p></blockquote>",
        "<pre><code>fixed\n</code></pre>",
        "<hr>",
        "<ol><li>n\n</li></ol>",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert!(!html.contains("PROPERTIES") && !html.contains("title"));
}

#[test]
fn myco_of_gardens() {
    let html = myco(
        "= Head\n* a\n** b\n*. c\n> q\n=> foo | label\n=> https://x.org\n```\n<x>\n```\n**bold** [[Foo|f]]\n----",
    );
    for part in [
        "<h3 id=\"h-head\">Head</h3>",
        "<ul><li>a\n<ul><li>b\n</li></ul></li></ul><ol><li>c\n</li></ol>",
        "<blockquote>q</blockquote>",
        "→ <a href=\"/node/foo\" class=\"wikilink\">label</a>",
        "→ <a href=\"https://x.org\" rel=\"nofollow noopener\">https://x.org</a>",
        "<pre><code>&lt;x&gt;\n</code></pre>",
        "<p><strong>bold</strong> <a href=\"/node/foo\" class=\"wikilink\">f</a>\n</p>",
        "<hr>",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
}

#[test]
fn context_lines_are_escaped() {
    assert_eq!(
        line("<b>[[Foo|<i>]]</b> `[[x]]`").into_string(),
        "&lt;b&gt;<a href=\"/node/foo\" class=\"wikilink\">&lt;i&gt;</a>&lt;/b&gt; <code>[[x]]</code>"
    );
}

#[test]
fn long_notes_are_cut_and_say_so() {
    let text = "a line of text\n".repeat(30_000);
    let rendered = note(Format::Markdown, &text, MAX_SOURCE_BYTES, &mut Ids::default());
    assert!(rendered.is_cut && rendered.html.0.len() < MAX_SOURCE_BYTES + 100);
    assert!(!note(Format::Plain, "short", MAX_SOURCE_BYTES, &mut Ids::default()).is_cut);
}

/// Ways to smuggle a script into a page that sanitisers have missed; each in all formats.
const SMUGGLED: &[&str] = &[
    "<script>alert(1)</script>",
    "<ScRiPt src=//x.org/x.js></sCrIpT>",
    "<img src=x onerror=alert(1)>",
    "<img src=\"https://x.org/a\" onload=\"alert(1)\" style=\"position:fixed\">",
    "<svg/onload=alert(1)><animate onbegin=alert(1)>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<template><script>alert(1)</script></template>",
    "<iframe src=\"javascript:alert(1)\"></iframe>",
    "<iframe srcdoc=\"<script>alert(1)</script>\">",
    "<object data=\"data:text/html,<script>alert(1)</script>\"></object>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "<a href=\" \u{1}javascript:alert(1)\">x</a>",
    "<a href=\"java\nscript:alert(1)\">x</a>",
    "<a href=\"&#x6A;avascript:alert(1)\">x</a>",
    "<a href=\"data:text/html;base64,PHNjcmlwdD4=\">x</a>",
    "<form action=\"https://x.org\"><input name=q><button formaction=javascript:alert(1)>x</button></form>",
    "<base href=\"https://x.org/\">",
    "<meta http-equiv=\"refresh\" content=\"0;url=https://x.org\">",
    "<link rel=stylesheet href=//x.org/x.css>",
    "<style>@import '//x.org/x.css'; * {display:none}</style>",
    "<p style=\"background:url(//x.org)\" class=\"skip\" id=\"main\" onclick=alert(1)>x</p>",
    "<details open ontoggle=alert(1)><summary>x</summary></details>",
    "[x](javascript:alert(1))",
    "[x](JAVASCRIPT&colon;alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](https://x.org \"onmouseover=alert(1)\")",
    "[x](<https://x.org\" onmouseover=\"alert(1)>)",
    "![x](javascript:alert(1))",
    "![\"onerror=alert(1) x=\"](https://x.org/a.png)",
    "[[x\"onmouseover=\"alert(1)]]",
    "[[javascript:alert(1)]]",
    "[[javascript:alert(1)][x]]",
    "[[https://x.org\" onclick=\"alert(1)][x]]",
    "=> javascript:alert(1) | x",
    "#x\"onmouseover=alert(1)",
    "https://x.org/\"onmouseover=alert(1)",
    "<https://x.org/\"onmouseover=alert(1)>",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<a <!-- --> href=javascript:alert(1)>x",
    "```html\"onload=alert(1)\n<script>alert(1)</script>\n```",
    "# <script>alert(1)</script>",
    "|<script>alert(1)</script>|\n|-|\n",
    "<x:script xmlns:x=\"http://www.w3.org/1999/xhtml\">alert(1)</x:script>",
    "</article></main><h1>gone</h1>",
];

/// Every tag of a piece of HTML must be on the list, with attributes that can't run anything.
fn assert_harmless(html: &str, source: &str) {
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = rest.find('>').unwrap_or_else(|| panic!("open tag at the end, from {source:?}: {html}"));
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        let name: String =
            tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        for bad in [
            "script", "style", "iframe", "svg", "math", "form", "input", "button", "object", "base", "meta",
            "link", "template", "article", "main", "h1", "h2",
        ] {
            assert_ne!(name, bad, "from {source:?}: {html}");
        }
        // Values are quoted and hold no `"`, so every second piece is outside of a value.
        for outside in tag.split('"').step_by(2) {
            let outside = outside.to_ascii_lowercase();
            assert!(!outside.contains(" on") && !outside.contains("style="), "from {source:?}: {html}");
        }
        for value in tag.split('"').skip(1).step_by(2) {
            let value: String = value.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
            let value = value.to_ascii_lowercase();
            assert!(
                !value.starts_with("javascript:") && !value.starts_with("data:"),
                "from {source:?}: {html}"
            );
        }
    }
}

#[test]
fn no_script_gets_through() {
    for source in SMUGGLED {
        for around in ["{}", "- {}", "text {} text", "> {}\n\nx", "<b>{}", "* {}"] {
            let text = around.replace("{}", source);
            for format in [Format::Markdown, Format::Org, Format::Myco, Format::Plain] {
                let html = note(format, &text, MAX_SOURCE_BYTES, &mut Ids::default()).html.into_string();
                assert_harmless(&html, &text);
            }
            assert_harmless(&line(&text).into_string(), &text);
        }
    }
}

#[test]
fn the_gate_is_enough_alone() {
    for source in SMUGGLED {
        assert_harmless(&sanitize::clean(source), source);
    }
}

/// Texts that make a careless renderer overflow its stack or take minutes.
fn bombs() -> Vec<(&'static str, String)> {
    let n = 10_000;
    let big = MAX_SOURCE_BYTES;
    let indented =
        |marker: &str| (0..n).map(|depth| format!("{}{marker}x\n", " ".repeat(depth.min(400)))).collect();
    vec![
        ("quotes", format!("{}x", "> ".repeat(n))),
        ("quotes, then blank lines", format!("{}x\n{}", ">".repeat(n), "\n".repeat(big / 2))),
        ("bullets", format!("{}x", "- ".repeat(n))),
        ("bullets and quotes", "- > ".repeat(n)),
        ("numbers", "1. ".repeat(n)),
        ("indented lists", indented("- ")),
        ("indented stars", indented("* ")),
        ("brackets", "[".repeat(big)),
        ("pictures", "![".repeat(big / 2)),
        ("wikilinks open", "[[".repeat(big / 2)),
        ("wikilinks nested", format!("{}x{}", "[[".repeat(n), "]]".repeat(n))),
        ("links nested", format!("{}x{}", "[".repeat(n), "](y)".repeat(n))),
        ("emphasis", "*a _b ".repeat(big / 6)),
        ("emphasis nested", format!("{}x{}", "*_".repeat(n), "_*".repeat(n))),
        ("stars", "*".repeat(big)),
        ("org marks", "*a /b _c +d ~e ".repeat(big / 15)),
        ("ticks", (1..700).map(|run| format!("{}x", "`".repeat(run))).collect()),
        ("tags open", "<b>".repeat(big / 3)),
        ("tags and paragraphs", format!("{}{}", "<b><i><u><s>".repeat(n / 4), "<p>".repeat(big / 4))),
        ("anchors", "<a href=https://x>".repeat(big / 18)),
        ("half tags", "<a ".repeat(big / 3)),
        ("half tags quoted", "<a href=\"".repeat(big / 9)),
        ("less thans", "<".repeat(big)),
        ("comments", "<!--".repeat(big / 4)),
        ("scripts", "<script>".repeat(big / 8)),
        ("divs", format!("{}x", "<div>".repeat(big / 5))),
        ("tables in cells", "<table><tr><td>".repeat(big / 15)),
        ("wide table", format!("|{}\n|{}\n{}", "a|".repeat(n), "-|".repeat(n), "|\n".repeat(n))),
        ("org table", "|".repeat(big)),
        ("entities", "&#x41;&amp;".repeat(big / 11)),
        ("references", format!("[a]: https://{}\n\n{}", "x".repeat(n), "[a] ".repeat(big / 8))),
        ("footnotes", (0..n).map(|number| format!("[^{number}]: x[^{number}]\n\n")).collect()),
        ("front matter", format!("---\n{}", "a: b\n".repeat(big / 5))),
        ("hashtags", "#a".repeat(big / 2)),
        ("addresses", "https://".repeat(big / 8)),
        ("closing brackets", format!("https://x.org/{}", ")".repeat(big))),
        ("headings", "# a\n".repeat(big / 4)),
        ("headlines", "* a\n".repeat(big / 4)),
        ("drawers", ":properties:\n".repeat(big / 13)),
        ("blocks", "#+begin_quote\n".repeat(big / 14)),
        ("myco lists", format!("{} x", "*".repeat(big))),
        ("one line", "word ".repeat(big / 5)),
        ("blank lines", "\n".repeat(big)),
        ("NULs", "\0".repeat(big)),
        ("carriage returns", "\r".repeat(big)),
        ("combining", "e\u{301}".repeat(big / 3)),
    ]
}

#[test]
fn bombs_do_not_go_off() {
    // A small stack, so that recursion as deep as the input would show.
    let thread = std::thread::Builder::new().stack_size(512 * 1024).spawn(|| {
        let mut slow = Vec::new();
        for (name, text) in bombs() {
            for format in [Format::Markdown, Format::Org, Format::Myco] {
                let begun = Instant::now();
                let html = note(format, &text, MAX_SOURCE_BYTES, &mut Ids::default()).html.into_string();
                let took = begun.elapsed();
                assert!(html.len() < 2 * 1024 * 1024, "{name} as {format:?} gives {} bytes", html.len());
                if took > Duration::from_millis(100) {
                    slow.push(format!("{name} as {format:?}: {took:?}"));
                }
                assert!(took < Duration::from_secs(5), "{name} as {format:?} takes {took:?}");
                line(inline::floor(&text, 4096));
            }
        }
        println!("{}", slow.join("\n"));
    });
    thread.unwrap().join().unwrap();
}

proptest! {
    #[test]
    fn whatever_comes_in_harmless_comes_out(
        text in "([-*#>\\[\\]()|`~_=!<>/\"' \n\t]|[a-d]|https://x\\.y/|\\[\\[|\\]\\]|<b>|<script>|</i>|\\PC){0,120}",
    ) {
        for format in [Format::Markdown, Format::Org, Format::Myco, Format::Plain] {
            let html = note(format, &text, MAX_SOURCE_BYTES, &mut Ids::default()).html.into_string();
            assert_harmless(&html, &text);
        }
    }
}
