//! Solarize: bright values inverted.

/// Inverts every value that is not below `threshold`, in levels.
///
/// Source: Pillow `ImageOps.solarize`.
pub(super) fn adjust(planes: &mut [u8], threshold: f32) {
    for value in planes {
        if f32::from(*value) >= threshold {
            *value = 255 - *value;
        }
    }
}
