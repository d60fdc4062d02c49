//! The upsampled argmax in plain Burn operations.

use burn::tensor::Tensor;

use super::{NO_CLASS, checked_shape};
use crate::{pixel_ids::PixelIds, resize::Resize};

/// [`upsampled_argmax`](crate::upsampled_argmax) with plain Burn operations, on any device: its twin,
/// which waits for the device.
///
/// # Panics
///
/// As [`upsampled_argmax`](crate::upsampled_argmax), or if the device fails.
pub fn upsampled_argmax_plain(logits: Tensor<4>, size: [usize; 2]) -> PixelIds {
    let (device, shape) = (logits.device(), checked_shape(&logits, size));
    if shape.contains(&0) {
        return PixelIds::upload(&[], shape, &device);
    }
    let [_, _, height, width] = logits.dims();
    let is_wrong = logits.clone().is_finite().bool_not();
    // The products of the resize would spread one NaN over its whole map.
    let logits = logits.mask_fill(is_wrong.clone(), 0.0);
    let upsampled = match Resize::with_aligned_corners(&logits, size) {
        Some(resize) => resize.apply(logits),
        None => logits,
    };
    let classes: Vec<i32> =
        upsampled.argmax(1).try_into_vec_as().expect("the device computes class indices");
    let mut ids: Vec<u8> = classes.into_iter().map(|class| class as u8).collect();
    let is_wrong: Vec<bool> = is_wrong.any_dim(1).into_data().iter().collect(); // [B, 1, h, w]
    if is_wrong.contains(&true) {
        mark_wrong(&mut ids, shape, (&is_wrong, [height, width]));
    }
    PixelIds::upload(&ids, shape, &device)
}

/// Takes the class from every pixel of `ids`, `[B, H, W]`, one of whose taps in `is_wrong`,
/// `[B, h, w]`, is set.
fn mark_wrong(
    ids: &mut [u8],
    [_, output_height, output_width]: [usize; 3],
    (is_wrong, [height, width]): (&[bool], [usize; 2]),
) {
    for (row, ids) in ids.chunks_exact_mut(output_width).enumerate() {
        let image = row / output_height * height;
        let rows = taps(row % output_height, height, output_height).map(|row| image + row);
        for (column, id) in ids.iter_mut().enumerate() {
            let columns = taps(column, width, output_width);
            if rows.iter().any(|row| columns.iter().any(|column| is_wrong[row * width + column])) {
                *id = NO_CLASS;
            }
        }
    }
}

/// The first and last input that an output of one axis is made of; the same one where it lies on it.
fn taps(output: usize, size: usize, output_size: usize) -> [usize; 2] {
    let Some(steps) = output_size.checked_sub(1).filter(|&steps| steps > 0) else { return [0; 2] };
    let place = output * (size - 1);
    [place / steps, place.div_ceil(steps)]
}
