//! Gaussian blur: separable, edges repeated, truncated to bytes.

use super::Augment;
use super::exact::byte;
use crate::random::{Purpose, SampleKey};

/// The kernel reaches this many standard deviations, as in scikit-image.
const TRUNCATE: f64 = 4.0;

/// Columns that one step of the vertical pass keeps in registers.
const LANES: usize = 16;

/// Added before truncation: more than all rounding errors of single precision (below 1e-3 at 11
/// taps), so that a flat area keeps its level.
const ROUNDING_SLACK: f32 = 1.0 / 512.0;

/// One draw of the blur.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BlurDraw {
    /// The weight at distance 0, 1, ... from the centre.
    pub(super) weights: Vec<f32>,
}

impl BlurDraw {
    /// Draws a standard deviation, or `None` where the blur is off or too weak to change a level.
    pub(crate) fn draw(augment: &Augment, key: SampleKey) -> Option<Self> {
        if augment.blur_sigma_max <= 0.0 {
            return None;
        }
        let sigma = key.uniform(Purpose::Blur, augment.blur_sigma_min, augment.blur_sigma_max);
        Self::with_sigma(sigma)
    }

    /// The kernel of radius int(4 sigma + 0.5), or `None` where it is too weak to change a level.
    ///
    /// Source: scikit-image `gaussian`, which is SciPy's `gaussian_filter1d` along each axis.
    pub(crate) fn with_sigma(sigma: f64) -> Option<Self> {
        let radius = (TRUNCATE * sigma + 0.5) as u32;
        let shape: Vec<f64> = (0..=radius)
            .map(|distance| (-0.5 * f64::from(distance).powi(2) / (sigma * sigma)).exp())
            .collect();
        let sum = shape[0] + 2.0 * shape[1..].iter().sum::<f64>();
        let weights: Vec<f32> = shape.iter().map(|weight| (weight / sum) as f32).collect();
        // All other pixels together weigh less than what truncation leaves over.
        let moved = 2.0 * 255.0 * (1.0 - shape[0] / sum);
        (radius > 0 && moved > f64::from(ROUNDING_SLACK)).then_some(Self { weights })
    }

    fn radius(&self) -> usize {
        self.weights.len() - 1
    }
}

/// Blurs crops in place; keeps its rows between samples.
#[derive(Debug, Default)]
pub(crate) struct Blur {
    /// The last 2 * radius + 1 source rows, row y in place y mod (2 * radius + 1).
    rows: Vec<f32>,
    /// For distance 1, 2, ...: its weight, and the starts in `rows` of the rows above and below.
    pairs: Vec<(f32, usize, usize)>,
    /// One vertically blurred row with its ends repeated `radius` times.
    blurred: Vec<f32>,
}

impl Blur {
    /// Blurs each plane. Shapes: `planes` [3, H, width].
    pub(crate) fn run(&mut self, draw: &BlurDraw, width: u32, planes: &mut [u8]) {
        let plane_len = planes.len() / 3;
        for plane in planes.chunks_exact_mut(plane_len) {
            self.run_plane(draw, width as usize, plane);
        }
    }

    fn run_plane(&mut self, draw: &BlurDraw, width: usize, plane: &mut [u8]) {
        let radius = draw.radius();
        let height = plane.len() / width;
        let rows = Rows { count: 2 * radius + 1, stride: width.next_multiple_of(LANES) };
        self.rows.resize(rows.count * rows.stride, 0.0);
        self.blurred.resize(rows.stride + 2 * radius, 0.0);
        for y in 0..radius.min(height) {
            load(&plane[y * width..][..width], &mut self.rows[rows.start(y)..]);
        }
        for y in 0..height {
            // The rows below are read before the row above them is overwritten.
            if y + radius < height {
                let below = y + radius;
                load(&plane[below * width..][..width], &mut self.rows[rows.start(below)..]);
            }
            self.pairs.clear();
            self.pairs.extend((1..).zip(&draw.weights[1..]).map(|(distance, &weight)| {
                // Beyond an edge its own row stands in.
                let (above, below) = (y.saturating_sub(distance), (y + distance).min(height - 1));
                (weight, rows.start(above), rows.start(below))
            }));
            let inner = &mut self.blurred[radius..radius + rows.stride];
            let centre = (draw.weights[0], rows.start(y));
            blur_vertically(centre, &self.pairs, &self.rows, inner);
            let (first, last) = (self.blurred[radius], self.blurred[radius + width - 1]);
            self.blurred[..radius].fill(first);
            self.blurred[radius + width..].fill(last);
            blur_horizontally(draw, &self.blurred, &mut plane[y * width..][..width]);
        }
    }
}

