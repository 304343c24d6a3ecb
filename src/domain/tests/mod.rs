//! The core as a whole: every reason once, debits and offers through their lives, and the laws.

mod reasons;
mod world;
