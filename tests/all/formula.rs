//! Weights, images, labels and checksums by formula: each value is a function of its tensor's name.
//!
//! `tests/torch/formula.py` is the same for PyTorch.

use burn::tensor::{DType, Device, Tensor};
use models::labels::LabelBatch;
use models::layout::{Layout, tensor_from};
use models::mode::BatchStatistics;
use models::random::Stream;

/// Where generated values come from.
pub(crate) struct Formula {
    /// Appended to every name before it is hashed.
    pub(crate) salt: String,
}

impl Formula {
    /// Names as they are: the formula of golden data that scripts of this repository wrote.
    pub(crate) const UNSALTED: Self = Self { salt: String::new() };

    fn stream(&self, name: &str) -> Stream {
        Stream::named(&format!("{name}{}", self.salt))
    }

    /// `f32(lo + (hi - lo) u_i)`, i = 0..n.
    pub(crate) fn uniform(&self, name: &str, len: usize, lo: f64, hi: f64) -> Vec<f64> {
        let stream = self.stream(name);
        (0..len as u64).map(|i| f64::from((lo + (hi - lo) * stream.uniform(i)) as f32)).collect()
    }

    /// Parameters by the formula for state_dict keys.
    pub(crate) fn parameters(
        &self,
        layout: &Layout,
        device: &Device,
        dtype: DType,
    ) -> Vec<Tensor<1>> {
        layout
            .parameters
            .iter()
            .map(|spec| {
                let bound = (6.0 / spec.shape.iter().skip(1).product::<usize>() as f64).sqrt();
                let (lo, hi) = match (spec.shape.len(), spec.name.as_str()) {
                    (4, _) => (-bound, bound),
                    (2, _) => (-0.1, 0.1),
                    (1, name) if name.ends_with("bn3.weight") => (0.2, 0.4),
                    (1, name) if name.ends_with(".weight") => (0.8, 1.2),
                    _ => (-0.1, 0.1),
                };
                tensor_from(&self.uniform(&spec.name, spec.len(), lo, hi), device, dtype)
            })
            .collect()
    }

    /// Running statistics by the formula; a covariance is the identity and a little more, which is
    /// positive as its diagonal dominates.
    pub(crate) fn statistics(
        &self,
        layout: &Layout,
        device: &Device,
        dtype: DType,
    ) -> Vec<BatchStatistics> {
        let of_batch_norm = |(name, channels): &(String, usize)| {
            (
                self.uniform(&format!("{name}.running_mean"), *channels, -0.1, 0.1),
                self.uniform(&format!("{name}.running_var"), *channels, 0.5, 1.5),
            )
        };
        let of_whitening = |(name, [groups, group]): &(String, [usize; 2])| {
            let (mean, covariance) = (format!("{name}.running_mean"), groups * group * group);
            let part = self.uniform(&format!("{name}.running_cov"), covariance, -0.05, 0.05);
            let element = |index: usize| {
                let (row, column) = (index / group % group, index % group);
                let turned = index - row * group - column + column * group + row;
                let identity = f64::from(u8::from(row == column));
                f64::from((identity + part[index] + part[turned]) as f32)
            };
            let covariance = (0..covariance).map(element).collect();
            (self.uniform(&mean, groups * group, -0.1, 0.1), covariance)
        };
        let whitenings = layout.switchable_norms.iter().map(of_whitening);
        let all = layout.batch_norms.iter().map(of_batch_norm).chain(whitenings);
        all.map(|(mean, variance)| BatchStatistics {
            mean: tensor_from(&mean, device, dtype),
            variance: tensor_from(&variance, device, dtype),
        })
        .collect()
    }

    /// The memory by the formula: uniform rows, normalised in f64, rounded to f32.
    pub(crate) fn memory(&self, channels: usize, device: &Device, dtype: DType) -> Tensor<2> {
        let mut values = self.uniform("memory.m_items", 19 * channels, 0.0, 1.0);
        for row in values.chunks_exact_mut(channels) {
            let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
            for x in row {
                *x = f64::from((*x / norm) as f32);
            }
        }
        tensor_from(&values, device, dtype).reshape([19, channels])
    }

    /// The image by the formula: coarse blocks of 8 plus fine noise.
    pub(crate) fn image(
        &self,
        tag: &str,
        [batch, height, width]: [usize; 3],
        device: &Device,
        dtype: DType,
    ) -> Tensor<4> {
        let (rows, columns) = (height.div_ceil(8), width.div_ceil(8));
        let planes = batch * 3;
        let coarse =
            self.uniform(&format!("input.{tag}.coarse"), planes * rows * columns, -1.5, 1.5);
        let fine = self.uniform(&format!("input.{tag}.fine"), planes * height * width, -0.3, 0.3);
        let mut values = Vec::with_capacity(fine.len());
        for plane in 0..planes {
            for y in 0..height {
                for x in 0..width {
                    let block = coarse[(plane * rows + y / 8) * columns + x / 8] as f32;
                    let noise = fine[(plane * height + y) * width + x] as f32;
                    values.push(f64::from(block + noise));
                }
            }
        }
        tensor_from(&values, device, dtype).reshape([batch, 3, height, width])
    }

    /// The labels by the formula: blocks of 16 pixels of 22 kinds, 19 and above ignored.
    pub(crate) fn labels(&self, tag: &str, [batch, height, width]: [usize; 3]) -> LabelBatch {
        let stream = self.stream(&format!("label.{tag}"));
        let (rows, columns) = (height.div_ceil(16), width.div_ceil(16));
        let mut train_ids = Vec::with_capacity(batch * height * width);
        for b in 0..batch {
            for y in 0..height {
                for x in 0..width {
                    let block = ((b * rows + y / 16) * columns + x / 16) as u64;
                    let kind = (stream.uniform(block) * 22.0) as u8;
                    train_ids.push(if kind >= 19 { 255 } else { kind });
                }
            }
        }
        LabelBatch { batch, height, width, train_ids }
    }

    /// `[sum, L2 norm, sum t_i (2 u_i - 1)]`.
    pub(crate) fn checksum(&self, values: &[f64]) -> [f64; 3] {
        let stream = self.stream("checksum");
        let weighted = values
            .iter()
            .enumerate()
            .map(|(i, x)| x * (2.0 * stream.uniform(i as u64) - 1.0))
            .sum();
        [values.iter().sum(), values.iter().map(|x| x * x).sum::<f64>().sqrt(), weighted]
    }

    /// Asserts that the values are as near to a golden `[shape, checksum]` as `tolerance` says.
    pub(crate) fn assert_checksum(
        &self,
        name: &str,
        golden: &serde_json::Value,
        found: &[f64],
        tolerance: f64,
    ) {
        let error = self.checksum_error(golden, found);
        assert!(error <= tolerance, "{name} {golden}: error {error:e}");
    }

    /// How far the values are from a golden `[shape, checksum]`.
    ///
    /// The norm is compared relatively; the two sums of mixed signs relative to the norm times the
    /// root of the number of elements, which is what their rounding errors grow with.
    pub(crate) fn checksum_error(&self, golden: &serde_json::Value, found: &[f64]) -> f64 {
        let expected: Vec<f64> =
            golden[1].as_array().expect("a checksum").iter().filter_map(|x| x.as_f64()).collect();
        let scale = expected[1] * (found.len() as f64).sqrt();
        self.checksum(found)
            .iter()
            .zip(&expected)
            .zip([scale, expected[1], scale])
            .map(|((found, expected), scale)| (found - expected).abs() / scale)
            .fold(0.0, f64::max)
    }
}
