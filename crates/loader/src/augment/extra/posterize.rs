//! Posterize: fewer bits a channel.

/// Clears all but the highest `bits` (1 to 8) of every value.
///
/// Source: Pillow `ImageOps.posterize`.
pub(super) fn adjust(planes: &mut [u8], bits: u32) {
    let mask = !(0xff_u16 >> bits) as u8;
    for value in planes {
        *value &= mask;
    }
}
