//! springline-bench
