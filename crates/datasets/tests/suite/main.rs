//! The crate as its users see it: official manifests, and dataset folders good and bad.

mod broken_files;
mod decoding;
mod drafts;
mod encoders;
mod error_texts;
mod folders;
mod official_layouts;
mod official_tables;
mod readings;
mod target_layouts;
mod toy_folder;
