//! springline-tests
