//! The `dex` binary: one entry for the daemon and for every client verb.

use std::process::ExitCode;

/// Batches are made on one thread and let go on another, which this allocator is made for and the system's is not.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    dex::cli::main()
}
