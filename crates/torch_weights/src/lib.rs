//! Weights files of PyTorch: what is in them, and which of it a network wants.
//!
//! [`read`] turns a `.pth` or `.safetensors` file into named tensors on the host.
//! [`matching::match_tensors`] gives them the names of a network and says what is left over.
//!
//! A `.pth` file is a pickle, a program for a machine that can call any function of Python. The
//! machine here knows the instructions and names that PyTorch writes, calls nothing, and refuses
//! every other name. Memory and time are bounded by the size of the file: no bytes are read twice
//! but through views, which together have no more elements than the file has bytes. Errors are short
//! however long a name in the file is.
#![forbid(unsafe_code)]

mod checkpoint;
mod containers;
mod element;
pub mod matching;
pub mod naming;
mod pickle;
mod read;
mod safetensors_file;
mod shown;
mod view;

pub use containers::Format;
pub use pickle::PickleError;
pub use read::{ReadError, WeightsFile, read, read_bytes};
pub use shown::shown;
