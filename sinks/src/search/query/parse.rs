//! The query language.
//!
//! ```text
//!  either := all (OR all)*
//!  all    := one (AND? one)*
//!  one    := (NOT | -) one │ ( either ) │ [field :] (piece [*] │ "phrase" [*])
//! ```

use super::{Leaf, MAX_DEPTH, Node, QueryError, words};
use springline_model::{Timestamp, text::term::Filter};
use std::ops::RangeInclusive;

/// Reads a query; `None` if it asks for nothing.
pub(super) fn parse(text: &str) -> Result<Option<Node>, QueryError> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let node = parser.either()?;
    match parser.peek() {
        None => Ok(node),
        // Everything else would have been taken into the tree.
        Some(_) => Err(QueryError::new("there is no `(` for this `)`", parser.at)),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The next character that is no space.
    fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        self.rest().chars().next()
    }

    /// Takes an operator, if it is what comes next.
    fn take_word(&mut self, word: &str) -> bool {
        self.peek();
        let is_next = self.rest().strip_prefix(word).is_some_and(|behind| {
            behind.chars().next().is_none_or(|c| c.is_whitespace() || matches!(c, '(' | ')' | '"'))
        });
        if is_next {
            self.at += word.len();
        }
        is_next
    }

    fn either(&mut self) -> Result<Option<Node>, QueryError> {
        let mut nodes = Vec::new();
        loop {
            let start = self.at;
            let node = self.all()?;
            let asked = self.at > start && !self.text[start..self.at].trim().is_empty();
            let at = self.at;
            let more = self.take_word("OR");
            if (more || !nodes.is_empty()) && !asked {
                return Err(QueryError::new("`OR` stands between two things to search for", at));
            }
            nodes.push(node);
            if !more {
                break;
            }
        }
        let mut nodes: Vec<Node> = nodes.into_iter().flatten().collect();
        Ok(if nodes.len() > 1 { Some(Node::Or(nodes)) } else { nodes.pop() })
    }

    fn all(&mut self) -> Result<Option<Node>, QueryError> {
        let (mut nodes, mut begun) = (Vec::new(), false);
        loop {
            let at = self.at;
            let and = self.take_word("AND");
            let ends = matches!(self.peek(), None | Some(')')) || self.is_or();
            if and && (ends || !begun) {
                return Err(QueryError::new("`AND` stands between two things to search for", at));
            }
            if ends {
                break;
            }
            nodes.extend(self.one()?);
            begun = true;
        }
        Ok(if nodes.len() > 1 { Some(Node::And(nodes)) } else { nodes.pop() })
    }

    fn is_or(&mut self) -> bool {
        let at = self.at;
        let is_or = self.take_word("OR");
        self.at = at;
        is_or
    }

    fn one(&mut self) -> Result<Option<Node>, QueryError> {
        let at = self.at;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(QueryError::new(format!("parentheses and NOTs go at most {MAX_DEPTH} deep"), at));
        }
        let node = if self.take_word("NOT") {
            if matches!(self.peek(), None | Some(')')) || self.is_or() {
                return Err(QueryError::new("`NOT` stands before something to search for", at));
            }
            self.one()?.map(|node| Node::Not(Box::new(node)))
        } else if self.rest().starts_with('-')
            && self.rest()[1..].starts_with(|c: char| !c.is_whitespace() && c != '-')
        {
            self.at += 1;
            // A `)` or `OR` here belongs to what is around.
            if self.rest().starts_with(')') {
                None
            } else {
                self.one()?.map(|node| Node::Not(Box::new(node)))
            }
        } else if self.rest().starts_with('(') {
            self.at += 1;
            let node = self.either()?;
            if self.peek() != Some(')') {
                return Err(QueryError::new("there is no `)` for this `(`", at));
            }
            self.at += 1;
            node
        } else {
            self.leaf()?.map(Node::Leaf)
        };
        self.depth -= 1;
        Ok(node)
    }

    fn leaf(&mut self) -> Result<Option<Leaf>, QueryError> {
        let at = self.at;
        let Some((name, field)) = self.field() else {
            return Ok(match self.value()? {
                Value::Quoted { text, .. } => words::quoted(text, false, at),
                Value::Piece { text, prefix } => words::piece(text, prefix, false, at),
            });
        };
        if self.rest().chars().next().is_none_or(|c| c.is_whitespace() || matches!(c, '(' | ')')) {
            return Err(QueryError::new(format!("`{name}:` needs a value right behind it"), at));
        }
        let value_at = self.at;
        let value = self.value()?;
        let (text, prefix) = match value {
            Value::Quoted { text, prefix } | Value::Piece { text, prefix } => (text, prefix),
        };
        Ok(match field {
            Field::Title if matches!(value, Value::Quoted { .. }) => words::quoted(text, true, at),
            Field::Title => words::piece(text, prefix, true, at),
            Field::Filter(filter) => Some(Leaf::Filter { term: filter.term(text), prefix, at }),
            Field::Since => Some(Leaf::Time(*times(text, value_at)?.start()..=Timestamp(i64::MAX))),
            Field::Until => Some(Leaf::Time(Timestamp(i64::MIN)..=*times(text, value_at)?.end())),
        })
    }

    /// Takes a field's name and colon, if that is what comes next.
    fn field(&mut self) -> Option<(&'a str, Field)> {
        let (name, _) = self.rest().split_once(':')?;
        let filter = Filter::ALL.into_iter().find(|filter| filter.name() == name).map(Field::Filter);
        let field = match name {
            "title" => Field::Title,
            "since" => Field::Since,
            "until" => Field::Until,
            _ => filter?,
        };
        self.at += name.len() + 1;
        Some((name, field))
    }

    /// Takes what stands up to the next space, or between quotes; the `*` behind it is not part of it.
    fn value(&mut self) -> Result<Value<'a>, QueryError> {
        let rest = self.rest();
        if let Some(behind) = rest.strip_prefix('"') {
            let Some(length) = behind.find('"') else {
                return Err(QueryError::new("there is no second `\"` for this one", self.at));
            };
            self.at += length + 2;
            let prefix = self.rest().starts_with('*');
            self.at += usize::from(prefix);
            return Ok(Value::Quoted { text: &behind[..length], prefix });
        }
        let length =
            rest.find(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"')).unwrap_or(rest.len());
        self.at += length;
        let piece = &rest[..length];
        let text = piece.trim_end_matches('*');
        Ok(Value::Piece { text, prefix: text.len() < piece.len() })
    }
}

