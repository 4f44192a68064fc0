//! What stands between a broker and everybody who talks to it: it makes the network bad when a test asks for that, and
//! mends what the tests' broker gets wrong.
//!
//! ```text
//!  clients ─► 127.0.0.1:P ─► proxy ─► 127.0.0.2:P  broker
//!                 whole messages of the protocol, [Network] decides how they pass
//! ```
//!
//! The broker tells clients that it is at 127.0.0.2; the proxy writes its own address into that, which is as long.
//!
//! What it mends ([`fetched`]): a fetch of committed messages names the aborted transactions that are in what it brings,
//! so that the client leaves out their messages until it meets the mark of the abort. This broker names all that there
//! ever were. A reader that begins behind such a mark never meets it, and is given nothing more of that writer for as
//! long as it lives: after a writer was killed within a transaction, half of the readers went blind.

use std::{
    collections::{BTreeMap, HashMap},
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// Requests that are looked into, by their numbers in the protocol.
const FETCH: u16 = 1;
const API_VERSIONS: u16 = 18;
/// The newest fetch that [`fetched`] reads.
const FETCH_VERSION: u16 = 11;
/// Larger responses hold no addresses.
const SMALL: usize = 64 * 1024;
/// Nobody is this producer.
const NOBODY: [u8; 8] = i64::MAX.to_be_bytes();

/// How messages pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// At once.
    Well,
    /// Each answer takes so long.
    Slow(Duration),
    /// Connections are taken and stay open; nothing passes.
    Mute,
    /// Each answer ends in its middle, and its connection with it.
    Torn,
}

struct Shared {
    network: Mutex<Network>,
    changed: Condvar,
    /// By number, both ends of each.
    open: Mutex<HashMap<u64, [TcpStream; 2]>>,
}

