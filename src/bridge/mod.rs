//! HATs that speak only HTTP: the exchange's bridge to their API. It speaks the protocol like anybody
//! else and signs as `bridge:<id>`, never as a HAT.

pub mod carry;
pub mod hat;
pub mod onboard;
pub mod options;

pub use carry::run;
pub use onboard::{OnboardError, Onboarded, Onboarding};
pub use options::BridgeOptions;
