//! What can be told without a process: see `tests/jobs` for the rest.

use super::{AgentConfig, AgentError, Agents, webhook::sign};
use springline_model::Secret;
use std::collections::BTreeMap;

fn open(name: &str, change: impl FnOnce(&mut AgentConfig)) -> Result<Agents, AgentError> {
    let mut config = AgentConfig::default();
    change(&mut config);
    Agents::open(&BTreeMap::from([(name.to_owned(), config)]))
}

#[test]
fn signs_as_rfc_4231_has_it() {
    // Test case 2.
    let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(sign("Jefe", b"what do ya want for nothing?"), expected);
}

#[test]
fn refuses_what_makes_no_sense() {
    let command = |config: &mut AgentConfig| config.command = vec!["true".into()];
    let webhook = |config: &mut AgentConfig| {
        config.webhook = Some("https://agent.example/hook".into());
        config.secret = Some(Secret::new("a secret of some length"));
    };
    assert!(open("fixer-1_A", command).is_ok() && open("fixer", webhook).is_ok());
    assert!(matches!(open("a fixer", command), Err(AgentError::Name(_))));
    assert!(matches!(open("", command), Err(AgentError::Name(_))));
    assert!(matches!(open("fixer", |_| ()), Err(AgentError::Means(_))));
    let both = |config: &mut AgentConfig| {
        command(config);
        webhook(config);
    };
    assert!(matches!(open("fixer", both), Err(AgentError::Means(_))));
    let unsigned = |config: &mut AgentConfig| config.webhook = Some("https://agent.example".into());
    assert!(matches!(open("fixer", unsigned), Err(AgentError::Secret(_))));
    let no_url = |config: &mut AgentConfig| {
        webhook(config);
        config.webhook = Some("file:///etc/passwd".into());
    };
    assert!(matches!(open("fixer", no_url), Err(AgentError::Url(_))));
    let forever = |config: &mut AgentConfig| {
        command(config);
        config.timeout_secs = 0;
    };
    assert!(matches!(open("fixer", forever), Err(AgentError::Range { key: "timeout_secs", .. })));
}
