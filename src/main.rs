//! The `dex` binary: one entry for the daemon and for every client verb.

use std::process::ExitCode;

fn main() -> ExitCode {
    dex::cli::main()
}
