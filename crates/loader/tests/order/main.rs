//! Which samples come in which batch, for whom, and what becomes of damaged ones.
#![cfg(test)]

mod classes;
mod counters;
mod damage;
mod ranks;
mod recovery;
mod refusals;
mod roles;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod views;

use loader::{Batch, Loader, LoaderOptions};

fn batches(options: LoaderOptions) -> Vec<Batch> {
    Loader::start(options).unwrap().collect::<Result<_, _>>().unwrap()
}
