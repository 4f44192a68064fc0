//! One read over all processes.

use super::{Body, Heard, Layout, PeerError, Peers, Refusal, Request, Status};
use crate::{
    search::{
        SearchError,
        query::{Hits, Page, Part, Query, QueryError, Stats},
    },
    views::{ReadError, Shared, fingerprint::Fingerprint, state::State},
};
use springline_model::{Epoch, Table, key::text_key, text::Lang};
use std::{
    cell::{OnceCell, RefCell},
    collections::{BTreeSet, HashMap},
    time::Instant,
};

/// The most rows that a read remembers, and the longest.
const MAX_REMEMBERED: usize = 1024;
const MAX_REMEMBERED_BYTES: usize = 64 * 1024;
/// The most bytes of keys that a process is asked for at once: a question has room for them.
const MAX_FETCHED_BYTES: usize = 1 << 20;

/// One read over all processes.
pub(in crate::views) struct Across<'a> {
    shared: &'a Shared,
    peers: &'a dyn Peers,
    pub(super) layout: Layout,
    /// When to wait no longer.
    until: Instant,
    /// An epoch that all answers have at least, once it is known that they differ.
    floor: Option<Epoch>,
    missing: RefCell<BTreeSet<usize>>,
    epochs: RefCell<Option<(Epoch, Epoch)>>,
    rows: RefCell<HashMap<(Table, Vec<u8>), Option<Vec<u8>>>>,
    statuses: OnceCell<Vec<Option<Status>>>,
}

impl<'a> Across<'a> {
    pub(in crate::views) fn new(
        shared: &'a Shared,
        peers: &'a dyn Peers,
        until: Instant,
        floor: Option<Epoch>,
    ) -> Self {
        Self {
            shared,
            peers,
            layout: peers.layout(),
            until,
            floor,
            missing: RefCell::default(),
            epochs: RefCell::default(),
            rows: RefCell::default(),
            statuses: OnceCell::new(),
        }
    }

    /// What was heard so far. Whoever has asked nothing yet sees this process' own epoch.
    pub(in crate::views) fn heard(&self) -> Heard {
        let epochs = *self.epochs.borrow();
        let (oldest, newest) = epochs.unwrap_or_else(|| self.here(|state| (state.epoch, state.epoch)));
        let oldest = self.floor.map_or(oldest, |floor| floor.min(oldest));
        let missing = self.missing.borrow().clone();
        Heard { processes: self.layout.processes, missing, epochs: (oldest, newest) }
    }

    /// The epoch that the read is complete as of, as far as it is known.
    pub(in crate::views) fn epoch(&self) -> Epoch {
        self.floor.unwrap_or_else(|| self.heard().epoch())
    }

