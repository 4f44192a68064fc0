//! The `springline` program. All of it is in the library; this is the door.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    springline_pipelines::cli::main()
}
