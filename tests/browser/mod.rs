//! The web page in a real browser: nothing is refused, nothing of what people write runs, and no script is needed.

use springline_tests::{Browser, Garden, Springline};
use tempfile::TempDir;

/// What a page must not let run or load, in all the ways that a note can say it.
const HOSTILE: &str = r#"# Quoll

<script>document.title = "owned"</script>
<img src=x onerror="document.title = 'owned'">
<svg onload="document.title = 'owned'"></svg>
<a href="javascript:document.title = 'owned'">click</a> [click](javascript:alert(1))
<iframe src="https://example.com"></iframe><style>body { display: none }</style>
<p style="position: fixed; inset: 0" onclick="document.title = 'owned'">over all</p>

- [[push]] [[foo]] <script>document.title = "owned"</script>
"#;

fn garden(dir: &TempDir) -> Garden {
    let garden = Garden::new(&dir.path().join("agora"));
    garden.write("garden/alice/Foo.md", "# Foo\n\nsee [[Bar]] and #todo, `code`, 中文 too\n\n> said\n");
    garden.write("garden/alice/2022-01-01.md", "- met [[@bob]] at [[foo]]\n");
    garden.write("garden/bob/bar.md", "- [[push]] [[foo]] from bob\n- quokka\n");
    garden.write("garden/eve/quoll.md", HOSTILE);
    garden
}

#[test]
fn every_page_shows_in_a_browser() {
    let dir = TempDir::new().unwrap();
    let garden = garden(&dir);
    let server = Springline::new(&dir.path().join("data")).serve(garden.path());
    server.ready();
    let browser = Browser::new(&dir.path().join("browser"));
    for (page, shown) in [
        ("/", "2022-01-01"),
        ("/node/foo", "from bob"),
        ("/search?q=quokka", "<mark>quokka</mark>"),
        ("/latest", "quoll"),
        ("/top", "foo"),
        ("/journals", "2022-01-01"),
        ("/users", "@alice"),
        ("/@bob", "bar"),
        ("/docs", "/v1/backlinks"),
        ("/node/nowhere", "nowhere"),
    ] {
        let seen = browser.open(&format!("http://{}{page}", server.address));
        assert!(seen.document.contains(shown), "{page} does not show {shown}:\n{}", seen.document);
        assert!(seen.complaints.is_empty(), "{page}: {:?}", seen.complaints);
        assert!(!seen.document.contains("<script"), "{page} needs no script");
    }
    server.stop();
}

#[test]
fn what_people_write_does_not_run() {
    let dir = TempDir::new().unwrap();
    let garden = garden(&dir);
    let server = Springline::new(&dir.path().join("data")).serve(garden.path());
    server.ready();
    let browser = Browser::new(&dir.path().join("browser"));
    let owned = browser.open("data:text/html,<script>document.title='owned';console.log('x')</script>");
    assert!(
        owned.document.contains("<title>owned") && !owned.complaints.is_empty(),
        "this browser runs scripts"
    );
    for page in ["/node/quoll", "/node/foo", "/search?q=title", "/@eve", "/latest"] {
        let seen = browser.open(&format!("http://{}{page}", server.address));
        assert!(!seen.document.contains("<title>owned"), "{page}: {}", seen.document);
        // Not even tried: what the policy would have to refuse has gone before.
        assert!(seen.complaints.is_empty(), "{page}: {:?}", seen.complaints);
        for bad in
            ["<script", "onerror=", "onload=", "onclick=", "href=\"javascript", "<iframe", "position: fixed"]
        {
            let text = bad.replace('<', "&lt;");
            assert!(!seen.document.replace(&text, "").contains(bad), "{page} has {bad}: {}", seen.document);
        }
    }
    let quoll = browser.open(&format!("http://{}/node/quoll", server.address));
    assert!(quoll.document.contains("over all"), "the text stays: {}", quoll.document);
    server.stop();
}
