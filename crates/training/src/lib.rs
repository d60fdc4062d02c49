//! Recipe to run: losses, schedule, algorithms, checkpoints, resume.
#![forbid(unsafe_code)]

pub mod batches;
pub mod checkpoint;
pub mod device_colours;
mod exact_count;
pub mod initial_weights;
pub mod loading;
pub mod losses;
pub mod memory_history;
pub mod method;
pub mod metrics;
pub mod objective;
pub mod optimizer;
pub mod recipe;
pub mod run;
pub mod run_log;
pub mod schedule;
pub mod state;
pub mod step;
