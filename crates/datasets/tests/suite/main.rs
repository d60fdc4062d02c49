//! The crate as its users see it: official manifests, and dataset folders good and bad.

mod decoding;
mod folders;
mod official_layouts;
mod official_tables;
mod toy_folder;
