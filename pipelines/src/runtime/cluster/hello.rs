//! How two processes make sure that they belong together.
//!
//! ```text
//!  both    greeting: version, nonce ─►
//!  caller  hello, proof = HMAC(secret, both nonces, hello) ─►           then who was called the same
//! ```
//!
//! The proof covers who says it and to whom, so that none can be said again elsewhere.

use super::wire;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use springline_model::{Epoch, Secret};
use std::time::Duration;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

const MAGIC: [u8; 8] = *b"SPRCLSTR";
/// Raise it when what processes say to each other changes.
const VERSION: u16 = 1;
/// How long the other side may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Purpose {
    /// Ticks and the like.
    Control,
    /// Timely's own.
    Data,
}

/// Who a process is, and what it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) processes: usize,
    pub(super) process: usize,
    /// Whom it takes the other one for.
    pub(super) to: usize,
    pub(super) workers: usize,
    /// The program's version.
    pub(super) program: String,
    pub(super) topic: String,
    /// What views are made by.
    pub(super) definitions: String,
    /// Another one at each try to find together.
    pub(super) session: u64,
    pub(super) purpose: Purpose,
    /// What its store has.
    pub(super) applied: Epoch,
    /// What store and redo have.
    pub(super) reach: Epoch,
}

#[derive(Serialize, Deserialize)]
struct Greeting {
    magic: [u8; 8],
    version: u16,
    nonce: [u8; 32],
}

#[derive(Serialize, Deserialize)]
struct Signed {
    hello: Vec<u8>,
    proof: Vec<u8>,
}

/// Why two processes don't go together.
#[derive(Debug, thiserror::Error)]
pub(super) enum HelloError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("it does not answer")]
    Silent,
    #[error("it is no process of springline, or of another version")]
    Foreign,
    #[error("it has another secret, or has hung up")]
    Secret,
    #[error("{0}")]
    Differs(String),
    #[error("the system has no random numbers")]
    Random,
}

/// Which side of a link this is: who was called says only then who it is to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Calls,
    IsCalled,
}

/// Says hello on a new link, and hears who is there.
///
/// # Errors
/// Nobody who belongs to this process.
pub(super) async fn greet(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    side: Side,
    mine: &Hello,
    secret: &Secret,
) -> Result<Hello, HelloError> {
    timeout(PATIENCE, exchange(stream, side, mine, secret)).await.unwrap_or(Err(HelloError::Silent))
}

async fn exchange(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    side: Side,
    mine: &Hello,
    secret: &Secret,
) -> Result<Hello, HelloError> {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(|_| HelloError::Random)?;
    wire::write(stream, &Greeting { magic: MAGIC, version: VERSION, nonce }).await?;
    let greeting: Greeting = wire::read(stream).await.map_err(foreign)?;
    if greeting.magic != MAGIC || greeting.version != VERSION {
        return Err(HelloError::Foreign);
    }
    let (ours, theirs) = (nonce, greeting.nonce);
    match side {
        Side::Calls => {
            say(stream, mine, secret, [&theirs, &ours]).await?;
            let hello = hear(stream, secret, [&ours, &theirs]).await?;
            mine.goes_with(&hello)?;
            Ok(hello)
        }
        Side::IsCalled => {
            let hello = hear(stream, secret, [&ours, &theirs]).await?;
            let mine = Hello { to: hello.process, purpose: hello.purpose, ..mine.clone() };
            say(stream, &mine, secret, [&theirs, &ours]).await?;
            mine.goes_with(&hello)?;
            Ok(hello)
        }
    }
}

async fn say(
    stream: &mut (impl AsyncWrite + Unpin),
    mine: &Hello,
    secret: &Secret,
    nonces: [&[u8; 32]; 2],
) -> Result<(), HelloError> {
    let hello = postcard::to_stdvec(mine).map_err(std::io::Error::other)?;
    let proof = sign(secret, nonces, &hello)?.finalize().into_bytes().to_vec();
    Ok(wire::write(stream, &Signed { hello, proof }).await?)
}

