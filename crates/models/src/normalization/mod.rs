//! What may stand in a network beside, or in place of, batch normalisation, and its losses.
//!
//! [`places`] says what stands where and is all that a backbone calls. [`whitening_loss`] and
//! [`sensitivity`] are the loss of instance whitening and the statistics that choose its entries.
//! To add a kind, copy `switchable.rs` and add a variant to [`places::NormKind`].

pub mod k_means;
pub mod places;
pub mod presets;
pub mod sensitivity;
pub mod whitening_loss;

mod ibn_a;
mod instance;
mod switchable;
pub(crate) mod synchronized;
#[cfg(test)]
mod tangent_tests;
