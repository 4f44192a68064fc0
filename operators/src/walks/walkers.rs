//! The walkers of one worker: their paths, and who passes where.

use super::{
    Dice, MOST_WALKERS, Turn,
    graph::{Changed, Graph, NOWHERE},
};
use crate::per_epoch::Emit;
use springline_model::UriId;

/// The walkers that start at our share of the nodes. Walker `w` is number `w % dice.walkers` of those that start at
/// node `w / dice.walkers`.
pub(super) struct Walkers {
    dice: Dice,
    /// Whether the walkers that start at a node are ours.
    ours: Box<dyn Fn(UriId) -> bool>,
    graph: Graph,
    /// By node.
    tracks: Vec<Track>,
    /// Nodes whose visits change in this tick.
    dirty: Vec<u32>,
}

/// What a node knows of walkers.
#[derive(Debug, Default)]
struct Track {
    /// For our walkers that start here, if an edge leads on from here: one more number than walkers, where their
    /// paths begin and the last one ends, and then the paths: the nodes after each step.
    paths: Box<[u32]>,
    /// Our walkers that pass here after a step; also some that did once, and some twice. See [`Walkers::tidy`].
    passing: Vec<u32>,
    /// How often they do, exactly.
    visits: u32,
    /// How much of that is new in this tick.
    gained: i32,
    /// Whether this node is in [`Walkers::dirty`].
    dirty: bool,
    /// If its edges change in this tick: where in [`super::graph::Changes::sources`] that stands, plus 1.
    changed: u32,
}

impl Walkers {
    pub(super) fn new(dice: Dice, ours: impl Fn(UriId) -> bool + 'static) -> Self {
        let dice = Dice { walkers: dice.walkers.clamp(1, MOST_WALKERS), ..dice };
        Self { dice, ours: Box::new(ours), graph: Graph::default(), tracks: Vec::new(), dirty: Vec::new() }
    }

    /// Takes in the edges of a tick and tells which visits came and went.
    pub(super) fn apply(
        &mut self,
        edges: impl Iterator<Item = ((UriId, UriId), isize)>,
        visits: &mut Emit<'_, UriId>,
    ) {
        let changes = self.graph.apply(edges);
        self.tracks.resize_with(self.graph.len(), Track::default);

        // Whoever stands where edges changed may go another way.
        let mut walkers = Vec::new();
        for (at, changed) in changes.sources.iter().enumerate() {
            self.begin(changed.source);
            let track = &mut self.tracks[changed.source as usize];
            track.changed = u32::try_from(at + 1).expect("fewer changed nodes than nodes");
            walkers.extend_from_slice(&track.passing);
            if !track.paths.is_empty() {
                let first = changed.source * self.dice.walkers;
                walkers.extend(first..first + self.dice.walkers);
            }
        }
        walkers.sort_unstable();
        walkers.dedup();
        for walker in walkers {
            self.reroute(walker, &changes.sources);
        }
        for changed in &changes.sources {
            let track = &mut self.tracks[changed.source as usize];
            track.changed = 0;
            if self.graph.is_end(changed.source) {
                track.paths = Box::default();
            }
        }

        // Where they start they visit too, as long as the node has an edge.
        for &node in &changes.mentioned {
            if (self.ours)(self.graph.id(node)) {
                let starts = self.dice.walkers.cast_signed();
                match (self.graph.is_new(node), self.graph.exists(node)) {
                    (true, true) => self.count(node, starts),
                    (false, false) => self.count(node, -starts),
                    (true, false) | (false, true) => {}
                }
            }
        }

        for node in std::mem::take(&mut self.dirty) {
            let track = &mut self.tracks[node as usize];
            track.dirty = false;
            let gained = std::mem::take(&mut track.gained);
            if gained != 0 {
                visits.change(self.graph.id(node), gained as isize);
            }
            self.tidy(node);
        }
        self.graph.release(&changes.mentioned);
    }

    /// Gives our walkers that start at a node a path, if they may need one now. It leads nowhere yet.
    fn begin(&mut self, start: u32) {
        let id = self.graph.id(start);
        let track = &mut self.tracks[start as usize];
        if !track.paths.is_empty() || self.graph.is_end(start) || !(self.ours)(id) {
            return;
        }
        let walkers = self.dice.walkers;
        let mut paths = Vec::with_capacity(walkers as usize * 8);
        let mut end = walkers + 1;
        paths.push(end);
        for walker in 0..walkers {
            end += u32::try_from(self.dice.length(id, walker)).expect("at most LONGEST");
            paths.push(end);
        }
        paths.resize(end as usize, NOWHERE);
        track.paths = paths.into_boxed_slice();
    }

    /// Corrects the path of a walker after edges changed.
    fn reroute(&mut self, walker: u32, changes: &[Changed]) {
        let (start, nth) = (walker / self.dice.walkers, walker % self.dice.walkers);
        let mut paths = std::mem::take(&mut self.tracks[start as usize].paths);
        // One that passed once may be nobody's by now.
        if let [from, to] = *paths.get(nth as usize..nth as usize + 2).unwrap_or_default() {
            self.walk(walker, start, &mut paths[from as usize..to as usize], changes);
        }
        self.tracks[start as usize].paths = paths;
    }

    fn walk(&mut self, walker: u32, start: u32, path: &mut [u32], changes: &[Changed]) {
        let turns = self.dice.walker(self.graph.id(start), walker % self.dice.walkers);
        let (mut stood, mut stands) = (start, start);
        for (step, place) in path.iter_mut().enumerate() {
            let before = *place;
            let now = if stood == stands {
                match self.tracks[stands as usize].changed {
                    0 => before,
                    changed => {
                        let turn = Turn::new(turns, step);
                        self.graph.draw_again(&changes[changed as usize - 1], turn, before)
                    }
                }
            } else {
                self.graph.draw(stands, Turn::new(turns, step))
            };
            if now != before {
                *place = now;
                self.leave(before);
                self.enter(now, walker);
            }
            if before == NOWHERE && now == NOWHERE {
                break;
            }
            (stood, stands) = (before, now);
        }
    }

    fn leave(&mut self, node: u32) {
        if node != NOWHERE {
            self.tracks[node as usize].visits -= 1;
            self.count(node, -1);
        }
    }

    fn enter(&mut self, node: u32, walker: u32) {
        if node != NOWHERE {
            let track = &mut self.tracks[node as usize];
            track.visits += 1;
            track.passing.push(walker);
            self.count(node, 1);
        }
    }

    fn count(&mut self, node: u32, visits: i32) {
        let track = &mut self.tracks[node as usize];
        track.gained += visits;
        if !std::mem::replace(&mut track.dirty, true) {
            self.dirty.push(node);
        }
    }

    /// Walkers that leave are not looked up in `passing`: once half of it is out of date, it is cleaned in one go.
    fn tidy(&mut self, node: u32) {
        let track = &mut self.tracks[node as usize];
        if track.passing.len() <= 2 * track.visits as usize + 8 {
            return;
        }
        let mut passing = std::mem::take(&mut track.passing);
        passing.sort_unstable();
        passing.dedup();
        passing.retain(|walker| self.path(*walker).contains(&node));
        passing.shrink_to(passing.len() * 2);
        self.tracks[node as usize].passing = passing;
    }

    fn path(&self, walker: u32) -> &[u32] {
        let paths = &self.tracks[(walker / self.dice.walkers) as usize].paths;
        let nth = (walker % self.dice.walkers) as usize;
        match *paths.get(nth..nth + 2).unwrap_or_default() {
            [from, to] => &paths[from as usize..to as usize],
            _ => &[],
        }
    }
}
