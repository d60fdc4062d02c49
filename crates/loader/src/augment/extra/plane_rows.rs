//! Rows of a crop's three planes, side by side.

/// Width, height and shorter side of a crop: the measures that styles scale with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Frame {
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Frame {
    /// Shapes: `planes` [3, H, crop_width].
    pub(super) fn of(planes: &[u8], crop_width: u32) -> Self {
        let width = crop_width as usize;
        Self { width, height: planes.len() / 3 / width }
    }

    /// The shorter side in pixels.
    pub(super) fn side(self) -> f32 {
        self.width.min(self.height) as f32
    }
}

/// Calls `run` with the number of each row and its red, green and blue values.
pub(super) fn for_each_row(
    planes: &mut [u8],
    frame: Frame,
    mut run: impl FnMut(usize, [&mut [u8]; 3]),
) {
    let plane_len = frame.width * frame.height;
    let (red, rest) = planes.split_at_mut(plane_len);
    let (green, blue) = rest.split_at_mut(plane_len);
    let rows = red
        .chunks_exact_mut(frame.width)
        .zip(green.chunks_exact_mut(frame.width))
        .zip(blue.chunks_exact_mut(frame.width));
    for (y, ((red, green), blue)) in rows.enumerate() {
        run(y, [red, green, blue]);
    }
}
