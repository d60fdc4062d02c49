//! Networks and the categorical memory, as functions over named parameters.
//!
//! A network holds no tensor: it is a [`layout::Layout`] of names and shapes (the reference's
//! `state_dict` keys) and functions from parameters to outputs, generic over a [`mode::Mode`]. The
//! same code runs as an ordinary forward pass and as a forward pass with tangents, so the two
//! cannot drift apart. A [`network::Network`] is a backbone with a model on top.
#![forbid(unsafe_code)]

mod aspp;
mod auxiliary;
pub mod backbone;
mod deeplab_v2;
mod deeplab_v2_original;
mod deeplab_v3;
mod deeplab_v3_plus;
mod fcn8s;
pub mod image;
pub mod labels;
pub mod layout;
pub mod memory;
pub mod mode;
pub mod network;
pub mod network_check;
pub mod normalization;
pub mod onnx;
pub mod pass;
pub mod random;
pub mod ranks;
pub mod resize;
pub mod summary;
pub mod tangent;
pub mod trace;
pub mod weights;

#[cfg(test)]
mod network_tests;
#[cfg(test)]
mod tangent_device_tests;
#[cfg(test)]
mod tangent_tests;
