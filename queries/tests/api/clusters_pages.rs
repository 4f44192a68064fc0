//! The pages of clusters and jobs: complete, safe, linked with each other.

use crate::{
    pages::{assert_page, visit},
    support::{Site, State, note},
};
use springline_model::{ClusterId, Job, JobId, JobState, Record, Timestamp, Uri, job::Opening};

/// What must not run, in every place that a stranger can write in.
const HOSTILE: &str = "<script>alert(1)</script> \" onmouseover=\"alert(2)\u{202E}";

fn said(name: &str, secs: i64, title: &str, text: &str) -> Record {
    Record { title: title.to_owned(), ..note(&format!("u/{name}.md"), secs, text, Vec::new()) }
}

fn id(name: &str) -> String {
    ClusterId::of(&Uri::new(format!("garden://u/{name}.md"))).as_str().to_owned()
}

fn job(number: u32, cluster: &str, state: JobState) -> Job {
    let order = Opening { agent: "fixer".into(), snapshot: String::new(), retries: 1, max_log_bytes: 100 };
    let at = Timestamp::from_secs(1_000 + i64::from(number));
    let name = JobId::new(at, u64::from(number).into());
    Job { state, log_rows: 3, ..Job::open(name, ClusterId::new(cluster), number, at, &order) }
}

/// Two clusters, one of them with jobs; strangers have written what should not run.
pub(crate) fn gathered(state: &mut State) {
    let crashes = vec![
        said("crash1", 10, HOSTILE, "the app crashes with photos"),
        said("crash2", 30, HOSTILE, "the app crashes with photos"),
        said("crash3", 20, "It crashes", "crashes when I open a photo album"),
    ];
    let billing = vec![said("billing", 99, " ", "billing address is wrong")];
    crashes.iter().chain(&billing).for_each(|record| state.put(record.clone()));
    state.clusters = vec![crashes, billing];
    let mut failed = job(1, &id("crash1"), JobState::Failed);
    failed.reason = Some(HOSTILE.into());
    failed.progress = Some(HOSTILE.into());
    failed.pr_url = Some("javascript:alert(3)".into());
    let mut done = job(2, &id("crash2"), JobState::Success);
    done.branch = Some("fix/photos".into());
    done.pr_url = Some("https://x.example/pull/7?a=\"b\"".into());
    let gone = job(3, "cffff", JobState::Cancelled);
    state.jobs = vec![failed, done, gone];
}

async fn site() -> Site {
    let site = Site::start().await;
    site.world.change(gathered);
    site
}

async fn page(site: &Site, path: &str) -> String {
    let got = visit(site, path).await;
    assert_eq!(got.status, 200, "{path}: {}", got.text);
    assert_page(&got, path);
    for bad in ["onmouseover=\"", "href=\"javascript", "\u{202E}"] {
        assert!(!got.text.contains(bad), "{path} has {bad}: {}", got.text);
    }
    got.text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_space_is_listed_in_order_and_narrowed() {
    let site = site().await;
    let all = page(&site, "/spaces").await;
    assert!(all.contains("href=\"/space/notes\"") && all.contains("Newest jobs"), "{all}");
    let order = |text: &str| {
        let place = |name: &str| text.find(&format!("href=\"/cluster/{}\"", id(name)));
        (place("crash1"), place("billing"))
    };
    let largest = page(&site, "/space/notes").await;
    let (crash, billing) = order(&largest);
    assert!(crash < billing && crash.is_some(), "{largest}");
    assert!(largest.contains("&lt;script&gt;alert(1)") && largest.contains("3 items"), "{largest}");
    assert!(largest.contains("(blank)"), "a title of nothing is seen: {largest}");
    let newest = page(&site, "/space/notes?sort=last_seen").await;
    assert!(order(&newest).1 < order(&newest).0, "{newest}");
    for (narrowed, is_there) in [
        ("min_items=2", true),
        ("min_items=4", false),
        ("status=pr_opened", true),
        ("status=new", false),
        ("source=gardens", true),
        ("source=elsewhere", false),
    ] {
        let text = page(&site, &format!("/space/notes?{narrowed}")).await;
        assert_eq!(order(&text).0.is_some(), is_there, "{narrowed}: {text}");
    }
    let first = page(&site, "/space/notes?limit=1&min_items=1").await;
    let next = first.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(next.starts_with("/space/notes?min_items=1&amp;cursor="), "{next}");
    assert!(order(&page(&site, &next.replace("&amp;", "&")).await).1.is_some());
    let sets = page(&site, "/space/notes?level=duplicates").await;
    assert!(sets.contains(&format!("/cluster/{}?level=duplicates", id("crash1"))), "{sets}");
    assert!(page(&site, "/space/nothing").await.contains("Nothing more"));
    for wrong in
        ["sort=best", "status=odd", "min_items=x", "limit=100000", "cursor=x", "level=duplicates&status=new"]
    {
        assert_eq!(visit(&site, &format!("/space/notes?{wrong}")).await.status, 400, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_shows_its_items_and_jobs() {
    let site = site().await;
    let path = format!("/cluster/{}", id("crash1"));
    let text = page(&site, &path).await;
    for part in [
        "Pull request",
        "3 items",
        "the app crashes with photos",
        "/subnode/garden/u/crash3.md",
        "one of near-duplicates",
        "href=\"https://x.example/pull/7?a=%22b%22\"",
        "rel=\"nofollow noopener noreferrer\"",
        "(no address)",
        "start_fix",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let other = visit(&site, &format!("/cluster/{}", id("crash3"))).await;
    assert_eq!((other.status, other.header("location")), (302, path.as_str()));
    let set = page(&site, &format!("/cluster/{}?level=duplicates", id("crash1"))).await;
    assert!(
        set.contains("2 items") && set.contains("The whole cluster") && !set.contains("start_fix"),
        "{set}"
    );
    let (mut path, mut items) = (format!("{path}?limit=1"), 0);
    loop {
        let text = page(&site, &path).await;
        items += text.matches("/subnode/garden/u/crash").count() - 1;
        let Some(next) = text.split("rel=\"next\" href=\"").nth(1) else { break };
        path = next.split('"').next().unwrap().replace("&amp;", "&") + "&limit=1";
    }
    assert_eq!(items, 3);
    for nothing in ["/cluster/cffff", "/cluster/%00", &format!("/cluster/{}?level=duplicates", id("billing"))]
    {
        let got = visit(&site, nothing).await;
        assert_eq!(got.status, 404, "{nothing}");
        assert_page(&got, nothing);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_shows_how_it_went() {
    let site = site().await;
    let jobs: Vec<Job> = (1..=3).map(|number| job(number, "c", JobState::Failed)).collect();
    let failed = page(&site, &format!("/job/{}", jobs[0].id)).await;
    assert!(failed.contains("line 1\nline 2\nline 3"), "{failed}");
    assert!(failed.contains("&lt;script&gt;") && failed.contains(&format!("/v1/jobs/{}/logs", jobs[0].id)));
    let done = page(&site, &format!("/job/{}", jobs[1].id)).await;
    assert!(done.contains("fix/photos") && done.contains(&format!("/cluster/{}", id("crash2"))), "{done}");
    assert!(page(&site, &format!("/job/{}", jobs[2].id)).await.contains("which is gone"));
    for (wrong, status) in [("/job/00000000000000000000000000", 404), ("/job/x", 400)] {
        assert_eq!(visit(&site, wrong).await.status, status, "{wrong}");
    }
}
