//! How a Kafka cluster is reached: the same for all that talk to one.

use crate::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// How a Kafka cluster is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaClient {
    /// Where to begin: `host:port` of a few brokers.
    pub brokers: Vec<String>,
    /// Whether connections are encrypted, and who asks.
    pub security: KafkaSecurity,
    /// With SASL: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub sasl_mechanism: String,
    /// With SASL: the user.
    pub sasl_user: Option<String>,
    /// With SASL: the password.
    #[schemars(with = "Option<String>")]
    pub sasl_password: Option<Secret>,
    /// With TLS: a file with the certificates that brokers' are checked against; without, the system's.
    pub ca_file: Option<PathBuf>,
    /// With TLS: a file with a certificate of our own.
    pub certificate_file: Option<PathBuf>,
    /// With TLS: a file with its key.
    pub key_file: Option<PathBuf>,
    /// Further properties of librdkafka, as they are.
    pub properties: BTreeMap<String, String>,
}

impl Default for KafkaClient {
    fn default() -> Self {
        Self {
            brokers: vec!["127.0.0.1:9092".into()],
            security: KafkaSecurity::default(),
            sasl_mechanism: "SCRAM-SHA-512".into(),
            sasl_user: None,
            sasl_password: None,
            ca_file: None,
            certificate_file: None,
            key_file: None,
            properties: BTreeMap::new(),
        }
    }
}

/// Whether connections are encrypted, and who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KafkaSecurity {
    /// Neither.
    #[default]
    Plaintext,
    /// TLS.
    Ssl,
    /// A user, over a plain connection.
    SaslPlaintext,
    /// A user, over TLS.
    SaslSsl,
}

impl KafkaClient {
    /// As librdkafka's properties; those that are given as they are come last, and win.
    #[must_use]
    pub fn properties(&self) -> Vec<(String, String)> {
        let security = match self.security {
            KafkaSecurity::Plaintext => "plaintext",
            KafkaSecurity::Ssl => "ssl",
            KafkaSecurity::SaslPlaintext => "sasl_plaintext",
            KafkaSecurity::SaslSsl => "sasl_ssl",
        };
        let has_sasl = matches!(self.security, KafkaSecurity::SaslPlaintext | KafkaSecurity::SaslSsl);
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
        let password = self.sasl_password.as_ref().map(|password| password.reveal().to_owned());
        let set = [
            ("bootstrap.servers", Some(self.brokers.join(","))),
            ("security.protocol", Some(security.to_owned())),
            ("sasl.mechanism", has_sasl.then(|| self.sasl_mechanism.clone())),
            ("sasl.username", self.sasl_user.clone().filter(|_| has_sasl)),
            ("sasl.password", password.filter(|_| has_sasl)),
            ("ssl.ca.location", path(&self.ca_file)),
            ("ssl.certificate.location", path(&self.certificate_file)),
            ("ssl.key.location", path(&self.key_file)),
        ];
        let set = set.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        set.chain(self.properties.iter().map(|(key, value)| (key.clone(), value.clone()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_left_to_the_library() {
        let mut client = KafkaClient { brokers: vec!["a:1".into(), "b:2".into()], ..Default::default() };
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let plain = [pair("bootstrap.servers", "a:1,b:2"), pair("security.protocol", "plaintext")];
        assert_eq!(client.properties(), plain);
        client.security = KafkaSecurity::SaslSsl;
        client.sasl_password = Some(Secret::new("s"));
        client.properties.insert("client.id".into(), "x".into());
        let properties = client.properties();
        assert!(properties.contains(&pair("sasl.password", "s")));
        assert_eq!(properties.last(), Some(&pair("client.id", "x")));
        assert!(!format!("{client:?}").contains("\"s\""));
    }
}
