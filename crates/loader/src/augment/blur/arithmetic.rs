//! The two arithmetics of the blur: fixed point of 16 bits, and that of scikit-image.

/// How levels are weighted and summed.
pub(super) trait Arithmetic {
    /// A level under way.
    type Value: Copy + Default;

    /// The weights at distance radius, ..., 2, 1.
    fn weights(&self) -> &[Self::Value];

    /// The value of a level.
    fn value(&self, byte: u8) -> Self::Value;

    /// The sum that begins with the value at the centre of the kernel.
    fn begin(&self, centre: Self::Value) -> Self::Value;

    /// `sum` and the weighted values at either side of the centre.
    fn add(
        &self,
        sum: Self::Value,
        weight: Self::Value,
        pair: [Self::Value; 2],
        centre: Self::Value,
    ) -> Self::Value;

    /// The level of a sum, truncated.
    fn byte(&self, sum: Self::Value) -> u8;
}

/// Weighted differences from the centre in 16 bits: within one level of the reference.
///
/// A flat area has no differences and keeps its level exactly, whatever the weights' rounding.
#[derive(Debug)]
pub(super) struct Fixed {
    /// In units of 2^-16; each is below a third, because neighbours weigh less than the centre.
    weights: Vec<i16>,
    /// What truncated products lack on average: half a unit each, in units of a value.
    lacking: i16,
}

impl Fixed {
    /// Bits of a value behind the binary point: the most that leaves room for a difference of
    /// twice 255 levels in either direction.
    const FRACTION_BITS: u32 = 6;

    /// Beyond this, the truncation of so many products could show.
    const LARGEST_RADIUS: usize = 16;

    /// `None` where the kernel is too wide. Shapes: `weights` [1 + radius], the centre first.
    pub(super) fn new(weights: &[f64]) -> Option<Self> {
        let weights: Vec<i16> = weights[1..]
            .iter()
            .rev()
            .map(|weight| (weight * 65_536.0).round() as i16)
            .skip_while(|&weight| weight == 0)
            .collect();
        let lacking = weights.len() as i16 / 2;
        (weights.len() <= Self::LARGEST_RADIUS).then_some(Self { weights, lacking })
    }
}

impl Arithmetic for Fixed {
    type Value = i16;

    #[inline(always)]
    fn weights(&self) -> &[i16] {
        &self.weights
    }

    #[inline(always)]
    fn value(&self, byte: u8) -> i16 {
        i16::from(byte) << Self::FRACTION_BITS
    }

    #[inline(always)]
    fn begin(&self, centre: i16) -> i16 {
        centre + self.lacking
    }

    #[inline(always)]
    fn add(&self, sum: i16, weight: i16, pair: [i16; 2], centre: i16) -> i16 {
        // Differences of whole levels fit, and a blurred value leaves the range of levels by less
        // than the room that is left; wrapping because it costs no check.
        let both = pair[0].wrapping_add(pair[1]).wrapping_sub(centre.wrapping_add(centre));
        let product = (i32::from(both) * i32::from(weight)) >> 16;
        sum.wrapping_add(product as i16)
    }

    #[inline(always)]
    fn byte(&self, sum: i16) -> u8 {
        (sum >> Self::FRACTION_BITS).clamp(0, 255) as u8
    }
}

/// The double precision of scikit-image, in the same order.
///
/// Source: SciPy's `NI_Correlate1D` for symmetric kernels: the centre first, then pairs from the
/// ends of the kernel inwards.
#[derive(Debug)]
pub(super) struct Exact {
    centre: f64,
    weights: Vec<f64>,
}

impl Exact {
    /// 1.5 * 2^52: within 2^51 of it on either side, neighbouring f64 values are 1 apart.
    const INTEGERS_ONLY: f64 = 6_755_399_441_055_744.0;

    /// Shapes: `weights` [1 + radius], the centre first.
    pub(super) fn new(weights: &[f64]) -> Self {
        Self { centre: weights[0], weights: weights[1..].iter().rev().copied().collect() }
    }
}

impl Arithmetic for Exact {
    type Value = f64;

    #[inline(always)]
    fn weights(&self) -> &[f64] {
        &self.weights
    }

    #[inline(always)]
    fn value(&self, byte: u8) -> f64 {
        f64::from(byte) * (1.0 / 255.0)
    }

    #[inline(always)]
    fn begin(&self, centre: f64) -> f64 {
        centre * self.centre
    }

    #[inline(always)]
    fn add(&self, sum: f64, weight: f64, pair: [f64; 2], _centre: f64) -> f64 {
        sum + (pair[0] + pair[1]) * weight
    }

    #[inline(always)]
    fn byte(&self, sum: f64) -> u8 {
        let level = sum * 255.0;
        let nearest = (level + Self::INTEGERS_ONLY) - Self::INTEGERS_ONLY;
        let truncated = nearest - if nearest > level { 1.0 } else { 0.0 };
        ((truncated + Self::INTEGERS_ONLY).to_bits() & 0xff) as u8
    }
}