/// Stands between.
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Proxy {
    /// Listens, and passes on to the same port of `to`.
    ///
    /// # Panics
    /// There is no port.
    #[must_use]
    pub fn start(to: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it has one");
        let network = Mutex::new(Network::Well);
        let shared = Arc::new(Shared { network, changed: Condvar::new(), open: Mutex::default() });
        let serving = shared.clone();
        thread::spawn(move || {
            for (number, client) in (0..).zip(listener.incoming().map_while(Result::ok)) {
                if Arc::strong_count(&serving) == 1 {
                    return;
                }
                // Without a broker there is nobody to talk to: the connection ends as it began.
                let Ok(broker) = TcpStream::connect((to, address.port())) else { continue };
                let _ = serve(&serving, number, [client, broker], to);
            }
        });
        Self { shared, address }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on messages pass like this.
    pub fn set(&self, network: Network) {
        *lock(&self.shared.network) = network;
        self.shared.changed.notify_all();
    }

    /// Ends all connections where they are.
    pub fn cut(&self) {
        for ends in lock(&self.shared.open).values() {
            end(ends);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Network::Well);
        self.cut();
        self.shared = Arc::new(Shared {
            network: Mutex::new(Network::Well),
            changed: Condvar::new(),
            open: Mutex::default(),
        });
        // The listener wakes, and sees that it is alone.
        let _ = TcpStream::connect(self.address);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end(ends: &[TcpStream; 2]) {
    for stream in ends {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// Which requests wait for an answer: their kind and version, by the number that answers repeat.
type Asked = Arc<Mutex<HashMap<[u8; 4], (u16, u16)>>>;

fn serve(shared: &Arc<Shared>, number: u64, ends: [TcpStream; 2], broker_at: &'static str) -> io::Result<()> {
    let [client, broker] = &ends;
    for stream in &ends {
        stream.set_nodelay(true)?;
    }
    let (mut up, mut down) =
        ((client.try_clone()?, broker.try_clone()?), (broker.try_clone()?, client.try_clone()?));
    let asked = Asked::default();
    let (requests, asking) = (shared.clone(), asked.clone());
    let answers = shared.clone();
    lock(&shared.open).insert(number, ends);
    let over = move |shared: &Shared| {
        if let Some(ends) = lock(&shared.open).remove(&number) {
            end(&ends);
        }
    };
    thread::spawn(move || {
        while let Ok(request) = frame(&mut up.0) {
            // Behind the length: what is asked for, in which version, and the number.
            if let Some((head, _)) = request.split_at_checked(12) {
                lock(&asking).insert(number_of(head), (pair(&head[4..6]), pair(&head[6..8])));
            }
            heard(&requests);
            if pass(&mut up.1, &request).is_err() {
                break;
            }
        }
        over(&requests);
    });
    thread::spawn(move || {
        while let Ok(mut answer) = frame(&mut down.0) {
            let what = answer.get(..8).and_then(|head| lock(&asked).remove(&number_of(head)));
            mend(&mut answer, what, broker_at);
            let passed = match heard(&answers) {
                Network::Slow(pause) => {
                    thread::sleep(pause);
                    pass(&mut down.1, &answer)
                }
                Network::Torn => {
                    let _ = pass(&mut down.1, &answer[..answer.len() / 2]);
                    break;
                }
                Network::Well | Network::Mute => pass(&mut down.1, &answer),
            };
            if passed.is_err() {
                break;
            }
        }
        over(&answers);
    });
    Ok(())
}

/// How messages pass, once any do.
fn heard(shared: &Shared) -> Network {
    let network = lock(&shared.network);
    let is_mute = |network: &mut Network| *network == Network::Mute;
    *shared.changed.wait_while(network, is_mute).unwrap_or_else(PoisonError::into_inner)
}

/// A message with its length before it.
fn frame(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut message = vec![0; 4 + u32::from_be_bytes(length) as usize];
    message[..4].copy_from_slice(&length);
    from.read_exact(&mut message[4..])?;
    Ok(message)
}

fn pass(to: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    to.write_all(message)
}

/// The number at the end of a message's head.
fn number_of(head: &[u8]) -> [u8; 4] {
    head.last_chunk().copied().unwrap_or_default()
}

fn pair(bytes: &[u8]) -> u16 {
    bytes.try_into().map(u16::from_be_bytes).unwrap_or_default()
}

/// Makes of an answer what clients are to see.
fn mend(answer: &mut [u8], what: Option<(u16, u16)>, broker_at: &str) {
    match what {
        Some((FETCH, version)) if version <= FETCH_VERSION => drop(fetched(answer)),
        Some((API_VERSIONS, version)) => older_fetches(answer, version),
        _ if answer.len() <= SMALL => {
            let at = answer.windows(broker_at.len()).position(|window| window == broker_at.as_bytes());
            if let Some(at) = at {
                answer[at..at + broker_at.len()].copy_from_slice(b"127.0.0.1");
            }
        }
        _ => {}
    }
}

/// Has clients use no newer fetch than is understood here.
fn older_fetches(answer: &mut [u8], version: u16) {
    // Length, number, error; then a count, in the newer form in one byte; and entries, in the newer form with an end.
    let (from, size) = if version < 3 { (14, 6) } else { (11, 7) };
    for entry in answer.get_mut(from..).unwrap_or_default().chunks_exact_mut(size) {
        if pair(&entry[..2]) == FETCH {
            entry[4..6].copy_from_slice(&FETCH_VERSION.to_be_bytes());
        }
    }
}

/// Reads numbers one after the other.
struct Cursor<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl Cursor<'_> {
    fn take(&mut self, count: usize) -> Option<&mut [u8]> {
        let taken = self.bytes.get_mut(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        (&*self.take(N)?).try_into().ok()
    }

    fn count(&mut self) -> Option<usize> {
        Some(usize::try_from(i32::from_be_bytes(self.number()?)).unwrap_or(0))
    }
}

/// Takes out of a fetch's answer the aborted transactions that ended before what it brings. This broker brings all that
/// there is, so of each writer as many are left as it brings marks of aborts: the newest.
fn fetched(answer: &mut [u8]) -> Option<()> {
    // Length, number, throttling, error, session.
    let mut answer = Cursor { bytes: answer, at: 4 + 4 + 4 + 2 + 4 };
    for _ in 0..answer.count()? {
        let name = u16::from_be_bytes(answer.number()?);
        answer.take(name.into())?;
        for _ in 0..answer.count()? {
            // Partition, error, high watermark, last stable offset, start of the log.
            answer.take(4 + 2 + 8 + 8 + 8)?;
            let aborted = (answer.count()?, answer.at);
            answer.take(aborted.0 * 16 + 4)?;
            let size = answer.count()?;
            let mut ends = aborts(answer.take(size)?);
            let list = answer.bytes.get_mut(aborted.1..aborted.1 + aborted.0 * 16)?;
            let mut entries: Vec<&mut [u8]> = list.chunks_exact_mut(16).collect();
            entries.sort_by(|a, b| b[8..].cmp(&a[8..]));
            for entry in entries {
                match ends.get_mut(&entry[..8]).filter(|left| **left > 0) {
                    Some(left) => *left -= 1,
                    None => entry[..8].copy_from_slice(&NOBODY),
                }
            }
        }
    }
    Some(())
}

/// How many marks of aborts there are of each producer.
fn aborts(batches: &[u8]) -> BTreeMap<Vec<u8>, usize> {
    let (mut found, mut rest) = (BTreeMap::new(), batches);
    while let Some(size) = rest.get(8..12).and_then(|size| size.try_into().ok()).map(u32::from_be_bytes) {
        let Some((batch, behind)) = rest.split_at_checked(12 + size as usize) else { break };
        rest = behind;
        let is_mark = batch.get(22).is_some_and(|attributes| attributes & 0x20 != 0);
        // Behind the batch's head a record: its length, attributes, time, offset and its key's length, a byte each as
        // a mark is short; then the key: a version and the kind, 0 for an abort.
        if is_mark && batch.get(68..70).is_some_and(|kind| kind == [0, 0]) {
            *found.entry(batch[43..51].to_vec()).or_default() += 1;
        }
    }
    found
}
