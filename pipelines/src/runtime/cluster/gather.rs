//! Links to all other processes: the one with the higher number calls the other.
//!
//! ```text
//!  calls (own number down to 0) ─┬─► hello ─► seats: two links a process, of one session ─► all taken
//!  callers (higher numbers) ─────┘                └── looked after: who goes again leaves its seat
//! ```
//!
//! It waits for as long as it takes, and says for whom and why.

use super::{
    form::Mesh,
    hello::{Hello, Purpose, Side, greet},
};
use futures_util::FutureExt as _;
use springline_sources::SourceState;
use std::{collections::BTreeMap, time::Duration};
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

/// How long a call may take.
const CALL: Duration = Duration::from_secs(3);
/// Before the next one, and between looks at who is still there.
pub(super) const PAUSE: Duration = Duration::from_millis(500);
/// Callers that are listened to at a time.
const CALLERS: usize = 256;

/// Another process, as far as it is there.
#[derive(Default)]
struct Seat {
    hello: Option<Hello>,
    control: Option<TcpStream>,
    data: Option<TcpStream>,
    trouble: String,
}

/// Another process that is there.
pub(super) struct Link {
    pub(super) hello: Hello,
    pub(super) control: TcpStream,
    pub(super) data: TcpStream,
}

/// What came of a call, or of being called.
struct Heard {
    /// Whom it was meant for, if we have called.
    called: Option<usize>,
    links: Result<Vec<(Hello, TcpStream)>, String>,
}

impl Seat {
    fn take(&mut self, hello: Hello, stream: TcpStream) {
        if self.hello.as_ref().is_none_or(|before| before.session != hello.session) {
            *self = Self::default();
        }
        match hello.purpose {
            Purpose::Control => self.control = Some(stream),
            Purpose::Data => self.data = Some(stream),
        }
        self.hello = Some(hello);
    }

    const fn is_taken(&self) -> bool {
        self.control.is_some() && self.data.is_some()
    }

    /// The other side may have gone meanwhile.
    fn look(&mut self) {
        let is_gone =
            |stream: &TcpStream| matches!(stream.peek(&mut [0]).now_or_never(), Some(Ok(0) | Err(_)));
        if [&self.control, &self.data].into_iter().flatten().any(is_gone) {
            *self = Self { trouble: "it has gone again".into(), ..Self::default() };
        }
    }

    fn link(self) -> Option<Link> {
        Some(Link { hello: self.hello?, control: self.control?, data: self.data? })
    }
}

impl Mesh {
    /// Calls those with lower numbers, is called by those with higher ones, until all are there.
    pub(super) async fn gather(&self, mine: &Hello) -> BTreeMap<usize, Link> {
        let me = mine.process;
        let others = (0..mine.processes).filter(|process| *process != me);
        let mut seats: BTreeMap<usize, Seat> = others.map(|process| (process, Seat::default())).collect();
        let mut calls: JoinSet<Heard> = JoinSet::new();
        let mut calling = vec![false; me];
        let mut looks = tokio::time::interval(PAUSE);
        let (mut said, mut callers) = (String::new(), 0);
        while !seats.values().all(Seat::is_taken) {
            for process in (0..me).filter(|process| !seats[process].is_taken()) {
                if !std::mem::replace(&mut calling[process], true) {
                    let is_first = seats[&process].trouble.is_empty();
                    calls.spawn(self.call(
                        process,
                        mine.clone(),
                        if is_first { Duration::ZERO } else { PAUSE },
                    ));
                }
            }
            tokio::select! {
                accepted = self.listener.accept(), if callers < CALLERS => {
                    match accepted {
                        Ok((stream, _)) => {
                            callers += 1;
                            calls.spawn(self.answer(stream, mine.clone()));
                        }
                        // No file descriptors, say: that may pass.
                        Err(_) => sleep(PAUSE).await,
                    }
                }
                Some(heard) = calls.join_next() => {
                    let Ok(Heard { called, links }) = heard else { continue };
                    match called {
                        Some(process) => calling[process] = false,
                        None => callers -= 1,
                    }
                    match links {
                        Ok(links) => links.into_iter().for_each(|(hello, stream)| {
                            if let Some(seat) = seats.get_mut(&hello.process) {
                                seat.take(hello, stream);
                            }
                        }),
                        Err(trouble) => match called.and_then(|process| seats.get_mut(&process)) {
                            Some(seat) => seat.trouble = trouble,
                            None => tracing::warn!(reason = trouble, "a caller is refused"),
                        },
                    }
                }
                _ = looks.tick() => {
                    seats.values_mut().for_each(Seat::look);
                    self.tell(&seats, &mut said);
                }
            }
        }
        seats.into_iter().filter_map(|(process, seat)| Some((process, seat.link()?))).collect()
    }

    /// Says for whom it waits.
    fn tell(&self, seats: &BTreeMap<usize, Seat>, said: &mut String) {
        let missing: Vec<String> = seats
            .iter()
            .filter(|(_, seat)| !seat.is_taken())
            .map(|(process, seat)| {
                let trouble = if seat.trouble.is_empty() { "it has not called" } else { &seat.trouble };
                format!("process {process} ({}): {trouble}", self.cluster.hosts[*process].dataflow)
            })
            .collect();
        let waits = format!("waiting for {}", missing.join("; "));
        if !missing.is_empty() && waits != *said {
            tracing::info!("{waits}");
            self.status.set(SourceState::Paused, Some(waits.clone()));
            *said = waits;
        }
    }

    fn call(&self, process: usize, mine: Hello, wait: Duration) -> impl Future<Output = Heard> + use<> {
        let (address, secret) = (self.cluster.hosts[process].dataflow.clone(), self.cluster.secret.clone());
        async move {
            sleep(wait).await;
            let mut links = Vec::new();
            for purpose in [Purpose::Control, Purpose::Data] {
                let called = async {
                    let connected = timeout(CALL, TcpStream::connect(&address)).await;
                    let mut stream = connected.map_err(|_| "it does not answer".to_owned())?.map_err(text)?;
                    stream.set_nodelay(true).map_err(text)?;
                    let mine = Hello { to: process, purpose, ..mine.clone() };
                    let hello = greet(&mut stream, Side::Calls, &mine, &secret).await.map_err(text)?;
                    Ok::<_, String>((hello, stream))
                };
                match called.await {
                    Ok((hello, _)) if hello.process != process => {
                        let trouble = format!("process {} is there", hello.process);
                        return Heard { called: Some(process), links: Err(trouble) };
                    }
                    Ok(link) => links.push(link),
                    Err(trouble) => return Heard { called: Some(process), links: Err(trouble) },
                }
            }
            Heard { called: Some(process), links: Ok(links) }
        }
    }

    fn answer(&self, mut stream: TcpStream, mine: Hello) -> impl Future<Output = Heard> + use<> {
        let secret = self.cluster.secret.clone();
        async move {
            let answered = async {
                stream.set_nodelay(true).map_err(text)?;
                let hello = greet(&mut stream, Side::IsCalled, &mine, &secret).await.map_err(text)?;
                Ok(vec![(hello, stream)])
            };
            Heard { called: None, links: answered.await }
        }
    }
}

pub(super) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
