//! What was recorded from the network.

use serde_json::Value;
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

/// The recorded data of the AT Protocol.
#[derive(Clone, Debug)]
pub struct Recorded(PathBuf);

impl Recorded {
    /// If `SPRINGLINE_TEST_DATA` names the folder. Says so if not.
    #[must_use]
    pub fn data() -> Option<Self> {
        let data = env::var_os("SPRINGLINE_TEST_DATA").map(|data| Self(Path::new(&data).join("atproto")));
        if data.is_none() {
            eprintln!("skipped: SPRINGLINE_TEST_DATA names no folder of recorded data");
        }
        data
    }

    /// A file.
    ///
    /// # Panics
    /// It is not there.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        assert!(path.exists(), "{} is missing", path.display());
        path
    }

    /// A file's bytes, unpacked.
    ///
    /// # Panics
    /// It can't be read.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let bytes = fs::read(self.path(name)).expect("it can be read");
        if Path::new(name).extension().is_some_and(|end| end == "zst") {
            zstd::decode_all(bytes.as_slice()).expect("it can be unpacked")
        } else {
            bytes
        }
    }

    /// A relay's frames in a row, with their numbers (which follow each other).
    ///
    /// # Panics
    /// They can't be read.
    #[must_use]
    pub fn frames(&self) -> Vec<(u64, Vec<u8>)> {
        const FIRST: u64 = 31_527_015_322;
        let bytes = self.bytes("jetstream-corpus/frames.bin.zst");
        let mut rest = bytes.as_slice();
        let mut frames = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let (frame, after) = after.split_at(u32::from_le_bytes(*length) as usize);
            frames.push((FIRST + frames.len() as u64, frame.to_vec()));
            rest = after;
        }
        frames
    }

    /// The same as lines of a Jetstream.
    ///
    /// # Panics
    /// They can't be read.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let bytes = self.bytes("jetstream-corpus/expected_v1.jsonl");
        String::from_utf8(bytes).expect("text").lines().map(str::to_owned).collect()
    }

    /// The documents of the accounts in the frames.
    ///
    /// # Panics
    /// They can't be read.
    #[must_use]
    pub fn documents(&self) -> BTreeMap<String, Value> {
        serde_json::from_slice(&self.bytes("jetstream-corpus/did_docs.json.zst")).expect("JSON")
    }
}
