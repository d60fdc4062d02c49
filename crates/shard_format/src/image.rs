//! The pictures that go into and come out of a shard, and the windows through which they are read.

/// An 8-bit RGB picture.
///
/// Shapes: `pixels` [height, width, 3], interleaved, row-major.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbImage {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Red, green, blue of each pixel.
    pub pixels: Vec<u8>,
}

/// A label map: one train id per pixel.
///
/// Shapes: `train_ids` [height, width], row-major.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelMap {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Train ids 0 to 30, or 255 where the pixel is ignored.
    pub train_ids: Vec<u8>,
}

/// What the caller of [`encode_sample`](crate::encode_sample) says about a sample.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SampleMeta {
    /// Name of the sample, unique in its dataset.
    pub id: String,
    /// Path of the source image, relative to the source dataset's root.
    pub source: String,
    /// Visual domain the sample belongs to.
    pub domain: String,
    /// Path of the source label file, relative to the source dataset's root.
    pub label_source: String,
    /// BLAKE3 hash of the source image file.
    pub image_blake3: [u8; 32],
    /// BLAKE3 hash of the source label file.
    pub label_blake3: [u8; 32],
}

/// What a shard says about one of its samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleInfo {
    /// Name of the sample, unique in its dataset.
    pub id: String,
    /// Path of the source image, relative to the source dataset's root.
    pub source: String,
    /// Visual domain the sample belongs to.
    pub domain: String,
    /// Path of the source label file, relative to the source dataset's root; empty in version 1.
    pub label_source: String,
    /// BLAKE3 hash of the source image file; zero in version 1.
    pub image_blake3: [u8; 32],
    /// BLAKE3 hash of the source label file; zero in version 1.
    pub label_blake3: [u8; 32],
    /// Columns of image and label map.
    pub width: u32,
    /// Rows of image and label map.
    pub height: u32,
    /// Size of the sample's record in its shard, in bytes.
    pub stored_bytes: u64,
}

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Window {
    /// The window that covers a whole picture of this size.
    pub const fn whole(width: u32, height: u32) -> Self {
        Self { x: 0, y: 0, width, height }
    }

    /// Whether the window is not empty and lies inside a picture of this size.
    pub fn lies_inside(&self, width: u32, height: u32) -> bool {
        let ends_by = |start: u32, length: u32, limit: u32| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= limit)
        };
        ends_by(self.x, self.width, width) && ends_by(self.y, self.height, height)
    }

    /// The pixels in both windows, if they overlap.
    pub fn overlap(&self, other: &Self) -> Option<Self> {
        let apart = |one: u32, length: u32, start: u32| one.saturating_add(length) <= start;
        let overlaps = !apart(self.x, self.width, other.x)
            && !apart(other.x, other.width, self.x)
            && !apart(self.y, self.height, other.y)
            && !apart(other.y, other.height, self.y);
        overlaps.then(|| self.intersection(other))
    }

    /// The pixels in both windows, which must overlap.
    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let right = (self.x + self.width).min(other.x + other.width);
        let bottom = (self.y + self.height).min(other.y + other.height);
        Self { x, y, width: right - x, height: bottom - y }
    }

    /// Index of pixel (`x`, `y`) of the picture in a row-major buffer that holds this window.
    pub(crate) fn position(&self, x: u32, y: u32) -> usize {
        (y - self.y) as usize * self.width as usize + (x - self.x) as usize
    }

    /// Number of pixels.
    pub(crate) const fn area(&self) -> usize {
        self.width as usize * self.height as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_overflows_or_is_empty_lies_outside() {
        assert!(Window { x: 3, y: 0, width: 5, height: 1 }.lies_inside(8, 1));
        assert!(!Window { x: 4, y: 0, width: 5, height: 1 }.lies_inside(8, 1));
        assert!(!Window { x: 0, y: 0, width: 0, height: 1 }.lies_inside(8, 1));
        assert!(!Window { x: u32::MAX, y: 0, width: 2, height: 1 }.lies_inside(8, 1));
    }
}
