//! From light to the bytes of a picture: blur, lens falloff, tone, colour and noise.

use crate::labels::Label;
use crate::looks::{Hood, Look};
use crate::raster::Canvas;
use crate::rng::Draws;
use crate::texture::{Rgb, lattice};

/// The width to which blur in pixels refers.
const REFERENCE_WIDTH: f32 = 256.0;

/// Lays the camera's own hood over the foot of the picture.
pub(crate) fn lay_hood(canvas: &mut Canvas, hood: &Hood, sky: Rgb, draws: &mut Draws) {
    let share = draws.range(hood.height);
    if !draws.chance(hood.chance) {
        return;
    }
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    for row in 0..canvas.height {
        for column in 0..canvas.width {
            let across = (column as f32 + 0.5) / width * 2.0 - 1.0;
            let rim = height * (1.0 - share * (1.0 - 0.55 * across * across));
            let below = (row as f32 + 0.5 - rim) / (share * height);
            if below < 0.0 {
                continue;
            }
            let pixel = row * canvas.width + column;
            let shine = 0.35 * (-(below - 0.25).powi(2) * 18.0).exp() * (1.0 - across.abs());
            canvas.colour[pixel] = [0, 1, 2]
                .map(|channel| hood.colour[channel] * (1.0 - 0.3 * below) + sky[channel] * shine);
            canvas.label[pixel] = Label::EgoVehicle;
            canvas.instance[pixel] = 0;
        }
    }
}

/// The picture's bytes, interleaved RGB.
pub(crate) fn expose(canvas: &Canvas, look: &Look, draws: &mut Draws) -> Vec<u8> {
    let sensor = &look.sensor;
    let exposure = draws.range(sensor.exposure);
    let sigma = draws.range(sensor.blur) * canvas.width as f32 / REFERENCE_WIDTH;
    let noise = draws.range(sensor.noise);
    let grain = draws.bits() as u32;
    let (width, height) = (canvas.width, canvas.height);
    let colour = blurred(&canvas.colour, [width, height], sigma);
    let curve = tone_curve(1.0 / sensor.gamma, sensor.contrast);
    let mut bytes = Vec::with_capacity(3 * width * height);
    for (pixel, light) in colour.iter().enumerate() {
        let (row, column) = (pixel / width, pixel % width);
        let across = (column as f32 / width as f32 - 0.5) * 2.0;
        let down = (row as f32 / height as f32 - 0.5) * 2.0;
        let falloff = 1.0 - sensor.vignette * 0.5 * (across * across + down * down);
        let light = [0, 1, 2].map(|c| light[c] * exposure * falloff * sensor.tint[c]);
        let grey = 0.3 * light[0] + 0.59 * light[1] + 0.11 * light[2];
        let common = speckle(column, row, grain);
        for (channel, value) in light.into_iter().enumerate() {
            let own = speckle(column, row, grain ^ (channel as u32 + 1));
            let value = toned(&curve, grey + (value - grey) * sensor.saturation);
            let value = value + noise * (0.8 * common + 0.6 * own);
            bytes.push((value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8);
        }
    }
    bytes
}

const CURVE_STEPS: usize = 512;

/// Gamma, then contrast about the middle, for light from 0 to 1.5 of white.
fn tone_curve(exponent: f32, contrast: f32) -> Vec<f32> {
    (0..=CURVE_STEPS)
        .map(|step| (1.5 * step as f32 / CURVE_STEPS as f32).powf(exponent))
        .map(|value| (value - 0.5) * contrast + 0.5)
        .collect()
}

fn toned(curve: &[f32], value: f32) -> f32 {
    let place = (value / 1.5 * CURVE_STEPS as f32).clamp(0.0, CURVE_STEPS as f32 - 1.0);
    let (step, share) = (place as usize, place.fract());
    curve[step] + (curve[step + 1] - curve[step]) * share
}

/// Noise of mean 0 and standard deviation 1, flat between its ends.
fn speckle(column: usize, row: usize, grain: u32) -> f32 {
    (lattice(column as i32, row as i32, grain) - 0.5) * 3.46
}

/// Gaussian blur; places outside the picture repeat its edge.
fn blurred(colour: &[Rgb], [width, height]: [usize; 2], sigma: f32) -> Vec<Rgb> {
    if sigma < 0.15 {
        return colour.to_vec();
    }
    let radius = (2.5 * sigma).ceil() as isize;
    let weights: Vec<f32> =
        (-radius..=radius).map(|offset| (-0.5 * (offset as f32 / sigma).powi(2)).exp()).collect();
    let total: f32 = weights.iter().sum();
    let weights: Vec<f32> = weights.iter().map(|weight| weight / total).collect();
    let near = |place: usize, tap: usize, end: usize| {
        (place as isize + tap as isize - radius).clamp(0, end as isize - 1) as usize
    };
    let pass = |from: &[Rgb], along_row: bool| -> Vec<Rgb> {
        let mut to = vec![[0.0; 3]; from.len()];
        for row in 0..height {
            for column in 0..width {
                let mut sum = [0.0; 3];
                for (tap, weight) in weights.iter().enumerate() {
                    let source = if along_row {
                        row * width + near(column, tap, width)
                    } else {
                        near(row, tap, height) * width + column
                    };
                    for channel in 0..3 {
                        sum[channel] += weight * from[source][channel];
                    }
                }
                to[row * width + column] = sum;
            }
        }
        to
    };
    pass(&pass(colour, true), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blur_keeps_the_sum_of_light_away_from_the_edge() {
        let mut colour = vec![[0.0; 3]; 21 * 21];
        colour[10 * 21 + 10] = [1.0, 0.5, 0.25];
        let blurred = blurred(&colour, [21, 21], 1.2);
        let sum: f32 = blurred.iter().map(|light| light[0]).sum();
        // Weights are normalized; 441 additions in f32.
        assert!((sum - 1.0).abs() < 1e-4, "{sum}");
        assert!(blurred[10 * 21 + 10][0] < 0.2);
    }

    #[test]
    fn speckle_has_unit_deviation() {
        let values: Vec<f32> =
            (0..10_000).map(|place| speckle(place % 100, place / 100, 9)).collect();
        let mean = values.iter().sum::<f32>() / 1e4;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / 1e4;
        // Standard errors over 10 000 draws: 0.01 for the mean, 0.009 for the variance.
        assert!(mean.abs() < 0.04 && (variance - 1.0).abs() < 0.04, "{mean} {variance}");
    }
}
