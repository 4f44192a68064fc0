//! CARs written.

use super::super::{cbor::Writer, cid::Cid};

/// The header, with one root.
pub fn write_header(out: &mut Vec<u8>, root: &Cid) {
    let mut writer = Writer::with_capacity(64);
    writer.map(2);
    writer.text("roots");
    writer.array(1);
    writer.link(root);
    writer.text("version");
    writer.integer(1);
    let header = writer.into_bytes();
    write_length(out, header.len());
    out.extend(header);
}

/// A block.
pub fn write_block(out: &mut Vec<u8>, cid: &Cid, block: &[u8]) {
    write_length(out, Cid::BYTES + block.len());
    out.extend(cid.to_bytes());
    out.extend_from_slice(block);
}

/// A whole one.
pub fn write<'a>(root: &Cid, blocks: impl IntoIterator<Item = (&'a Cid, &'a [u8])>) -> Vec<u8> {
    let mut out = Vec::new();
    write_header(&mut out, root);
    for (cid, block) in blocks {
        write_block(&mut out, cid, block);
    }
    out
}

fn write_length(out: &mut Vec<u8>, mut length: usize) {
    while length > 0x7f {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}
