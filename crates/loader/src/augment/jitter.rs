//! Colour jitter: brightness, contrast, saturation and hue in random order.

use simd_level::Level;

use super::colours::{Access, Colours, visit};
use super::contrast::GreySum;
use super::exact::{Rounding, RoundingKernel, run_rounding};
use super::{Jitter, brightness, contrast, hue, saturation};
use crate::random::{Purpose, SampleKey};

/// One draw of the colour jitter; `None` leaves the colours as they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct JitterDraw {
    pub(crate) order: [Operation; 4],
    pub(crate) brightness: f32,
    pub(crate) contrast: f32,
    pub(crate) saturation: f32,
    /// In turns; `None` where the range is empty, since even a turn of 0 rounds through HSV.
    pub(crate) hue: Option<f64>,
}

/// An operation of the colour jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A blend with black.
    Brightness,
    /// A blend with the mean grey level of the image as it is by then.
    Contrast,
    /// A blend with the pixel's own grey level.
    Saturation,
    /// A turn of the hue.
    Hue,
}

impl JitterDraw {
    /// Draws order and factors, or `None` with probability 1 - `jitter.probability`.
    ///
    /// Source: torchvision `ColorJitter` inside `RandomApply`.
    pub(crate) fn draw(jitter: &Jitter, key: SampleKey) -> Option<Self> {
        if key.unit(Purpose::JitterApplies) >= f64::from(jitter.probability) {
            return None;
        }
        let factor =
            |purpose, range: f32| key.uniform(purpose, (1.0 - range).max(0.0), 1.0 + range) as f32;
        Some(Self {
            order: order(key.below(Purpose::JitterOrder, 24) as usize),
            brightness: factor(Purpose::Brightness, jitter.brightness),
            contrast: factor(Purpose::Contrast, jitter.contrast),
            saturation: factor(Purpose::Saturation, jitter.saturation),
            hue: (jitter.hue > 0.0).then(|| key.uniform(Purpose::Hue, -jitter.hue, jitter.hue)),
        })
    }

    /// Jitters one crop in place. Shapes: `planes` [3, H, W].
    pub(crate) fn apply(&self, level: Level, planes: &mut [u8]) {
        run_rounding(level, Apply { draw: *self, planes });
    }

    /// Applies operations other than the contrast.
    #[inline(always)]
    fn change<R: Rounding>(
        &self,
        operations: &[Operation],
        turn: Option<hue::Turn>,
        colours: &mut Colours,
    ) {
        for operation in operations {
            match operation {
                Operation::Brightness => brightness::adjust::<R>(colours, self.brightness),
                Operation::Saturation => saturation::adjust::<R>(colours, self.saturation),
                Operation::Hue => {
                    if let Some(turn) = turn {
                        hue::adjust::<R>(colours, turn);
                    }
                }
                Operation::Contrast => {}
            }
        }
    }
}

/// The jitter of one crop.
struct Apply<'a> {
    draw: JitterDraw,
    planes: &'a mut [u8],
}

impl RoundingKernel for Apply<'_> {
    /// Goes through the crop twice, since all of it must have come as far as the contrast before
    /// its mean grey level is known.
    #[inline(always)]
    fn run<R: Rounding>(self) {
        let Self { draw, planes } = self;
        let contrast = draw.order.iter().position(|&operation| operation == Operation::Contrast);
        let contrast = contrast.expect("invariant: an order holds every operation");
        let (before, after) = (&draw.order[..contrast], &draw.order[contrast + 1..]);
        let turn = draw.hue.map(hue::Turn::new);
        let mut grey = GreySum::new();
        let access = if before.is_empty() { Access::Read } else { Access::Write };
        visit(
            planes,
            access,
            #[inline(always)]
            |colours, count| {
                draw.change::<R>(before, turn, colours);
                grey.add::<R>(colours, count);
            },
        );
        let mean = grey.mean(planes.len() / 3);
        visit(
            planes,
            Access::Write,
            #[inline(always)]
            |colours, _| {
                contrast::adjust::<R>(colours, mean, draw.contrast);
                draw.change::<R>(after, turn, colours);
            },
        );
    }
}

/// One of the 24 orders: the digits of `number` in the factorial base pick what is left.
fn order(number: usize) -> [Operation; 4] {
    let mut order =
        [Operation::Brightness, Operation::Contrast, Operation::Saturation, Operation::Hue];
    let mut rest = number;
    for place in 0..3 {
        let left = 4 - place;
        order.swap(place, place + rest % left);
        rest /= left;
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::Augment;

    #[test]
    fn all_24_orders_occur() {
        let mut seen: Vec<[Operation; 4]> = Vec::new();
        for number in 0..24 {
            let order = order(number);
            assert!(!seen.contains(&order));
            seen.push(order);
        }
    }

    #[test]
    fn factors_stay_in_range_and_half_of_the_samples_are_left_alone() {
        let jitter = Augment::reference().jitter;
        let draws: Vec<Option<JitterDraw>> = (0..2000)
            .map(|index| JitterDraw::draw(&jitter, SampleKey::new(1, "gtav", 0, index)))
            .collect();
        let applied = draws.iter().flatten().count();
        // 1000 expected, standard deviation 22.4.
        assert!((890..1110).contains(&applied), "{applied}");
        for draw in draws.iter().flatten() {
            assert!((0.6..=1.4).contains(&draw.brightness));
            assert!((-0.1..=0.1).contains(&draw.hue.unwrap()));
        }
    }

    #[test]
    fn the_strong_ranges_are_cut_off_at_zero() {
        let jitter = Jitter { brightness: 1.5, ..Augment::strong().jitter };
        for index in 0..200 {
            let draw = JitterDraw::draw(&jitter, SampleKey::new(1, "gtav", 0, index)).unwrap();
            assert!((0.0..=2.5).contains(&draw.brightness));
        }
    }
}
