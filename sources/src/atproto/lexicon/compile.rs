//! Lexicons compiled: an arena of rules in which every reference is a number.
//!
//! ```text
//!  records: app.bsky.feed.post ─► 3        rules[3] = Object { embed ─► 7, reply ─► 9, text ─► 4, … }
//!           app.bsky.feed.like ─► 21       rules[7] = Union { app.bsky.embed.images ─► 12, … }
//! ```
//!
//! Only what records reach is compiled. Rules may refer to each other in circles (a rule's number is taken before
//! its content is made): a check ends because the record does. Rule 0 accepts anything; what a reference to an
//! unknown definition leads to.

use super::{
    format::Format,
    schema::{Document, MAIN, Schema, Text},
};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// The place of a rule.
pub(super) type RuleId = usize;

/// The rule that accepts anything.
const ANYTHING: RuleId = 0;

/// What a value must be.
#[derive(Debug)]
pub(super) enum Rule {
    Anything,
    Null,
    Boolean { constant: Option<bool> },
    Integer { constant: Option<i64>, values: Option<Box<[i64]>>, minimum: i64, maximum: i64 },
    String(Box<StringRule>),
    Bytes { length: (usize, usize) },
    Link,
    Blob { accept: Option<Box<[Box<str>]>>, max_size: u64 },
    Array { items: RuleId, length: (usize, usize) },
    Object(Box<[Property]>),
    Union { members: Box<[(Box<str>, RuleId)]>, closed: bool },
    Unknown,
    Token(Box<str>),
}

#[derive(Debug)]
pub(super) struct StringRule {
    pub(super) constant: Option<Box<str>>,
    pub(super) values: Option<Box<[Box<str>]>>,
    pub(super) format: Option<&'static Format>,
    pub(super) length: (usize, usize),
    pub(super) graphemes: (usize, usize),
}

#[derive(Debug)]
pub(super) struct Property {
    pub(super) name: Box<str>,
    pub(super) rule: RuleId,
    pub(super) required: bool,
    pub(super) nullable: bool,
}

/// The rules of a set of lexicons.
#[derive(Debug, Default)]
pub(super) struct Rules {
    rules: Vec<Rule>,
    /// By lexicon; `None` describes something else than records.
    records: HashMap<Box<str>, Option<RuleId>>,
}

impl Rules {
    pub(super) fn compile(documents: Vec<Document>) -> Self {
        let documents = documents.into_iter().map(|document| (document.id, document.defs)).collect();
        let mut compiler = Compiler {
            documents: &documents,
            rules: vec![Rule::Anything],
            named: HashMap::new(),
            waiting: VecDeque::new(),
        };
        let mut records = HashMap::new();
        for (id, defs) in &documents {
            let Some(main) = defs.get(MAIN) else { continue };
            let rule = matches!(main, Schema::Record { .. }).then(|| compiler.named(id, MAIN));
            records.insert(id.as_str().into(), rule);
        }
        Self { rules: compiler.finish(), records }
    }

    /// What a collection's records must be. The outer `None`: it has no lexicon; the inner: no records.
    pub(super) fn of_collection(&self, collection: &str) -> Option<Option<RuleId>> {
        self.records.get(collection).copied()
    }

    pub(super) fn collections(&self) -> impl Iterator<Item = &str> {
        self.records.iter().filter(|(_, rule)| rule.is_some()).map(|(id, _)| &**id)
    }

    pub(super) fn get(&self, rule: RuleId) -> &Rule {
        self.rules.get(rule).unwrap_or(&Rule::Anything)
    }
}

type Documents = BTreeMap<String, BTreeMap<String, Schema>>;

struct Compiler<'a> {
    documents: &'a Documents,
    rules: Vec<Rule>,
    named: HashMap<(&'a str, &'a str), RuleId>,
    /// Definitions that have a number but no rule yet: a queue, as a chain of references can be long.
    waiting: VecDeque<(RuleId, &'a str, &'a str, &'a Schema)>,
}

impl<'a> Compiler<'a> {
    fn finish(mut self) -> Vec<Rule> {
        while let Some((rule, id, name, schema)) = self.waiting.pop_front() {
            self.rules[rule] = self.rule(id, name, schema);
        }
        self.rules
    }

