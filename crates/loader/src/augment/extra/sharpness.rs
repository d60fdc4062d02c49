//! Sharpness: a blend with the smoothed picture.

use crate::augment::exact::{ByAddition, Rounding, blend, byte};

/// Moves every pixel away from its smoothed neighbourhood by `factor`; border pixels stay.
///
/// Shapes: `planes` [3, H, crop_width]. Source: Pillow `ImageEnhance.Sharpness`; its filter SMOOTH
/// weighs a pixel 5/13 and each of its 8 neighbours 1/13.
pub(super) fn adjust(planes: &mut [u8], crop_width: u32, factor: f32) {
    let width = crop_width as usize;
    let plane_len = planes.len() / 3;
    if width < 3 || plane_len < 3 * width {
        return;
    }
    // Rows before they were changed.
    let (mut above, mut here) = (vec![0; width], vec![0; width]);
    for plane in planes.chunks_exact_mut(plane_len) {
        here.copy_from_slice(&plane[..width]);
        let mut rest = &mut plane[width..];
        while rest.len() >= 2 * width {
            let (row, below) = rest.split_at_mut(width);
            std::mem::swap(&mut above, &mut here);
            here.copy_from_slice(row);
            sharpen_row([&above, &here, &below[..width]], factor, row);
            rest = below;
        }
    }
}

/// Shapes: everything [W].
fn sharpen_row(rows: [&[u8]; 3], factor: f32, output: &mut [u8]) {
    let inner = output.len() - 2;
    let windows = rows.map(|row| [0, 1, 2].map(|shift| &row[shift..shift + inner]));
    let output = &mut output[1..=inner];
    for x in 0..inner {
        let sum: u16 = windows.iter().flatten().map(|window| u16::from(window[x])).sum();
        let centre = windows[1][1][x];
        let weighted = f32::from(sum + 4 * u16::from(centre));
        // Thirteenths lie at least 1/26 away from where rounding turns, far above single precision.
        let smooth = ByAddition::floor(weighted * (1.0 / 13.0) + 0.5);
        output[x] = byte(blend::<ByAddition>(smooth, f32::from(centre), factor));
    }
}
