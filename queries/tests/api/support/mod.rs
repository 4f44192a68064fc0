//! A server with a small world behind it.

mod clusters;
pub(crate) mod network;
mod world;
mod written;

pub(crate) use world::{State, World, garden, link, note, shown};
pub(crate) use written::written;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Value, json};
use springline_model::{
    Epoch, Event, Job, JobId, Label, Project, Secret, Timestamp, Uri, Vector, job::Opening,
};
use springline_queries::{
    ClusterConfig, Control, ControlError, Phase, Progress, RuntimeStatus, Server, ServerConfig,
    SourceCommand, SourceStatus,
    control::{
        AgentStatus, FeedbackError, JobOrder, LabelDraft, LabelNotice, Outcome, OutcomeStatus, Taken, Told,
    },
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const TOKEN: &str = "a token for the tests";
pub(crate) const SECRET: &str = "a secret for the tests";

/// The process behind the server, as far as the server sees it.
#[derive(Default)]
pub(crate) struct Process {
    pub(crate) hydrating: AtomicBool,
    pub(crate) stopping: AtomicBool,
    pub(crate) submitted: Mutex<Vec<Event>>,
    pub(crate) commands: Mutex<Vec<(String, SourceCommand)>>,
    pub(crate) met: Mutex<Vec<Uri>>,
    /// What every text means.
    pub(crate) meaning: Mutex<Option<Vector>>,
    pub(crate) projects: Mutex<Vec<Project>>,
    pub(crate) agents: Mutex<Vec<AgentStatus>>,
    pub(crate) told: Mutex<Vec<Told>>,
    pub(crate) orders: Mutex<Vec<JobOrder>>,
    world: Mutex<Option<World>>,
}

#[async_trait]
impl Control for Process {
    fn status(&self) -> RuntimeStatus {
        let ready = !self.hydrating.load(Ordering::SeqCst);
        let applied = self.world.lock().as_ref().map_or(Epoch::ZERO, World::epoch);
        let source = |name: &str, detail: Value| SourceStatus {
            name: name.into(),
            detail: detail.as_object().cloned().unwrap_or_default(),
        };
        RuntimeStatus {
            ready,
            phase: if ready { Phase::Live } else { Phase::Hydrating },
            progress: if ready {
                Vec::new()
            } else {
                vec![Progress { name: "hydrating".into(), done: 1, total: Some(3) }]
            },
            sealed: applied,
            applied,
            started: Timestamp::from_secs(1),
            sources: vec![
                source("gardens", json!({ "state": "live" })),
                source("issues", json!({ "kind": "github", "partitions": { "acme/shop": {} } })),
            ],
        }
    }

    async fn embed(&self, _title: &str, _text: &str) -> Option<Vector> {
        self.meaning.lock().clone()
    }

    fn metrics(&self) -> String {
        "# TYPE springline_test_total counter\nspringline_test_total 1\n".into()
    }

    async fn submit(&self, events: Vec<Event>) -> Result<Epoch, ControlError> {
        if self.stopping.load(Ordering::SeqCst) {
            return Err(ControlError::Unavailable("the process is stopping".into()));
        }
        self.submitted.lock().extend(events);
        let world = self.world.lock().clone();
        let world = world.ok_or_else(|| ControlError::Failed("no world".into()))?;
        let epoch = world.epoch().next();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(150)).await;
            world.change(|_| {});
        });
        Ok(epoch)
    }

    async fn take_feedback(&self, told: Told) -> Result<Taken, FeedbackError> {
        if self.projects.lock().is_empty() {
            return Err(FeedbackError::UnknownProject("none is configured".into()));
        }
        let before = self.told.lock().contains(&told);
        let status = if before { OutcomeStatus::Duplicate } else { OutcomeStatus::Accepted };
        let uri = Some(Uri::new(format!("feedback://notes/{}/1", told.source)));
        self.told.lock().push(told);
        let epoch = self.submit(Vec::new()).await?;
        Ok(Taken { epoch, items: vec![Outcome { status, uri, reason: None }] })
    }

    fn projects(&self) -> Vec<Project> {
        self.projects.lock().clone()
    }

    fn agents(&self) -> Vec<AgentStatus> {
        self.agents.lock().clone()
    }

    async fn order_job(&self, order: JobOrder) -> Result<(JobId, Epoch), ControlError> {
        if !self.agents.lock().iter().any(|agent| agent.name == order.agent) {
            return Err(ControlError::UnknownAgent { name: order.agent, known: Vec::new() });
        }
        let world = self.world.lock().clone().ok_or_else(|| ControlError::Failed("no world".into()))?;
        let (at, opening) = (
            Timestamp::from_secs(50),
            Opening { agent: order.agent.clone(), snapshot: String::new(), retries: 0, max_log_bytes: 1 },
        );
        let id = JobId::new(at, 1);
        world.change(|state| state.jobs.push(Job::open(id, order.cluster.clone(), 1, at, &opening)));
        self.orders.lock().push(order);
        Ok((id, world.epoch()))
    }

    fn meet(&self, did: &Uri) {
        self.met.lock().push(did.clone());
    }

    async fn issue_label(&self, _: LabelDraft) -> Result<(Label, Epoch), ControlError> {
        Err(ControlError::Refused("no labeler is configured".into()))
    }

    fn label_frame(&self, notice: &LabelNotice) -> Vec<u8> {
        format!("{notice:?}").into_bytes()
    }

    async fn source_command(&self, source: &str, command: SourceCommand) -> Result<Value, ControlError> {
        match (source, &command) {
            ("gardens", SourceCommand::Reset) => Err(ControlError::Refused("it is indexing".into())),
            ("gardens" | "issues", _) => {
                self.commands.lock().push((source.to_owned(), command));
                Ok(json!({ "changed": 2 }))
            }
            _ => Err(ControlError::UnknownSource { name: source.into(), known: vec!["gardens".into()] }),
        }
    }
}

