//! The core as a whole: every reason once, debits and offers through their lives, and the laws.

mod debits;
mod exchanges;
mod laws;
mod offers;
mod reasons;
mod registrations;
mod world;
