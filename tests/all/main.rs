//! Cross-crate tests, one binary.
#![cfg(test)]

mod golden;
mod golden_forward;
mod golden_memory;
mod golden_meta;
mod golden_misc;
mod recipes;
mod runs;
mod toy;