    /// Looks at this process' own state.
    pub(in crate::views) fn here<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        let state = self.shared.gate.read();
        self.note(state.epoch);
        look(&state)
    }

    fn note(&self, epoch: Epoch) {
        let mut epochs = self.epochs.borrow_mut();
        let (oldest, newest) = epochs.unwrap_or((epoch, epoch));
        *epochs = Some((oldest.min(epoch), newest.max(epoch)));
    }

    /// Asks processes, this one among them, all at once.
    pub(super) fn ask(&self, asked: Vec<(usize, Request)>) -> Vec<Result<Body, ReadError>> {
        let mut answers: Vec<Option<Result<Body, ReadError>>> = Vec::new();
        answers.resize_with(asked.len(), || None);
        let (mut here, mut there, mut places) = (None, Vec::new(), Vec::new());
        for (at, (process, request)) in asked.into_iter().enumerate() {
            if process == self.layout.process {
                here = Some((at, request));
            } else if self.missing.borrow().contains(&process) {
                answers[at] = Some(Err(unreachable(process, "it did not answer before")));
            } else {
                places.push((at, process));
                there.push((process, request));
            }
        }
        let mut answer_here = || {
            if let Some((at, request)) = here.take() {
                let reply = self.shared.answer(&request).inspect(|reply| self.note(reply.epoch));
                answers[at] = Some(reply.map(|reply| reply.body));
            }
        };
        let replies = if there.is_empty() {
            answer_here();
            Vec::new()
        } else {
            self.peers.ask(there, self.until, &mut answer_here)
        };
        for ((at, process), reply) in places.into_iter().zip(replies) {
            answers[at] = Some(reply.map(|reply| (reply.epoch, reply.body)).map_or_else(
                |error| Err(self.failed(process, error)),
                |(epoch, body)| {
                    self.note(epoch);
                    Ok(body)
                },
            ));
        }
        let nothing = || Err(unreachable(self.layout.process, "it was not asked"));
        answers.into_iter().map(|answer| answer.unwrap_or_else(nothing)).collect()
    }

    fn failed(&self, process: usize, error: PeerError) -> ReadError {
        match error {
            PeerError::Refused(Refusal::Off(view)) => ReadError::Off(view),
            PeerError::Refused(Refusal::Query { message, at }) => {
                ReadError::Search(SearchError::Query(QueryError { message, at }))
            }
            PeerError::Refused(Refusal::Failed(reason)) | PeerError::Unreachable(reason) => {
                self.missing.borrow_mut().insert(process);
                unreachable(process, &reason)
            }
        }
    }

    fn ask_one(&self, process: usize, request: Request) -> Result<Body, ReadError> {
        let answer = self.ask(vec![(process, request)]).pop();
        answer.unwrap_or_else(|| Err(unreachable(process, "it was not asked")))
    }

    /// Everybody's answers; those who do not answer are left out.
    fn ask_all(&self, request: &Request) -> Result<Vec<(usize, Body)>, ReadError> {
        let asked = (0..self.layout.processes).map(|process| (process, request.clone())).collect();
        self.heard_of(self.ask(asked).into_iter().enumerate())
    }

    fn heard_of(
        &self,
        answers: impl Iterator<Item = (usize, Result<Body, ReadError>)>,
    ) -> Result<Vec<(usize, Body)>, ReadError> {
        let mut heard = Vec::new();
        for (process, answer) in answers {
            match answer {
                Ok(body) => heard.push((process, body)),
                Err(ReadError::Unreachable { process: who, .. }) if who != self.layout.process => {}
                Err(error) => return Err(error),
            }
        }
        Ok(heard)
    }

    /// One row's value. Where the key does not say who has it, everybody is asked.
    pub(in crate::views) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let place = (table, key.to_vec());
        if let Some(known) = self.rows.borrow().get(&place) {
            return Ok(known.clone());
        }
        let request = Request::Rows { table, keys: vec![key.to_vec()] };
        let row = match self.layout.owner_of_key(table, key) {
            Some(owner) => first(owner, self.ask_one(owner, request)?)?,
            None => self.find_row(&request)?,
        };
        let mut rows = self.rows.borrow_mut();
        if rows.len() < MAX_REMEMBERED && row.as_ref().is_none_or(|row| row.len() <= MAX_REMEMBERED_BYTES) {
            rows.insert(place, row.clone());
        }
        Ok(row)
    }

    /// A row that anybody may have: it is mostly here, if a process looks for what it made itself.
    fn find_row(&self, request: &Request) -> Result<Option<Vec<u8>>, ReadError> {
        let me = self.layout.process;
        if let Some(row) = first(me, self.ask_one(me, request.clone())?)? {
            return Ok(Some(row));
        }
        let others = (0..self.layout.processes).filter(|process| *process != me);
        let asked: Vec<_> = others.map(|process| (process, request.clone())).collect();
        let processes: Vec<usize> = asked.iter().map(|(process, _)| *process).collect();
        let answers = self.ask(asked);
        let mut unheard = None;
        for (process, answer) in processes.into_iter().zip(answers) {
            match answer {
                Ok(body) => {
                    if let Some(row) = first(process, body)? {
                        return Ok(Some(row));
                    }
                }
                Err(error @ ReadError::Unreachable { .. }) => unheard = Some(error),
                Err(error) => return Err(error),
            }
        }
        // Nobody who answered has it, which says nothing of those who did not.
        unheard.map_or(Ok(None), Err)
    }

    /// Fetches rows that are going to be asked for, from all their processes at once. Those that can't be had are left for then.
    pub(in crate::views) fn fetch(&self, table: Table, keys: impl Iterator<Item = Vec<u8>>) {
        let mut by_owner: HashMap<usize, Vec<Vec<u8>>> = HashMap::new();
        let (mut bytes, room) = (0, MAX_REMEMBERED.saturating_sub(self.rows.borrow().len()));
        for key in keys.take(room) {
            bytes += key.len();
            if bytes > MAX_FETCHED_BYTES {
                break;
            }
            let owner = self.layout.owner_of_key(table, &key);
            let place = (table, key);
            if let Some(owner) = owner.filter(|_| !self.rows.borrow().contains_key(&place)) {
                by_owner.entry(owner).or_default().push(place.1);
            }
        }
        let by_owner: Vec<_> = by_owner.into_iter().collect();
        let ask =
            |(owner, keys): &(usize, Vec<Vec<u8>>)| (*owner, Request::Rows { table, keys: keys.clone() });
        let answers = self.ask(by_owner.iter().map(ask).collect());
        let mut rows = self.rows.borrow_mut();
        for ((_, keys), answer) in by_owner.into_iter().zip(answers) {
            if let Ok(Body::Rows(values)) = answer {
                rows.extend(keys.into_iter().map(|key| (table, key)).zip(values));
            }
        }
    }

    /// How each process' views are, of those that answer.
    pub(in crate::views) fn statuses(&self) -> &[Option<Status>] {
        self.statuses.get_or_init(|| {
            let mut statuses = vec![None; self.layout.processes];
            for (process, body) in self.ask_all(&Request::Status).unwrap_or_default() {
                if let Body::Status(status) = body {
                    statuses[process] = Some(status);
                }
            }
            statuses
        })
    }

    /// A page of what a query finds, scored as if there were one index; and the languages that its words are stemmed in.
    pub(in crate::views) fn find(
        &self,
        query: &Query,
        page: &Page,
    ) -> Result<(Hits, BTreeSet<Lang>), ReadError> {
        let stats = if query.by_score() { Some(self.count(query)?) } else { None };
        let mut page = page.clone();
        let (mut parts, mut langs) = self.search(query, &page, stats.as_ref())?;
        // The cursor's document ranks elsewhere by now, as whoever has it knows: the others have to go on there, too.
        let moved = parts.iter().find_map(|part| part.moved);
        if let (Some(after), Some(rank)) = (&mut page.after, moved) {
            after.rank = rank;
            (parts, langs) = self.search(query, &page, stats.as_ref())?;
        }
        let mut hits = Hits::merged(query, page.limit, parts.into_iter().map(|part| part.hits));
        hits.complete &= self.missing.borrow().is_empty();
        self.fetch(Table::Records, hits.hits.iter().map(|hit| text_key(hit.uri.as_str())));
        Ok((hits, langs))
    }

    fn count(&self, query: &Query) -> Result<Stats, ReadError> {
        let mut sum = Stats::default();
        for (process, body) in self.ask_all(&Request::Count(query.clone()))? {
            match body {
                Body::Stats(stats, _) => sum += &stats,
                _ => return Err(another(process)),
            }
        }
        Ok(sum)
    }

    fn search(
        &self,
        query: &Query,
        page: &Page,
        stats: Option<&Stats>,
    ) -> Result<(Vec<Part>, BTreeSet<Lang>), ReadError> {
        let request = Request::Search { query: query.clone(), page: page.clone(), stats: stats.cloned() };
        let (mut parts, mut langs) = (Vec::new(), BTreeSet::new());
        for (process, body) in self.ask_all(&request)? {
            match body {
                Body::Hits(part, spoken) => {
                    parts.push(part);
                    langs.extend(spoken);
                }
                _ => return Err(another(process)),
            }
        }
        Ok((parts, langs))
    }
}

/// The fingerprints of all, added up.
pub(in crate::views) fn summed(fingerprints: impl Iterator<Item = Fingerprint>) -> Fingerprint {
    let mut sum = Fingerprint::default();
    fingerprints.for_each(|fingerprint| sum += fingerprint);
    sum
}

fn first(process: usize, body: Body) -> Result<Option<Vec<u8>>, ReadError> {
    match body {
        Body::Rows(rows) => rows.into_iter().next().ok_or_else(|| another(process)),
        _ => Err(another(process)),
    }
}

fn unreachable(process: usize, reason: &str) -> ReadError {
    ReadError::Unreachable { process, reason: reason.to_owned() }
}

/// It answered another question than it was asked.
pub(super) fn another(process: usize) -> ReadError {
    unreachable(process, "its answer is not one to the question")
}
