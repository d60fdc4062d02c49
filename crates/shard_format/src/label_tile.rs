//! One label tile: cut from a label map, its class-presence bitset, and painted back.

use crate::grid::Cell;
use crate::image::{LabelMap, Window};

/// Train id of pixels that take no part in training or scoring.
pub const IGNORE_ID: u8 = 255;
/// Most classes a dataset can have: one bit each in a presence bitset, less the ignore bit.
pub const MAX_CLASSES: usize = 31;
/// Bit of the ignore id in a presence bitset.
pub const IGNORE_BIT: u32 = 31;

/// Cuts the tile `cell` out of `labels`.
///
/// Shapes: result [stored_height, stored_width], without padding.
pub(crate) fn cut(labels: &LabelMap, cell: &Cell) -> Vec<u8> {
    let whole = Window::whole(labels.width, labels.height);
    let mut tile = Vec::with_capacity(cell.raw_length());
    for y in cell.area.y..cell.area.y + cell.area.height {
        let start = whole.position(cell.area.x, y);
        tile.extend_from_slice(&labels.train_ids[start..start + cell.stored_width]);
    }
    tile
}

/// The class-presence bitset of a tile: bit c for train id c, bit 31 for the ignore id.
///
/// # Errors
/// Returns the first value that is neither below 31 nor 255, and its index.
pub(crate) fn presence(tile: &[u8]) -> Result<u32, (usize, u8)> {
    let mut bits = 0u32;
    for (index, value) in tile.iter().enumerate() {
        match *value {
            IGNORE_ID => bits |= 1 << IGNORE_BIT,
            train_id if usize::from(train_id) < MAX_CLASSES => bits |= 1 << train_id,
            other => return Err((index, other)),
        }
    }
    Ok(bits)
}

/// The value of every pixel of a tile whose presence bitset has only one bit.
pub(crate) const fn only_value(presence: u32) -> Option<u8> {
    match (presence.is_power_of_two(), presence.trailing_zeros()) {
        (false, _) => None,
        (true, IGNORE_BIT) => Some(IGNORE_ID),
        (true, bit) => Some(bit as u8),
    }
}

/// Checks that no train id of a tile is above the highest one in its presence bitset.
///
/// Much cheaper than [`presence`], and enough to keep a reader's labels inside its class table.
///
/// # Errors
/// Returns the highest train id of the tile.
pub(crate) fn check_range(tile: &[u8], presence: u32) -> Result<(), u8> {
    let classes = u32::BITS - (presence & !(1 << IGNORE_BIT)).leading_zeros();
    // One more than the train id, so that the ignore id becomes zero.
    let highest = tile.iter().fold(0, |highest: u8, value| highest.max(value.wrapping_add(1)));
    if u32::from(highest) <= classes { Ok(()) } else { Err(highest - 1) }
}

/// Bits that may be set where there are `classes` classes.
pub(crate) const fn allowed_presence(classes: usize) -> u32 {
    (1 << IGNORE_BIT) | ((1u32 << classes) - 1)
}

/// Paints the part of a tile that lies in `window` into the label map of that window.
pub(crate) fn paint(tile: &[u8], cell: &Cell, window: Window, train_ids: &mut [u8]) {
    let part = cell.area.intersection(&window);
    let columns = part.width as usize;
    for y in part.y..part.y + part.height {
        let from = cell.area.position(part.x, y);
        let to = window.position(part.x, y);
        train_ids[to..to + columns].copy_from_slice(&tile[from..from + columns]);
    }
}

/// Paints `value` where `window` and the tile overlap.
pub(crate) fn paint_uniform(value: u8, cell: &Cell, window: Window, train_ids: &mut [u8]) {
    let part = cell.area.intersection(&window);
    for y in part.y..part.y + part.height {
        let to = window.position(part.x, y);
        train_ids[to..to + part.width as usize].fill(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presence_has_a_bit_per_class_and_one_for_ignored_pixels() {
        assert_eq!(presence(&[0, 18, 18, 255]), Ok(1 | 1 << 18 | 1 << 31));
        assert_eq!(presence(&[30, 31]), Err((1, 31)));
        assert_eq!(presence(&[254]), Err((0, 254)));
    }

    #[test]
    fn one_bit_names_the_value_of_a_uniform_tile() {
        assert_eq!(only_value(1 << 10), Some(10));
        assert_eq!(only_value(1 << 31), Some(255));
        assert_eq!(only_value(3), None);
        assert_eq!(only_value(0), None);
    }

    #[test]
    fn a_train_id_above_the_highest_present_one_is_out_of_range() {
        assert_eq!(check_range(&[0, 5, 255], 1 | 1 << 5 | 1 << 31), Ok(()));
        assert_eq!(check_range(&[0, 6, 255], 1 | 1 << 5 | 1 << 31), Err(6));
        assert_eq!(check_range(&[254, 255], u32::MAX), Err(254));
    }

    #[test]
    fn nineteen_classes_allow_nineteen_bits_and_the_ignore_bit() {
        assert_eq!(allowed_presence(19), 0x8007_ffff);
        assert_eq!(allowed_presence(31), u32::MAX);
    }
}
