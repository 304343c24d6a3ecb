//! What a part of a fan-out is written on.

use std::io::{self, Write};

/// A place for what is delivered of one part.
pub trait Slate: Write {
    /// Takes back all that was written: nothing of it is delivered, and its room is for the other parts.
    ///
    /// # Errors
    /// When that cannot be done.
    fn wipe(&mut self) -> io::Result<()>;
}

impl Slate for Vec<u8> {
    fn wipe(&mut self) -> io::Result<()> {
        *self = Vec::new();
        Ok(())
    }
}
