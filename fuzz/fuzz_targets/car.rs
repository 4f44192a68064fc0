//! CARs, whole and as a stream: both see the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use springline_sources::atproto::car::{Car, CarError, CarReader, Hashes, Limits};

fuzz_target!(|bytes: &[u8]| {
    for hashes in [Hashes::Check, Hashes::Trust] {
        // Of two things that are wrong, either may be found first.
        assert_eq!(Car::read(bytes, &Limits::COMMIT, hashes).is_ok(), stream(bytes, hashes).is_ok());
    }
});

fn stream(bytes: &[u8], hashes: Hashes) -> Result<(), CarError> {
    if bytes.len() as u64 > Limits::COMMIT.bytes {
        return Err(CarError::TooLarge);
    }
    let mut reader = CarReader::new(bytes, Limits::COMMIT, hashes)?;
    while reader.next_block()?.is_some() {}
    Ok(())
}
