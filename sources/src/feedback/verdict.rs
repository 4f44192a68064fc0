//! Whether what is told of an item is news, given what is here of it.

use super::{Item, Reading, Rules};
use springline_model::{
    Record,
    feedback::{attr, edited},
};

/// Deliveries that an item remembers.
const MAX_DELIVERIES: usize = 16;

/// What is here of an item.
#[derive(Clone, Copy, Debug, Default)]
pub struct Here<'a> {
    /// Its record.
    pub record: Option<&'a Record>,
    /// It was here and was deleted.
    pub was_deleted: bool,
}

/// Who tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Teller {
    /// Somebody who holds the token: may bring back what was deleted.
    Client,
    /// A webhook; what its delivery is known by.
    Hook(String),
    /// A source that looks at its upstream.
    Poller,
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is news: the record to be put.
    Put(Box<Record>),
    /// It is news: what is here is to be deleted.
    Delete,
    /// It says what is known; how that is known.
    Duplicate(&'static str),
    /// It is not wanted; why.
    Filtered(String),
}

/// Judges what is told. Rules are for what is not here yet: what is here stays, and follows its source, whatever it
/// says by then.
#[must_use]
pub fn judge(reading: Reading, here: Here<'_>, rules: Option<&Rules>, teller: &Teller) -> Verdict {
    let item = match reading {
        Reading::Item(item) => item,
        Reading::Gone(_) if here.record.is_some() => return Verdict::Delete,
        Reading::Gone(_) if here.was_deleted => return Verdict::Duplicate("it was deleted before"),
        Reading::Gone(_) => return Verdict::Filtered("there is no such item here".into()),
        Reading::Passed(why) => return Verdict::Filtered(why),
    };
    if let Some(known) = here.record {
        return edit(known, *item, teller);
    }
    if here.was_deleted && *teller != Teller::Client {
        return Verdict::Duplicate("it was deleted");
    }
    if let Some(Err(why)) = rules.map(|rules| rules.wants(&item.record)) {
        return Verdict::Filtered(why);
    }
    let mut record = item.record;
    if let Teller::Hook(delivery) = teller {
        record.attrs.insert(attr::DELIVERIES.into(), delivery.clone());
    }
    Verdict::Put(Box::new(record))
}

fn edit(known: &Record, item: Item, teller: &Teller) -> Verdict {
    let Item { mut record, dated } = item;
    if !dated {
        record.at = known.at;
    }
    let mut deliveries: Vec<&str> =
        known.attrs.get(attr::DELIVERIES).map(|text| text.split(' ').collect()).unwrap_or_default();
    if let Teller::Hook(delivery) = teller {
        if deliveries.contains(&delivery.as_str()) {
            return Verdict::Duplicate("this delivery was taken before");
        }
        deliveries.push(delivery);
    }
    // Those who tell may overtake each other.
    if let (Some(was), Some(is)) = (edited(known), edited(&record))
        && is < was
    {
        return Verdict::Duplicate("it is older than what is here");
    }
    record.attrs.remove(attr::DELIVERIES);
    if same(known, &record) {
        return Verdict::Duplicate("it is here already");
    }
    let newest = &deliveries[deliveries.len().saturating_sub(MAX_DELIVERIES)..];
    if !newest.is_empty() {
        record.attrs.insert(attr::DELIVERIES.into(), newest.join(" "));
    }
    Verdict::Put(Box::new(record))
}

/// Whether two records say the same, by whichever deliveries.
fn same(known: &Record, new: &Record) -> bool {
    if !known.attrs.contains_key(attr::DELIVERIES) {
        return known == new;
    }
    let mut known = known.clone();
    known.attrs.remove(attr::DELIVERIES);
    known == *new
}
