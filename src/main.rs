//! The `dex` binary: one entry for the daemon and for every client verb.

use std::process::ExitCode;

/// What one thread makes and another lets go is given back to the system soon, which the system's own allocator does at a
/// higher price, and mimalloc hardly: with 100,000 registered HATs it kept 70 MiB more.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What the allocator reads at its start: threads of its own give memory back that was free for a second.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "the allocator looks for it by this name")]
// SAFETY: nothing else has this name, and it is what the allocator takes it for: a pointer to a text that ends with 0.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static MALLOC_CONF: &[u8; 43] = b"background_thread:true,dirty_decay_ms:1000\0";

fn main() -> ExitCode {
    dex::cli::main()
}
