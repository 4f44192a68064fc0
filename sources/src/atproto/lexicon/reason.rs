//! Why a record is refused.

use std::fmt;

/// What was found at which place of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What sort of thing it is.
    pub kind: ReasonKind,
    /// Where, as `.embed.images[2].alt`; empty for the record as a whole.
    pub path: String,
    /// In words.
    pub message: String,
}

/// The sorts of reasons. Their names are those of counters and stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ReasonKind {
    /// The collection is that of a lexicon which describes no records.
    NoRecord,
    /// `$type` isn't the collection.
    RecordType,
    /// A required field is missing.
    Required,
    /// A value is of another type of data.
    Type,
    /// A value isn't the one there can be.
    Const,
    /// A value isn't one of those there can be.
    Enum,
    /// An integer is too small.
    Minimum,
    /// An integer is too large.
    Maximum,
    /// A string, byte string or array is too short.
    MinLength,
    /// A string, byte string or array is too long.
    MaxLength,
    /// A string has too few graphemes.
    MinGraphemes,
    /// A string has too many graphemes.
    MaxGraphemes,
    /// A string isn't in its format.
    Format,
    /// A blob has another media type than those accepted.
    Accept,
    /// A blob is too large.
    MaxSize,
    /// A member of a union doesn't say what it is.
    Union,
    /// A member of a closed union is something else than those listed.
    ClosedUnion,
    /// A record is nested too deeply.
    Depth,
}

impl ReasonKind {
    /// The name, as in counters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoRecord => "no-record",
            Self::RecordType => "record-type",
            Self::Required => "required",
            Self::Type => "type",
            Self::Const => "const",
            Self::Enum => "enum",
            Self::Minimum => "minimum",
            Self::Maximum => "maximum",
            Self::MinLength => "min-length",
            Self::MaxLength => "max-length",
            Self::MinGraphemes => "min-graphemes",
            Self::MaxGraphemes => "max-graphemes",
            Self::Format => "format",
            Self::Accept => "accept",
            Self::MaxSize => "max-size",
            Self::Union => "union",
            Self::ClosedUnion => "closed-union",
            Self::Depth => "depth",
        }
    }
}

impl fmt::Display for ReasonKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.path.is_empty() { "the record" } else { &self.path };
        write!(f, "{place} {}", self.message)
    }
}

impl Reason {
    pub(super) fn new(kind: ReasonKind, message: impl Into<String>) -> Box<Self> {
        Box::new(Self { kind, path: String::new(), message: message.into() })
    }

    /// Says in which field it was found. The path is made on the way out, so that a valid record needs none.
    pub(super) fn in_field(mut self: Box<Self>, name: &str) -> Box<Self> {
        self.path = format!(".{name}{}", self.path);
        self
    }

    /// Says in which element of an array it was found.
    pub(super) fn in_element(mut self: Box<Self>, place: usize) -> Box<Self> {
        self.path = format!("[{place}]{}", self.path);
        self
    }
}

/// The start of a text from a record, for a message.
pub(super) fn excerpt(text: &str) -> String {
    const CHARS: usize = 64;
    let mut start: String = text.chars().take(CHARS).flat_map(char::escape_debug).collect();
    if text.chars().nth(CHARS).is_some() {
        start.push('…');
    }
    start
}
