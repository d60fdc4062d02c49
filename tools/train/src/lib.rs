//! `train`: trains a recipe, continues, counts or exports a network, or runs the whole demo.
#![forbid(unsafe_code)]

pub mod cli;
pub mod commands;
pub mod demo;
mod export;
pub mod import;
pub mod network;
mod observer;
mod preview;
mod summary;

pub use observer::TerminalObserver;
