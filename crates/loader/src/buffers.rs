//! Buffers of batches: split among the workers that fill them, and used again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

/// Buffers that the consumer gave back.
#[derive(Debug)]
pub(crate) struct Pool {
    free: Mutex<Vec<Vec<u8>>>,
    most: usize,
}

impl Pool {
    /// An empty pool that will hold at most `most` buffers.
    pub(crate) fn new(most: usize) -> Self {
        Self { free: Mutex::new(Vec::new()), most }
    }

    /// Keeps a buffer, if there is room.
    pub(crate) fn give(&self, buffer: Vec<u8>) {
        let mut free = self.lock();
        if free.len() < self.most && buffer.capacity() > 0 {
            free.push(buffer);
        }
    }

    /// A buffer of `count` parts of `part_len` bytes each, with anything in them.
    fn take(&self, [count, part_len]: [usize; 2]) -> BytesMut {
        let len = count * part_len;
        let mut free = self.lock();
        let fitting = (0..free.len()).filter(|&place| free[place].capacity() >= len);
        // Of the smallest that fit, so that labels leave the images' buffers alone.
        let Some(place) = fitting.min_by_key(|&place| free[place].capacity()) else {
            return BytesMut::zeroed(len);
        };
        let mut buffer = free.swap_remove(place);
        drop(free);
        buffer.resize(len, 0);
        // Neither step copies: the buffer has one owner.
        BytesMut::from(Bytes::from(buffer))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one sample in the buffers of its batch, with anything in it until it is rendered.
#[derive(Debug, Default)]
pub(crate) struct Pixels {
    /// [3, H, W]
    pub(crate) planes: BytesMut,
    /// [H, W]
    pub(crate) labels: BytesMut,
}

impl Pixels {
    /// The places of `count` samples of `pixels` pixels, side by side.
    pub(crate) fn side_by_side(pool: &Pool, count: usize, pixels: usize) -> Vec<Option<Self>> {
        let mut planes = pool.take([count, 3 * pixels]);
        let mut labels = pool.take([count, pixels]);
        let place =
            |_| Self { planes: planes.split_to(3 * pixels), labels: labels.split_to(pixels) };
        (0..count).map(place).map(Some).collect()
    }

    /// Images and labels of all samples in order; without a copy where they lie side by side.
    ///
    /// Shapes: [B, 3, H, W] and [B, H, W].
    pub(crate) fn joined(samples: impl Iterator<Item = Self>) -> (Vec<u8>, Vec<u8>) {
        let mut joined = Self::default();
        for sample in samples {
            joined.planes.unsplit(sample.planes);
            joined.labels.unsplit(sample.labels);
        }
        (Vec::from(joined.planes), Vec::from(joined.labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_filled_in_any_order_are_one_buffer_in_theirs() {
        let pool = Pool::new(2);
        for round in 0..3 {
            let mut parts = Pixels::side_by_side(&pool, 3, 2);
            for number in [2, 0, 1] {
                let part = parts[number].as_mut().unwrap();
                part.planes.fill(10 * round + number as u8);
                part.labels.fill(100 + number as u8);
            }
            let starts = parts[0].as_ref().unwrap().planes.as_ptr();
            let (images, labels) = Pixels::joined(parts.into_iter().flatten());
            assert_eq!(images.as_ptr(), starts, "copied");
            let [a, b, c] = [0, 1, 2].map(|number| 10 * round + number);
            assert_eq!(images, [[a; 6], [b; 6], [c; 6]].as_flattened());
            assert_eq!(labels, [100, 100, 101, 101, 102, 102]);
            pool.give(images);
            pool.give(labels);
        }
    }

    #[test]
    fn a_pool_hands_out_the_smallest_buffer_that_fits_and_keeps_no_more_than_told() {
        let pool = Pool::new(2);
        for len in [100, 10, 1000] {
            pool.give(vec![7; len]);
        }
        assert_eq!(pool.take([2, 4])[..], [7; 8]);
        assert_eq!(pool.take([2, 4])[..], [7; 8]);
        assert_eq!(pool.take([2, 4])[..], [0; 8], "a third one was kept");
    }
}
