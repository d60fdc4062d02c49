//! What a renderer is asked for beyond a sample and its key.

use std::sync::atomic::{AtomicBool, Ordering};

use shard_format::{DamagedTile, Dataset, Decoder, ReadError, Window};

use crate::random::SampleKey;

/// The mean colour of ImageNet, which normalisation takes to zero.
pub(crate) const MEAN_COLOUR: [u8; 3] = [124, 116, 104];

/// One crop to render.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) dataset: &'a Dataset,
    pub(crate) sample: usize,
    pub(crate) key: SampleKey,
    /// A pixel of the source that the crop must show.
    pub(crate) focus: Option<(u32, u32)>,
    /// Whether damaged tiles are painted over instead of being an error.
    pub(crate) masks: bool,
    /// Set when nobody wants the crop any more.
    pub(crate) stop: Option<&'a AtomicBool>,
}

/// How a request went, if without an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rendered {
    /// Done, but these tiles were painted over.
    Whole(Vec<DamagedTile>),
    /// These tiles are all that the crop shows of the image or of the labels.
    Lost(Vec<DamagedTile>),
    /// Given up half-way, as was asked.
    Stopped,
}

impl<'a> Request<'a> {
    /// A request for a sample without conditions.
    pub(crate) fn new(dataset: &'a Dataset, sample: usize, key: SampleKey) -> Self {
        Self { dataset, sample, key, focus: None, masks: false, stop: None }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }
}

impl Request<'_> {
    /// Reads the labels in `window`; returns the damaged tiles that are ignored in them.
    ///
    /// Shapes: `train_ids` becomes [window.height, window.width].
    pub(crate) fn read_labels(
        &self,
        window: Window,
        decoder: &mut Decoder,
        train_ids: &mut Vec<u8>,
    ) -> Result<Vec<DamagedTile>, ReadError> {
        if self.masks {
            let (map, damaged) = self.dataset.read_labels_masked(self.sample, window, decoder)?;
            *train_ids = map.train_ids;
            return Ok(damaged);
        }
        self.dataset.read_labels_into(self.sample, window, decoder, train_ids)?;
        Ok(Vec::new())
    }

    /// Gives the image in `window` to `take`, band by band, and the damaged tiles that are painted
    /// over in it. `band` is working memory.
    ///
    /// Shapes: what `take` gets is [3, band.height, window.width].
    pub(crate) fn read_bands(
        &self,
        window: Window,
        decoder: &mut Decoder,
        band: &mut Vec<u8>,
        mut take: impl FnMut(Window, &[u8]),
    ) -> Result<Vec<DamagedTile>, ReadError> {
        if !self.masks {
            self.dataset.read_bands(self.sample, window, decoder, band, take)?;
            return Ok(Vec::new());
        }
        let (image, damaged) =
            self.dataset.read_image_masked(self.sample, window, decoder, MEAN_COLOUR)?;
        image.copy_planes(band);
        take(window, band);
        Ok(damaged)
    }
}

/// Whether nothing of `window` is left.
pub(crate) fn covers(damaged: &[DamagedTile], window: Window) -> bool {
    let area = |part: Window| u64::from(part.width) * u64::from(part.height);
    // Tiles do not overlap.
    damaged.iter().map(|tile| area(tile.area)).sum::<u64>() == area(window)
}

/// Ignores the labels under damaged tiles. Shapes: `train_ids` [window.height, window.width].
pub(crate) fn ignore_under(
    damaged: &[DamagedTile],
    (window, ignore_id): (Window, u8),
    train_ids: &mut [u8],
) {
    for part in damaged.iter().filter_map(|tile| tile.area.overlap(&window)) {
        for row in part.y - window.y..part.y - window.y + part.height {
            let start = row as usize * window.width as usize + (part.x - window.x) as usize;
            train_ids[start..start + part.width as usize].fill(ignore_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use shard_format::{Fault, Plane, TileId};

    use super::*;

    fn damaged(area: Window) -> DamagedTile {
        let tile = TileId { plane: Plane::Rgb, column: 0, row: 0 };
        DamagedTile { tile, area, fault: Fault::HeadCopy }
    }

    #[test]
    fn labels_are_ignored_where_damage_and_window_overlap_and_nowhere_else() {
        let window = Window { x: 10, y: 20, width: 4, height: 3 };
        let tiles = [
            damaged(Window { x: 12, y: 21, width: 9, height: 1 }),
            damaged(Window { x: 0, y: 0, width: 11, height: 21 }),
            damaged(Window { x: 14, y: 20, width: 1, height: 3 }),
        ];
        let mut train_ids = [7; 12];
        ignore_under(&tiles, (window, 255), &mut train_ids);
        assert_eq!(train_ids, [255, 7, 7, 7, 7, 7, 255, 255, 7, 7, 7, 7]);
    }

    #[test]
    fn a_window_is_lost_once_its_last_pixel_is() {
        let window = Window { x: 1, y: 1, width: 4, height: 2 };
        let mut tiles = vec![damaged(Window { x: 1, y: 1, width: 4, height: 1 })];
        assert!(!covers(&tiles, window));
        tiles.push(damaged(Window { x: 1, y: 2, width: 4, height: 1 }));
        assert!(covers(&tiles, window));
        assert!(!covers(&[], window));
    }
}
