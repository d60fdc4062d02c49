//! Cross-crate tests, one binary.
#![cfg(test)]

mod formula;
mod golden;
mod golden_backbones;
mod golden_forward;
mod golden_memory;
mod golden_meta;
mod golden_misc;
mod golden_multi_iter;
mod golden_networks;
mod golden_whitening;
mod gpu_augmentation;
mod initial_weights;
mod isw;
mod norms;
mod paper_reading;
mod recipes;
mod runs;
mod streaming;
mod toy;
mod web;
