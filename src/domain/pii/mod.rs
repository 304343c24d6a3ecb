//! How personal each field is, who may have which of it, and what of a body is left out for that.
//!
//! A [`Catalogue`] gathers what approved plugs and operators say of the fields of endpoints. A [`Gate`] is made of a
//! debit's terms, its client's bound and the catalogue, once for each of their versions; what a bundle makes of a body
//! goes through it. Classes delivered ⊆ granted ⊆ allowed.

mod catalogue;
mod class;
mod decide;
mod fields;
mod gate;
mod node;
mod pass;
pub mod pseudonym;
mod word;

pub use catalogue::{Catalogue, EndpointClasses};
pub use class::{Class, ClassSet, Dropped};
pub(crate) use decide::{allow, classify};
pub use fields::Fields;
pub use gate::{Gate, Gates, Grant, WITHOUT_PII};
pub use pass::{Mask, Passed};
pub use word::{Allowed, CLASSIFIED_BYTES_MAX, Classified, FieldWord, WORD_BYTES_MAX, Word, WordFault};

#[cfg(test)]
mod tests;
