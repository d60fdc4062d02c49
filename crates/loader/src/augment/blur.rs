//! Gaussian blur: separable, edges repeated, truncated to bytes.

mod arithmetic;

use simd_level::Level;

use self::arithmetic::{Arithmetic, Exact, Fixed};
use super::{Augment, Mode};
use crate::random::{Purpose, SampleKey};

/// The blur reaches this many standard deviations, as in scikit-image.
pub const BLUR_REACH: f64 = 4.0;

/// Columns whose sums stay in registers.
const LANES: usize = 64;

/// One draw of the blur.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BlurDraw {
    /// The weight at distance 0, 1, ... from the centre.
    pub(super) weights: Vec<f64>,
}

impl BlurDraw {
    /// Draws a standard deviation, or `None` where the blur is off.
    pub(crate) fn draw(augment: &Augment, key: SampleKey) -> Option<Self> {
        (augment.blur_sigma_max > 0.0).then(|| {
            let sigma = key.uniform(Purpose::Blur, augment.blur_sigma_min, augment.blur_sigma_max);
            Self::with_sigma(sigma)
        })
    }

    /// The kernel of radius int(4 sigma + 0.5).
    ///
    /// Source: scikit-image `gaussian`, which is SciPy's `gaussian_filter1d` along each axis.
    pub(crate) fn with_sigma(sigma: f64) -> Self {
        let radius = (BLUR_REACH * sigma + 0.5) as u32;
        let scale = -0.5 / (sigma * sigma);
        // The standard library's `exp` differs by a rounding from machine to machine.
        let weight = |distance: u32| libm::exp(scale * f64::from(distance * distance));
        // A radius of 0 leaves one weight, also where sigma is 0.
        let shape: Vec<f64> = std::iter::once(1.0).chain((1..=radius).map(weight)).collect();
        let both_sides: Vec<f64> = shape.iter().rev().chain(&shape[1..]).copied().collect();
        let sum = pairwise_sum(&both_sides);
        Self { weights: shape.iter().map(|weight| weight / sum).collect() }
    }
}

/// The sum in the order of NumPy, which adds every eighth of up to 128 values and then the eight.
fn pairwise_sum(values: &[f64]) -> f64 {
    let (whole, rest) = values.as_chunks::<8>();
    let Some((first, others)) = whole.split_first().filter(|_| values.len() <= 128) else {
        return values.iter().sum();
    };
    let mut sums = *first;
    for chunk in others {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += value;
        }
    }
    let [a, b, c, d, e, f, g, h] = sums;
    rest.iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |sum, value| sum + value)
}

/// Blurs crops in place; keeps its rows between samples.
#[derive(Debug, Default)]
pub(crate) struct Blur {
    fixed: Rows<i16>,
    exact: Rows<f64>,
}

impl Blur {
    /// Blurs each plane. Shapes: `planes` [3, H, width].
    pub(crate) fn run(
        &mut self,
        (level, mode): (Level, Mode),
        draw: &BlurDraw,
        width: u32,
        planes: &mut [u8],
    ) {
        let fixed = Fixed::new(&draw.weights).filter(|_| mode == Mode::Fast);
        let plane_len = planes.len() / 3;
        for plane in planes.chunks_exact_mut(plane_len) {
            match &fixed {
                Some(fixed) if fixed.weights().is_empty() => {}
                Some(fixed) => level.run(
                    #[inline(always)]
                    || self.fixed.blur(fixed, width as usize, plane),
                ),
                None => level.run(
                    #[inline(always)]
                    || self.exact.blur(&Exact::new(&draw.weights), width as usize, plane),
                ),
            }
        }
    }
}

/// The rows of a plane that are under the kernel.
#[derive(Debug, Default)]
struct Rows<T> {
    /// The last 2 * radius + 1 source rows, row y in place y mod (2 * radius + 1), each as long as
    /// the width rounded up to whole steps; what lies beyond the width is never used.
    rows: Vec<T>,
    /// For each distance: its weight, and the starts in `rows` of the rows above and below.
    pairs: Vec<(T, usize, usize)>,
    /// One vertically blurred row with its ends repeated `radius` times.
    blurred: Vec<T>,
}

