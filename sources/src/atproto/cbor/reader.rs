//! CBOR read.

use super::{
    super::cid::Cid, CborError, Item, MAX_CONTAINER, MAX_DEPTH, MAX_INTEGER, MAX_KEY, Order, key_order,
};

/// Reads values one after the other.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Of bytes.
    #[must_use]
    pub const fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0 }
    }

    /// How many bytes have been read.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// That nothing follows.
    ///
    /// # Errors
    /// Something does.
    pub fn end(&self) -> Result<(), CborError> {
        if self.at == self.input.len() { Ok(()) } else { Err(CborError::Trailing) }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], CborError> {
        let rest = self.input.get(self.at..).unwrap_or_default();
        let taken = rest.get(..length).ok_or(CborError::Truncated)?;
        self.at += length;
        Ok(taken)
    }

    fn take_length(&mut self, length: u64) -> Result<&'a [u8], CborError> {
        self.take(usize::try_from(length).map_err(|_| CborError::Truncated)?)
    }

    fn take_number<const N: usize>(&mut self) -> Result<u64, CborError> {
        let bytes = self.take(N)?;
        Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// The major type and the argument of the next piece.
    fn head(&mut self) -> Result<(u8, u64), CborError> {
        let first = self.take(1)?.first().copied().unwrap_or_default();
        let (major, info) = (first >> 5, first & 31);
        if major == 7 {
            return Ok((major, u64::from(info)));
        }
        let (argument, least) = match info {
            0..24 => return Ok((major, u64::from(info))),
            24 => (self.take_number::<1>()?, 24),
            25 => (self.take_number::<2>()?, 1 << 8),
            26 => (self.take_number::<4>()?, 1 << 16),
            27 => (self.take_number::<8>()?, 1 << 32),
            _ => return Err(CborError::Indefinite),
        };
        if argument < least { Err(CborError::NotShortest) } else { Ok((major, argument)) }
    }

    /// A length of a container, of which each element takes a byte at least.
    fn length(&self, announced: u64, bytes_each: usize) -> Result<usize, CborError> {
        let length = usize::try_from(announced).map_err(|_| CborError::TooMany)?;
        if length > MAX_CONTAINER {
            return Err(CborError::TooMany);
        }
        if length * bytes_each > self.input.len() - self.at { Err(CborError::Truncated) } else { Ok(length) }
    }

    /// The next piece.
    ///
    /// # Errors
    /// It isn't a piece of a canonical value.
    pub fn item(&mut self) -> Result<Item<'a>, CborError> {
        let (major, argument) = self.head()?;
        let integer = || i64::try_from(argument).ok().filter(|number| *number <= MAX_INTEGER);
        match major {
            0 => integer().map(Item::Integer).ok_or(CborError::Integer),
            1 => match integer() {
                Some(number) if number < MAX_INTEGER => Ok(Item::Integer(-1 - number)),
                _ => Err(CborError::Integer),
            },
            2 => self.take_length(argument).map(Item::Bytes),
            3 => {
                let text = std::str::from_utf8(self.take_length(argument)?);
                text.map(Item::Text).map_err(|_| CborError::Utf8)
            }
            4 => self.length(argument, 1).map(Item::Array),
            5 => self.length(argument, 2).map(Item::Map),
            6 if argument == 42 => self.cid().map(Item::Link),
            6 => Err(CborError::Tag),
            _ => match argument {
                20 => Ok(Item::Bool(false)),
                21 => Ok(Item::Bool(true)),
                22 => Ok(Item::Null),
                25..=27 => Err(CborError::Float),
                31 => Err(CborError::Indefinite),
                _ => Err(CborError::Simple),
            },
        }
    }

    fn cid(&mut self) -> Result<Cid, CborError> {
        let Item::Bytes([0, cid @ ..]) = self.item()? else { return Err(CborError::Link) };
        Cid::from_bytes(cid).map_err(|_| CborError::Link)
    }

    /// A map: `each` is called with every key, and has to read its value.
    ///
    /// # Errors
    /// No map follows, its keys aren't in order, or `each` fails.
    pub fn fields<E: From<CborError>>(
        &mut self,
        order: Order,
        mut each: impl FnMut(&'a str, &mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let Item::Map(length) = self.item()? else { return Err(CborError::Expected("a map").into()) };
        let mut last = None;
        for _ in 0..length {
            let key = self.key(last)?;
            if order == Order::Sorted {
                last = Some(key);
            }
            each(key, self)?;
        }
        Ok(())
    }

    /// A key of a map, which comes after `last`.
    ///
    /// # Errors
    /// It doesn't, or isn't a key.
    pub fn key(&mut self, last: Option<&str>) -> Result<&'a str, CborError> {
        let key = self.text()?;
        if key.len() > MAX_KEY {
            return Err(CborError::LongKey);
        }
        match last.map(|last| key_order(last, key)) {
            Some(std::cmp::Ordering::Equal) => Err(CborError::DuplicateKey),
            Some(std::cmp::Ordering::Greater) => Err(CborError::KeyOrder),
            _ => Ok(key),
        }
    }

    /// An array: `each` is called for every element, and has to read it.
    ///
    /// # Errors
    /// No array follows, or `each` fails.
    pub fn items<E: From<CborError>>(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let Item::Array(length) = self.item()? else { return Err(CborError::Expected("an array").into()) };
        (0..length).try_for_each(|_| each(self))
    }

    /// A value, whatever it is. The order of its keys isn't looked at.
    ///
    /// # Errors
    /// It isn't valid, or too deep.
    pub fn skip(&mut self) -> Result<(), CborError> {
        // How many values are still due on each level.
        let mut due = [0_usize; MAX_DEPTH + 1];
        due[0] = 1;
        let mut level = 0;
        loop {
            while due[level] == 0 {
                if level == 0 {
                    return Ok(());
                }
                level -= 1;
            }
            due[level] -= 1;
            let inner = match self.item()? {
                Item::Array(length) => length,
                Item::Map(length) => 2 * length,
                _ => continue,
            };
            level += 1;
            *due.get_mut(level).ok_or(CborError::TooDeep)? = inner;
        }
    }

    /// Whether null is next: then it is read.
    pub fn null(&mut self) -> bool {
        let is_null = self.input.get(self.at) == Some(&0xf6);
        self.at += usize::from(is_null);
        is_null
    }

    /// A text.
    ///
    /// # Errors
    /// Something else follows.
    pub fn text(&mut self) -> Result<&'a str, CborError> {
        if let Item::Text(text) = self.item()? { Ok(text) } else { Err(CborError::Expected("text")) }
    }

    /// Bytes.
    ///
    /// # Errors
    /// Something else follows.
    pub fn bytes(&mut self) -> Result<&'a [u8], CborError> {
        if let Item::Bytes(bytes) = self.item()? { Ok(bytes) } else { Err(CborError::Expected("bytes")) }
    }

    /// An integer.
    ///
    /// # Errors
    /// Something else follows.
    pub fn integer(&mut self) -> Result<i64, CborError> {
        if let Item::Integer(number) = self.item()? {
            Ok(number)
        } else {
            Err(CborError::Expected("an integer"))
        }
    }

    /// A boolean.
    ///
    /// # Errors
    /// Something else follows.
    pub fn bool(&mut self) -> Result<bool, CborError> {
        if let Item::Bool(bool) = self.item()? { Ok(bool) } else { Err(CborError::Expected("a boolean")) }
    }

    /// A link.
    ///
    /// # Errors
    /// Something else follows.
    pub fn link(&mut self) -> Result<Cid, CborError> {
        if let Item::Link(cid) = self.item()? { Ok(cid) } else { Err(CborError::Expected("a link")) }
    }

    /// Null, or what `read` reads.
    ///
    /// # Errors
    /// `read` fails.
    pub fn nullable<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, CborError>,
    ) -> Result<Option<T>, CborError> {
        if self.null() { Ok(None) } else { read(self).map(Some) }
    }
}