/// How the rows of a plane lie in their ring.
#[derive(Debug, Clone, Copy)]
struct Rows {
    count: usize,
    /// The width, rounded up to whole steps; what lies beyond the width is never used.
    stride: usize,
}

impl Rows {
    fn start(&self, y: usize) -> usize {
        y % self.count * self.stride
    }
}

fn load(bytes: &[u8], row: &mut [f32]) {
    for (value, &byte) in row.iter_mut().zip(bytes) {
        *value = f32::from(byte);
    }
}

fn blur_vertically(
    centre: (f32, usize),
    pairs: &[(f32, usize, usize)],
    rows: &[f32],
    output: &mut [f32],
) {
    for (step, output) in output.chunks_exact_mut(LANES).enumerate() {
        let lanes = |start: usize| &rows[start + step * LANES..][..LANES];
        let mut sums = [0.0_f32; LANES];
        for (sum, value) in sums.iter_mut().zip(lanes(centre.1)) {
            *sum = centre.0 * value;
        }
        for &(weight, above, below) in pairs {
            let (above, below) = (lanes(above), lanes(below));
            for lane in 0..LANES {
                sums[lane] += weight * (above[lane] + below[lane]);
            }
        }
        output.copy_from_slice(&sums);
    }
}

fn blur_horizontally(draw: &BlurDraw, padded: &[f32], output: &mut [u8]) {
    let (whole, rest) = output.as_chunks_mut::<LANES>();
    let steps = whole.len();
    for (step, output) in whole.iter_mut().enumerate() {
        *output = blurred_lanes(draw, padded, step);
    }
    if !rest.is_empty() {
        rest.copy_from_slice(&blurred_lanes(draw, padded, steps)[..rest.len()]);
    }
}

fn blurred_lanes(draw: &BlurDraw, padded: &[f32], step: usize) -> [u8; LANES] {
    let centre = step * LANES + draw.radius();
    let mut sums = [0.0_f32; LANES];
    for (sum, value) in sums.iter_mut().zip(&padded[centre..][..LANES]) {
        *sum = draw.weights[0] * value;
    }
    for (distance, &weight) in draw.weights.iter().enumerate().skip(1) {
        let left = &padded[centre - distance..][..LANES];
        let right = &padded[centre + distance..][..LANES];
        for lane in 0..LANES {
            sums[lane] += weight * (left[lane] + right[lane]);
        }
    }
    // Truncation: the nearest integer of what lies half a level lower.
    sums.map(|sum| byte(sum - (0.5 - ROUNDING_SLACK)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_image_keeps_every_level() {
        for level in 0..=255 {
            let mut planes = vec![level; 3 * 9 * 21];
            let draw = BlurDraw::with_sigma(1.3).unwrap();
            Blur::default().run(&draw, 21, &mut planes);
            assert!(planes.iter().all(|&value| value == level), "level {level}");
        }
    }

    #[test]
    fn a_point_spreads_symmetrically_and_images_smaller_than_the_kernel_work() {
        let mut planes = vec![0; 3 * 3 * 3];
        planes[4] = 255;
        Blur::default().run(&BlurDraw::with_sigma(1.0).unwrap(), 3, &mut planes);
        let plane = &planes[..9];
        assert_eq!(plane[1], plane[3]);
        assert_eq!(plane[1], plane[5]);
        assert_eq!(plane[0], plane[8]);
        assert!(plane[4] > plane[1] && plane[1] > plane[0] && plane[0] > 0);
    }

    #[test]
    fn a_kernel_too_weak_to_change_a_level_is_left_out() {
        assert_eq!(BlurDraw::with_sigma(0.05), None); // radius 0
        assert_eq!(BlurDraw::with_sigma(0.15), None); // neighbours weigh 2e-10
        assert!(BlurDraw::with_sigma(0.3).is_some());
    }
}
