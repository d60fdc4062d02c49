//! Reads windows of images as three planes, which is what vector code wants.

use crate::dataset::Dataset;
use crate::decoder::Decoder;
use crate::fault::Fault;
use crate::image::{RgbImage, Window};
use crate::preset::Codec;
use crate::read_error::ReadError;
use crate::rgb_tile::{Layout, plane_rows, split_row};

impl Dataset {
    /// As [`read_image`](Self::read_image), but as planes and in bands from top to bottom, so that
    /// the pixels are still in the processor's cache when they are used.
    ///
    /// Calls `use_band` with the part of `window` that a band is and its pixels; `planes` is memory
    /// for one band, which is used again.
    ///
    /// Shapes: a band's pixels [3, band.height, window.width].
    ///
    /// # Errors
    /// There is no such sample or window, or a tile under the window is unreadable or altered.
    pub fn read_bands(
        &self,
        index: usize,
        window: Window,
        decoder: &mut Decoder,
        planes: &mut Vec<u8>,
        mut use_band: impl FnMut(Window, &[u8]),
    ) -> Result<(), ReadError> {
        let sample = self.find(index)?;
        sample.check_window(window)?;
        let codec = sample.sample.head.codec;
        let last_column = window.x + window.width - 1;
        let cells = sample.sample.head.grids().0.under(window);
        sample.for_each_tile(cells, decoder, |cell, stored, decoder| {
            let y = cell.area.y.max(window.y);
            let end = (cell.area.y + cell.area.height).min(window.y + window.height);
            let band = Window { y, height: end - y, ..window };
            let needed = band.area() * 3;
            if planes.len() < needed {
                planes.resize(needed, 0);
            }
            let planes = &mut planes[..needed];
            if codec == Codec::Jpeg {
                split(&sample.cut_jpeg(cell, stored, window)?, planes);
            } else {
                sample.paint_rgb(cell, stored, decoder, (band, Layout::Planar), planes)?;
            }
            if cell.area.x + cell.area.width > last_column {
                use_band(band, planes);
            }
            Ok::<(), Fault>(())
        })
    }
}

impl RgbImage {
    /// Copies the picture into `planes`, whose memory is used again.
    ///
    /// Shapes: `planes` becomes [3, height, width].
    pub fn copy_planes(&self, planes: &mut Vec<u8>) {
        planes.resize(self.pixels.len(), 0);
        split(&self.pixels, planes);
    }
}

fn split(pixels: &[u8], planes: &mut [u8]) {
    split_row(pixels, plane_rows(planes, 0, pixels.len() / 3));
}
