//! Preparing the next state, and what has to be written for it.

use super::{
    Limits, SearchError, SearchIndex, Writer, fingerprint, keys,
    policy::{self, Weight},
    segment::{Head, Merge, NewPage, Pager, Part, Segment, SegmentInfo, invert},
    state::{Counts, Log, State, decode_log, encode_log},
};
use crate::{store::Write, views::Fingerprint};
use springline_model::{rows::PostingsRow, text::Lang};
use std::{ops::Range, sync::Arc};

/// Pages of what is not needed any more that are deleted an epoch: a batch of many writes holds up readers.
const DELETES: usize = 512;

/// An epoch's changes, prepared. Dropped, it is as if it had never been.
#[must_use = "its writes must be committed, then it must be published"]
pub struct Staged {
    /// To be committed, all or nothing, before [`SearchIndex::publish`].
    pub writes: Vec<Write>,
    /// What it adds to the fingerprint (modulo 2^64 and 2^128).
    pub delta: Fingerprint,
    base: Arc<State>,
    state: State,
    merge: Option<Merge>,
}

/// Prepares changes, then does the housekeeping that is due.
pub(super) fn stage(index: &SearchIndex, changes: Vec<(PostingsRow, isize)>) -> Result<Staged, SearchError> {
    let mut stage = Stage::new(index);
    let (gone, come) = consolidated(changes)?;
    stage.take_out(&gone, &come)?;
    let brought: usize = come.iter().map(|row| row.terms.as_bytes().len()).sum();
    stage.put_in(come, brought)?;
    let limits = index.limits;
    let logs = stage.state.logs.len();
    if brought >= limits.direct || stage.memory_bytes() >= limits.flush || logs >= limits.logs {
        stage.flush()?;
    } else {
        stage.merge_memory()?;
    }
    let budget = limits.merge.max(2 * brought as u64);
    stage.merge_stored(budget, |weights| policy::choose(weights, limits.stored))?;
    stage.collect_garbage(&index.writer.lock());
    Ok(stage.finish())
}

/// Prepares a step of cleaning.
pub(super) fn compact(index: &SearchIndex) -> Result<Option<Staged>, SearchError> {
    let mut stage = Stage::new(index);
    let limits = index.limits;
    stage.merge_stored(limits.merge, |weights| {
        policy::choose(weights, limits.stored).or_else(|| policy::dirtiest(weights))
    })?;
    stage.collect_garbage(&index.writer.lock());
    let idle = stage.writes.is_empty() && stage.merge.is_none();
    Ok((!idle).then(|| stage.finish()))
}

/// Prepares an empty index.
pub(super) fn clear(index: &SearchIndex) -> Staged {
    let mut stage = Stage::new(index);
    // What a merge has written is garbage already; without the merge it will be collected.
    stage.merge = None;
    let state = &mut stage.state;
    state.garbage.extend(state.stored.drain(..).map(|segment| segment.info.clone()));
    state.memory.clear();
    stage.writes.extend(state.logs.drain(..).map(|log| Write::Delete(keys::log(log.first))));
    state.dead = Default::default();
    let (next, next_segment) = (state.counts.next, state.counts.next_segment);
    state.counts = Counts { next, next_segment, ..Counts::default() };
    stage.collect_garbage(&index.writer.lock());
    stage.finish()
}

/// Makes it visible.
pub(super) fn publish(index: &SearchIndex, staged: Staged) -> Result<(), SearchError> {
    let mut writer = index.writer.lock();
    let mut current = index.current.write();
    if !Arc::ptr_eq(&current, &staged.base) {
        return Err(SearchError::Stale);
    }
    let stays =
        |segment: &&Arc<Segment>| staged.state.stored.iter().any(|stored| Arc::ptr_eq(stored, segment));
    let retired = current.stored.iter().filter(|segment| !stays(segment));
    writer.retired.extend(retired.map(|segment| (segment.info.id, Arc::downgrade(segment))));
    writer.retired.retain(|(id, _)| staged.state.garbage.iter().any(|garbage| garbage.id == *id));
    writer.merge = staged.merge;
    *current = Arc::new(staged.state);
    Ok(())
}

