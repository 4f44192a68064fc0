//! Pages stay right while items come and go.

use crate::support::{Site, link, note};
use springline_model::LinkPath;
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread")]
async fn pages_make_the_whole_list() {
    let site = Site::start().await;
    site.world.change(|state| {
        for number in 0..97_i64 {
            // Several at one time, in several groups.
            let path = [LinkPath::WIKILINK, LinkPath::PUSH, LinkPath::EMBED][number as usize % 3];
            let links = vec![link(path, "node:hub"), link(LinkPath::HASHTAG, "tag:t")];
            state.put(note(&format!("u{}/n{number:02}.md", number % 5), number / 10, "x", links));
        }
    });
    for path in ["/v1/backlinks?target=node:hub", "/v1/latest?kind=note", "/v1/backlinks?target=tag:t"] {
        let field = if path.contains("latest") { "uri" } else { "source" };
        let whole = site.get(&format!("{path}&limit=500")).await;
        let times = whole.items("at");
        assert!(times.is_sorted_by(|a, b| a >= b), "newest first");
        assert_eq!(whole.items(field).len(), 97);
        for limit in [1, 7, 32, 96, 97] {
            assert_eq!(
                site.all(&format!("{path}&limit={limit}"), field).await,
                whole.items(field),
                "{path} {limit}"
            );
        }
    }
    assert_eq!(site.all("/v1/nodes?limit=10", "node").await.len(), 98);
    assert_eq!(site.all("/v1/authors/u1/notes?limit=3", "uri").await.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_stay_right_while_items_come_and_go() {
    let site = Site::start().await;
    let file = |number: i64| format!("u/n{number:03}.md");
    let uri = |number: i64| format!("garden://u/n{number:03}.md");
    let put = |number: i64| note(&file(number), number, "x", vec![link(LinkPath::WIKILINK, "node:hub")]);
    site.world.change(|state| (0..100).step_by(2).for_each(|number| state.put(put(number))));
    for (path, field) in [("/v1/backlinks?target=node:hub", "source"), ("/v1/latest?kind=note", "uri")] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = site.get(&format!("{path}&limit=5{cursor}")).await;
            seen.extend(page.items(field));
            let Some(next) = page.json()["next"].as_str().map(str::to_owned) else { break };
            cursor = format!("&cursor={next}");
            // The last one shown goes, one before it and one behind it come.
            let last = (0..100).find(|number| seen.last() == Some(&uri(*number))).unwrap();
            site.world.change(|state| {
                state.records.remove(uri(last).as_str());
                state.put(put(last + 1));
                state.put(put((last - 3).max(0)));
            });
        }
        let distinct: BTreeSet<&String> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len(), "nothing twice");
        for number in (0..100).step_by(2) {
            assert!(seen.contains(&uri(number)), "{number} was there all the time or until it was shown");
        }
        // Back to the beginning for the next list.
        site.world.change(|state| {
            state.records.clear();
            (0..100).step_by(2).for_each(|number| state.put(put(number)));
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_leaves_all_out_ends() {
    let site = Site::start().await;
    site.world.change(|state| {
        for number in 0..6_000 {
            state.put(note(
                &format!("u/n{number}.md"),
                number,
                "x",
                vec![link(LinkPath::WIKILINK, "node:hub")],
            ));
        }
    });
    for path in ["/v1/backlinks?target=node:hub&author=nobody", "/v1/latest?kind=none"] {
        let page = site.get(path).await;
        assert_eq!(page.items("uri").len(), 0);
        let next = page.json()["next"].as_str().unwrap().to_owned();
        let last = site.get(&format!("{path}&cursor={next}")).await;
        assert!(last.json()["next"].is_null());
    }
}
