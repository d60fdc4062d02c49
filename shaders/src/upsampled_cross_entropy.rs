//! Declaration and reference of `upsampled_cross_entropy.wgsl`.

use crate::{Shader, read, write};

/// Lanes of one workgroup, and label pixels that it takes at a time.
pub const PIXELS_PER_WORKGROUP: u32 = 256;

/// `upsampled_cross_entropy.wgsl`.
pub const SHADER: Shader = Shader {
    name: "upsampled_cross_entropy",
    source: include_str!("upsampled_cross_entropy.wgsl"),
    workgroup_size: [PIXELS_PER_WORKGROUP, 1, 1],
    bindings: &[
        read("logits"),
        read("tangent"),
        read("labels"),
        read("class_weights"),
        write("sums"),
        write("log_sums"),
        write("mean_tangents"),
        read("parameters"),
    ],
    constants: &[("LANES", PIXELS_PER_WORKGROUP)],
};

/// What an upsampled cross entropy starts from.
///
/// Shapes, row-major: `logits` and `tangent` [B, K, h, w], `labels` [B, H, W].
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// B.
    pub batch: usize,
    /// [h, w].
    pub size: [usize; 2],
    /// [H, W].
    pub label_size: [usize; 2],
    /// The logits, at their own size.
    pub logits: &'a [f64],
    /// The direction of the derivative.
    pub tangent: &'a [f64],
    /// Train ids; K and more count for nothing.
    pub labels: &'a [u8],
    /// One weight per class, K of them.
    pub class_weights: &'a [f64],
}

/// What an upsampled cross entropy gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs {
    /// The weighted sum of the pixels' losses.
    pub loss: f64,
    /// Its derivative along the tangent.
    pub derivative: f64,
    /// Logarithm of the sum of exponentials per pixel, [B, H, W]; 0 where a label does not count.
    pub log_sums: Vec<f64>,
    /// Mean of the tangent under the softmax per pixel, [B, H, W]; 0 where a label does not count.
    pub mean_tangents: Vec<f64>,
}

/// A label pixel that counts.
pub(crate) struct LabelPixel {
    /// Its place in `labels`.
    pub(crate) index: usize,
    /// Its class.
    pub(crate) label: usize,
    /// Where the logits of class 0 are that it lies between, and their weights.
    pub(crate) taps: Vec<(usize, f64)>,
}

impl Inputs<'_> {
    /// K.
    pub fn classes(&self) -> usize {
        self.class_weights.len()
    }

    /// Every label pixel that counts, in order.
    pub(crate) fn pixels(&self) -> impl Iterator<Item = LabelPixel> {
        let [[height, width], [label_height, label_width]] = [self.size, self.label_size];
        self.labels.iter().enumerate().filter_map(move |(index, &label)| {
            let label = usize::from(label);
            if label >= self.classes() {
                return None;
            }
            let image = index / (label_height * label_width);
            let [y, x] = [index / label_width % label_height, index % label_width];
            let mut pixel_taps = vec![];
            for (row, down) in taps(y, height, label_height) {
                for (column, across) in taps(x, width, label_width) {
                    let at = (image * self.classes() * height + row) * width + column;
                    pixel_taps.push((at, down * across));
                }
            }
            Some(LabelPixel { index, label, taps: pixel_taps })
        })
    }

    /// The values of all classes at a pixel, in `logits` or `tangent`.
    pub(crate) fn upsampled(&self, values: &[f64], pixel: &LabelPixel) -> Vec<f64> {
        let plane = self.size[0] * self.size[1];
        let of_class = |class: usize| -> f64 {
            pixel.taps.iter().map(|(at, weight)| weight * values[at + class * plane]).sum()
        };
        (0..self.classes()).map(of_class).collect()
    }
}

/// The cross entropy and its derivative.
pub fn reference(inputs: &Inputs<'_>) -> Outputs {
    let mut outputs = Outputs {
        loss: 0.0,
        derivative: 0.0,
        log_sums: vec![0.0; inputs.labels.len()],
        mean_tangents: vec![0.0; inputs.labels.len()],
    };
    for pixel in inputs.pixels() {
        let logits = inputs.upsampled(inputs.logits, &pixel);
        let tangents = inputs.upsampled(inputs.tangent, &pixel);
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let exponentials: Vec<f64> = logits.iter().map(|logit| (logit - largest).exp()).collect();
        let sum: f64 = exponentials.iter().sum();
        let log_sum = largest + sum.ln();
        let weighted = exponentials.iter().zip(&tangents);
        let mean_tangent = weighted.map(|(value, tangent)| value * tangent).sum::<f64>() / sum;

        let weight = inputs.class_weights[pixel.label];
        outputs.loss += weight * (log_sum - logits[pixel.label]);
        outputs.derivative += weight * (mean_tangent - tangents[pixel.label]);
        outputs.log_sums[pixel.index] = log_sum;
        outputs.mean_tangents[pixel.index] = mean_tangent;
    }
    outputs
}

/// Where an output of one axis lies among `size` inputs, corners aligned, with weights.
pub(crate) fn taps(output: usize, size: usize, output_size: usize) -> [(usize, f64); 2] {
    if output_size == 1 || size == 1 {
        return [(0, 1.0), (0, 0.0)];
    }
    let place = (output * (size - 1)) as f64 / (output_size - 1) as f64;
    let low = place.floor();
    let high = (low as usize + 1).min(size - 1);
    [(low as usize, 1.0 - (place - low)), (high, place - low)]
}