/// What goes and what comes, each by URI, without what does both as it is.
fn consolidated(
    changes: Vec<(PostingsRow, isize)>,
) -> Result<(Vec<PostingsRow>, Vec<PostingsRow>), SearchError> {
    let mut changes = changes;
    changes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let (mut gone, mut come) = (Vec::<PostingsRow>::new(), Vec::<PostingsRow>::new());
    let mut changes = changes.into_iter().peekable();
    while let Some((row, mut diff)) = changes.next() {
        while let Some((_, more)) = changes.next_if(|(next, _)| *next == row) {
            diff += more;
        }
        match diff {
            0 => {}
            1 if come.last().is_none_or(|last| last.uri != row.uri) => come.push(row),
            -1 if gone.last().is_none_or(|last| last.uri != row.uri) => gone.push(row),
            1.. => return Err(SearchError::Twice { uri: row.uri }),
            _ => return Err(SearchError::Missing { uri: row.uri }),
        }
    }
    Ok((gone, come))
}

struct Stage {
    pager: Arc<Pager>,
    limits: Limits,
    base: Arc<State>,
    state: State,
    merge: Option<Merge>,
    writes: Vec<Write>,
    /// The newest segment's documents, which are not in the log yet.
    unlogged: Vec<(u32, PostingsRow)>,
}

impl Stage {
    fn new(index: &SearchIndex) -> Self {
        let base = index.state();
        let state = (*base).clone();
        Self {
            pager: index.pager.clone(),
            limits: index.limits,
            base,
            state,
            merge: index.writer.lock().merge.take(),
            writes: Vec::new(),
            unlogged: Vec::new(),
        }
    }

    fn finish(mut self) -> Staged {
        if let (Some((first, _)), Some((last, _))) = (self.unlogged.first(), self.unlogged.last()) {
            self.state.logs.push(Log { first: *first, last: *last });
            self.writes.push(Write::Put(keys::log(*first), encode_log(&self.unlogged)));
        }
        for (chunk, bytes) in self.state.dead.changes(&self.base.dead) {
            let key = keys::dead(chunk);
            self.writes.push(bytes.map_or(Write::Delete(key.clone()), |bytes| Write::Put(key, bytes)));
        }
        self.writes.push(self.state.write());
        let (before, after) = (&self.base.counts, &self.state.counts);
        let delta = Fingerprint {
            rows: after.documents.wrapping_sub(before.documents),
            sum: after.sum.wrapping_sub(before.sum),
        };
        Staged { writes: self.writes, delta, base: self.base, state: self.state, merge: self.merge }
    }

    /// Marks documents dead, and takes them out of the log. Those that come must not be there then.
    fn take_out(&mut self, gone: &[PostingsRow], come: &[PostingsRow]) -> Result<(), SearchError> {
        let found = self.state.find(&gone.iter().chain(come).map(|row| &row.uri).collect::<Vec<_>>())?;
        let mut logged = Vec::new();
        for (row, number) in gone.iter().zip(&found) {
            let Some(number) = *number else { return Err(SearchError::Missing { uri: row.uri.clone() }) };
            self.state.dead.insert(number);
            self.count(row, false);
            if number >= self.state.memory_start() {
                logged.push(number);
            }
        }
        for (row, number) in come.iter().zip(&found[gone.len()..]) {
            if number.is_some_and(|number| !self.state.dead.contains(number)) {
                return Err(SearchError::Twice { uri: row.uri.clone() });
            }
        }
        logged.sort_unstable();
        let mut logs = Vec::with_capacity(self.state.logs.len());
        for log in std::mem::take(&mut self.state.logs) {
            let hit = logged.iter().any(|number| (log.first..=log.last).contains(number));
            logs.extend(if hit { self.rewrite(log)? } else { Some(log) });
        }
        self.state.logs = logs;
        Ok(())
    }

