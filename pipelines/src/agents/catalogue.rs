//! The agents there are, and what they are at: shared by the runner and the server.

use super::config::AgentConfig;
use parking_lot::Mutex;
use springline_model::{
    JobId, Timestamp,
    job::{MAX_AGENT_BYTES, MAX_LOG_BYTES, Opening},
};
use springline_queries::control::{AgentKind, AgentStatus, ControlError, Instance, InstancePhase, JobOrder};
use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

/// The shortest secret that is taken.
const MIN_SECRET_CHARS: usize = 16;

/// Why an agent of the configuration can't be set to work.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The name can't be one.
    #[error("agents.{0}: a name has 1 to {MAX_AGENT_BYTES} of a-z, A-Z, 0-9, `-` and `_`")]
    Name(String),
    /// What to do is not said, or twice.
    #[error("agents.{0}: set one of `command` and `webhook`")]
    Means(String),
    /// A number that makes no sense.
    #[error("agents.{name}.{key} must be {range}")]
    Range {
        /// Whose.
        name: String,
        /// Which.
        key: &'static str,
        /// What it may be.
        range: &'static str,
    },
    /// The URL is none.
    #[error("agents.{0}.webhook must be an http or https URL")]
    Url(String),
    /// A webhook can't be signed.
    #[error(
        "agents.{0}: a webhook needs one of `secret` and `secret_file`, of at least {MIN_SECRET_CHARS} characters"
    )]
    Secret(String),
    /// The secret's file can't be read.
    #[error("agents.{name}.secret_file {path}: {source}")]
    SecretFile {
        /// Whose.
        name: String,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// How an agent is set to work.
#[derive(Clone, Debug)]
pub(super) enum Means {
    Command(Vec<String>),
    Webhook { url: reqwest::Url, secret: Arc<str> },
}

/// An agent.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) means: Means,
    pub(super) config: AgentConfig,
}

impl Agent {
    fn new(name: &str, config: &AgentConfig) -> Result<Self, AgentError> {
        let own = || name.to_owned();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if name.is_empty() || name.len() > MAX_AGENT_BYTES || !name.bytes().all(is_name) {
            return Err(AgentError::Name(name.chars().take(MAX_AGENT_BYTES).collect()));
        }
        for (key, fits, range) in [
            ("timeout_secs", (1..=604_800).contains(&config.timeout_secs), "between 1 and 604800"),
            ("grace_secs", config.grace_secs <= 600, "at most 600"),
            ("concurrency", (1..=256).contains(&config.concurrency), "between 1 and 256"),
            ("retries", config.retries <= 100, "at most 100"),
            ("max_log_bytes", (1..=MAX_LOG_BYTES).contains(&config.max_log_bytes), "between 1 and 8388608"),
        ] {
            if !fits {
                return Err(AgentError::Range { name: own(), key, range });
            }
        }
        let means = match (&config.command[..], &config.webhook) {
            ([program, ..], None) if !program.is_empty() => Means::Command(config.command.clone()),
            ([], Some(url)) => {
                let url =
                    reqwest::Url::parse(url).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
                let url = url.ok_or_else(|| AgentError::Url(own()))?;
                Means::Webhook { url, secret: secret(name, config)? }
            }
            _ => return Err(AgentError::Means(own())),
        };
        Ok(Self { means, config: config.clone() })
    }

    pub(super) const fn timeout(&self) -> Duration {
        Duration::from_secs(self.config.timeout_secs)
    }

    pub(super) const fn grace(&self) -> Duration {
        Duration::from_secs(self.config.grace_secs)
    }

    const fn kind(&self) -> AgentKind {
        match self.means {
            Means::Command(_) => AgentKind::Command,
            Means::Webhook { .. } => AgentKind::Webhook,
        }
    }
}

fn secret(name: &str, config: &AgentConfig) -> Result<Arc<str>, AgentError> {
    let secret = match (&config.secret, &config.secret_file) {
        (Some(secret), None) => secret.reveal().to_owned(),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path).map_err(|source| AgentError::SecretFile {
                name: name.to_owned(),
                path: path.clone(),
                source,
            })?;
            text.lines().next().unwrap_or_default().trim().to_owned()
        }
        _ => String::new(),
    };
    if secret.chars().count() < MIN_SECRET_CHARS {
        return Err(AgentError::Secret(name.to_owned()));
    }
    Ok(secret.into())
}

