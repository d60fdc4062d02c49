//! Grain of a camera's sensor.

use super::stream::Stream;

/// Rows start at one of this many places of the table.
const STARTS: u32 = 4096;

/// Eight random bytes have this mean and standard deviation: sqrt(8 * (256^2 - 1) / 12).
const BYTES_MEAN: f32 = 8.0 * 127.5;
const BYTES_DEVIATION: f32 = 209.022_3;

/// Nearly normal noise of mean 0 and deviation 1.
///
/// A row of grain is a part of one table, taken at a random place: neighbouring rows have nothing
/// in common, and a pixel costs one load.
#[derive(Debug)]
pub(super) struct Grain {
    stream: Stream,
    values: Vec<f32>,
    width: usize,
}

impl Grain {
    pub(super) fn new(stream: Stream, width: usize) -> Self {
        let table = stream.part(1);
        let normal = |number: usize| {
            let sum: u32 = table.bits(number as u64).to_le_bytes().map(u32::from).iter().sum();
            (sum as f32 - BYTES_MEAN) * (1.0 / BYTES_DEVIATION)
        };
        Self { stream, values: (0..STARTS as usize + width).map(normal).collect(), width }
    }

    /// The grain of row `number`; each number has its own. Shape: [W].
    pub(super) fn row(&self, number: u64) -> &[f32] {
        let start = self.stream.part(2).below(number, STARTS) as usize;
        &self.values[start..start + self.width]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, SampleKey};

    #[test]
    fn grain_has_mean_0_and_deviation_1_and_rows_differ() {
        let key = SampleKey::new(1, "gtav", 0, 0);
        let stream = Stream::applies(key, Purpose::Night, 1.0).unwrap();
        let grain = Grain::new(stream, 700);
        let count = grain.values.len() as f32;
        let mean = grain.values.iter().sum::<f32>() / count;
        let variance = grain.values.iter().map(|value| value * value).sum::<f32>() / count;
        // Standard deviations of both for 4796 normal draws: 0.0144 and 0.0204; five of them.
        assert!(mean.abs() < 0.072, "{mean}");
        assert!((variance - 1.0).abs() < 0.102, "{variance}");
        assert_ne!(grain.row(0), grain.row(1));
        assert_eq!(grain.row(3).len(), 700);
    }
}
