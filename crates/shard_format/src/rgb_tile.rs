//! One RGB tile: cut from a picture, turned into residuals, and painted back.
//!
//! Two forms of equal length: *plain* is interleaved RGB, *residual* is the gradient-predicted
//! planes green, red - green and blue - green, one after the other.

use crate::gradient::{forward_row, inverse_row};
use crate::grid::{Cell, RGB_TILE_EDGE};
use crate::image::{RgbImage, Window};

/// Cuts the tile `cell` out of `image`, padded by repeating its last column and row.
///
/// Shapes: result [stored_height, stored_width, 3].
pub(crate) fn cut(image: &RgbImage, cell: &Cell) -> Vec<u8> {
    let whole = Window::whole(image.width, image.height);
    let row_bytes = cell.area.width as usize * 3;
    let mut plain = Vec::with_capacity(cell.raw_length());
    for row in 0..cell.stored_height as u32 {
        let y = cell.area.y + row.min(cell.area.height - 1);
        let start = whole.position(cell.area.x, y) * 3;
        plain.extend_from_slice(&image.pixels[start..start + row_bytes]);
        let last: [u8; 3] = std::array::from_fn(|channel| plain[plain.len() - 3 + channel]);
        for _ in cell.area.width as usize..cell.stored_width {
            plain.extend_from_slice(&last);
        }
    }
    plain
}

/// Turns a plain tile into a residual one.
pub(crate) fn residuals(plain: &[u8], cell: &Cell) -> Vec<u8> {
    let width = cell.stored_width;
    let plane_length = width * cell.stored_height;
    let mut residuals = vec![0; plain.len()];
    for (channel, plane) in residuals.chunks_exact_mut(plane_length).enumerate() {
        let mut above = vec![0; width];
        let mut row = vec![0; width];
        for (pixels, residuals) in plain.chunks_exact(width * 3).zip(plane.chunks_exact_mut(width))
        {
            for (value, pixel) in row.iter_mut().zip(pixels.chunks_exact(3)) {
                let (red, green, blue) = (pixel[0], pixel[1], pixel[2]);
                *value = match channel {
                    0 => green,
                    1 => red.wrapping_sub(green),
                    _ => blue.wrapping_sub(green),
                };
            }
            forward_row(&above, &row, residuals);
            std::mem::swap(&mut above, &mut row);
        }
    }
    residuals
}

/// Paints the part of a plain tile that lies in `window` into the picture of that window.
pub(crate) fn paint_plain(plain: &[u8], cell: &Cell, window: Window, pixels: &mut [u8]) {
    let part = cell.area.intersection(&window);
    let row_bytes = part.width as usize * 3;
    for y in part.y..part.y + part.height {
        let from = (y - cell.area.y) as usize * cell.stored_width + (part.x - cell.area.x) as usize;
        let to = window.position(part.x, y) * 3;
        pixels[to..to + row_bytes].copy_from_slice(&plain[from * 3..from * 3 + row_bytes]);
    }
}

/// Paints the part of a residual tile that lies in `window` into the picture of that window.
pub(crate) fn paint_residuals(residuals: &[u8], cell: &Cell, window: Window, pixels: &mut [u8]) {
    let part = cell.area.intersection(&window);
    let width = cell.stored_width;
    let (green, rest) = residuals.split_at(width * cell.stored_height);
    let (red, blue) = rest.split_at(width * cell.stored_height);
    // Three rows in the first-level cache take the place of three decoded planes.
    let mut rows = [[0u8; RGB_TILE_EDGE as usize]; 3];
    let first_column = (part.x - cell.area.x) as usize;
    let columns = first_column..first_column + part.width as usize;
    for y in cell.area.y..part.y + part.height {
        let start = (y - cell.area.y) as usize * width;
        for (row, plane) in rows.iter_mut().zip([green, red, blue]) {
            inverse_row(&plane[start..start + width], &mut row[..width]);
        }
        if y >= part.y {
            let to = window.position(part.x, y) * 3;
            let [green, red, blue] = rows.each_ref().map(|row| &row[columns.clone()]);
            interleave(green, red, blue, &mut pixels[to..to + columns.len() * 3]);
        }
    }
}

/// Paints `colour` where `window` and the tile overlap.
pub(crate) fn paint_colour(colour: [u8; 3], cell: &Cell, window: Window, pixels: &mut [u8]) {
    let part = cell.area.intersection(&window);
    for y in part.y..part.y + part.height {
        let to = window.position(part.x, y) * 3;
        let (row, _) = pixels[to..to + part.width as usize * 3].as_chunks_mut();
        row.fill(colour);
    }
}

/// Undoes subtract-green and writes RGB, RGB, ...
fn interleave(green: &[u8], red: &[u8], blue: &[u8], pixels: &mut [u8]) {
    let (pixels, _) = pixels.as_chunks_mut::<3>();
    for (((pixel, green), red), blue) in pixels.iter_mut().zip(green).zip(red).zip(blue) {
        *pixel = [red.wrapping_add(*green), *green, blue.wrapping_add(*green)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Grid;

    #[test]
    fn padding_repeats_the_last_column_and_row() {
        let image = RgbImage { width: 2, height: 1, pixels: vec![1, 2, 3, 4, 5, 6] };
        let cell = Grid::rgb(2, 1).cells().next().unwrap();
        let plain = cut(&image, &cell);
        assert_eq!(plain.len(), 32 * 32 * 3);
        for row in plain.chunks_exact(32 * 3) {
            assert_eq!(row[..3], [1, 2, 3]);
            assert!(row[3..].chunks_exact(3).all(|pixel| pixel == [4, 5, 6]));
        }
    }

    #[test]
    fn padding_leaves_no_residual() {
        let image = RgbImage { width: 2, height: 2, pixels: (7..19).collect() };
        let cell = Grid::rgb(2, 2).cells().next().unwrap();
        let residuals = residuals(&cut(&image, &cell), &cell);
        assert!(residuals.iter().filter(|residual| **residual != 0).count() <= 4 * 3);
    }
}
