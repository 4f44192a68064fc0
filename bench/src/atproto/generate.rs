//! Commits of accounts that never were, at the mix of real ones.
//!
//! Of 150 operations that were recorded 105 are likes, 17 posts, 15 reposts and 9 follows; one of twenty takes something
//! back. Who is liked and followed is drawn as it is among people: the n-th best known about 1/n as often as the best.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use springline_model::Timestamp;
use springline_sources::atproto::{
    data,
    frame::Action,
    json::from_json,
    key::{Curve, SigningKey},
    syntax::{Did, Tid},
    writer::{RepoWriter, Write as Change},
};
use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

/// When it begins, in microseconds since 1970, and how long each commit is after the one before.
const BEGIN: u64 = 1_780_000_000_000_000;
const STEP: u64 = 500;
/// Targets that are asked for over HTTP.
const TARGETS: usize = 2_000;

/// What was generated, and where it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Generated {
    pub(super) frames: PathBuf,
    pub(super) lines: PathBuf,
    /// Frames that come after them.
    pub(super) paced: PathBuf,
    pub(super) targets: PathBuf,
    pub(super) commits: u64,
    pub(super) frame_bytes: u64,
    pub(super) line_bytes: u64,
    pub(super) record_bytes: u64,
}

/// Numbers by chance from a seed (SplitMix64).
struct Chance(u64);

impl Chance {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    const fn below(&mut self, n: u64) -> u64 {
        self.next() % if n == 0 { 1 } else { n }
    }

    /// Below `n`, small numbers more often: the k-th about 1/k as often as the first.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a draw"
    )]
    fn zipf(&mut self, n: u64) -> u64 {
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        (((n + 1) as f64).powf(unit) as u64).saturating_sub(1).min(n.saturating_sub(1))
    }
}

/// The DID of an account.
pub(super) fn did(seed: u64, number: u64) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut chance = Chance(seed ^ (number << 20));
    let text: String = (0..24).map(|_| char::from(DIGITS[(chance.below(32)) as usize])).collect();
    format!("did:plc:{text}")
}

fn key(number: u64) -> anyhow::Result<SigningKey> {
    let mut secret = [1; 32];
    secret[24..].copy_from_slice(&(number + 1).to_be_bytes());
    Ok(SigningKey::from_bytes(Curve::K256, &secret)?)
}

/// The DID document of an account.
pub(super) fn document(seed: u64, number: u64) -> anyhow::Result<Value> {
    let did = did(seed, number);
    Ok(json!({
        "id": did,
        "verificationMethod": [{
            "id": format!("{did}#atproto"), "type": "Multikey", "controller": did,
            "publicKeyMultibase": key(number)?.public().to_multikey(),
        }],
    }))
}

/// What is there already, or made now.
pub(super) fn generated(
    cache: &Path,
    seed: u64,
    accounts: u64,
    commits: u64,
    paced: u64,
) -> anyhow::Result<Generated> {
    let folder = cache.join(format!("{seed}-{accounts}-{commits}-{paced}"));
    let told = folder.join("generated.json");
    if let Ok(text) = fs::read(&told) {
        return Ok(serde_json::from_slice(&text)?);
    }
    fs::create_dir_all(&folder)?;
    eprintln!("generating {} commits of {accounts} accounts", commits + paced);
    let mut made = Generated {
        frames: folder.join("all.frames"),
        lines: folder.join("all.jsonl"),
        paced: folder.join("paced.frames"),
        targets: folder.join("targets.txt"),
        commits,
        ..Generated::default()
    };
    let mut world = World::new(seed, accounts)?;
    let (mut frames, mut lines) = (create(&made.frames)?, create(&made.lines)?);
    let mut later = create(&made.paced)?;
    for number in 1..=commits + paced {
        let Said { frame, line, record } = world.commit(number)?;
        let length = u32::try_from(frame.len())?.to_le_bytes();
        if number > commits {
            later.write_all(&length)?;
            later.write_all(&frame)?;
            continue;
        }
        frames.write_all(&length)?;
        frames.write_all(&frame)?;
        writeln!(lines, "{line}")?;
        made.frame_bytes += frame.len() as u64 + 4;
        made.line_bytes += line.len() as u64 + 1;
        made.record_bytes += record;
    }
    for mut file in [frames, lines, later] {
        file.flush()?;
    }
    fs::write(&made.targets, world.targets().join("\n"))?;
    fs::write(&told, serde_json::to_vec(&made)?)?;
    Ok(made)
}

fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| format!("{} can't be made", path.display()))?;
    Ok(BufWriter::with_capacity(1 << 20, file))
}

struct Said {
    frame: Vec<u8>,
    line: String,
    record: u64,
}

/// A record that was made.
struct Made {
    account: u64,
    path: String,
}

struct World {
    seed: u64,
    chance: Chance,
    repos: Vec<RepoWriter>,
    dids: Vec<String>,
    /// The posts, the best known first: as they come.
    posts: Vec<(u64, String, String)>,
    /// What may be taken back.
    made: Vec<Made>,
}

impl World {
    fn new(seed: u64, accounts: u64) -> anyhow::Result<Self> {
        let mut repos = Vec::new();
        for number in 0..accounts {
            let did = Did::new(&did(seed, number)).map_err(|error| anyhow::anyhow!("{error}"))?;
            repos.push(RepoWriter::new(did, key(number)?, BEGIN)?);
        }
        let dids = (0..accounts).map(|number| did(seed, number)).collect();
        Ok(Self { seed, chance: Chance(seed), repos, dids, posts: Vec::new(), made: Vec::new() })
    }

    fn commit(&mut self, number: u64) -> anyhow::Result<Said> {
        let micros = BEGIN + number * STEP;
        let time = Timestamp(i64::try_from(micros / 1000)?).to_rfc3339();
        if self.chance.below(20) == 0 && !self.made.is_empty() {
            let at = self.chance.below(self.made.len() as u64);
            let Made { account, path } = self.made.swap_remove(usize::try_from(at)?);
            return self.write(account, &path, None, number, micros, &time);
        }
        let account = self.chance.zipf(self.repos.len() as u64 * 4) % self.repos.len() as u64;
        let rkey = Tid::new(micros, 7).to_string();
        let (collection, record) = self.record(&time, number);
        let path = format!("{collection}/{rkey}");
        let said = self.write(account, &path, Some(record), number, micros, &time)?;
        self.made.push(Made { account, path });
        Ok(said)
    }

    /// One of those that people make.
    fn record(&mut self, time: &str, number: u64) -> (&'static str, Value) {
        let subject = |chance: &mut Chance, posts: &[(u64, String, String)], dids: &[String]| {
            let (account, path, cid) = &posts[usize::try_from(chance.zipf(posts.len() as u64)).unwrap_or(0)];
            json!({ "uri": format!("at://{}/{path}", dids[usize::try_from(*account).unwrap_or(0)]), "cid": cid })
        };
        let whom = |chance: &mut Chance, dids: &[String]| {
            dids[usize::try_from(chance.zipf(dids.len() as u64)).unwrap_or(0)].clone()
        };
        let Self { chance, posts, dids, .. } = self;
        match chance.below(150) {
            0..105 if !posts.is_empty() => (
                "app.bsky.feed.like",
                json!({ "$type": "app.bsky.feed.like", "createdAt": time, "subject": subject(chance, posts, dids) }),
            ),
            105..120 if !posts.is_empty() => (
                "app.bsky.feed.repost",
                json!({ "$type": "app.bsky.feed.repost", "createdAt": time, "subject": subject(chance, posts, dids) }),
            ),
            120..129 => (
                "app.bsky.graph.follow",
                json!({ "$type": "app.bsky.graph.follow", "createdAt": time, "subject": whom(chance, dids) }),
            ),
            129..133 => (
                "app.bsky.graph.list",
                json!({
                    "$type": "app.bsky.graph.list", "createdAt": time, "name": format!("list {number}"),
                    "purpose": "app.bsky.graph.defs#curatelist",
                }),
            ),
            _ => {
                let mut post = json!({
                    "$type": "app.bsky.feed.post", "createdAt": time, "langs": ["en"], "text": text(chance),
                });
                match chance.below(10) {
                    0..3 if !posts.is_empty() => {
                        let parent = subject(chance, posts, dids);
                        post["reply"] = json!({ "root": parent, "parent": parent });
                    }
                    3 if !posts.is_empty() => {
                        let quoted = subject(chance, posts, dids);
                        post["embed"] = json!({ "$type": "app.bsky.embed.record", "record": quoted });
                    }
                    4 => {
                        post["facets"] = json!([{
                            "index": { "byteStart": 0, "byteEnd": 4 },
                            "features": [
                                { "$type": "app.bsky.richtext.facet#mention", "did": whom(chance, dids) },
                                { "$type": "app.bsky.richtext.facet#tag", "tag": WORDS[usize::try_from(chance.zipf(32)).unwrap_or(0)] },
                            ],
                        }]);
                    }
                    _ => {}
                }
                ("app.bsky.feed.post", post)
            }
        }
    }