#[derive(Clone, Copy)]
enum Field {
    Title,
    Filter(Filter),
    Since,
    Until,
}

enum Value<'a> {
    Quoted { text: &'a str, prefix: bool },
    Piece { text: &'a str, prefix: bool },
}

/// The first and last millisecond of a year, a month, a day or a moment.
fn times(text: &str, at: usize) -> Result<RangeInclusive<Timestamp>, QueryError> {
    let parse = |text: &str| Timestamp::parse(text).ok();
    let number = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok()).flatten()
    };
    let before = |end: Option<Timestamp>| end.map(|end| Timestamp(end.0 - 1));
    let (start, end) = match text.len() {
        4 => {
            let next = number(text).map(|year| format!("{:04}-01-01", year + 1));
            (parse(&format!("{text}-01-01")), before(next.and_then(|next| parse(&next))))
        }
        7 => {
            let (year, month) = (text.get(..4).and_then(number), text.get(5..).and_then(number));
            let next = match (year, month) {
                (Some(year), Some(12)) => Some(format!("{:04}-01-01", year + 1)),
                (Some(year), Some(month)) => Some(format!("{year:04}-{:02}-01", month + 1)),
                _ => None,
            };
            (parse(&format!("{text}-01")), before(next.and_then(|next| parse(&next))))
        }
        10 => (parse(text), parse(text).map(|start| Timestamp(start.0 + 86_400_000 - 1))),
        _ => (parse(text), parse(text)),
    };
    match (start, end) {
        (Some(start), Some(end)) => Ok(start..=end),
        _ => {
            let shown: String = text.chars().take(40).collect();
            let message = format!(
                "`{shown}` is no year (2024), month (2024-05), day (2024-05-31) or time (2024-05-31T12:00:00Z)"
            );
            Err(QueryError::new(message, at))
        }
    }
}
