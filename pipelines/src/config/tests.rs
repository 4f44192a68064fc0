use super::*;
use std::io::Write as _;

fn from(text: &str) -> Result<Config, ConfigError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    load(&Origin { file: Some(file.path().to_path_buf()), flags: vec![] })
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_one() {
    let error = from("[runtime]\nworker = 2\n").unwrap_err().to_string();
    assert!(error.contains("there is no key `worker`; did you mean `workers`?"), "{error}");
    assert!(error.contains("runtime"), "{error}");
    let error = from("data_dri = \"x\"\n").unwrap_err().to_string();
    assert!(error.contains("did you mean `data_dir`?"), "{error}");
}

#[test]
fn a_wrong_value_says_where() {
    let error = from("[store]\nengine = \"sledd\"\n").unwrap_err().to_string();
    assert!(error.contains("store.engine") && error.contains("sled"), "{error}");
    let error = from("[runtime]\nworkers = 0\n").unwrap_err().to_string();
    assert!(error.contains("runtime.workers"), "{error}");
    let error = from("[retention]\ndays = 3\n").unwrap_err().to_string();
    assert!(error.contains("retention.days"), "{error}");
    from("[retention]\ndays = 7\n").unwrap();
}

#[test]
fn clusters_by_meaning_need_a_model() {
    let by_meaning = "[clusters]\nembedding = \"semantic\"\n";
    let error = from(by_meaning).unwrap_err().to_string();
    assert!(error.contains("clusters.embedding") && error.contains("embedding.model_dir"), "{error}");
    let config = from(&format!("[embedding]\nmodel_dir = \"models/minilm\"\n{by_meaning}")).unwrap();
    assert_eq!(config.at_rest().embedding.model_dir, None, "what only reads needs none");
}

#[test]
fn flags_win_over_the_file() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"[runtime]\nworkers = 2\nclock_secs = 5\n").unwrap();
    let flags = vec![("runtime.workers".to_owned(), figment::value::Value::from(3))];
    let config = load(&Origin { file: Some(file.path().to_path_buf()), flags }).unwrap();
    assert_eq!((config.runtime.workers, config.runtime.clock_secs), (3, 5));
}

#[test]
fn the_example_is_a_configuration_and_names_every_key() {
    let example = example();
    let config = from(&example).unwrap();
    assert_eq!(config.runtime.workers, Config::default().runtime.workers);
    // Uncommented, every key that has a default must be known and of the right type.
    let keys: Vec<&str> = example
        .lines()
        .take_while(|line| !line.contains("[sources."))
        .map(|line| {
            line.strip_prefix("# ")
                .filter(|rest| rest.contains(" = ") && !rest.contains(". "))
                .unwrap_or(line)
        })
        .filter(|line| {
            line.starts_with('[')
                || line
                    .split_once(" = ")
                    .is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        })
        .collect();
    from(&keys.join("\n")).unwrap();
    for key in ["workers", "snapshot_after_hours", "listen", "engine", "half_life_hours"] {
        assert!(keys.iter().any(|line| line.starts_with(key)), "{key} is not in the example:\n{example}");
    }
    for line in ["# [agents.my-agent]", "# command = []", "# max_log_bytes = 1048576"] {
        assert!(example.lines().any(|is| is == line), "{line} is not in the example:\n{example}");
    }
    for kind in ["files", "git"] {
        assert!(example.contains(&format!("type = \"{kind}\"")), "{kind} is not in the example:\n{example}");
    }
}
