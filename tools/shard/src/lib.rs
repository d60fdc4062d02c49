//! `shard`: turns dataset folders into audited shards, and checks, describes and unpacks shards.
//!
//! [`pack`](pack::pack) reads a dataset as its manifest says and writes shards, their index and
//! `audit.json`; the other modules are one command each. [`commands::run`] is the program.
#![forbid(unsafe_code)]

pub mod audit;
pub mod bench;
mod canvas;
mod choice;
pub mod cli;
pub mod commands;
pub mod extract;
pub mod inspect;
mod json_file;
pub mod merge;
pub mod pack;
mod png_file;
pub mod preview;
pub mod stats;
mod store;
mod summary;
pub mod verify;