    fn write(
        &mut self,
        account: u64,
        path: &str,
        record: Option<Value>,
        number: u64,
        micros: u64,
        time: &str,
    ) -> anyhow::Result<Said> {
        let block =
            record.as_ref().map(|record| anyhow::Ok(data::encode(&from_json(record)?)?)).transpose()?;
        let change = match &block {
            Some(block) => Change::Create(path, block),
            None => Change::Delete(path),
        };
        let repo = &mut self.repos[usize::try_from(account)?];
        let written = repo.apply(&[change], micros)?;
        let frame = written.frame(i64::try_from(number)?, time);
        let (action, _, cid, _) = &written.ops[0];
        let cid = cid.map(|cid| cid.to_string());
        let (collection, rkey) = path.split_once('/').context("a path has a slash")?;
        if let (Action::Create, Some(cid), "app.bsky.feed.post") = (action, &cid, collection) {
            self.posts.push((account, path.to_owned(), cid.clone()));
        }
        let mut commit = json!({
            "rev": written.rev.to_string(), "operation": action.as_str(), "collection": collection, "rkey": rkey,
        });
        if let (Some(record), Some(cid)) = (record, cid) {
            (commit["record"], commit["cid"]) = (record, cid.into());
        }
        let did = &self.dids[usize::try_from(account)?];
        let line = json!({ "did": did, "time_us": micros, "kind": "commit", "commit": commit }).to_string();
        Ok(Said { frame, line, record: block.map_or(0, |block| block.len() as u64) })
    }

    /// What is linked to: the best known first, then some of all others.
    fn targets(&self) -> Vec<String> {
        let uri =
            |(account, path, _): &(u64, String, String)| format!("at://{}/{path}", did(self.seed, *account));
        let step = (self.posts.len() / TARGETS).max(1);
        let best = self.posts.iter().take(TARGETS / 4);
        best.chain(self.posts.iter().step_by(step)).take(TARGETS).map(uri).collect()
    }
}

const WORDS: [&str; 32] = [
    "garden",
    "the",
    "a",
    "morning",
    "small",
    "stream",
    "of",
    "and",
    "notes",
    "today",
    "wrote",
    "reading",
    "link",
    "river",
    "with",
    "cats",
    "new",
    "release",
    "graph",
    "my",
    "favourite",
    "tea",
    "rust",
    "talk",
    "paper",
    "slow",
    "agora",
    "node",
    "we",
    "should",
    "again",
    "tomorrow",
];

fn text(chance: &mut Chance) -> String {
    let count = 4 + chance.below(30);
    let words: Vec<&str> = (0..count).map(|_| WORDS[usize::try_from(chance.zipf(32)).unwrap_or(0)]).collect();
    format!("{} w{}", words.join(" "), chance.zipf(50_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_and_it_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let one = generated(&dir.path().join("a"), 3, 20, 300, 10).unwrap();
        let two = generated(&dir.path().join("b"), 3, 20, 300, 10).unwrap();
        for (one, two) in [(&one.frames, &two.frames), (&one.lines, &two.lines), (&one.paced, &two.paced)] {
            assert_eq!(fs::read(one).unwrap(), fs::read(two).unwrap());
        }
        let lines = fs::read_to_string(&one.lines).unwrap();
        assert_eq!(lines.lines().count(), 300);
        let likes = lines.matches("\"$type\":\"app.bsky.feed.like\"").count();
        assert!((150..230).contains(&likes), "{likes}");
        let again = generated(&dir.path().join("a"), 3, 20, 300, 10).unwrap();
        assert_eq!(again.frame_bytes, one.frame_bytes);
    }
}
