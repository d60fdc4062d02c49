//! Colour augmentation of a batch of byte images on their way to the network.

mod wgsl;

use burn::{
    backend::Dispatch,
    tensor::{DType, Device, Int, Tensor, TensorData},
};
pub use shaders::augment_jitter::{Jitter, Operation};
use shaders::{augment_blur, augment_jitter};

use crate::launch::compiles_wgsl;
use wgsl::{AugmentOps, Sizes};

/// The largest radius of a blur that [`augment`] runs on the device.
pub const BLUR_RADIUS_MAX: u32 = augment_blur::RADIUS_MAX;

/// What happens to the colours of one sample: jitter first, then blur.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColourParameters {
    /// The operations with their factors; `None` leaves the colours alone.
    pub jitter: Option<Jitter>,
    /// The weights of the blur at distance 0, 1, ... from the centre; empty for no blur.
    pub blur_weights: Vec<f32>,
}

/// Jitters and blurs a batch and looks the network's value of every level up.
///
/// Runs as WGSL on a wgpu device, where the batch is uploaded as bytes, and as [`augment_plain`]
/// elsewhere, for blurs of a radius above [`BLUR_RADIUS_MAX`] and for batches beyond a dispatch. The jitter is exact
/// in both; after a blur a level can differ by one, because a GPU's compiler may fuse a product
/// with a sum.
///
/// Shapes: `levels` [B, 3, H, W], one of `colours` per sample, `values` per channel and level;
/// result [B, 3, H, W], on `device` and as f32.
///
/// # Panics
///
/// If the lengths disagree, or if an order leaves an operation out.
///
/// Source: Kim et al., CVPR 2022, released code: torchvision's `ColorJitter` on Pillow images, then
/// scikit-image's `gaussian`, truncated to bytes.
pub fn augment(
    levels: &[u8],
    shape: [usize; 3],
    colours: &[ColourParameters],
    values: &[[f32; 256]; 3],
    device: &Device,
) -> Tensor<4> {
    check(levels, shape, colours);
    if !(compiles_wgsl(device) && wgsl::fits(shape, colours)) {
        return augment_plain(levels, shape, colours, values, device);
    }
    let [_, height, width] = shape;
    let words = |words: Vec<u32>| {
        let count = words.len();
        let data = TensorData::new(words, [count]);
        Tensor::<1, Int>::from_data(data, (device, DType::U32)).into_dispatch()
    };
    let values = TensorData::new(values.as_flattened().to_vec(), [3 * 256]);
    let output = <Dispatch as AugmentOps>::augment(
        words(wgsl::packed(levels, height * width)),
        words(colours.iter().flat_map(|colours| wgsl::draw(colours.jitter.as_ref())).collect()),
        words(colours.iter().flat_map(|colours| wgsl::kernel(&colours.blur_weights)).collect()),
        Tensor::<1>::from_data(values, (device, DType::F32)).into_dispatch(),
        Sizes::of(shape),
        colours.iter().any(|colours| colours.jitter.is_some()),
    );
    Tensor::from_dispatch(output)
}

/// [`augment`] in plain Rust on the host, for any device: the twin that the shaders are tested
/// against.
///
/// # Panics
///
/// As [`augment`].
pub fn augment_plain(
    levels: &[u8],
    shape: [usize; 3],
    colours: &[ColourParameters],
    values: &[[f32; 256]; 3],
    device: &Device,
) -> Tensor<4> {
    check(levels, shape, colours);
    let [batch, height, width] = shape;
    let pixels = height * width;
    let mut output = Vec::with_capacity(levels.len());
    for (sample, colours) in colours.iter().enumerate() {
        let mut planes = levels[sample * 3 * pixels..][..3 * pixels].to_vec();
        if let Some(jitter) = &colours.jitter {
            augment_jitter::reference(jitter, &mut planes);
        }
        for (plane, values) in planes.chunks_exact_mut(pixels.max(1)).zip(values) {
            if !colours.blur_weights.is_empty() {
                augment_blur::reference(&colours.blur_weights, width, plane);
            }
            output.extend(plane.iter().map(|&level| values[usize::from(level)]));
        }
    }
    Tensor::from_data(TensorData::new(output, [batch, 3, height, width]), (device, DType::F32))
}

fn check(levels: &[u8], [batch, height, width]: [usize; 3], colours: &[ColourParameters]) {
    let expected = batch * 3 * height * width;
    assert_eq!(levels.len(), expected, "RGB levels of [{batch}, 3, {height}, {width}]");
    assert_eq!(colours.len(), batch, "colour parameters of {batch} samples");
    use Operation::{Brightness, Contrast, Hue, Saturation};
    for jitter in colours.iter().filter_map(|colours| colours.jitter.as_ref()) {
        let has = |operation: Operation| jitter.order.contains(&operation);
        let is_whole = [Brightness, Contrast, Saturation, Hue].into_iter().all(has);
        assert!(is_whole, "{:?} leaves an operation out", jitter.order);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_beyond_a_dispatch_and_wide_blurs_are_left_to_the_host() {
        let fits = |shape, blur_weights: Vec<f32>| {
            wgsl::fits(shape, &[ColourParameters { jitter: None, blur_weights }])
        };
        assert!(fits([16, 768, 768], vec![1.0; 9]));
        assert!(!fits([16, 768, 768], vec![1.0; 10])); // radius 9
        assert!(!fits([0, 768, 768], vec![]));
        assert!(!fits([1, 0, 768], vec![]));
        assert!(fits([1, 4103, 4105], vec![])); // 255 * pixels = 2^32 - 2^8 - 1 at most
        assert!(!fits([1, 4104, 4105], vec![]));
        assert!(!fits([21_846, 1, 1], vec![])); // 65538 planes
        assert!(!fits([1, 1 << 21, 1], vec![])); // 131072 rows of tiles
    }
}