impl<T: Copy + Default> Rows<T> {
    #[inline(always)]
    fn blur(&mut self, kernel: &impl Arithmetic<Value = T>, width: usize, plane: &mut [u8]) {
        let radius = kernel.weights().len();
        let (count, stride) = (2 * radius + 1, width.next_multiple_of(LANES));
        let height = plane.len() / width;
        let start = |y: usize| y % count * stride;
        self.rows.resize(count * stride, T::default());
        self.blurred.resize(stride + 2 * radius, T::default());
        for y in 0..radius.min(height) {
            load(kernel, &plane[y * width..][..width], &mut self.rows[start(y)..]);
        }
        for y in 0..height {
            // The rows below are read before the row above them is overwritten.
            let below = y + radius;
            if below < height {
                load(kernel, &plane[below * width..][..width], &mut self.rows[start(below)..]);
            }
            self.pairs.clear();
            self.pairs.extend(kernel.weights().iter().zip((1..=radius).rev()).map(
                |(&weight, distance)| {
                    // Beyond an edge its own row stands in.
                    let (above, below) = (y.saturating_sub(distance), y + distance);
                    (weight, start(above), start(below.min(height - 1)))
                },
            ));
            let inner = &mut self.blurred[radius..radius + stride];
            blur_vertically(kernel, start(y), &self.pairs, &self.rows, inner);
            let (first, last) = (self.blurred[radius], self.blurred[radius + width - 1]);
            self.blurred[..radius].fill(first);
            self.blurred[radius + width..].fill(last);
            blur_horizontally(kernel, &self.blurred, &mut plane[y * width..][..width]);
        }
    }
}

#[inline(always)]
fn load<K: Arithmetic>(kernel: &K, bytes: &[u8], row: &mut [K::Value]) {
    for (value, &byte) in row.iter_mut().zip(bytes) {
        *value = kernel.value(byte);
    }
}

#[inline(always)]
fn blur_vertically<K: Arithmetic>(
    kernel: &K,
    centre: usize,
    pairs: &[(K::Value, usize, usize)],
    rows: &[K::Value],
    output: &mut [K::Value],
) {
    for (step, output) in output.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let lanes = |start: usize| lanes_at(rows, start + step * LANES);
        let centre = lanes(centre);
        let mut sums = begin(kernel, centre);
        for &(weight, above, below) in pairs {
            let (above, below) = (lanes(above), lanes(below));
            for lane in 0..LANES {
                let pair = [above[lane], below[lane]];
                sums[lane] = kernel.add(sums[lane], weight, pair, centre[lane]);
            }
        }
        *output = sums;
    }
}

#[inline(always)]
fn blur_horizontally<K: Arithmetic>(kernel: &K, padded: &[K::Value], output: &mut [u8]) {
    let (whole, rest) = output.as_chunks_mut::<LANES>();
    let steps = whole.len();
    for (step, output) in whole.iter_mut().enumerate() {
        *output = blurred_lanes(kernel, padded, step);
    }
    if !rest.is_empty() {
        rest.copy_from_slice(&blurred_lanes(kernel, padded, steps)[..rest.len()]);
    }
}

#[inline(always)]
fn blurred_lanes<K: Arithmetic>(kernel: &K, padded: &[K::Value], step: usize) -> [u8; LANES] {
    let radius = kernel.weights().len();
    let start = step * LANES;
    let centre = lanes_at(padded, start + radius);
    let mut sums = begin(kernel, centre);
    for (index, &weight) in kernel.weights().iter().enumerate() {
        // From the ends of the kernel inwards.
        let left = lanes_at(padded, start + index);
        let right = lanes_at(padded, start + 2 * radius - index);
        for lane in 0..LANES {
            let pair = [left[lane], right[lane]];
            sums[lane] = kernel.add(sums[lane], weight, pair, centre[lane]);
        }
    }
    let mut bytes = [0; LANES];
    for (byte, &sum) in bytes.iter_mut().zip(&sums) {
        *byte = kernel.byte(sum);
    }
    bytes
}

