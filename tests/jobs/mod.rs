//! Agents at work: from one call to the pull request, whatever is killed on the way, and agents that misbehave.

mod compat;
mod faults;
mod feedback;
mod follow;
mod hostile;
mod webhook;

use serde_json::{Value, json};
use springline_tests::{Server, Springline, eventually, get_with};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// What every agent of these tests does first: it takes a lock that only ends with all its processes, and notes that
/// it has begun, its token and whether another one was there.
const PREAMBLE: &str = r#"
exec 9>"$DIR/lock"; flock -n 9 || echo twice >> "$DIR/runs"
echo run >> "$DIR/runs"; printf %s "$JOB_TOKEN" > "$DIR/token.new"; mv "$DIR/token.new" "$DIR/token"
"#;

/// A Springline with one agent, `fixer`.
struct Site {
    dir: TempDir,
    springline: Springline,
}

impl Site {
    /// Whose agent is a shell script.
    fn new(script: &str, settings: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("agent.sh");
        fs::write(&file, format!("{PREAMBLE}{script}")).unwrap();
        Self::with(dir, &["sh", &file.to_string_lossy()], settings)
    }

    fn with(dir: TempDir, command: &[&str], settings: &str) -> Self {
        let config = format!(
            "[identity]\noffline = true\n[agents.fixer]\ncommand = {command:?}\nenv = {{ DIR = {:?} }}\n{settings}\n",
            dir.path()
        );
        let file = dir.path().join("springline.toml");
        fs::write(&file, config).unwrap();
        let springline = Springline::new(&dir.path().join("data")).configured(&file);
        Self { dir, springline }
    }

