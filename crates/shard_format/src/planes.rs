//! Reads windows of images as three planes, which is what vector code wants.

use crate::dataset::Dataset;
use crate::decoder::Decoder;
use crate::image::{RgbImage, Window};
use crate::preset::Codec;
use crate::read_error::ReadError;
use crate::rgb_tile::{Layout, plane_rows, split_row};

impl Dataset {
    /// As [`read_image`](Self::read_image), but into `planes`, whose memory is used again.
    ///
    /// Shapes: `planes` becomes [3, window.height, window.width].
    ///
    /// # Errors
    /// There is no such sample or window, or a tile under the window is unreadable or altered.
    pub fn read_planes(
        &self,
        index: usize,
        window: Window,
        decoder: &mut Decoder,
        planes: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        let sample = self.find(index)?;
        sample.check_window(window)?;
        planes.resize(window.area() * 3, 0);
        let cells = sample.sample.head.grids().0.under(window);
        sample.for_each_tile(cells, decoder, |cell, stored, decoder| {
            if sample.sample.head.codec == Codec::Jpeg {
                split(&sample.cut_jpeg(cell, stored, window)?, planes);
                return Ok(());
            }
            sample.paint_rgb(cell, stored, decoder, (window, Layout::Planar), planes)
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
