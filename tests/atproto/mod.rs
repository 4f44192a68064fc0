//! The AT Protocol through the whole program: whatever way records come in, the views are the same.
//!
//! More cases with `SPRINGLINE_TEST_GARDENS=all`.

mod deliveries;
mod indigo;
mod labelers;
mod records;
mod streams;
mod world;

/// Whether what takes long is wanted.
fn is_thorough() -> bool {
    std::env::var("SPRINGLINE_TEST_GARDENS").is_ok_and(|which| which == "all")
}
