//! Scores of a segmentation model: confusion matrix, IoU, tables, charts, pictures and the report;
//! and its memory as data.

#![forbid(unsafe_code)]

pub mod charts;
pub mod confusion;
mod device_counts;
mod device_limit;
pub mod memory;
pub mod pictures;
pub mod predictor;
pub mod protocol;
pub mod report;
pub mod scores;
mod stitched;
pub mod targets;
pub mod view;

pub use confusion::ConfusionMatrix;
pub use scores::{EvalScores, Protocol, TargetScore};