    fn serve(&self) -> Server {
        let server = self.springline.serve_configured();
        server.ready();
        server
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn go(&self) {
        fs::write(self.path("go"), "").unwrap();
    }

    /// The token of the last agent that has begun.
    fn token(&self) -> String {
        eventually("the agent begins", PATIENCE, || fs::read_to_string(self.path("token")).ok())
    }

    /// How often agents have begun; never two at once.
    #[track_caller]
    fn runs(&self) -> usize {
        let runs = fs::read_to_string(self.path("runs")).unwrap_or_default();
        assert!(!runs.contains("twice"), "two agents at once");
        runs.lines().count()
    }

    /// Waits until no process has the agents' lock.
    fn is_quiet(&self) {
        eventually("every process is gone", PATIENCE, || {
            let status = Command::new("flock").args(["-n"]).arg(self.path("lock")).arg("true").status();
            status.unwrap().success().then_some(())
        });
    }
}

#[track_caller]
fn start(server: &Server, cluster: &str) -> String {
    let answer = server.post(
        &format!("/v1/clusters/{cluster}/start_fix"),
        &json!({ "agent": "fixer", "snapshot": { "title": "It is broken" } }).to_string(),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["job"].as_str().unwrap().to_owned()
}

fn job(server: &Server, id: &str) -> Value {
    server.get(&format!("/v1/jobs/{id}")).json()
}

#[track_caller]
fn until(server: &Server, id: &str, state: &str) -> Value {
    eventually(&format!("{id} is {state}"), PATIENCE, || {
        let job = job(server, id);
        let over = ["success", "failed", "cancelled"].iter().any(|over| job["state"] == *over);
        assert!(job["state"] == state || !over, "{job}");
        (job["state"] == state).then_some(job)
    })
}

fn cluster(server: &Server, id: &str) -> Value {
    server.get(&format!("/v1/clusters/{id}/state")).json()["state"].clone()
}

fn git(repository: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").arg("-C").arg(repository).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn one_call_leads_to_a_pull_request() {
    let dir = TempDir::new().unwrap();
    let repository = dir.path().join("repository");
    fs::create_dir(&repository).unwrap();
    git(&repository, &["init", "--quiet", "--initial-branch", "main"]);
    fs::write(repository.join("README.md"), "# Here\n").unwrap();
    git(&repository, &["add", "."]);
    let author = ["-c", "user.name=a", "-c", "user.email=a@b.invalid"];
    git(&repository, &[&author[..], &["commit", "--quiet", "--message", "Begin"]].concat());
    let agent = Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo/agents/patch.py");
    let command =
        ["python3", &agent.to_string_lossy(), &repository.to_string_lossy(), "https://git.example/{branch}"]
            .map(str::to_owned);
    let site = Site::with(dir, &command.each_ref().map(String::as_str), "");
    let server = site.serve();
    assert_eq!(cluster(&server, "c1"), "new");
    let id = start(&server, "c1");
    // Followed while it works, to its end.
    let logs = format!("/v1/jobs/{id}/logs");
    let followed = get_with(server.address, &logs, &[("accept", "text/event-stream")]).unwrap();
    let done = until(&server, &id, "success");
    let branch = format!("fix/{id}");
    assert_eq!((&done["branch"], &done["attempt"]), (&json!(branch), &json!(1)), "{done}");
    assert_eq!(done["pr_url"], json!(format!("https://git.example/{branch}")));
    assert_eq!((&done["progress"], &done["snapshot"]["title"]), (&json!("done"), &json!("It is broken")));
    assert_eq!(cluster(&server, "c1"), "pr_opened");
    assert!(git(&repository, &["log", "-1", "--format=%s", &branch]).contains("It is broken"));
    assert_eq!(git(&repository, &["status", "--porcelain"]), "", "what is checked out stays as it is");

    let text = server.get(&logs).text();
    assert!(text.contains("git worktree add"), "{text}");
    let stream = followed.text();
    assert!(stream.contains("event: end") && stream.contains("\"state\":\"success\""), "{stream}");
    let last = stream.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().unwrap().to_owned();
    let again = [("accept", "text/event-stream"), ("last-event-id", last.as_str())];
    let again = get_with(server.address, &logs, &again).unwrap().text();
    assert!(again.contains("event: end") && !again.contains("event: log"), "{again}");
    for (wrong, status) in [("99999", 400), ("x", 400)] {
        let headers = [("accept", "text/event-stream"), ("last-event-id", wrong)];
        assert_eq!(get_with(server.address, &logs, &headers).unwrap().status, status);
    }

    // What the operator says of it.
    assert_eq!(server.post("/v1/clusters/c1/resolve", "{}").status, 200);
    assert_eq!(cluster(&server, "c1"), "resolved");
    assert_eq!(server.post("/v1/clusters/c1/reopen", "{}").status, 200);
    assert_eq!(cluster(&server, "c1"), "new");

    assert_eq!(server.get("/v1/agents").json()["agents"][0]["name"], "fixer");
    let page = server.get("/v1/jobs?cluster=c1&state=success&agent=fixer").json();
    assert_eq!(page["items"][0]["id"], json!(id));
    for nothing in ["cluster=c2", "state=failed", "agent=other", "cluster=c1&state=pending"] {
        assert_eq!(server.get(&format!("/v1/jobs?{nothing}")).json()["items"], json!([]), "{nothing}");
    }
    let order = |agent: &str, cluster: &str| {
        server.post("/v1/jobs", &json!({ "agent": agent, "cluster": cluster }).to_string()).status
    };
    assert_eq!((order("nobody", "c1"), order("fixer", "")), (404, 400));
    assert_eq!(server.get("/v1/jobs/x").status, 400);
    assert_eq!(server.get("/v1/jobs/00000000000000000000000000").status, 404);
    server.stop();
    // And without a server, from the folder.
    let listed = site.springline.run(&["jobs", "list", "--cluster", "c1"]);
    assert!(listed.contains(&id) && listed.contains("git.example"), "{listed}");
    assert!(site.springline.run(&["jobs", "logs", &id]).contains("git worktree add"));
    assert!(site.springline.run(&["jobs", "show", &id]).contains("It is broken"));
    let tables = site.path("tables");
    site.springline.run(&["export", "--out", &tables.to_string_lossy()]);
    let manifest: Value = serde_json::from_slice(&fs::read(tables.join("manifest.json")).unwrap()).unwrap();
    let rows = |table: &str| manifest["tables"][table]["rows"].as_u64().unwrap();
    assert_eq!((rows("jobs"), rows("cluster_jobs"), rows("cluster_states"), rows("job_queue")), (1, 1, 1, 0));
    assert!(rows("job_logs") > 1);
}