#[inline(always)]
fn begin<K: Arithmetic>(kernel: &K, centre: &[K::Value; LANES]) -> [K::Value; LANES] {
    let mut sums = [K::Value::default(); LANES];
    for (sum, &centre) in sums.iter_mut().zip(centre) {
        *sum = kernel.begin(centre);
    }
    sums
}

#[inline(always)]
fn lanes_at<T>(values: &[T], start: usize) -> &[T; LANES] {
    values[start..].first_chunk().expect("invariant: rows are padded to whole steps")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: (Level, Mode) = (Level::Baseline, Mode::Fast);

    #[test]
    fn a_flat_image_keeps_every_level() {
        for level in 0..=255 {
            for sigma in [0.3, 1.3, 4.0] {
                let mut planes = vec![level; 3 * 9 * 21];
                Blur::default().run(FAST, &BlurDraw::with_sigma(sigma), 21, &mut planes);
                assert!(planes.iter().all(|&value| value == level), "level {level}");
            }
        }
    }

    #[test]
    fn a_point_spreads_symmetrically_and_images_smaller_than_the_kernel_work() {
        for mode in [Mode::Fast, Mode::Reference] {
            let mut planes = vec![0; 3 * 3 * 3];
            planes[4] = 255;
            let draw = BlurDraw::with_sigma(1.0);
            Blur::default().run((Level::Baseline, mode), &draw, 3, &mut planes);
            let plane = &planes[..9];
            assert_eq!(plane[1], plane[3]);
            assert_eq!(plane[1], plane[5]);
            assert_eq!(plane[0], plane[8]);
            assert!(plane[4] > plane[1] && plane[1] > plane[0] && plane[0] > 0);
        }
    }

    #[test]
    fn fixed_point_stays_within_one_level_of_the_reference_without_a_drift() {
        let noise = |index: u64| (crate::random::absorb(3, index) & 0xff) as u8;
        let contrast = |index: u64| if crate::random::absorb(4, index) & 1 == 0 { 0 } else { 255 };
        for picture in [noise, contrast] {
            let image: Vec<u8> = (0..3 * 50 * 61).map(picture).collect();
            for sigma in [0.15, 0.31, 0.7, 1.0, 1.3, 2.9, 4.0] {
                let blurred = |mode| {
                    let mut planes = image.clone();
                    let draw = BlurDraw::with_sigma(sigma);
                    Blur::default().run((Level::Baseline, mode), &draw, 61, &mut planes);
                    planes
                };
                let (fast, reference) = (blurred(Mode::Fast), blurred(Mode::Reference));
                let changes =
                    fast.iter().zip(&reference).map(|(a, b)| i32::from(*a) - i32::from(*b));
                assert!(changes.clone().all(|change| change.abs() <= 1), "sigma {sigma}");
                // Noise seldom lies within the error of a whole level, on either side alike; but
                // where the kernel hardly moves a level, the reference truncates it away.
                if sigma > 0.3 {
                    let drift = f64::from(changes.sum::<i32>()) / image.len() as f64;
                    // A unit of 2^-6 at most for every second weight: those that met no difference.
                    assert!(drift.abs() < 0.05, "sigma {sigma}: {drift}");
                }
            }
        }
    }

    #[test]
    fn weights_of_a_wide_kernel_sum_to_one() {
        for sigma in [0.1, 0.15, 1.3, 16.0, 64.0] {
            let draw = BlurDraw::with_sigma(sigma);
            let sum = draw.weights[0] + 2.0 * draw.weights[1..].iter().sum::<f64>();
            assert!((sum - 1.0).abs() < 1e-12, "sigma {sigma}: {sum}");
        }
    }
}
