//! From the stored bytes of tiles to pixels.

use crate::dataset::Sample;
use crate::decoder::{Decoder, check_tile};
use crate::fault::Fault;
use crate::grid::{Cell, Plane};
use crate::image::Window;
use crate::label_tile::{self, only_value};
use crate::read_error::ReadError;
use crate::rgb_tile::{self, Layout};
use crate::tile_table::Tile;

impl Sample<'_> {
    /// Calls `use_tile` with the stored bytes of each of `cells`, all of one plane and in order.
    ///
    /// A mapped shard lends them. From any other, each run of neighbouring tiles is read at once,
    /// after all of them were announced.
    pub(crate) fn for_each_tile(
        &self,
        cells: impl Iterator<Item = Cell>,
        decoder: &mut Decoder,
        mut use_tile: impl FnMut(&Cell, &[u8], &mut Decoder) -> Result<(), Fault>,
    ) -> Result<(), ReadError> {
        let mut use_tile = |cell: &Cell, stored: &[u8], decoder: &mut Decoder| {
            use_tile(cell, stored, decoder).map_err(|fault| self.tile_error(cell.id, fault))
        };
        let Some(mapped) = self.shard.file.mapped() else {
            let cells: Vec<Cell> = cells.collect();
            let mut buffer = std::mem::take(&mut decoder.run);
            let result = self
                .for_each_run(&cells, &mut buffer, |cell, stored| use_tile(cell, stored, decoder));
            decoder.run = buffer;
            return result;
        };
        for cell in cells {
            let tile = self.tile(&cell);
            let place = self.sample.place(tile, tile);
            use_tile(&cell, &mapped[place.start as usize..place.end as usize], decoder)?;
        }
        Ok(())
    }

    fn for_each_run(
        &self,
        cells: &[Cell],
        buffer: &mut Vec<u8>,
        mut use_tile: impl FnMut(&Cell, &[u8]) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let place =
            |run: &[Cell]| self.sample.place(self.tile(&run[0]), self.tile(&run[run.len() - 1]));
        // Neighbours in the tile table are neighbours in the record.
        let runs = || cells.chunk_by(|one, next| one.index + 1 == next.index);
        // Uniform label tiles have no bytes to announce.
        let places: Vec<_> = runs().map(place).filter(|place| !place.is_empty()).collect();
        if let (Some(first), Some(last)) = (places.first(), places.last()) {
            let range = first.start..last.end;
            let announced = self.shard.file.prefetch(&places);
            announced.map_err(|source| self.io_error(range, source))?;
        }
        for run in runs() {
            let place = place(run);
            let stored = self
                .shard
                .bytes(place.clone(), buffer)
                .map_err(|source| self.io_error(place, source))?;
            let first = self.tile(&run[0]).offset;
            for cell in run {
                let tile = self.tile(cell);
                let start = (tile.offset - first) as usize;
                use_tile(cell, &stored[start..start + tile.length as usize])?;
            }
        }
        Ok(())
    }

    /// Where the tile of `cell` is in the record.
    pub(crate) fn tile(&self, cell: &Cell) -> Tile {
        match cell.id.plane {
            Plane::Rgb => self.sample.head.rgb[cell.index],
            Plane::Label => self.sample.head.labels[cell.index],
        }
    }

    /// The part of a JPEG file's picture that lies in `window`.
    ///
    /// Shapes: result [window.height, window.width, 3].
    pub(crate) fn cut_jpeg(
        &self,
        cell: &Cell,
        stored: &[u8],
        window: Window,
    ) -> Result<Vec<u8>, Fault> {
        check_tile(stored, self.tile(cell))?;
        let plain = decode_jpeg(stored, cell.area)?;
        if window == cell.area {
            return Ok(plain);
        }
        let mut pixels = vec![0; window.area() * 3];
        rgb_tile::paint_plain(&plain, cell, (window, Layout::Interleaved), &mut pixels);
        Ok(pixels)
    }

    /// Paints the part of an RGB tile that lies in `window`.
    pub(crate) fn paint_rgb(
        &self,
        cell: &Cell,
        stored: &[u8],
        decoder: &mut Decoder,
        target: (Window, Layout),
        pixels: &mut [u8],
    ) -> Result<(), Fault> {
        let (tile, level) = (self.tile(cell), decoder.level);
        let bytes = decoder.expand(stored, tile, cell.raw_length())?;
        if tile.length as usize == cell.raw_length() {
            level.run(
                #[inline(always)]
                || rgb_tile::paint_plain(bytes, cell, target, pixels),
            );
        } else {
            level.run(
                #[inline(always)]
                || rgb_tile::paint_residuals(bytes, cell, target, pixels),
            );
        }
        Ok(())
    }

    /// Paints the part of a label tile that lies in `window`.
    pub(crate) fn paint_labels(
        &self,
        cell: &Cell,
        stored: &[u8],
        decoder: &mut Decoder,
        window: Window,
        train_ids: &mut [u8],
    ) -> Result<(), Fault> {
        let tile = self.tile(cell);
        let presence = self.sample.head.presence[cell.index];
        match only_value(presence).filter(|_| tile.length == 0) {
            Some(value) => label_tile::paint_uniform(value, cell, window, train_ids),
            None => {
                let bytes = decoder.expand(stored, tile, cell.raw_length())?;
                label_tile::check_range(bytes, presence)
                    .map_err(|value| Fault::LabelValue { value })?;
                label_tile::paint(bytes, cell, window, train_ids);
            }
        }
        Ok(())
    }
}

/// The pixels of a JPEG file, which must be those of `area`.
///
/// Shapes: result [area.height, area.width, 3].
pub(crate) fn decode_jpeg(bytes: &[u8], area: Window) -> Result<Vec<u8>, Fault> {
    let undecodable = |error: jpeg_image::JpegError| Fault::Jpeg { reason: error.to_string() };
    let expected = (area.width, area.height);
    // Before any pixel is decoded, so that a lie about the size costs no memory.
    let size = jpeg_image::size(bytes).map_err(undecodable)?;
    let found = (size.width, size.height);
    if found != expected {
        return Err(Fault::JpegSize { found, expected });
    }
    let image = jpeg_image::decode_rgb(bytes, area.area() as u64).map_err(undecodable)?;
    let found = (image.width, image.height);
    if found != expected || image.pixels.len() != area.area() * 3 {
        return Err(Fault::JpegSize { found, expected });
    }
    Ok(image.pixels)
}
