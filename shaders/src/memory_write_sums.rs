//! Declaration and reference of `memory_write_sums.wgsl`.

use crate::{Shader, read, vectors::norm_divisor, write};

/// Channels of one workgroup.
pub const CHANNELS_PER_WORKGROUP: u32 = 256;

/// Classes of one workgroup.
pub const CLASSES_PER_WORKGROUP: u32 = 20;

/// Pixels that go through workgroup memory at a time; a block is a multiple of it.
pub const TILE_PIXELS: u32 = 8;

/// Lanes that share the channels of one pixel under its norm.
pub const CHANNELS_AT_A_TIME: usize = 32;

/// `memory_write_sums.wgsl`.
pub const SHADER: Shader = Shader {
    name: "memory_write_sums",
    source: include_str!("memory_write_sums.wgsl"),
    workgroup_size: [CHANNELS_PER_WORKGROUP, 1, 1],
    bindings: &[
        read("features"),
        read("labels"),
        read("taps"),
        write("block_sums"),
        read("parameters"),
    ],
    constants: &[
        ("LANES", CHANNELS_PER_WORKGROUP),
        ("SLOTS", CLASSES_PER_WORKGROUP),
        ("PIXELS", TILE_PIXELS),
        ("NORM_LANES", CHANNELS_AT_A_TIME as u32),
    ],
};

/// Where one row or column of feature pixels looks at the labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tap {
    /// The first label row or column.
    pub low: usize,
    /// The second.
    pub high: usize,
    /// The first one's share.
    pub low_weight: f64,
    /// The second one's share.
    pub high_weight: f64,
}

/// What class sums start from.
///
/// Shapes, row-major: `features` [B, C, h, w], `rows` `[h]`, `columns` `[w]`, `labels` [B, H, W].
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// C.
    pub channels: usize,
    /// K; labels of at least K are ignored.
    pub classes: usize,
    /// One plane per image and channel.
    pub features: &'a [f64],
    /// The label rows of each feature row.
    pub rows: &'a [Tap],
    /// The label columns of each feature column.
    pub columns: &'a [Tap],
    /// Train ids at full resolution.
    pub labels: &'a [u8],
    /// H and W.
    pub label_size: [usize; 2],
    /// Whether each pixel's feature is divided by its norm.
    pub normalize: bool,
}

impl Inputs<'_> {
    /// h w.
    pub fn plane(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// N = B h w.
    pub fn pixels(&self) -> usize {
        self.features.len() / self.channels
    }

    /// Where channel `channel` of pixel `pixel` is in `features`.
    pub fn at(&self, pixel: usize, channel: usize) -> usize {
        let plane = self.plane();
        (pixel / plane * self.channels + channel) * plane + pixel % plane
    }

    /// The feature of a pixel, all channels.
    pub fn feature(&self, pixel: usize) -> Vec<f64> {
        (0..self.channels).map(|channel| self.features[self.at(pixel, channel)]).collect()
    }

    /// The norm that a pixel's feature is divided by.
    pub fn divisor(&self, pixel: usize) -> f64 {
        if self.normalize { norm_divisor(&self.feature(pixel)) } else { 1.0 }
    }

    /// The label weights of a pixel, one per class.
    pub fn weights(&self, pixel: usize) -> Vec<f64> {
        let [label_height, label_width] = self.label_size;
        let image = pixel / self.plane() * label_height * label_width;
        let row = self.rows[pixel % self.plane() / self.columns.len()];
        let column = self.columns[pixel % self.columns.len()];
        let mut weights = vec![0.0; self.classes];
        for (y, row_weight) in [(row.low, row.low_weight), (row.high, row.high_weight)] {
            for (x, column_weight) in
                [(column.low, column.low_weight), (column.high, column.high_weight)]
            {
                let id = usize::from(self.labels[image + y * label_width + x]);
                if id < self.classes {
                    weights[id] += row_weight * column_weight;
                }
            }
        }
        weights
    }
}

/// The class sums over all pixels, and in the last column the weights' totals.
///
/// Shapes: result [K, C + 1].
pub fn reference(inputs: &Inputs<'_>) -> Vec<f64> {
    let columns = inputs.channels + 1;
    let mut sums = vec![0.0; inputs.classes * columns];
    for pixel in 0..inputs.pixels() {
        let feature = inputs.feature(pixel);
        let divisor = inputs.divisor(pixel);
        for (class, weight) in inputs.weights(pixel).into_iter().enumerate() {
            for (channel, value) in feature.iter().enumerate() {
                sums[class * columns + channel] += weight * value / divisor;
            }
            sums[class * columns + inputs.channels] += weight;
        }
    }
    sums
}
