//! Patterns on surfaces, computed from a hash of the place: no stored texture.

/// Red, green and blue, 1 being white in full light.
pub(crate) type Rgb = [f32; 3];

/// What a surface looks like before light and haze.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    pub(crate) base: Rgb,
    pub(crate) pattern: Pattern,
    /// Shines by itself: light and shade leave it as it is.
    pub(crate) glows: bool,
}

/// Patterns in the surface's own coordinates, lengths in metres.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pattern {
    Plain,
    /// Patches of lighter and darker colour.
    Mottled {
        scale: f32,
        amount: f32,
    },
    /// Rows of bricks or stones.
    Courses {
        stone: [f32; 2],
        amount: f32,
    },
    /// A facade: windows by storey, the lowest storey with shop fronts if it has a colour.
    Windows {
        bay: f32,
        storey: f32,
        glass: Rgb,
        shop: Option<Rgb>,
        brick: bool,
    },
    /// A band of panes between the heights `low` and `high`, a post every `spacing`.
    Panes {
        low: f32,
        high: f32,
        spacing: f32,
        glass: Rgb,
        stripe: Rgb,
    },
    /// Upright bars with dark gaps.
    Bars {
        spacing: f32,
    },
    Leaves {
        scale: f32,
    },
    /// Rubber ring, spokes and hub about the origin of a wheel of this radius.
    Wheel {
        radius: f32,
    },
}

impl Paint {
    pub(crate) const fn plain(base: Rgb) -> Self {
        Self { base, pattern: Pattern::Plain, glows: false }
    }

    pub(crate) const fn glowing(base: Rgb) -> Self {
        Self { base, pattern: Pattern::Plain, glows: true }
    }

    pub(crate) const fn with(base: Rgb, pattern: Pattern) -> Self {
        Self { base, pattern, glows: false }
    }

    /// Colour at (`s`, `t`) where a pixel covers `footprint` metres.
    pub(crate) fn colour(&self, s: f32, t: f32, footprint: f32, grain: u32) -> Rgb {
        match self.pattern {
            Pattern::Plain => self.base,
            Pattern::Mottled { scale, amount } => {
                let wave = noise(s / scale, t / scale, grain) - 0.5;
                scaled(self.base, 1.0 + amount * 2.0 * wave * detail(scale, footprint))
            }
            Pattern::Courses { stone, amount } => {
                scaled(self.base, courses(s, t, stone, amount, footprint, grain))
            }
            Pattern::Windows { .. } => self.facade(s, t, footprint, grain),
            Pattern::Panes { low, high, spacing, glass, stripe } => {
                if t < low || t > high {
                    return if (t - low).abs() < 0.22 { stripe } else { self.base };
                }
                let in_pane = (s / spacing).rem_euclid(1.0) > 0.12;
                let sheen = 0.8 + 0.5 * (t - low) / (high - low);
                if in_pane { scaled(glass, sheen) } else { self.base }
            }
            Pattern::Bars { spacing } => {
                let gap = (s / spacing).rem_euclid(1.0) > 0.45 && (t / 0.8).rem_euclid(1.0) > 0.15;
                let depth = 0.55 * detail(spacing, footprint);
                scaled(self.base, if gap { 1.0 - depth } else { 1.0 })
            }
            Pattern::Leaves { scale } => {
                let fine = noise(s / scale, t / scale, grain) - 0.5;
                let coarse = noise(s / (4.0 * scale), t / (4.0 * scale), grain ^ 1) - 0.5;
                scaled(self.base, 1.0 + 0.9 * coarse + 0.9 * fine * detail(scale, footprint))
            }
            Pattern::Wheel { radius } => {
                let distance = (s * s + t * t).sqrt() / radius;
                if distance > 0.72 { [0.05, 0.05, 0.06] } else { self.base }
            }
        }
    }

