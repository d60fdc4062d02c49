//! How a picture is cut into tiles.

use std::fmt;

use crate::image::Window;

/// Edge of an RGB tile, in pixels.
pub const RGB_TILE_EDGE: u32 = 128;
/// Edge of a label tile, in pixels.
pub const LABEL_TILE_EDGE: u32 = 256;
/// Stored width and height of an RGB tile are multiples of this, in pixels.
pub const RGB_TILE_MULTIPLE: u32 = 32;

/// Which of a sample's two pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    /// The photograph.
    Rgb,
    /// The label map.
    Label,
}

/// Names one tile of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileId {
    /// Picture the tile belongs to.
    pub plane: Plane,
    /// Column of the tile, counted in tiles.
    pub column: u32,
    /// Row of the tile, counted in tiles.
    pub row: u32,
}

impl fmt::Display for TileId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plane = match self.plane {
            Plane::Rgb => "RGB",
            Plane::Label => "label",
        };
        write!(formatter, "{plane} tile (column {}, row {})", self.column, self.row)
    }
}

/// The tiles of one picture, row-major.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    plane: Plane,
    width: u32,
    height: u32,
    edge: u32,
    /// Stored sides of a tile are multiples of this.
    multiple: u32,
}

/// One tile of a [`Grid`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    pub(crate) id: TileId,
    /// Position in the tile table.
    pub(crate) index: usize,
    /// Pixels of the picture that the tile covers.
    pub(crate) area: Window,
    /// Columns stored, padding included.
    pub(crate) stored_width: usize,
    /// Rows stored, padding included.
    pub(crate) stored_height: usize,
}

impl Grid {
    pub(crate) const fn rgb(width: u32, height: u32) -> Self {
        let (edge, multiple) = (RGB_TILE_EDGE, RGB_TILE_MULTIPLE);
        Self { plane: Plane::Rgb, width, height, edge, multiple }
    }

    /// A single tile that is the whole picture, without padding.
    pub(crate) const fn whole_rgb(width: u32, height: u32) -> Self {
        let edge = if width > height { width } else { height };
        Self { plane: Plane::Rgb, width, height, edge, multiple: 1 }
    }

    pub(crate) const fn labels(width: u32, height: u32) -> Self {
        Self { plane: Plane::Label, width, height, edge: LABEL_TILE_EDGE, multiple: 1 }
    }

    const fn columns(&self) -> u32 {
        self.width.div_ceil(self.edge)
    }

    /// Number of tiles.
    pub(crate) const fn count(&self) -> usize {
        self.columns() as usize * self.height.div_ceil(self.edge) as usize
    }

    /// Every tile.
    pub(crate) fn cells(self) -> impl Iterator<Item = Cell> {
        self.under(Window::whole(self.width, self.height))
    }

    /// The tiles that hold pixels of `window`, which lies inside the picture.
    pub(crate) fn under(self, window: Window) -> impl Iterator<Item = Cell> {
        let last_column = (window.x + window.width - 1) / self.edge;
        let last_row = (window.y + window.height - 1) / self.edge;
        let columns = window.x / self.edge..=last_column;
        (window.y / self.edge..=last_row)
            .flat_map(move |row| columns.clone().map(move |column| self.cell(column, row)))
    }

    fn cell(&self, column: u32, row: u32) -> Cell {
        let (x, y) = (column * self.edge, row * self.edge);
        let width = (self.width - x).min(self.edge);
        let height = (self.height - y).min(self.edge);
        Cell {
            id: TileId { plane: self.plane, column, row },
            index: row as usize * self.columns() as usize + column as usize,
            area: Window { x, y, width, height },
            stored_width: width.next_multiple_of(self.multiple) as usize,
            stored_height: height.next_multiple_of(self.multiple) as usize,
        }
    }
}

impl Cell {
    /// Length of the tile without compression, in bytes.
    pub(crate) const fn raw_length(&self) -> usize {
        let channels = match self.id.plane {
            Plane::Rgb => 3,
            Plane::Label => 1,
        };
        self.stored_width * self.stored_height * channels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edge_tiles_of_a_1914x1052_frame_store_1920x1056_pixels() {
        let cells: Vec<Cell> = Grid::rgb(1914, 1052).cells().collect();
        assert_eq!(cells.len(), 15 * 9);
        assert_eq!(cells.len(), Grid::rgb(1914, 1052).count());
        let stored: usize = cells.iter().map(|cell| cell.stored_width * cell.stored_height).sum();
        assert_eq!(stored, 1920 * 1056);
    }

    #[test]
    fn label_tiles_cover_each_pixel_once_without_padding() {
        let stored: usize = Grid::labels(300, 511).cells().map(|cell| cell.raw_length()).sum();
        assert_eq!(stored, 300 * 511);
    }

    #[test]
    fn a_whole_picture_is_one_tile_without_padding() {
        for (width, height) in [(1, 1), (300, 7), (7, 300)] {
            let cells: Vec<Cell> = Grid::whole_rgb(width, height).cells().collect();
            assert_eq!(cells.len(), 1);
            assert_eq!(cells[0].area, Window::whole(width, height));
            assert_eq!(cells[0].raw_length(), (width * height * 3) as usize);
        }
    }

    #[test]
    fn a_window_touches_only_the_tiles_below_it() {
        let window = Window { x: 127, y: 128, width: 2, height: 128 };
        let touched: Vec<usize> =
            Grid::rgb(512, 512).under(window).map(|cell| cell.index).collect();
        assert_eq!(touched, [4, 5]);
    }
}
