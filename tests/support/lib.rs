//! What the integration tests share: the program as a process, an Agora tree to change, and its answers.
//!
//! Tests talk to the real program over its command line and over HTTP; nothing is replaced.

pub mod atproto;
mod broker;
mod browser;
mod garden;
mod http;
mod process;
mod proxy;
mod python;
mod topic;
mod upstream;

pub use broker::Broker;
pub use browser::{Browser, Seen};
pub use garden::{Garden, data, ten_gardens};
pub use http::{Answer, encode, get, get_with, post, send, write};
pub use process::{Server, Springline, binary, fingerprints};
pub use proxy::{Network, Proxy};
pub use python::python;
pub use topic::{Rows, folded};
pub use upstream::{Repository, Upstreams};

use std::time::{Duration, Instant};

/// Asks again and again until the answer is there.
///
/// # Panics
/// It is not there in time.
#[track_caller]
pub fn eventually<T>(what: &str, at_most: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < at_most, "{what}: not within {at_most:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
