//! One RGB tile: cut from a picture, turned into residuals, and painted back.
//!
//! Two forms of equal length: *plain* is interleaved RGB, *residual* is the gradient-predicted
//! planes green, red - green and blue - green, one after the other.

use crate::gradient::{forward_row, inverse_rows};
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

/// How the pixels of a picture lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// [H, W, 3]
    Interleaved,
    /// [3, H, W]
    Planar,
}

/// Paints the part of a plain tile that lies in `window` into the picture of that window.
#[inline(always)]
pub(crate) fn paint_plain(
    plain: &[u8],
    cell: &Cell,
    (window, layout): (Window, Layout),
    pixels: &mut [u8],
) {
    let part = cell.area.intersection(&window);
    let columns = part.width as usize;
    for y in part.y..part.y + part.height {
        let from = (y - cell.area.y) as usize * cell.stored_width + (part.x - cell.area.x) as usize;
        let row = &plain[from * 3..(from + columns) * 3];
        let to = window.position(part.x, y);
        match layout {
            Layout::Interleaved => pixels[to * 3..(to + columns) * 3].copy_from_slice(row),
            Layout::Planar => split_row(row, plane_rows(pixels, to, columns)),
        }
    }
}

/// Paints the part of a residual tile that lies in `window` into the picture of that window.
#[inline(always)]
pub(crate) fn paint_residuals(
    residuals: &[u8],
    cell: &Cell,
    (window, layout): (Window, Layout),
    pixels: &mut [u8],
) {
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
        let residuals = [green, red, blue].map(|plane| &plane[start..start + width]);
        inverse_rows(residuals, rows.each_mut().map(|row| &mut row[..width]));
        if y >= part.y {
            let to = window.position(part.x, y);
            let rows = rows.each_ref().map(|row| &row[columns.clone()]);
            match layout {
                Layout::Interleaved => {
                    interleave(rows, &mut pixels[to * 3..(to + columns.len()) * 3]);
                }
                Layout::Planar => add_green(rows, plane_rows(pixels, to, columns.len())),
            }
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

/// The pixels from `start` on of each of the three planes.
#[inline(always)]
pub(crate) fn plane_rows(planes: &mut [u8], start: usize, length: usize) -> [&mut [u8]; 3] {
    let plane_len = planes.len() / 3;
    let (red, rest) = planes.split_at_mut(plane_len);
    let (green, blue) = rest.split_at_mut(plane_len);
    [red, green, blue].map(|plane| &mut plane[start..start + length])
}

/// Undoes subtract-green and writes RGB, RGB, ...
#[inline(always)]
fn interleave([green, red, blue]: [&[u8]; 3], pixels: &mut [u8]) {
    let (pixels, _) = pixels.as_chunks_mut::<3>();
    for (((pixel, green), red), blue) in pixels.iter_mut().zip(green).zip(red).zip(blue) {
        *pixel = [red.wrapping_add(*green), *green, blue.wrapping_add(*green)];
    }
}

/// Undoes subtract-green.
#[inline(always)]
fn add_green([green, red, blue]: [&[u8]; 3], [to_red, to_green, to_blue]: [&mut [u8]; 3]) {
    for (change, output) in [(red, to_red), (blue, to_blue)] {
        for ((output, change), green) in output.iter_mut().zip(change).zip(green) {
            *output = change.wrapping_add(*green);
        }
    }
    // Not `copy_from_slice`, which is a call for each of many short rows.
    for (output, green) in to_green.iter_mut().zip(green) {
        *output = *green;
    }
}

/// Takes RGB, RGB, ... apart.
#[inline(always)]
pub(crate) fn split_row(pixels: &[u8], [red, green, blue]: [&mut [u8]; 3]) {
    let outputs = red.iter_mut().zip(green).zip(blue);
    for (pixel, ((red, green), blue)) in pixels.as_chunks::<3>().0.iter().zip(outputs) {
        [*red, *green, *blue] = *pixel;
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
