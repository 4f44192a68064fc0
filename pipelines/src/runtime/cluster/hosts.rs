//! Who the processes are: the file that `--hosts` names.
//!
//! ```text
//!  # dataflow-host:port      where its queries are answered
//!  10.0.0.1:2101             http://10.0.0.1:8080
//!  10.0.0.2:2101             http://10.0.0.2:8080
//! ```

use super::ClusterError;
use crate::config::ClusterConfig;
use springline_model::Secret;
use std::{collections::BTreeSet, fs, path::Path, time::Duration};

/// Most processes that may work together: each talks with every other one.
pub const MAX_PROCESSES: usize = 64;
/// A shorter secret could be tried out.
const MIN_SECRET: usize = 16;

/// Several processes, and which of them this is.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The number of this process.
    pub process: usize,
    /// All processes, by their numbers.
    pub hosts: Vec<Host>,
    /// Workers of the dataflow in each.
    pub workers: usize,
    /// What they know each other by.
    pub secret: Secret,
    /// Where this one listens for the others; none is its own address in `hosts`.
    pub(super) listen: Option<String>,
    /// How long another one may say nothing.
    pub(super) patience: Duration,
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Where the other processes reach it: `host:port`.
    pub dataflow: String,
    /// Where its queries are answered: a base URL, without a slash at its end.
    pub http: String,
}

impl Cluster {
    /// As it is configured; none if there is only one process.
    ///
    /// # Errors
    /// A file can't be read, or says something that can't be.
    pub fn open(config: &ClusterConfig, workers: usize) -> Result<Option<Self>, ClusterError> {
        if config.processes <= 1 {
            return Ok(None);
        }
        let read = |path: &Path| {
            fs::read_to_string(path).map_err(|error| ClusterError::File(path.to_path_buf(), error))
        };
        let path = config.hosts_file.as_deref().ok_or(ClusterError::NoHosts)?;
        let hosts = parse(&read(path)?, config.processes)
            .map_err(|reason| ClusterError::Hosts(path.to_path_buf(), reason))?;
        let path = config.secret_file.as_deref().ok_or(ClusterError::NoSecret)?;
        let secret = read(path)?.trim().to_owned();
        if secret.len() < MIN_SECRET {
            return Err(ClusterError::ShortSecret(path.to_path_buf()));
        }
        Ok(Some(Self {
            process: config.process,
            hosts,
            workers: workers.max(1),
            secret: Secret::new(secret),
            listen: config.listen.clone(),
            patience: Duration::from_secs(config.patience_secs.max(1)),
        }))
    }

    /// What its queries need to ask the other processes.
    #[must_use]
    pub fn queries(&self) -> springline_queries::ClusterConfig {
        springline_queries::ClusterConfig {
            process: self.process,
            urls: self.hosts.iter().map(|host| host.http.clone()).collect(),
            workers: self.workers,
            secret: self.secret.clone(),
            deadline: springline_queries::ClusterConfig::DEADLINE,
        }
    }

    /// How many processes there are.
    #[must_use]
    pub const fn processes(&self) -> usize {
        self.hosts.len()
    }
}

fn parse(text: &str, processes: usize) -> Result<Vec<Host>, String> {
    let lines = (1..).zip(text.lines()).map(|(number, line)| (number, line.trim()));
    let mut hosts = Vec::new();
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [dataflow, http] = words[..] else {
            return Err(format!("line {number} is not `host:port http://host:port`"));
        };
        let port = dataflow.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        if port.is_none_or(|(_, port)| port.parse::<u16>().map_or(0, |port| port) == 0) {
            return Err(format!("line {number}: `{dataflow}` is not host:port"));
        }
        let url = reqwest::Url::parse(http).ok();
        if url.is_none_or(|url| !matches!(url.scheme(), "http" | "https") || url.host().is_none()) {
            return Err(format!("line {number}: `{http}` is no http:// or https:// URL"));
        }
        hosts.push(Host { dataflow: dataflow.into(), http: http.trim_end_matches('/').into() });
        if hosts.len() > MAX_PROCESSES {
            return Err(format!("more than {MAX_PROCESSES} processes"));
        }
    }
    if hosts.len() != processes {
        return Err(format!("it names {} processes, there are {processes}", hosts.len()));
    }
    let different: BTreeSet<&str> = hosts.iter().map(|host| host.dataflow.as_str()).collect();
    if different.len() < hosts.len() {
        return Err("two processes have the same address".into());
    }
    Ok(hosts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line_a_process() {
        let text = "# ours\n\n a:1 http://a:80/\n[::1]:2   https://b\n";
        let host = |dataflow: &str, http: &str| Host { dataflow: dataflow.into(), http: http.into() };
        assert_eq!(parse(text, 2).unwrap(), [host("a:1", "http://a:80"), host("[::1]:2", "https://b")]);
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, reason) in [
            ("a:1 http://a", "it names 1 processes"),
            ("a:1 http://a\nb:2", "line 2 is not"),
            ("a http://a\nb:2 http://b", "`a` is not host:port"),
            ("a:0 http://a\nb:2 http://b", "`a:0` is not host:port"),
            ("a:1 ftp://a\nb:2 http://b", "`ftp://a` is no http"),
            ("a:1 http://a\na:1 http://b", "the same address"),
        ] {
            let error = parse(text, 2).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
