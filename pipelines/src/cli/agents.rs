//! `springline agents`.

use super::{
    Global,
    client::{Client, block_on},
};
use serde_json::Value;

/// Asks the server.
pub(super) fn agents(global: &Global) -> anyhow::Result<()> {
    let config = global.load_quiet()?;
    block_on(async {
        let answer = Client::server(&config)?.get("/v1/agents", &[]).await?;
        println!("{:<20} {:<8} {:>11} {:>8}", "agent", "kind", "concurrency", "at work");
        for agent in answer.get("agents").and_then(Value::as_array).into_iter().flatten() {
            let text = |key: &str| agent.get(key).and_then(Value::as_str).unwrap_or_default();
            let instances = agent.get("instances").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let concurrency = agent.get("concurrency").and_then(Value::as_u64).unwrap_or_default();
            let count = instances.len();
            println!("{:<20} {:<8} {concurrency:>11} {count:>8}", text("name"), text("kind"));
            for instance in instances {
                let text = |key: &str| instance.get(key).and_then(Value::as_str).unwrap_or_default();
                let attempt = instance.get("attempt").and_then(Value::as_u64).unwrap_or_default();
                let pid = instance.get("pid").and_then(Value::as_u64);
                let pid = pid.map(|pid| format!(", process {pid}")).unwrap_or_default();
                println!(
                    "  {} of {}: {}, attempt {attempt}{pid}, since {}",
                    text("job"),
                    text("cluster"),
                    text("phase"),
                    text("since")
                );
            }
        }
        Ok(())
    })
}
