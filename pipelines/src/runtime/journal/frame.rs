//! Frames: the unit that is either whole or not there.

/// Marks the start of a frame, so that a scan can find frames behind damage.
pub const MARK: [u8; 4] = *b"SPLF";

/// What stands before the payload: mark, length, CRC, kind.
pub const HEADER_BYTES: usize = 13;

/// The longest payload. Epochs are cut into chunks far below it; a longer length is damage.
pub const MAX_FRAME_BYTES: usize = 256 * 1024 * 1024;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Some of an epoch's events, as concatenated postcard.
    Events = 1,
    /// The commit that closes an epoch.
    Commit = 2,
}

impl Kind {
    const fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            1 => Some(Self::Events),
            2 => Some(Self::Commit),
            _ => None,
        }
    }
}

/// Appends a frame.
pub fn write(kind: Kind, payload: &[u8], out: &mut Vec<u8>) {
    #[expect(clippy::cast_possible_truncation, reason = "callers chunk far below 4 GiB")]
    let length = (payload.len() as u32).to_le_bytes();
    out.extend_from_slice(&MARK);
    out.extend_from_slice(&length);
    out.extend_from_slice(&checksum(length, kind as u8, payload).to_le_bytes());
    out.push(kind as u8);
    out.extend_from_slice(payload);
}

fn checksum(length: [u8; 4], kind: u8, payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&length);
    crc.update(&[kind]);
    crc.update(payload);
    crc.finalize()
}

/// What stands at an offset.
#[derive(Debug, PartialEq, Eq)]
pub enum Read<'a> {
    /// A whole frame; `next` is the offset behind it.
    Frame {
        /// What it holds.
        kind: Kind,
        /// Its content.
        payload: &'a [u8],
        /// Where the next one begins.
        next: usize,
    },
    /// The bytes end here.
    End,
    /// No whole frame, and why.
    Broken(&'static str),
}

/// Reads the frame at an offset.
#[must_use]
pub fn read(bytes: &[u8], offset: usize) -> Read<'_> {
    let Some(rest) = bytes.get(offset..) else { return Read::End };
    if rest.is_empty() {
        return Read::End;
    }
    let Some((header, body)) = rest.split_first_chunk::<HEADER_BYTES>() else {
        return Read::Broken("the frame's header is cut off");
    };
    let [m0, m1, m2, m3, l0, l1, l2, l3, c0, c1, c2, c3, tag] = *header;
    if [m0, m1, m2, m3] != MARK {
        return Read::Broken("no frame begins here");
    }
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if length > MAX_FRAME_BYTES {
        return Read::Broken("the frame's length is beyond the limit");
    }
    let Some(payload) = body.get(..length) else { return Read::Broken("the frame's content is cut off") };
    if checksum([l0, l1, l2, l3], tag, payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Read::Broken("the frame's checksum does not fit its content");
    }
    match Kind::from_tag(tag) {
        Some(kind) => Read::Frame { kind, payload, next: offset + HEADER_BYTES + length },
        None => Read::Broken("the frame's kind is unknown"),
    }
}

/// The first whole frame that begins at or behind an offset.
#[must_use]
pub fn find(bytes: &[u8], offset: usize) -> Option<usize> {
    let mut at = offset;
    while at + HEADER_BYTES <= bytes.len() {
        at += bytes[at..].windows(MARK.len()).position(|window| window == MARK)?;
        if matches!(read(bytes, at), Read::Frame { .. }) {
            return Some(at);
        }
        at += 1;
    }
    None
}