    /// Writes a log entry again without the dead; `None` if nothing is left.
    fn rewrite(&mut self, log: Log) -> Result<Option<Log>, SearchError> {
        let missing = SearchError::Damaged { what: "an entry of its log is missing" };
        let mut rows = decode_log(&self.pager.store.get(&keys::log(log.first))?.ok_or(missing)?)?;
        rows.retain(|(number, _)| !self.state.dead.contains(*number));
        // The key stays what it was.
        let key = keys::log(log.first);
        let Some((last, _)) = rows.last() else {
            self.writes.push(Write::Delete(key));
            return Ok(None);
        };
        let log = Log { first: log.first, last: *last };
        self.writes.push(Write::Put(key, encode_log(&rows)));
        Ok(Some(log))
    }

    /// Numbers documents and inverts them into a segment in memory.
    fn put_in(&mut self, rows: Vec<PostingsRow>, bytes: usize) -> Result<(), SearchError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut numbered = Vec::with_capacity(rows.len());
        for row in rows {
            self.count(&row, true);
            numbered.push((self.state.counts.next, row));
            self.state.counts.next = self.state.counts.next.checked_add(1).ok_or(SearchError::Full)?;
        }
        let id = self.next_segment();
        self.state.memory.push(Arc::new(invert(id, &numbered)));
        if bytes < self.limits.direct {
            self.unlogged = numbered;
        }
        Ok(())
    }

    fn count(&mut self, row: &PostingsRow, comes: bool) {
        let counts = &mut self.state.counts;
        let add = |to: &mut u64, number: u64| {
            *to = if comes { to.wrapping_add(number) } else { to.wrapping_sub(number) };
        };
        add(&mut counts.documents, 1);
        add(&mut counts.length, u64::from(row.length));
        let hash = fingerprint::row(row);
        counts.sum = if comes { counts.sum.wrapping_add(hash) } else { counts.sum.wrapping_sub(hash) };
        for lang in langs(row) {
            add(counts.langs.entry(lang).or_default(), 1);
        }
        counts.langs.retain(|_, documents| *documents != 0);
    }

    fn next_segment(&mut self) -> u32 {
        let id = self.state.counts.next_segment;
        self.state.counts.next_segment = id.wrapping_add(1);
        id
    }

    fn memory_bytes(&self) -> u64 {
        self.state.memory.iter().map(|segment| segment.info.bytes).sum()
    }

    /// Merges the segments in memory into one in the store.
    fn flush(&mut self) -> Result<(), SearchError> {
        let inputs = std::mem::take(&mut self.state.memory);
        self.unlogged.clear();
        let logs = std::mem::take(&mut self.state.logs);
        self.writes.extend(logs.iter().map(|log| Write::Delete(keys::log(log.first))));
        let merged = self.merged(&inputs)?;
        if let Some((info, head, pages)) = merged {
            self.write_pages(info.id, pages);
            self.write_head(info.id, &head);
            self.state.stored.push(Arc::new(Segment::in_store(info, head, self.pager.clone())));
        }
        Ok(())
    }

    /// Keeps the segments in memory few.
    fn merge_memory(&mut self) -> Result<(), SearchError> {
        while let Some(range) = policy::choose(&self.weights(&self.state.memory), self.limits.memory) {
            let inputs = self.state.memory[range.clone()].to_vec();
            let merged = self.merged(&inputs)?;
            let merged = merged.map(|(info, head, pages)| Arc::new(Segment::in_memory(info, head, pages)));
            self.state.memory.splice(range, merged);
        }
        Ok(())
    }

    /// Merges segments whole, without the dead, which are no longer counted as dead then.
    fn merged(
        &mut self,
        inputs: &[Arc<Segment>],
    ) -> Result<Option<(SegmentInfo, Head, Vec<NewPage>)>, SearchError> {
        let id = self.next_segment();
        let (_, step) = Merge::new(id, inputs.to_vec(), &self.state.dead).step(u64::MAX)?;
        self.forget(inputs, &self.state.dead.clone());
        let (info, head) = step.done.ok_or(SearchError::Damaged { what: "a merge that does not end" })?;
        Ok((info.documents > 0).then_some((info, head, step.pages)))
    }

    /// Documents that were left out of a merge are nowhere any more.
    fn forget(&mut self, inputs: &[Arc<Segment>], dropped: &super::dead::Dead) {
        for input in inputs {
            self.state.dead.remove_all(dropped, &input.info.range());
        }
    }

    fn weights(&self, segments: &[Arc<Segment>]) -> Vec<Weight> {
        let weight = |segment: &Arc<Segment>| Weight {
            bytes: segment.info.bytes,
            documents: u64::from(segment.info.documents),
            dead: self.state.dead.count(&segment.info.range()),
        };
        segments.iter().map(weight).collect()
    }

    /// Goes on with a merge in the store, or begins one.
    fn merge_stored(
        &mut self,
        budget: u64,
        choose: impl Fn(&[Weight]) -> Option<Range<usize>>,
    ) -> Result<(), SearchError> {
        let merge = match self.merge.take() {
            Some(merge) => merge,
            None => {
                // The pages of a segment that this epoch flushed are not in the store before the epoch is.
                let readable = self.state.stored.len().min(self.base.stored.len());
                let Some(range) = choose(&self.weights(&self.state.stored[..readable])) else {
                    return Ok(());
                };
                let inputs = self.state.stored[range].to_vec();
                Merge::new(self.next_segment(), inputs, &self.state.dead)
            }
        };
        let (id, inputs, dropped) = (merge.info().id, merge.inputs().to_vec(), merge.dropped().clone());
        let (merge, step) = merge.step(budget)?;
        self.write_pages(id, step.pages);
        self.state.garbage.retain(|garbage| garbage.id != id);
        if let Some(merge) = &merge {
            // Until it is done, what it wrote is garbage: if we are gone before, somebody has to clean up.
            self.state.garbage.push(merge.info().clone());
        }
        self.merge = merge;
        let Some((info, head)) = step.done else { return Ok(()) };
        let start = self.state.stored.iter().position(|stored| Arc::ptr_eq(stored, &inputs[0])).unwrap_or(0);
        let merged = (info.documents > 0).then(|| {
            self.write_head(info.id, &head);
            Arc::new(Segment::in_store(info, head, self.pager.clone()))
        });
        let replaced = self.state.stored.splice(start..start + inputs.len(), merged);
        self.state.garbage.extend(replaced.map(|segment| segment.info.clone()));
        self.forget(&inputs, &dropped);
        Ok(())
    }

    fn write_pages(&mut self, id: u32, pages: Vec<NewPage>) {
        let write = |page: NewPage| Write::Put(keys::page(id, page.part, page.number), page.bytes);
        self.writes.extend(pages.into_iter().map(write));
    }

    fn write_head(&mut self, id: u32, head: &Head) {
        self.writes.push(Write::Put(keys::page(id, Part::Head, 0), head.encode()));
    }

    /// Deletes pages that nobody can read any more.
    fn collect_garbage(&mut self, writer: &Writer) {
        let read =
            |id: u32| writer.retired.iter().any(|(retired, by)| *retired == id && by.strong_count() > 0);
        let merging = self.merge.as_ref().map(|merge| merge.info().id);
        let base = &self.base;
        // What this very stage retires is still what searchers get.
        let visible = |id: u32| base.stored.iter().any(|stored| stored.info.id == id);
        let mut left = DELETES;
        for garbage in &mut self.state.garbage {
            if left > 0 && Some(garbage.id) != merging && !read(garbage.id) && !visible(garbage.id) {
                let deletes = Segment::delete(garbage, left);
                left = left.saturating_sub(deletes.len());
                self.writes.extend(deletes);
            }
        }
        self.state.garbage.retain(|garbage| Some(garbage.id) == merging || garbage.pages != [0; 4]);
    }
}

/// The languages that a row says it is in.
fn langs(row: &PostingsRow) -> impl Iterator<Item = Lang> {
    let names = row.terms.iter().filter_map(|term| std::str::from_utf8(term.name.strip_prefix(b"l")?).ok());
    names.filter_map(Lang::from_tag).collect::<Vec<_>>().into_iter()
}
