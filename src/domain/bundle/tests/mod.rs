//! Tests of the bundle language.
