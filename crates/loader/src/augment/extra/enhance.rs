//! Saturation, contrast and brightness of a whole crop, each alone.

use crate::augment::colours::{Access, visit};
use crate::augment::contrast::GreySum;
use crate::augment::exact::ByAddition;
use crate::augment::{brightness, contrast, saturation};

/// Shapes: `planes` [3, H, W].
pub(super) fn saturation(planes: &mut [u8], factor: f32) {
    visit(planes, Access::Write, |colours, _| saturation::adjust::<ByAddition>(colours, factor));
}

/// Shapes: `planes` [3, H, W].
pub(super) fn brightness(planes: &mut [u8], factor: f32) {
    visit(planes, Access::Write, |colours, _| brightness::adjust::<ByAddition>(colours, factor));
}

/// Shapes: `planes` [3, H, W].
pub(super) fn contrast(planes: &mut [u8], factor: f32) {
    let mut grey = GreySum::new();
    visit(planes, Access::Read, |colours, count| grey.add::<ByAddition>(colours, count));
    let mean = grey.mean(planes.len() / 3);
    visit(planes, Access::Write, |colours, _| {
        contrast::adjust::<ByAddition>(colours, mean, factor)
    });
}