async fn hear(
    stream: &mut (impl AsyncRead + Unpin),
    secret: &Secret,
    nonces: [&[u8; 32]; 2],
) -> Result<Hello, HelloError> {
    // Who does not like the proof hangs up.
    let signed: Signed = wire::read(stream).await.map_err(|_| HelloError::Secret)?;
    let expected = sign(secret, nonces, &signed.hello)?;
    expected.verify_slice(&signed.proof).map_err(|_| HelloError::Secret)?;
    postcard::from_bytes(&signed.hello).map_err(|_| HelloError::Foreign)
}

fn sign(secret: &Secret, nonces: [&[u8; 32]; 2], hello: &[u8]) -> Result<Hmac<Sha256>, HelloError> {
    let mac = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()).map_err(|_| HelloError::Secret)?;
    let [to, from] = nonces;
    Ok(mac.chain_update(to).chain_update(from).chain_update(hello))
}

fn foreign(error: std::io::Error) -> HelloError {
    if error.kind() == std::io::ErrorKind::InvalidData { HelloError::Foreign } else { error.into() }
}

impl Hello {
    fn goes_with(&self, theirs: &Self) -> Result<(), HelloError> {
        self.compare(theirs).map_err(HelloError::Differs)
    }

    fn compare(&self, theirs: &Self) -> Result<(), String> {
        let number = theirs.process;
        if theirs.processes != self.processes {
            return Err(format!(
                "process {number} is one of {}, this one is one of {}",
                theirs.processes, self.processes
            ));
        }
        if number >= self.processes || number == self.process || theirs.to != self.process {
            return Err(format!(
                "a process says that it is number {number} and takes this one, number {}, for number {}: the hosts' \
                 files are not the same",
                self.process, theirs.to
            ));
        }
        if theirs.workers != self.workers {
            return Err(format!(
                "process {number} has {} workers, this one {}",
                theirs.workers, self.workers
            ));
        }
        let texts = [
            ("is of another version", &theirs.program, &self.program),
            ("reads another topic", &theirs.topic, &self.topic),
            ("has other views, or makes them by other settings", &theirs.definitions, &self.definitions),
        ];
        match texts.into_iter().find(|(_, theirs, ours)| theirs != ours) {
            Some((what, ..)) => Err(format!("process {number} {what}")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(process: usize) -> Hello {
        Hello {
            processes: 2,
            process,
            to: 1 - process,
            workers: 1,
            program: "1".into(),
            topic: "t".into(),
            definitions: "d".into(),
            session: 5,
            purpose: Purpose::Control,
            applied: Epoch(1),
            reach: Epoch(2),
        }
    }

    async fn meet(one: Hello, other: Hello, secrets: [&str; 2]) -> [Result<Hello, HelloError>; 2] {
        let (left, right) = tokio::io::duplex(4096);
        let [first, second] = secrets.map(Secret::new);
        let (left, right) = tokio::join!(
            async {
                let mut left = left;
                greet(&mut left, Side::Calls, &one, &first).await
            },
            async {
                let mut right = right;
                greet(&mut right, Side::IsCalled, &other, &second).await
            }
        );
        [left, right]
    }

    #[tokio::test]
    async fn those_who_belong_together_know_each_other() {
        let [one, other] = meet(hello(0), hello(1), ["a secret of some length"; 2]).await;
        assert_eq!((one.unwrap(), other.unwrap()), (hello(1), hello(0)));
    }

    #[tokio::test]
    async fn others_are_refused_and_it_is_said_why() {
        let cases: [(Hello, &str); 5] = [
            (Hello { processes: 3, ..hello(0) }, "is one of 3"),
            (Hello { to: 2, ..hello(0) }, "the hosts' files"),
            (Hello { workers: 2, ..hello(0) }, "has 2 workers, this one 1"),
            (Hello { topic: "u".into(), ..hello(0) }, "another topic"),
            (Hello { definitions: "e".into(), ..hello(0) }, "other settings"),
        ];
        for (other, reason) in cases {
            let [_, error] = meet(other, hello(1), ["a secret of some length"; 2]).await;
            let error = error.unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        let [one, other] = meet(hello(0), hello(1), ["a secret of some length", "another one as long"]).await;
        assert!(matches!((one, other), (Err(HelloError::Secret), Err(HelloError::Secret))));
    }
}
