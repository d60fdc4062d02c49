//! What the network's images are, and how they go to the device.

use burn::tensor::{Device, Tensor, TensorData};

/// ImageNet mean per channel of images in `[0, 1]`.
pub const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// ImageNet standard deviation per channel of images in `[0, 1]`.
pub const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// The normalised value of each channel and level: `(level / 255 - mean) / deviation`.
#[must_use]
pub fn value_tables() -> [[f32; 256]; 3] {
    std::array::from_fn(|channel| {
        std::array::from_fn(|level| (level as f32 / 255.0 - MEAN[channel]) / DEVIATION[channel])
    })
}

/// Uploads RGB levels `[B, 3, H, W]` as normalised f32, see [`value_tables`].
///
/// # Panics
/// If `levels` is not of that length.
#[must_use]
pub fn upload(levels: &[u8], [batch, height, width]: [usize; 3], device: &Device) -> Tensor<4> {
    let plane = height * width;
    assert_eq!(levels.len(), batch * 3 * plane, "RGB levels of [{batch}, 3, {height}, {width}]");
    let tables = value_tables();
    let values: Vec<f32> = levels
        .chunks_exact(plane.max(1))
        .enumerate()
        .flat_map(|(index, plane)| {
            let table = &tables[index % 3];
            plane.iter().map(move |&level| table[usize::from(level)])
        })
        .collect();
    Tensor::from_data(TensorData::new(values, [batch, 3, height, width]), device)
}

/// Reorders interleaved RGB `[H, W, 3]` to planes `[3, H, W]`.
#[must_use]
pub fn planes_from_interleaved(pixels: &[u8]) -> Vec<u8> {
    (0..3).flat_map(|channel| pixels.iter().skip(channel).step_by(3).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_colour_uploads_to_almost_zero() {
        let levels: Vec<u8> = MEAN.iter().map(|mean| (mean * 255.0).round() as u8).collect();
        let image = upload(&planes_from_interleaved(&levels), [1, 1, 1], &Device::flex());
        for value in image.try_into_vec_as::<f32>().unwrap() {
            // Half a level of 255 in units of the smallest deviation.
            assert!(value.abs() <= 0.5 / 255.0 / 0.224, "{value}");
        }
    }
}
