//! Class ids of pixels on a device, one byte each.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

/// Class ids of a batch of label maps on a device, four to a word: labels or predictions.
#[derive(Clone, Debug)]
pub struct PixelIds {
    /// The first id of four in the lowest byte, filled up with zeros; one word at least.
    pub(crate) words: Tensor<1, Int>,
    shape: [usize; 3],
}

impl PixelIds {
    /// Uploads the ids of `[B, H, W]` pixels.
    ///
    /// # Panics
    ///
    /// If there are not as many ids as pixels.
    #[must_use]
    pub fn upload(ids: &[u8], shape: [usize; 3], device: &Device) -> Self {
        assert_eq!(ids.len(), shape.iter().product::<usize>(), "ids of {shape:?} pixels");
        let mut words = Vec::with_capacity(ids.len() / 4 + 1);
        let (whole, rest) = ids.as_chunks::<4>();
        words.extend(whole.iter().map(|&quad| i32::from_le_bytes(quad)));
        if !rest.is_empty() || ids.is_empty() {
            let mut last = [0; 4];
            last[..rest.len()].copy_from_slice(rest);
            words.push(i32::from_le_bytes(last));
        }
        let count = words.len();
        let device = device.clone().without_autodiff();
        let words = Tensor::from_data(TensorData::new(words, [count]), (&device, DType::I32));
        Self { words, shape }
    }

    /// Joins maps of one image each, `[1, h, W]`, one below the other, without waiting for the device.
    ///
    /// # Panics
    ///
    /// If there is none, their widths differ, or the pixels of one but the last are no whole words
    /// of four.
    #[must_use]
    pub fn stacked(maps: Vec<Self>) -> Self {
        let [batch, _, width] = maps[0].shape;
        let mut height = 0;
        for (index, map) in maps.iter().enumerate() {
            let is_whole = index + 1 == maps.len() || map.pixels().is_multiple_of(4);
            assert!(batch == 1 && is_whole, "map {index} of {:?} is followed by others", map.shape);
            assert_eq!(
                [map.shape[0], map.shape[2]],
                [batch, width],
                "batch and width of map {index}"
            );
            height += map.shape[1];
        }
        let words = Tensor::cat(maps.into_iter().map(|map| map.words).collect(), 0);
        Self { words, shape: [batch, height, width] }
    }

    /// The ids that a shader wrote.
    pub(crate) fn from_words(words: Tensor<1, Int>, shape: [usize; 3]) -> Self {
        Self { words, shape }
    }

    /// `[B, H, W]`.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// B H W.
    #[must_use]
    pub fn pixels(&self) -> usize {
        self.shape.iter().product()
    }

    /// Waits for the device and brings the ids to the host.
    ///
    /// # Panics
    ///
    /// If the device fails.
    #[must_use]
    pub fn download(self) -> Vec<u8> {
        let pixels = self.pixels();
        let words: Vec<i32> = self.words.try_into_vec_as().expect("the device computes the ids");
        let mut ids: Vec<u8> = words.into_iter().flat_map(i32::to_le_bytes).collect();
        ids.truncate(pixels);
        ids
    }

    /// One number per pixel, `[B, 1, H, W]`, by plain Burn operations.
    pub(crate) fn unpacked(&self) -> Tensor<4, Int> {
        let [batch, height, width] = self.shape;
        let byte = |place: u32| {
            let shifted = self.words.clone().bitwise_right_shift_scalar(8 * place);
            shifted.bitwise_and_scalar(0xff)
        };
        let ids: Tensor<2, Int> = Tensor::stack((0..4).map(byte).collect(), 1);
        let [words, _] = ids.dims();
        let pixels = self.pixels();
        ids.reshape([words * 4]).slice_dim(0, 0..pixels).reshape([batch, 1, height, width])
    }
}

/// Labels of a batch on a device, and how many pixels have each.
#[derive(Clone, Debug)]
pub struct PixelLabels {
    /// The train ids; those that are no class count for nothing.
    pub ids: PixelIds,
    pixels_per_id: Vec<u64>,
}

impl PixelLabels {
    /// Uploads the train ids of `[B, H, W]` pixels.
    ///
    /// # Panics
    ///
    /// If there are not as many ids as pixels.
    #[must_use]
    pub fn upload(train_ids: &[u8], shape: [usize; 3], device: &Device) -> Self {
        let mut pixels_per_id = vec![0; 256];
        for &id in train_ids {
            pixels_per_id[usize::from(id)] += 1;
        }
        Self { ids: PixelIds::upload(train_ids, shape, device), pixels_per_id }
    }

    /// Pixels of one of `classes` classes.
    #[must_use]
    pub fn counted(&self, classes: usize) -> u64 {
        self.pixels_per_id.iter().take(classes).sum()
    }

    /// The sum over the pixels of the weight of their class.
    pub(crate) fn total_weight(&self, class_weights: &[f64]) -> f64 {
        let weighted = self.pixels_per_id.iter().zip(class_weights);
        weighted.map(|(&pixels, weight)| pixels as f64 * weight).sum()
    }
}
