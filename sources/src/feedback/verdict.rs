//! Whether an item is news, given what is here of it.

use super::Item;
use springline_model::{
    Record,
    feedback::{attr, edited},
};

/// Deliveries that an item remembers.
const MAX_DELIVERIES: usize = 16;

/// What becomes of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is news: the record to be put.
    News(Box<Record>),
    /// It says what is known; how that is known.
    Duplicate(String),
}

/// Compares an item with the record that is here under its URI, if one is. `delivery` is what a webhook's delivery is
/// known by.
#[must_use]
pub fn judge(known: Option<&Record>, item: Item, delivery: Option<&str>) -> Verdict {
    let Item { mut record, dated } = item;
    let Some(known) = known else {
        record.attrs.extend(delivery.map(|delivery| (attr::DELIVERIES.to_owned(), delivery.to_owned())));
        return Verdict::News(Box::new(record));
    };
    if !dated {
        record.at = known.at;
    }
    let mut deliveries = deliveries(known);
    if let Some(delivery) = delivery {
        if deliveries.contains(&delivery) {
            return Verdict::Duplicate("this delivery was taken before".into());
        }
        deliveries.push(delivery);
    }
    // Deliveries may overtake each other.
    if let (Some(was), Some(is)) = (edited(known), edited(&record))
        && is < was
    {
        return Verdict::Duplicate("it is older than what is here".into());
    }
    record.attrs.remove(attr::DELIVERIES);
    if same(known, &record) {
        return Verdict::Duplicate("it is here already".into());
    }
    let newest = &deliveries[deliveries.len().saturating_sub(MAX_DELIVERIES)..];
    if !newest.is_empty() {
        record.attrs.insert(attr::DELIVERIES.into(), newest.join(" "));
    }
    Verdict::News(Box::new(record))
}

fn deliveries(record: &Record) -> Vec<&str> {
    record.attrs.get(attr::DELIVERIES).map(|text| text.split(' ').collect()).unwrap_or_default()
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
