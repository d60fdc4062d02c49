//! Files that PyTorch wrote, and files that want to do harm.

mod forged;
mod hostile;
mod networks;
mod torch_files;

use std::path::{Path, PathBuf};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}
