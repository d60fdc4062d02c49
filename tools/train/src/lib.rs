//! `train`: trains a recipe, continues a run, or runs the whole demo.
#![forbid(unsafe_code)]

pub mod cli;
pub mod commands;
pub mod demo;
pub mod import;
mod observer;
mod preview;

pub use observer::TerminalObserver;
