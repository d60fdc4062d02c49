//! Autocontrast: each channel stretched to the full range.

/// Maps the darkest level of each channel to 0 and the brightest to 255.
///
/// Shapes: `planes` [3, H, W]. Source: Pillow `ImageOps.autocontrast` without cutoff.
pub(super) fn adjust(planes: &mut [u8]) {
    let plane_len = planes.len() / 3;
    for plane in planes.chunks_exact_mut(plane_len) {
        let low = plane.iter().copied().min().unwrap_or(0);
        let high = plane.iter().copied().max().unwrap_or(0);
        if low >= high {
            continue;
        }
        let scale = 255.0 / f64::from(high - low);
        let offset = -f64::from(low) * scale;
        // Casts truncate and saturate.
        let table: [u8; 256] = std::array::from_fn(|level| (level as f64 * scale + offset) as u8);
        for value in plane {
            *value = table[usize::from(*value)];
        }
    }
}
