//! Reads windows of damaged samples: a tile that cannot be used is painted over and reported.

use std::path::Path;

use crate::dataset::Dataset;
use crate::decoder::Decoder;
use crate::fault::Fault;
use crate::grid::{Cell, TileId};
use crate::image::{LabelMap, RgbImage, Window};
use crate::label_tile::{self, IGNORE_ID};
use crate::preset::Codec;
use crate::read_error::ReadError;
use crate::rgb_tile::{self, Layout};

/// A tile that was painted over because it cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedTile {
    /// The tile; for an image that is kept as a JPEG file, the whole image.
    pub tile: TileId,
    /// The part of the picture that was painted over: of the tile, what lies in the window read.
    pub area: Window,
    /// What is wrong with the tile.
    pub fault: Fault,
}

impl Dataset {
    /// Where the shard of sample `index` is, for messages.
    ///
    /// # Errors
    /// There is no such sample.
    pub fn shard_path(&self, index: usize) -> Result<&Path, ReadError> {
        Ok(&self.find(index)?.shard.path)
    }

    /// As [`read_image`](Self::read_image), but a damaged tile is filled with `colour` and returned
    /// instead of being an error; the tiles come in their order.
    ///
    /// # Errors
    /// There is no such sample or window, or the shard cannot be read.
    pub fn read_image_masked(
        &self,
        index: usize,
        window: Window,
        decoder: &mut Decoder,
        colour: [u8; 3],
    ) -> Result<(RgbImage, Vec<DamagedTile>), ReadError> {
        let sample = self.find(index)?;
        sample.check_window(window)?;
        let mut pixels = vec![0; window.area() * 3];
        let mut damaged = Vec::new();
        let cells = sample.sample.head.grids().0.under(window);
        sample.for_each_tile(cells, decoder, |cell, stored, decoder| {
            let painted = match sample.sample.head.codec {
                Codec::Jpeg => {
                    sample.cut_jpeg(cell, stored, window).map(|cut| pixels.copy_from_slice(&cut))
                }
                _ => {
                    let as_rgb = (window, Layout::Interleaved);
                    sample.paint_rgb(cell, stored, decoder, as_rgb, &mut pixels)
                }
            };
            if let Err(fault) = painted {
                rgb_tile::paint_colour(colour, cell, window, &mut pixels);
                damaged.push(DamagedTile::new(cell, window, fault));
            }
            Ok(())
        })?;
        Ok((RgbImage { width: window.width, height: window.height, pixels }, damaged))
    }

    /// As [`read_labels`](Self::read_labels), but a damaged tile is filled with the ignore id and
    /// returned instead of being an error; the tiles come in their order.
    ///
    /// # Errors
    /// There is no such sample or window, or the shard cannot be read.
    pub fn read_labels_masked(
        &self,
        index: usize,
        window: Window,
        decoder: &mut Decoder,
    ) -> Result<(LabelMap, Vec<DamagedTile>), ReadError> {
        let sample = self.find(index)?;
        sample.check_window(window)?;
        let mut train_ids = vec![0; window.area()];
        let mut damaged = Vec::new();
        let cells = sample.sample.head.grids().1.under(window);
        sample.for_each_tile(cells, decoder, |cell, stored, decoder| {
            let painted = sample.paint_labels(cell, stored, decoder, window, &mut train_ids);
            if let Err(fault) = painted {
                label_tile::paint_uniform(IGNORE_ID, cell, window, &mut train_ids);
                damaged.push(DamagedTile::new(cell, window, fault));
            }
            Ok(())
        })?;
        Ok((LabelMap { width: window.width, height: window.height, train_ids }, damaged))
    }
}

impl DamagedTile {
    fn new(cell: &Cell, window: Window, fault: Fault) -> Self {
        Self { tile: cell.id, area: cell.area.intersection(&window), fault }
    }
}
