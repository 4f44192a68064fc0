//! Lines of a Jetstream, and the records in them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use springline_model::SourceId;
use springline_sources::atproto::{
    jetstream,
    reader::{Reader, RecordsConfig, Validation},
};
use std::sync::LazyLock;

static READER: LazyLock<Reader> = LazyLock::new(|| {
    let config = RecordsConfig { validation: Validation::Reject, ..RecordsConfig::default() };
    Reader::new(SourceId::new("fuzz"), config)
});

fuzz_target!(|line: &[u8]| {
    drop(jetstream::read(line, &READER, &"fuzz"));
});
