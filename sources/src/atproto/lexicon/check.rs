//! A record against its rules.
//!
//! Goes through the rules and the record side by side, and stops at the first thing that is wrong. What is at
//! hand decides before what has to be counted: a string with fewer bytes than it may have graphemes isn't
//! segmented, and no more graphemes are looked at than it takes to know.

use super::{
    compile::{Property, Rule, RuleId, Rules, StringRule},
    format,
    reason::{Reason, ReasonKind, excerpt},
};
use ipld_core::ipld::Ipld;
use std::collections::BTreeMap;
use unicode_segmentation::UnicodeSegmentation;

/// How deep a record can be nested: what decodes records stops earlier.
const MAX_DEPTH: usize = 64;

/// `Ok`, or what is wrong.
type Checked = Result<(), Box<Reason>>;

type Map = BTreeMap<String, Ipld>;

impl Rules {
    /// Checks a record of a collection; `None` if there is no lexicon for it.
    pub(super) fn check_record(&self, collection: &str, record: &Ipld) -> Option<Checked> {
        Some(match self.of_collection(collection)? {
            Some(rule) => self.record(collection, rule, record),
            None => Err(Reason::new(
                ReasonKind::NoRecord,
                "is in a collection whose lexicon describes something else than records",
            )),
        })
    }

    fn record(&self, collection: &str, rule: RuleId, record: &Ipld) -> Checked {
        let kind = map(record)?.get("$type");
        if !matches!(kind, Some(Ipld::String(kind)) if kind == collection) {
            return Err(Reason::new(
                ReasonKind::RecordType,
                format!("has a `$type` that isn't `{}`", excerpt(collection)),
            ));
        }
        self.check(rule, record, 0)
    }

    fn check(&self, rule: RuleId, value: &Ipld, depth: usize) -> Checked {
        if depth > MAX_DEPTH {
            return Err(Reason::new(ReasonKind::Depth, "is nested too deeply"));
        }
        match (self.get(rule), value) {
            (Rule::Anything, _) | (Rule::Null, Ipld::Null) | (Rule::Link, Ipld::Link(_)) => Ok(()),
            (Rule::Boolean { constant }, Ipld::Bool(value)) => constant_is(*constant, *value),
            (Rule::Integer { constant, values, minimum, maximum }, Ipld::Integer(value)) => {
                constant_is(constant.map(i128::from), *value)?;
                let listed = |values: &[i64]| values.iter().any(|listed| i128::from(*listed) == *value);
                one_of(values.as_deref(), listed, || value.to_string())?;
                at_least(ReasonKind::Minimum, i128::from(*minimum), *value, "")?;
                at_most(ReasonKind::Maximum, i128::from(*maximum), *value, "")
            }
            (Rule::String(rule), Ipld::String(value)) => rule.check(value),
            (Rule::Bytes { length }, Ipld::Bytes(value)) => length_is(*length, value.len(), " bytes"),
            (Rule::Blob { accept, max_size }, value) => blob(accept.as_deref(), *max_size, map(value)?),
            (Rule::Array { items, length }, Ipld::List(values)) => {
                length_is(*length, values.len(), " elements")?;
                for (place, value) in values.iter().enumerate() {
                    self.check(*items, value, depth + 1).map_err(|reason| reason.in_element(place))?;
                }
                Ok(())
            }
            (Rule::Object(properties), value) => self.object(properties, map(value)?, depth),
            (Rule::Union { members, closed }, value) => self.union(members, *closed, value, depth),
            (Rule::Unknown, value) => unknown(map(value)?),
            (Rule::Token(token), Ipld::String(value)) => constant_is(Some(&**token), value.as_str()),
            (rule, value) => Err(wrong_type(rule.expects(), value)),
        }
    }

    fn object(&self, properties: &[Property], map: &Map, depth: usize) -> Checked {
        for property in properties {
            let checked = match map.get(&*property.name) {
                None if property.required => Err(Reason::new(ReasonKind::Required, "is missing")),
                None => Ok(()),
                Some(Ipld::Null) if property.nullable => Ok(()),
                Some(value) => self.check(property.rule, value, depth + 1),
            };
            checked.map_err(|reason| reason.in_field(&property.name))?;
        }
        Ok(())
    }

    fn union(&self, members: &[(Box<str>, RuleId)], closed: bool, value: &Ipld, depth: usize) -> Checked {
        let Some(Ipld::String(kind)) = map(value)?.get("$type") else {
            return Err(Reason::new(ReasonKind::Union, "has no `$type`, which a member of a union needs"));
        };
        match members.iter().find(|(member, _)| **member == **kind) {
            Some((_, rule)) => self.check(*rule, value, depth + 1),
            None if closed => Err(Reason::new(
                ReasonKind::ClosedUnion,
                format!("is a `{}`, which the union doesn't list", excerpt(kind)),
            )),
            None => Ok(()),
        }
    }
}

