//! Other readers of what Springline writes.

use std::{env, path::Path, process::Command};

/// Runs a Python script that must succeed, and gives what it printed. Without `SPRINGLINE_TEST_PYTHON`, a Python that has
/// duckdb, polars and pyarrow, it says so and gives nothing.
///
/// # Panics
/// The script fails.
#[must_use]
#[track_caller]
pub fn python(script: &str, arguments: &[&Path]) -> Option<Vec<u8>> {
    let Some(python) = env::var_os("SPRINGLINE_TEST_PYTHON").filter(|python| Path::new(python).exists())
    else {
        eprintln!("skipped: SPRINGLINE_TEST_PYTHON names no Python with duckdb, polars and pyarrow");
        return None;
    };
    let read = Command::new(python).args(["-c", script]).args(arguments).output().expect("Python runs");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    Some(read.stdout)
}
