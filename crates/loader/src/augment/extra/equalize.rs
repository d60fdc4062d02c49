//! Equalize: each channel's levels spread so that all are about equally frequent.

/// Replaces each level by its place in the channel's cumulative histogram.
///
/// Shapes: `planes` [3, H, W]. Source: Pillow `ImageOps.equalize`.
pub(super) fn adjust(planes: &mut [u8]) {
    let plane_len = planes.len() / 3;
    for plane in planes.chunks_exact_mut(plane_len) {
        let histogram = level_counts(plane);
        let brightest = histogram.iter().rev().find(|&&count| count > 0).copied().unwrap_or(0);
        // Also 0 where one level fills the channel.
        let step = (plane_len as u64 - brightest) / 255;
        if step == 0 {
            continue;
        }
        let mut below = step / 2;
        let table = histogram.map(|count| {
            let level = (below / step).min(255) as u8;
            below += count;
            level
        });
        for value in plane {
            *value = table[usize::from(*value)];
        }
    }
}

/// How often each level occurs.
///
/// Neighbouring pixels are counted apart: where they are equal, one counter would have to wait for
/// itself.
pub(super) fn level_counts(levels: &[u8]) -> [u64; 256] {
    let mut parts = [[0_u64; 256]; 4];
    let (whole, rest) = levels.as_chunks::<4>();
    for quad in whole {
        for (part, &level) in parts.iter_mut().zip(quad) {
            part[usize::from(level)] += 1;
        }
    }
    for &level in rest {
        parts[0][usize::from(level)] += 1;
    }
    std::array::from_fn(|level| parts.iter().map(|part| part[level]).sum())
}