impl StringRule {
    fn check(&self, value: &str) -> Checked {
        constant_is(self.constant.as_deref(), value)?;
        let listed = |values: &[Box<str>]| values.iter().any(|listed| **listed == *value);
        one_of(self.values.as_deref(), listed, || format!("`{}`", excerpt(value)))?;
        length_is(self.length, value.len(), " bytes")?;
        if let Some(format) = self.format
            && !format.accepts(value)
        {
            let message = format!("`{}` isn't in the format {}", excerpt(value), format.name);
            return Err(Reason::new(ReasonKind::Format, message));
        }
        let (least, most) = self.graphemes;
        // A grapheme has at least one byte.
        if most < value.len() && value.graphemes(true).nth(most).is_some() {
            return Err(Reason::new(ReasonKind::MaxGraphemes, format!("has more than {most} graphemes")));
        }
        if least > 0 && value.graphemes(true).nth(least - 1).is_none() {
            return Err(Reason::new(ReasonKind::MinGraphemes, format!("has fewer than {least} graphemes")));
        }
        Ok(())
    }
}

impl Rule {
    const fn expects(&self) -> &'static str {
        match self {
            Self::Anything => "anything",
            Self::Null => "null",
            Self::Boolean { .. } => "a boolean",
            Self::Integer { .. } => "an integer",
            Self::String(_) | Self::Token(_) => "a string",
            Self::Bytes { .. } => "bytes",
            Self::Link => "a link",
            Self::Blob { .. } => "a blob",
            Self::Array { .. } => "an array",
            Self::Object(_) | Self::Union { .. } | Self::Unknown => "an object",
        }
    }
}

fn map(value: &Ipld) -> Result<&Map, Box<Reason>> {
    match value {
        Ipld::Map(map) => Ok(map),
        other => Err(wrong_type("an object", other)),
    }
}

fn wrong_type(expected: &str, value: &Ipld) -> Box<Reason> {
    let found = match value {
        Ipld::Null => "null",
        Ipld::Bool(_) => "a boolean",
        Ipld::Integer(_) => "an integer",
        Ipld::Float(_) => "a float",
        Ipld::String(_) => "a string",
        Ipld::Bytes(_) => "bytes",
        Ipld::List(_) => "an array",
        Ipld::Map(_) => "an object",
        Ipld::Link(_) => "a link",
    };
    Reason::new(ReasonKind::Type, format!("is {found} where {expected} is wanted"))
}

fn constant_is<T: Copy + PartialEq>(constant: Option<T>, value: T) -> Checked {
    match constant {
        Some(constant) if constant != value => {
            Err(Reason::new(ReasonKind::Const, "isn't the one value it can have"))
        }
        _ => Ok(()),
    }
}

fn one_of<T: ?Sized>(
    values: Option<&T>,
    listed: impl FnOnce(&T) -> bool,
    shown: impl FnOnce() -> String,
) -> Checked {
    match values {
        Some(values) if !listed(values) => {
            Err(Reason::new(ReasonKind::Enum, format!("is {}, which isn't among the values listed", shown())))
        }
        _ => Ok(()),
    }
}

fn at_least(kind: ReasonKind, least: i128, value: i128, unit: &str) -> Checked {
    if value >= least {
        return Ok(());
    }
    Err(Reason::new(kind, format!("has {value}{unit} where {least} is the least")))
}

fn at_most(kind: ReasonKind, most: i128, value: i128, unit: &str) -> Checked {
    if value <= most {
        return Ok(());
    }
    Err(Reason::new(kind, format!("has {value}{unit} where {most} is the most")))
}

fn length_is((least, most): (usize, usize), length: usize, unit: &str) -> Checked {
    at_least(ReasonKind::MinLength, least as i128, length as i128, unit)?;
    at_most(ReasonKind::MaxLength, most as i128, length as i128, unit)
}

/// Any object that stands for itself: a blob is a sort of data of its own.
fn unknown(map: &Map) -> Checked {
    match map.get("$type") {
        Some(Ipld::String(kind)) if kind == "blob" => {
            Err(Reason::new(ReasonKind::Type, "is a blob where an object is wanted"))
        }
        _ => Ok(()),
    }
}

/// A blob: `{$type: "blob", ref, mimeType, size}`; or, in old records, `{cid, mimeType}`.
fn blob(accept: Option<&[Box<str>]>, max_size: u64, map: &Map) -> Checked {
    let (mime, size) = match (map.get("$type"), map.get("mimeType")) {
        (Some(Ipld::String(kind)), Some(Ipld::String(mime))) if kind == "blob" => {
            let (Some(Ipld::Link(_)), Some(Ipld::Integer(size))) = (map.get("ref"), map.get("size")) else {
                return Err(Reason::new(ReasonKind::Type, "is a blob without a link or a size"));
            };
            (mime, *size)
        }
        (None, Some(Ipld::String(mime))) => match map.get("cid") {
            Some(Ipld::String(cid)) if format::is_cid(cid) => (mime, 0),
            _ => return Err(Reason::new(ReasonKind::Type, "isn't a blob")),
        },
        _ => return Err(Reason::new(ReasonKind::Type, "isn't a blob")),
    };
    if accept.is_some_and(|accept| !accept.iter().any(|pattern| accepts(pattern, mime))) {
        let message = format!("is a blob of the type `{}`, which isn't accepted", excerpt(mime));
        return Err(Reason::new(ReasonKind::Accept, message));
    }
    at_most(ReasonKind::MaxSize, i128::from(max_size), size, " bytes")
}

/// Whether `image/*`, `*/*` or `image/png` covers a media type.
fn accepts(pattern: &str, mime: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, _)) if pattern.ends_with('*') => pattern == "*/*" || mime.starts_with(start),
        _ => pattern == mime,
    }
}
