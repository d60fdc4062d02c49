//! Opens and reads a dataset's files, up to sizes that no picture or annotation has.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::SampleError;

/// Most bytes of a picture's file, 1 GiB: more than the largest picture has uncompressed.
pub(crate) const MAX_PICTURE_BYTES: u64 = 1 << 30;

/// Most bytes of an annotation in JSON, 64 MiB: parsed, it takes several times as much memory.
pub(crate) const MAX_ANNOTATION_BYTES: u64 = 64 << 20;

/// The open file and its size in bytes.
pub(crate) fn open(path: &Path, most: u64) -> Result<(File, u64), SampleError> {
    let bytes = size(path, most)?;
    let file = File::open(path).map_err(|source| unreadable(path, source))?;
    Ok((file, bytes))
}

/// The file's size in bytes, without opening it: opening a pipe would wait for its other end.
pub(crate) fn size(path: &Path, most: u64) -> Result<u64, SampleError> {
    let metadata = std::fs::metadata(path).map_err(|source| unreadable(path, source))?;
    if !metadata.is_file() {
        let source = io::Error::other("it is not a regular file");
        return Err(unreadable(path, source));
    }
    let bytes = metadata.len();
    if bytes > most {
        return Err(SampleError::FileTooLarge { path: path.into(), bytes, most });
    }
    Ok(bytes)
}

/// All bytes of the file.
pub(crate) fn read(path: &Path, most: u64) -> Result<Vec<u8>, SampleError> {
    let (file, length) = open(path, most)?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    // A file that grows meanwhile is cut, and then refused by its decoder.
    file.take(most).read_to_end(&mut bytes).map_err(|source| unreadable(path, source))?;
    Ok(bytes)
}

pub(crate) fn unreadable(path: &Path, source: io::Error) -> SampleError {
    SampleError::Io { path: path.into(), source }
}