    fn facade(&self, s: f32, t: f32, footprint: f32, grain: u32) -> Rgb {
        let Pattern::Windows { bay, storey, glass, shop, brick } = self.pattern else {
            return self.base;
        };
        let wall = if brick {
            scaled(self.base, courses(s, t, [0.5, 0.25], 0.25, footprint, grain))
        } else {
            scaled(self.base, 0.93 + 0.14 * noise(s / 2.5, t / 2.5, grain))
        };
        let (column, row) = ((s / bay).floor(), (t / storey).floor());
        let (across, up) = (s / bay - column, t / storey - row);
        if let (Some(front), true) = (shop, row < 1.0) {
            if up > 0.72 {
                return front; // the board over the shop window
            }
            let pane = (0.1..0.9).contains(&across) && up > 0.12;
            return if pane { scaled(glass, 0.75) } else { scaled(wall, 0.85) };
        }
        let pane = (0.27..0.73).contains(&across) && (0.28..0.8).contains(&up);
        let lit = lattice(column as i32, row as i32, grain ^ 7);
        let window = scaled(glass, 0.6 + 0.8 * lit);
        let sharpness = detail(bay * 0.6, footprint);
        let average = blend(wall, glass, 0.24);
        blend(average, if pane { window } else { wall }, sharpness)
    }
}

/// Brightness of a course of stones: joints are darker, stones differ.
fn courses(s: f32, t: f32, stone: [f32; 2], amount: f32, footprint: f32, grain: u32) -> f32 {
    let row = (t / stone[1]).floor();
    let along = s / stone[0] + 0.5 * (row.rem_euclid(2.0));
    let shade = lattice(along.floor() as i32, row as i32, grain) - 0.5;
    let joint = along.rem_euclid(1.0) < 0.08 || (t / stone[1]).rem_euclid(1.0) < 0.14;
    let contrast = if joint { -1.2 * amount } else { amount * shade };
    1.0 + contrast * detail(stone[1] * 1.5, footprint)
}

/// How much of a pattern of this period a pixel of this footprint can show, 0 to 1.
pub(crate) fn detail(period: f32, footprint: f32) -> f32 {
    ((period / footprint - 1.0) / 3.0).clamp(0.0, 1.0)
}

/// Smooth value noise in [0, 1) with one cell per unit.
pub(crate) fn noise(x: f32, y: f32, grain: u32) -> f32 {
    let (column, row) = (x.floor(), y.floor());
    let (across, down) = (smooth(x - column), smooth(y - row));
    let (column, row) = (column as i32, row as i32);
    let at = |dx: i32, dy: i32| lattice(column.wrapping_add(dx), row.wrapping_add(dy), grain);
    let top = at(0, 0) + (at(1, 0) - at(0, 0)) * across;
    let bottom = at(0, 1) + (at(1, 1) - at(0, 1)) * across;
    top + (bottom - top) * down
}

/// A hash of a lattice point in [0, 1).
pub(crate) fn lattice(column: i32, row: i32, grain: u32) -> f32 {
    let mut value = (column as u32).wrapping_mul(0x9e37_79b1)
        ^ (row as u32).wrapping_mul(0x85eb_ca77)
        ^ grain.wrapping_mul(0xc2b2_ae3d);
    value = (value ^ (value >> 15)).wrapping_mul(0x2c1b_3c6d);
    value = (value ^ (value >> 12)).wrapping_mul(0x297a_2d39);
    value ^= value >> 15;
    (value >> 8) as f32 / (1u32 << 24) as f32
}

fn smooth(share: f32) -> f32 {
    share * share * (3.0 - 2.0 * share)
}

pub(crate) fn scaled(colour: Rgb, factor: f32) -> Rgb {
    colour.map(|channel| channel * factor)
}

pub(crate) fn blend(from: Rgb, to: Rgb, share: f32) -> Rgb {
    [0, 1, 2].map(|channel| from[channel] + (to[channel] - from[channel]) * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_continuous_across_cells() {
        for cell in -3..3 {
            let edge = cell as f32;
            let step = (noise(edge - 1e-4, 0.3, 5) - noise(edge + 1e-4, 0.3, 5)).abs();
            // The slope of smooth noise is at most 1.5 per cell.
            assert!(step < 1e-3, "step {step} at {edge}");
        }
    }

    #[test]
    fn a_pixel_wider_than_the_period_shows_no_detail() {
        assert_eq!(detail(0.5, 0.5), 0.0);
        assert_eq!(detail(0.5, 0.1), 1.0);
    }
}
