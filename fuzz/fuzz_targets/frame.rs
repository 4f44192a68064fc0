//! Frames of the event streams, and what is in them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use springline_sources::atproto::{
    data,
    frame::Frame,
    verify::{Checks, Mode, verify, verify_sync},
};

fuzz_target!(|bytes: &[u8]| {
    let Ok(frame) = Frame::read(bytes) else { return };
    // What is written of it is read as the same.
    let written = frame.write();
    if !matches!(frame, Frame::Unknown { .. }) {
        assert_eq!(Frame::read(&written).as_ref(), Ok(&frame));
    }
    for mode in [Mode::None, Mode::Hash] {
        let checks = Checks { mode, key: None, now: u64::MAX, legacy: true };
        match &frame {
            Frame::Commit(commit) => {
                let Ok(held) = verify(commit, &checks) else { continue };
                for record in held.ops.iter().filter_map(|op| op.record) {
                    if let Ok(value) = data::record(record) {
                        assert_eq!(data::encode(&value).as_deref(), Ok(record));
                    }
                }
            }
            Frame::Sync(sync) => drop(verify_sync(sync, &checks)),
            _ => {}
        }
    }
});
