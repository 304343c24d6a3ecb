//! Why a verb ends without success, and the stable exit codes.

use std::io::Write;
use std::process::ExitCode;

use crate::client::ClientError;
use crate::domain::Reason;

/// A finding, or a refused outcome.
pub const FINDING: u8 = 1;
/// The command line or its input makes no sense.
pub const USAGE: u8 = 2;
/// Broker or daemon cannot be reached, or no answer came in time.
pub const UNAVAILABLE: u8 = 3;
/// The daemon's configuration is wrong (`EX_CONFIG`): starting it again without a change is no use.
pub const CONFIG: u8 = 78;

/// Why a verb ends without success.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something is not as it must be, or the exchange said no.
    #[error("{0}")]
    Finding(String),
    /// The verb was called wrongly.
    #[error("{0}")]
    Usage(String),
    /// Nobody answered.
    #[error("{0}")]
    Unavailable(String),
    /// The daemon cannot start with this configuration.
    #[error("{0}")]
    Config(String),
    /// Nobody reads our output any more: the end of `dex … | head`. No error.
    #[error("the reader of the output is gone")]
    Pipe,
}

impl Failure {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Failure::Finding(_) => FINDING,
            Failure::Usage(_) => USAGE,
            Failure::Unavailable(_) => UNAVAILABLE,
            Failure::Config(_) => CONFIG,
            Failure::Pipe => 0,
        }
    }

    /// Says it on stderr and gives the exit code.
    pub fn report(&self) -> ExitCode {
        if !matches!(self, Failure::Pipe) {
            // Nothing is left to do when stderr is closed too.
            let _ = writeln!(std::io::stderr(), "dex: {self}");
        }
        ExitCode::from(self.code())
    }
}

impl From<std::io::Error> for Failure {
    /// Of a write to stdout.
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Failure::Pipe
        } else {
            Failure::Finding(format!("stdout cannot be written: {error}"))
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let text = error.to_string();
        match error {
            ClientError::Refused(_) | ClientError::Form(_) | ClientError::Unverified { .. } => Failure::Finding(text),
            // The daemon is there and says that it cannot answer now.
            ClientError::Problem(problem) if problem.reason == Reason::Internal => Failure::Unavailable(text),
            ClientError::Problem(_) => Failure::Finding(text),
            ClientError::Timeout { .. }
            | ClientError::NoAnswer { .. }
            | ClientError::Connect(_)
            | ClientError::Broker(_)
            | ClientError::Local(_) => Failure::Unavailable(text),
            ClientError::NoSigner | ClientError::Id(_) | ClientError::KeyFile(_) | ClientError::Content(_) => {
                Failure::Usage(text)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_pipe_is_no_error() {
        let failure = Failure::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!(failure.code(), 0);
        let failure = Failure::from(std::io::Error::from(std::io::ErrorKind::StorageFull));
        assert_eq!(failure.code(), FINDING);
    }
}
