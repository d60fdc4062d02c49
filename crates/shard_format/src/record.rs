//! Takes a sample out of a dataset as it stands there.

use crate::block::{FORMAT_VERSION, Version};
use crate::dataset::Dataset;
use crate::decoder::check_tile;
use crate::encode::EncodedSample;
use crate::fault::Fault;
use crate::read_error::ReadError;

impl Dataset {
    /// Sample `index` as it was encoded, for a writer of another dataset; head and checksums are
    /// checked, nothing is decoded.
    ///
    /// # Errors
    /// There is no such sample, it cannot be read, it was altered, or it was written in an
    /// earlier version of the format.
    pub fn encoded(&self, index: usize) -> Result<EncodedSample, ReadError> {
        let sample = self.find(index)?;
        let (path, id) = sample.name();
        if sample.shard.version < Version::Two {
            let (found, expected) = (sample.shard.version as u32, FORMAT_VERSION);
            return Err(ReadError::OlderVersion { path, found, expected });
        }
        let place = sample.sample.record();
        let prefetched = sample.shard.file.prefetch(std::slice::from_ref(&place));
        prefetched.map_err(|source| sample.io_error(place.clone(), source))?;
        let mut buffer = Vec::new();
        let bytes = sample.shard.bytes(place.clone(), &mut buffer);
        let record = bytes.map_err(|source| sample.io_error(place, source))?.to_vec();

        let head = &sample.sample.head;
        if !head.starts(&record, Version::Two) {
            return Err(ReadError::Sample { path, sample: id, fault: Fault::HeadCopy });
        }
        let (rgb, labels) = head.grids();
        for cell in rgb.cells().chain(labels.cells()) {
            let tile = sample.tile(&cell);
            let start = tile.offset as usize;
            check_tile(&record[start..start + tile.length as usize], tile)
                .map_err(|fault| sample.tile_error(cell.id, fault))?;
        }
        Ok(EncodedSample {
            info: head.info.clone(),
            preset: self.index().preset,
            record,
            head_length: head.length(),
            presence: head.all_presence(),
        })
    }
}
