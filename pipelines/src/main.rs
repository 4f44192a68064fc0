//! The `springline` program. All of it is in the library; this is the door.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    springline_pipelines::cli::main()
}