/// The catalogue of agents, and what they are at. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Agents(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    agents: BTreeMap<String, Arc<Agent>>,
    at_work: Mutex<BTreeMap<JobId, (String, Instance)>>,
    /// Where the server answers: on this machine, and for others.
    urls: OnceLock<(String, String)>,
}

impl Agents {
    /// Of the configuration; reads the secrets' files.
    ///
    /// # Errors
    /// An agent's settings make no sense.
    pub fn open(configs: &BTreeMap<String, AgentConfig>) -> Result<Self, AgentError> {
        let agent =
            |(name, config): (&String, &AgentConfig)| Ok((name.clone(), Arc::new(Agent::new(name, config)?)));
        let agents = configs.iter().map(agent).collect::<Result<_, AgentError>>()?;
        Ok(Self(Arc::new(Shared { agents, at_work: Mutex::default(), urls: OnceLock::new() })))
    }

    /// Says where the server answers, and as what others know it: only then are agents set to work. The first word
    /// counts.
    pub fn serve_at(&self, mut address: SocketAddr, public_url: Option<&str>) {
        if address.ip().is_unspecified() {
            address.set_ip(IpAddr::from([127, 0, 0, 1]));
        }
        let local = format!("http://{address}");
        let public = public_url.map_or_else(|| local.clone(), |url| url.trim_end_matches('/').to_owned());
        let _ = self.0.urls.set((local, public));
    }

    /// Where the server answers on this machine, and for others.
    pub(super) fn urls(&self) -> Option<&(String, String)> {
        self.0.urls.get()
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<Agent>> {
        self.0.agents.get(name).cloned()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.0.agents.keys().cloned().collect()
    }

    /// What the server shows.
    #[must_use]
    pub fn status(&self) -> Vec<AgentStatus> {
        let at_work = self.0.at_work.lock();
        let instances = |name: &String| {
            at_work
                .values()
                .filter(|(agent, _)| agent == name)
                .map(|(_, instance)| instance.clone())
                .collect()
        };
        let agents = self.0.agents.iter().map(|(name, agent)| AgentStatus {
            name: name.clone(),
            kind: agent.kind(),
            concurrency: agent.config.concurrency,
            timeout_secs: agent.config.timeout_secs,
            retries: agent.config.retries,
            instances: instances(name),
        });
        agents.collect()
    }

    /// The order for a job, with its agent's bounds.
    ///
    /// # Errors
    /// There is no such agent.
    pub(crate) fn opening(&self, order: JobOrder) -> Result<Opening, ControlError> {
        let JobOrder { agent, snapshot, .. } = order;
        let Some(of) = self.get(&agent) else {
            let name = agent.chars().take(MAX_AGENT_BYTES).collect();
            return Err(ControlError::UnknownAgent { name, known: self.names() });
        };
        let AgentConfig { retries, max_log_bytes, .. } = of.config;
        Ok(Opening { agent, snapshot, retries, max_log_bytes })
    }

    /// Those at work for an agent, and whether one is at work on a cluster.
    pub(super) fn busy(&self, name: &str) -> usize {
        self.0.at_work.lock().values().filter(|(agent, _)| agent == name).count()
    }

    pub(super) fn is_at(&self, cluster: &springline_model::ClusterId) -> bool {
        self.0.at_work.lock().values().any(|(_, instance)| instance.cluster == *cluster)
    }

    /// Notes that an agent is at a job, until what is given back is dropped.
    pub(super) fn begin(&self, job: &springline_model::Job, attempt: u32) -> AtWork {
        let instance = Instance {
            job: job.id,
            cluster: job.cluster.clone(),
            attempt,
            phase: InstancePhase::Starting,
            since: Timestamp::now(),
            pid: None,
            said_bytes: 0,
        };
        self.0.at_work.lock().insert(job.id, (job.agent.clone(), instance));
        AtWork { agents: self.clone(), job: job.id }
    }
}

/// An agent at work, as the server shows it.
#[derive(Debug)]
pub(super) struct AtWork {
    agents: Agents,
    job: JobId,
}

impl AtWork {
    pub(super) fn change(&self, change: impl FnOnce(&mut Instance)) {
        if let Some((_, instance)) = self.agents.0.at_work.lock().get_mut(&self.job) {
            change(instance);
        }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.agents.0.at_work.lock().remove(&self.job);
    }
}
