//! Fields of payloads. Strangers' JSON has numbers for texts, `null` for what is missing, and several names for one
//! thing: what can be meant is taken, the rest passed over.

use serde_json::Value;
use springline_model::Timestamp;

/// The first of these fields that is there and not `null`; a name may be a path: `user.login`.
pub(super) fn field<'a>(payload: &'a Value, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| {
        let value = name.split('.').try_fold(payload, |value, part| value.get(part))?;
        (!value.is_null()).then_some(value)
    })
}

/// The first of these fields that is a text with anything in it.
pub(super) fn text<'a>(payload: &'a Value, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| field(payload, &[name])?.as_str().filter(|text| !text.trim().is_empty()))
}

/// The first of these fields that names something: a text, or a whole number.
pub(super) fn name(payload: &Value, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| match field(payload, &[name])? {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Value::Number(number) if number.is_u64() => Some(number.to_string()),
        _ => None,
    })
}

/// A time: RFC 3339, or seconds (or milliseconds, if they would be after the year 5000) since 1970.
///
/// # Errors
/// The field is there and no time.
pub(super) fn time(payload: &Value, names: &[&str]) -> Result<Option<Timestamp>, super::Refusal> {
    // Reddit says `edited: false`, and of the oldest edits `true`.
    let Some(value) = field(payload, names).filter(|value| !value.is_boolean()) else {
        return Ok(None);
    };
    let at = match value {
        Value::String(text) => read(text.trim()),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it saturates, and what is ahead of now counts as now"
        )]
        Value::Number(number) => number.as_f64().map(|number| {
            Timestamp(if number.abs() < 1e11 { (number * 1000.0) as i64 } else { number as i64 })
        }),
        _ => None,
    };
    let shown = || value.to_string().chars().take(80).collect::<String>();
    at.map(Some).ok_or_else(|| super::Refusal(format!("`{}`: {} is no time", names[0], shown())))
}

/// Python writes times without a zone: they are in UTC.
fn read(text: &str) -> Option<Timestamp> {
    Timestamp::parse(&format!("{text}Z")).or_else(|_| Timestamp::parse(text)).ok()
}

/// The texts of a list, or the `name` of each of its objects; at most so many.
pub(super) fn names(payload: &Value, field: &str, most: usize) -> Vec<String> {
    let items = payload.get(field).and_then(Value::as_array);
    let name = |item: &Value| item.as_str().or_else(|| item.get("name")?.as_str()).map(str::to_owned);
    items.into_iter().flatten().filter_map(name).take(most).collect()
}