/// Of how many processes a site is one.
fn processes() -> usize {
    std::env::var("SPRINGLINE_TEST_PROCESSES").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Whether a test can't be, because it looks at what one process has of its own.
pub(crate) fn is_spread(what: &str) -> bool {
    let is_spread = processes() > 1;
    if is_spread {
        println!("skipped: {what}");
    }
    is_spread
}

/// One of several processes.
pub(crate) fn cluster(process: usize, urls: &[String]) -> ClusterConfig {
    ClusterConfig {
        process,
        urls: urls.to_vec(),
        workers: world::WORKERS,
        secret: Secret::new(SECRET),
        deadline: ClusterConfig::DEADLINE,
    }
}

/// A running server.
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) process: Arc<Process>,
    pub(crate) url: String,
    pub(crate) stop: CancellationToken,
    pub(crate) server: JoinHandle<()>,
    pub(crate) http: reqwest::Client,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts that it is a well-formed problem of this kind.
    pub(crate) fn problem(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["type"], format!("/docs#{kind}"), "{problem}");
        assert_eq!(problem["status"], status);
        for field in ["title", "detail", "instance"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {problem}");
        }
        problem
    }

    /// The `field` of each item.
    pub(crate) fn items(&self, field: &str) -> Vec<String> {
        assert_eq!(self.status, 200, "{}", self.text);
        let json = self.json();
        let items = json["items"].as_array().unwrap_or_else(|| panic!("{json}"));
        items.iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
    }
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With `SPRINGLINE_TEST_PROCESSES` it is one of so many, each with a share of the world: nothing else must be
    /// different.
    pub(crate) async fn with(configure: impl Fn(&mut ServerConfig)) -> Self {
        Self::several(processes(), configure).await.swap_remove(0)
    }

    /// Servers with a share of the world each.
    pub(crate) async fn several(processes: usize, configure: impl Fn(&mut ServerConfig)) -> Vec<Self> {
        let world = World::of(processes);
        let any = "127.0.0.1:0".parse().unwrap();
        let mut bound = Vec::new();
        for process in 0..processes {
            bound.push(Self::bind(&world, process, any, &configure).await);
        }
        let urls: Vec<String> =
            bound.iter().map(|(_, server)| format!("http://{}", server.address())).collect();
        let sites = bound.into_iter().enumerate().map(|(at, (process, server))| {
            Self::run(world.clone(), process, (processes > 1).then(|| cluster(at, &urls)), server)
        });
        sites.collect()
    }

    pub(crate) async fn bind(
        world: &World,
        at: usize,
        listen: SocketAddr,
        configure: impl Fn(&mut ServerConfig),
    ) -> (Arc<Process>, Server) {
        let process = Arc::new(Process::default());
        *process.world.lock() = Some(world.clone());
        let mut config = ServerConfig { listen, token: Some(Secret::new(TOKEN)), ..ServerConfig::default() };
        configure(&mut config);
        let server = Server::bind(config, world.reader(at), process.clone()).await.unwrap();
        (process, server)
    }

    pub(crate) fn run(
        world: World,
        process: Arc<Process>,
        cluster: Option<ClusterConfig>,
        server: Server,
    ) -> Self {
        let server = match cluster {
            Some(cluster) => server.in_cluster(&cluster).unwrap(),
            None => server,
        };
        let url = format!("http://{}", server.address());
        let stop = CancellationToken::new();
        let server = tokio::spawn(server.run(stop.clone()));
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { world, process, url, stop, server, http }
    }

    /// A world with a few gardens in it.
    pub(crate) async fn garden() -> Self {
        let site = Self::start().await;
        site.world.change(world::garden);
        site
    }

    /// A world with a small network in it.
    pub(crate) async fn network() -> Self {
        let site = Self::start().await;
        site.world.change(network::network);
        site
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Got {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Got { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Got {
        self.send(self.request("GET", path)).await
    }

    /// With the token.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Got {
        self.send(self.request("POST", path).bearer_auth(TOKEN).json(body)).await
    }

    /// All pages of a list, with the fields of its items.
    pub(crate) async fn all(&self, path: &str, field: &str) -> Vec<String> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        let join = if path.contains('?') { '&' } else { '?' };
        loop {
            let page = self.get(&format!("{path}{cursor}")).await;
            all.extend(page.items(field));
            match page.json()["next"].as_str() {
                Some(next) => cursor = format!("{join}cursor={next}"),
                None => return all,
            }
            assert!(all.len() < 10_000, "a list without an end");
        }
    }
}
