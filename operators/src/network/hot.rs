//! Which records are hot: the K best by what is done to them lately.
//!
//! ```text
//!  records ─► parts (there, done), by target ─► heat (see `windows`, `trending`) ─► top K ─► HotRow
//!  clock ─────────────────────────────────────────┘
//! ```
//!
//! A touch is a like, a repost, a quote or a reply, at its own time. Only what is there and has content is ranked.
//!
//! Invariant: the rows are a pure function of the visible records and the clock, for any number of workers.
//!
//! Memory: about 150 bytes a record that was touched within the reach of the trend, 40 a touch.

use super::effects::{Target, can_be_target, effects, reply};
use crate::{
    Records, Rows,
    ids::Dense,
    per_epoch::{Changes, Emit, per_tick_clocked, routed},
    top_k::top_k,
    windows::{Heat, Touches, WINDOWS},
};
use serde::{Deserialize, Serialize};
use springline_model::{
    Record, Timestamp, Uri, UriId,
    rows::{HotRow, Order, Reason},
};
use timely::dataflow::Stream;

/// How records are ranked. Another value means other rows for the same records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HotConfig {
    /// How many records each order keeps.
    pub top: usize,
    /// After how many milliseconds a touch is worth half as much to the trend.
    pub half_life_ms: u64,
}

/// The orders that records are ranked by: of [`WINDOWS`] the month is left out, in which nothing is hot.
const ORDERS: [Order; 4] = [Order::Trending, Order::Hour, Order::Day, Order::Week];

/// The K best records of every order.
pub fn hot<'s>(
    records: Records<'s>,
    clock: Stream<'s, u64, Vec<Timestamp>>,
    config: HotConfig,
) -> Rows<'s, HotRow> {
    let parts = records.flat_map(|visible| parts(&visible.record));
    let mut targets = Targets::new(config.half_life_ms);
    let pact = routed(|part: &Part| part.target.route());
    let scores = per_tick_clocked(parts, clock, pact, "Hot", move |clock, changes, out| {
        targets.tick(clock, changes, out);
    });
    top_k(scores, config.top).map(|(order, score, uri)| HotRow { order, score, uri })
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Part {
    target: UriId,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum What {
    There(Uri),
    Touched(Timestamp),
}

fn parts(record: &Record) -> Vec<Part> {
    let is_ranked = record.has_content() && can_be_target(&record.uri);
    let there = is_ranked.then(|| Part { target: record.uri.id(), what: What::There(record.uri.clone()) });
    let touches = effects(record, Target::Record).into_iter().filter_map(|(reason, target)| {
        matches!(reason, Reason::Like | Reason::Repost | Reason::Quote).then_some(target)
    });
    let answered = reply(record).map(|(_, parent)| parent);
    let touched = touches.chain(answered).filter(|target| can_be_target(target));
    let touched = touched.map(|target| Part { target: target.id(), what: What::Touched(record.at) });
    there.into_iter().chain(touched).collect()
}

type Ranks = [u64; ORDERS.len()];

struct Targets {
    numbers: Dense,
    /// By number.
    targets: Vec<Known>,
    touches: Touches,
    /// The targets that the tick has touched, and how they ranked before.
    before: Vec<(u32, Option<Uri>, Ranks)>,
}

/// A record, as far as something is known of it.
struct Known {
    id: UriId,
    uri: Option<Uri>,
    /// Touches, forgotten ones too.
    touches: i64,
    heat: Heat,
    /// Whether it is in [`Targets::before`].
    touched: bool,
}

impl Known {
    fn new(id: UriId) -> Self {
        Self { id, uri: None, touches: 0, heat: Heat::default(), touched: false }
    }

    fn ranks(&self) -> Ranks {
        let count = |order: Order| match WINDOWS.iter().position(|window| window.0 == order) {
            Some(window) => u64::try_from(self.heat.within[window]).unwrap_or(0),
            None => u64::try_from(self.heat.decayed.max(0)).unwrap_or(u64::MAX),
        };
        ORDERS.map(count)
    }
}

impl Targets {
    fn new(half_life_ms: u64) -> Self {
        Self {
            numbers: Dense::default(),
            targets: Vec::new(),
            touches: Touches::new(half_life_ms),
            before: Vec::new(),
        }
    }

    fn tick(&mut self, clock: Timestamp, changes: Changes<Part>, out: &mut Emit<'_, (Order, u64, Uri)>) {
        let Self { touches, targets, before, .. } = self;
        touches.advance(clock, |target, heat, count| touched(targets, before, target).heat.add(heat, count));
        // What comes before what goes: nothing is taken away that is not there yet.
        let (come, gone): (Vec<_>, Vec<_>) = changes.partition(|(_, diff)| *diff > 0);
        for (part, diff) in gone.iter().filter(|(part, _)| matches!(part.what, What::There(_))) {
            self.apply(part, *diff);
        }
        for (part, diff) in &come {
            self.apply(part, *diff);
        }
        for (part, diff) in gone.iter().filter(|(part, _)| matches!(part.what, What::Touched(_))) {
            self.apply(part, *diff);
        }
        self.emit(out);
    }

    fn apply(&mut self, part: &Part, diff: isize) {
        let number = self.numbers.number(part.target);
        match self.targets.get_mut(number as usize) {
            // The number was another's.
            Some(known) if known.id != part.target => *known = Known::new(part.target),
            Some(_) => {}
            None => self.targets.push(Known::new(part.target)),
        }
        let known = touched(&mut self.targets, &mut self.before, number);
        match &part.what {
            What::There(uri) => known.uri = (diff > 0).then(|| uri.clone()),
            What::Touched(at) => {
                let times = diff as i64;
                known.touches += times;
                known.heat.add(self.touches.touch(*at, number, times), times);
            }
        }
    }

    fn emit(&mut self, out: &mut Emit<'_, (Order, u64, Uri)>) {
        for (number, uri, before) in self.before.drain(..) {
            let known = &mut self.targets[number as usize];
            known.touched = false;
            let now = known.ranks();
            for (index, order) in ORDERS.into_iter().enumerate() {
                let (was, is) = (uri.as_ref().map(|uri| (uri, before[index])), known.uri.as_ref());
                let is = is.map(|uri| (uri, now[index]));
                if was != is {
                    if let Some((uri, score)) = was.filter(|(_, score)| *score > 0) {
                        out.remove((order, score, uri.clone()));
                    }
                    if let Some((uri, score)) = is.filter(|(_, score)| *score > 0) {
                        out.insert((order, score, uri.clone()));
                    }
                }
            }
            if known.uri.is_none() && known.touches == 0 {
                self.numbers.release(known.id);
            }
        }
    }
}

/// A target that is about to change.
fn touched<'a>(
    targets: &'a mut [Known],
    before: &mut Vec<(u32, Option<Uri>, Ranks)>,
    number: u32,
) -> &'a mut Known {
    let known = &mut targets[number as usize];
    if !std::mem::replace(&mut known.touched, true) {
        before.push((number, known.uri.clone(), known.ranks()));
    }
    known
}
