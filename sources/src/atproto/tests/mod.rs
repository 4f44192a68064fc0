//! The protocol against its shared vectors and against what was recorded from the network.

mod car;
mod data;
mod frame;
mod key;
mod mst;
mod mutated;
pub(crate) mod recorded;
mod repo;
pub(crate) mod scenario;
mod syntax;
mod verify;
mod writer;

use std::path::{Path, PathBuf};

/// A file of the shared vectors, which are in the repository.
fn vectors(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/atproto/interop").join(path);
    std::fs::read_to_string(path).unwrap()
}

/// A file of the recorded data, which isn't: without the folder a test is skipped.
pub(crate) fn recorded(path: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("SPRINGLINE_TEST_DATA") else {
        println!("skipped: SPRINGLINE_TEST_DATA isn't set");
        return None;
    };
    let path = Path::new(&folder).join("atproto").join(path);
    assert!(path.exists(), "{} is missing", path.display());
    Some(path)
}

pub(crate) fn recorded_bytes(path: &str) -> Option<Vec<u8>> {
    recorded(path).map(|path| std::fs::read(path).unwrap())
}

pub(crate) fn recorded_json(path: &str) -> Option<serde_json::Value> {
    recorded_bytes(path).map(|bytes| serde_json::from_slice(&bytes).unwrap())
}

fn base64(text: &str) -> Vec<u8> {
    use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
    BASE64_STANDARD_NO_PAD.decode(text.trim_end_matches('=')).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}
