//! Timely's sockets: what the dataflow's exchange goes over, and how it is cut when a process is lost.
//!
//! Timely's own threads take the process' end for the only answer to a broken socket: they panic, and what waits for them
//! panics, too. A [`Wire`] never lets them see one. A link that breaks tells [`Lost`]; what is written on it goes nowhere;
//! who reads it waits until the workers are gone, and then ends without a word.
//!
//! ```text
//!  a link breaks ─► Lost ─► Cut::cut: sockets shut, workers told ─► workers drop the dataflow and end
//!                                                                     └─► readers end
//! ```

use super::hub::Lost;
use parking_lot::Mutex;
use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};
use timely::communication::{
    AllocatorBuilder, Hooks,
    allocator::{
        ProcessBuilder,
        zero_copy::{initialize::initialize_networking_from_sockets, stream::Stream},
    },
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How often a reader of a broken link looks whether the workers are gone.
const LOOK: Duration = Duration::from_millis(20);

/// The links to the other processes, ready for timely.
pub(crate) struct Net {
    process: usize,
    sockets: Vec<Option<TcpStream>>,
    cut: Cut,
    over: DropGuard,
}

/// Ends a dataflow whose other processes may be gone. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Cut(Arc<Shared>);

struct Shared {
    is_cut: AtomicBool,
    workers: Mutex<Vec<Thread>>,
    sockets: Vec<TcpStream>,
    lost: Lost,
    /// No worker is left.
    over: CancellationToken,
}

impl Net {
    /// Of sockets by the number of the process at their other end.
    pub(super) fn new(process: usize, sockets: Vec<Option<TcpStream>>, lost: Lost) -> io::Result<Self> {
        let copies = sockets.iter().flatten().map(TcpStream::try_clone).collect::<io::Result<_>>()?;
        let cut = Cut(Arc::new(Shared {
            is_cut: AtomicBool::new(false),
            workers: Mutex::default(),
            sockets: copies,
            lost,
            over: CancellationToken::new(),
        }));
        let over = cut.over().drop_guard();
        Ok(Self { process, sockets, cut, over })
    }

    /// What ends it.
    pub(crate) fn cut(&self) -> Cut {
        self.cut.clone()
    }

    /// The number of the first worker here, of `threads` in each process.
    pub(crate) const fn first_worker(&self, threads: usize) -> usize {
        self.process * threads
    }

    /// What timely starts its workers with; and what the last of them drops.
    pub(crate) fn builders(self, threads: usize) -> io::Result<(Vec<AllocatorBuilder>, DropGuard)> {
        let hooks = Hooks::default();
        let local = ProcessBuilder::new_typed_vector(threads, hooks.refill.clone(), None);
        let wire = |(peer, socket): (usize, TcpStream)| {
            let (sent, received) = counters(peer);
            Wire { socket, cut: self.cut.clone(), sent, received }
        };
        let wires = self.sockets.into_iter().enumerate();
        let wires = wires.map(|(peer, socket)| socket.map(|socket| wire((peer, socket)))).collect();
        let (builders, guard) =
            initialize_networking_from_sockets(local, wires, self.process, threads, hooks)?;
        // It would wait for the threads of the links, and panic as the readers of broken ones do. They end by themselves.
        std::mem::forget(guard);
        Ok((builders.into_iter().map(AllocatorBuilder::Tcp).collect(), self.over))
    }
}

impl Cut {
    /// Ends the dataflow where it stands.
    pub(crate) fn cut(&self) {
        self.0.is_cut.store(true, Ordering::SeqCst);
        for socket in &self.0.sockets {
            let _ = socket.shutdown(Shutdown::Both); // it may be closed already
        }
        self.0.workers.lock().iter().for_each(Thread::unpark);
    }

    /// A worker asks whether it is to end.
    pub(crate) fn is_cut(&self) -> bool {
        self.0.is_cut.load(Ordering::SeqCst)
    }

    /// The calling thread is a worker, to be woken when it is to end.
    pub(crate) fn enlist(&self) {
        self.0.workers.lock().push(thread::current());
    }

    /// Cancelled when no worker is left.
    pub(crate) fn over(&self) -> CancellationToken {
        self.0.over.clone()
    }
}

fn counters(peer: usize) -> (metrics::Counter, metrics::Counter) {
    let peer = peer.to_string();
    (
        metrics::counter!("springline_cluster_sent_bytes_total", "process" => peer.clone()),
        metrics::counter!("springline_cluster_received_bytes_total", "process" => peer),
    )
}

/// A socket that does not break as long as there are workers.
struct Wire {
    socket: TcpStream,
    cut: Cut,
    sent: metrics::Counter,
    received: metrics::Counter,
}

impl Wire {
    fn broke(&self, why: &str) {
        let peer = self.socket.peer_addr().map_or_else(|_| "a process".to_owned(), |peer| peer.to_string());
        self.cut.0.lost.tell(format!("the link to {peer} is gone ({why})"));
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.socket.read(buffer) {
                Ok(0) => self.broke("closed"),
                Ok(count) => {
                    self.received.increment(count as u64);
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => self.broke(&error.to_string()),
            }
            while !self.cut.0.over.is_cancelled() {
                thread::sleep(LOOK);
            }
            // The one way out of timely's loop that says nothing on standard error.
            std::panic::resume_unwind(Box::new("the dataflow is over"));
        }
    }
}

impl Write for Wire {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self.socket.write(buffer) {
            Ok(count) if count > 0 || buffer.is_empty() => {
                self.sent.increment(count as u64);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            failed => {
                self.broke(&failed.err().map_or_else(|| "closed".to_owned(), |error| error.to_string()));
                Ok(buffer.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Wire {
    fn try_clone(&self) -> io::Result<Self> {
        let Self { cut, sent, received, .. } = self;
        Ok(Self {
            socket: self.socket.try_clone()?,
            cut: cut.clone(),
            sent: sent.clone(),
            received: received.clone(),
        })
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(nonblocking)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let _ = self.socket.shutdown(how); // a link that is gone is shut
        Ok(())
    }
}
