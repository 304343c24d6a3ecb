//! Tests of classes of personal data.

mod gates;
mod laws;
mod names;