    /// The number of a definition.
    fn named(&mut self, id: &str, name: &str) -> RuleId {
        let definition = self.documents.get_key_value(id);
        let Some((id, (name, schema))) =
            definition.and_then(|(id, defs)| defs.get_key_value(name).map(|definition| (id, definition)))
        else {
            return ANYTHING;
        };
        if let Some(rule) = self.named.get(&(id.as_str(), name.as_str())) {
            return *rule;
        }
        let rule = self.push(Rule::Anything);
        self.named.insert((id, name), rule);
        self.waiting.push_back((rule, id, name, schema));
        rule
    }

    /// The number of what a reference in lexicon `id` means.
    fn reference(&mut self, id: &str, reference: &str) -> RuleId {
        match reference.split_once('#') {
            Some(("", name)) => self.named(id, name),
            Some((id, name)) => self.named(id, name),
            None => self.named(reference, MAIN),
        }
    }

    fn push(&mut self, rule: Rule) -> RuleId {
        self.rules.push(rule);
        self.rules.len() - 1
    }

    /// The number of a schema inside a definition.
    fn inline(&mut self, id: &'a str, schema: &'a Schema) -> RuleId {
        if let Schema::Ref { target } = schema {
            return self.reference(id, target);
        }
        let rule = self.rule(id, "", schema);
        self.push(rule)
    }

    fn rule(&mut self, id: &'a str, name: &str, schema: &'a Schema) -> Rule {
        match schema {
            Schema::Record { record } => self.rule(id, name, record),
            Schema::Null => Rule::Null,
            Schema::Boolean { constant } => Rule::Boolean { constant: *constant },
            Schema::Integer { constant, values, minimum, maximum } => Rule::Integer {
                constant: *constant,
                values: values.clone().map(Vec::into_boxed_slice),
                minimum: minimum.unwrap_or(i64::MIN),
                maximum: maximum.unwrap_or(i64::MAX),
            },
            Schema::String(text) => Rule::String(Box::new(text.rule())),
            Schema::Bytes { length } => Rule::Bytes { length: length.bounds() },
            Schema::CidLink => Rule::Link,
            Schema::Blob { accept, max_size } => {
                Rule::Blob { accept: accept.as_deref().map(boxed), max_size: max_size.unwrap_or(u64::MAX) }
            }
            Schema::Array { items, length } => {
                Rule::Array { items: self.inline(id, items), length: length.bounds() }
            }
            Schema::Object { properties, required, nullable } => {
                self.object(id, properties, required, nullable)
            }
            Schema::Union { refs, closed } => {
                let members =
                    refs.iter().map(|member| (absolute(id, member), self.reference(id, member))).collect();
                Rule::Union { members, closed: *closed }
            }
            Schema::Unknown => Rule::Unknown,
            Schema::Token => Rule::Token(absolute(id, &format!("#{name}"))),
            // A reference that stands for itself is resolved where it stands; the others hold no data.
            Schema::Ref { .. }
            | Schema::Query
            | Schema::Procedure
            | Schema::Subscription
            | Schema::PermissionSet
            | Schema::Params => Rule::Anything,
        }
    }

    fn object(
        &mut self,
        id: &'a str,
        properties: &'a BTreeMap<String, Schema>,
        required: &'a [String],
        nullable: &[String],
    ) -> Rule {
        // A field may be required and not be described.
        let extra = required.iter().filter(|name| !properties.contains_key(*name)).map(|name| (name, None));
        let described = properties.iter().map(|(name, schema)| (name, Some(schema)));
        let properties = described.chain(extra).map(|(name, schema)| Property {
            name: name.as_str().into(),
            rule: schema.map_or(ANYTHING, |schema| self.inline(id, schema)),
            required: required.contains(name),
            nullable: nullable.contains(name),
        });
        Rule::Object(properties.collect())
    }
}

impl Text {
    fn rule(&self) -> StringRule {
        StringRule {
            constant: self.constant.as_deref().map(Into::into),
            values: self.values.as_deref().map(boxed),
            format: self.format.as_deref().and_then(Format::named),
            length: (self.min_length.unwrap_or(0), self.max_length.unwrap_or(usize::MAX)),
            graphemes: (self.min_graphemes.unwrap_or(0), self.max_graphemes.unwrap_or(usize::MAX)),
        }
    }
}

fn boxed(texts: &[String]) -> Box<[Box<str>]> {
    texts.iter().map(|text| text.as_str().into()).collect()
}

/// The `$type` that a reference means: the id alone for `main`, or with a fragment.
fn absolute(id: &str, reference: &str) -> Box<str> {
    let (of, name) = reference.split_once('#').unwrap_or((reference, MAIN));
    let of = if of.is_empty() { id } else { of };
    if name == MAIN { of.into() } else { format!("{of}#{name}").into() }
}
