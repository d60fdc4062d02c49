//! Label maps on the host, and the tensors that losses and the memory need from them.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
pub use kernels::{LabelMaps, LabelWeights};

use crate::layout::tensor_from;

/// Train ids of a batch, on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelBatch {
    /// Images in the batch.
    pub batch: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `[B, H, W]`; ids of at least `classes` are ignored.
    pub train_ids: Vec<u8>,
}

/// Targets of a pixelwise cross entropy.
#[derive(Clone, Debug)]
pub struct PixelTargets {
    /// Class per pixel, `[B, 1, H, W]`; 0 where ignored.
    pub index: Tensor<4, Int>,
    /// 1 where a pixel counts, else 0; `[B, 1, H, W]`.
    pub counted: Tensor<4>,
    /// Number of pixels that count.
    pub valid: usize,
}

impl LabelBatch {
    /// Pixel targets at full resolution.
    #[must_use]
    pub fn targets(&self, classes: usize, device: &Device, dtype: DType) -> PixelTargets {
        targets(&self.train_ids, [self.batch, self.height, self.width], classes, (device, dtype))
    }

    /// Pixel targets at `[height, width]`, by the nearest label (`floor(i * scale)`).
    ///
    /// Source: `torch.nn.functional.interpolate(mode="nearest")` on the auxiliary labels.
    #[must_use]
    pub fn nearest_targets(
        &self,
        [height, width]: [usize; 2],
        classes: usize,
        device: &Device,
        dtype: DType,
    ) -> PixelTargets {
        let ids = self.nearest([height, width]);
        targets(&ids, [self.batch, height, width], classes, (device, dtype))
    }

    /// The labels on `device`, for the memory.
    #[must_use]
    pub fn maps(&self, device: &Device) -> LabelMaps {
        LabelMaps::new(&self.train_ids, [self.batch, self.height, self.width], device)
    }

    fn nearest(&self, [height, width]: [usize; 2]) -> Vec<u8> {
        let mut ids = Vec::with_capacity(self.batch * height * width);
        for image in self.train_ids.chunks_exact(self.height * self.width) {
            for y in 0..height {
                let row = (y * self.height / height) * self.width;
                ids.extend((0..width).map(|x| image[row + x * self.width / width]));
            }
        }
        ids
    }
}

fn targets(
    ids: &[u8],
    [batch, height, width]: [usize; 3],
    classes: usize,
    (device, dtype): (&Device, DType),
) -> PixelTargets {
    let shape = [batch, 1, height, width];
    let counts = |id: &u8| usize::from(*id) < classes;
    let index: Vec<i32> =
        ids.iter().map(|id| if counts(id) { i32::from(*id) } else { 0 }).collect();
    let counted: Vec<f64> = ids.iter().map(|id| f64::from(u8::from(counts(id)))).collect();
    PixelTargets {
        index: Tensor::from_data(TensorData::new(index, shape), (device, DType::I32)),
        counted: tensor_from(&counted, device, dtype).reshape(shape),
        valid: ids.iter().filter(|id| counts(id)).count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_pixel_is_not_counted() {
        let labels = LabelBatch { batch: 1, height: 1, width: 3, train_ids: vec![255, 2, 30] };
        let targets = labels.targets(19, &Device::flex(), DType::F32);
        assert_eq!(targets.valid, 1);
    }
}
