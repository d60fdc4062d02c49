//! Cross-crate tests, one binary.
#![cfg(test)]

mod changed_recipe;
mod empty_batches;
mod episode;
mod evaluation_errors;
mod exact_outer_gradient;
mod formula;
mod golden;
mod golden_backbones;
mod golden_forward;
mod golden_heads;
mod golden_memory;
mod golden_meta;
mod golden_meta_r50;
mod golden_misc;
mod golden_multi_iter;
mod golden_networks;
mod golden_norms;
mod golden_whitening;
mod gpu_augmentation;
mod grouped_gradients;
mod initial_weights;
mod isw;
mod memory_data;
mod method_effects;
mod method_keys;
mod norms;
mod paper_reading;
mod recipe_overrides;
mod recipes;
mod runs;
mod streaming;
mod toy;
mod watching;
mod web;
