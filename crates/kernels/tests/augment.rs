//! The colour augmentation as WGSL on a software Vulkan adapter equals its plain-Rust twin: exactly
//! in the jitter, within one level behind a blur.

use burn::tensor::{Device, Tensor};
use kernels::{
    ColourParameters, Jitter, Operation, augment, augment_plain, device::software_vulkan,
};

/// Every level is its own value, so that results are levels.
fn identity() -> [[f32; 256]; 3] {
    [std::array::from_fn(|level| level as f32); 3]
}

/// A well-mixed function of `name` and `index`.
fn hash(name: u64, index: u64) -> u64 {
    let z = (name << 40 | index).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Noise whose range of levels differs from sample to sample, so that their mean grey levels do.
fn images([batch, height, width]: [usize; 3]) -> Vec<u8> {
    let sample_levels = 3 * height * width;
    let level = |at: usize| {
        let sample = at / sample_levels;
        let (low, span) = ((sample * 37 % 120) as u64, 136 - (sample * 11 % 60) as u64);
        (low + hash(1, at as u64) % span) as u8
    };
    (0..batch * sample_levels).map(level).collect()
}

fn all_orders() -> Vec<[Operation; 4]> {
    use Operation::{Brightness, Contrast, Hue, Saturation};
    let all = [Brightness, Contrast, Saturation, Hue];
    let mut orders = vec![];
    for first in all {
        for second in all {
            for third in all {
                for fourth in all {
                    let order = [first, second, third, fourth];
                    if all.iter().all(|operation| order.contains(operation)) {
                        orders.push(order);
                    }
                }
            }
        }
    }
    assert_eq!(orders.len(), 24);
    orders
}

/// A draw from the widest ranges in use, or from their ends.
fn jitter(order: [Operation; 4], number: u64) -> Jitter {
    let factor = |purpose: u64| match hash(2, number) % 4 {
        0 => [0.0, 1.0, 1.8, 2.5, 101.0][(hash(purpose, number) % 5) as usize],
        _ => 0.2 + 1.6 * (hash(purpose, number) >> 40) as f32 / (1 << 24) as f32,
    };
    Jitter {
        order,
        brightness: factor(3),
        contrast: factor(4),
        saturation: factor(5),
        hue_step: (!number.is_multiple_of(7)).then(|| hash(6, number) as u8),
    }
}

/// The weights of a Gaussian at distance 0, 1, ..., `radius`.
fn gaussian(sigma: f64, radius: u32) -> Vec<f32> {
    let weight = |distance: u32| (-0.5 * (f64::from(distance) / sigma).powi(2)).exp();
    let sum = weight(0) + 2.0 * (1..=radius).map(weight).sum::<f64>();
    (0..=radius).map(|distance| (weight(distance) / sum) as f32).collect()
}

fn wgpu() -> Device {
    software_vulkan().unwrap_or_else(|error| panic!("{error}")).device
}

fn list(tensor: Tensor<4>) -> Vec<f32> {
    tensor.try_into_vec_as().expect("f32 values")
}

fn run_wgsl(levels: &[u8], shape: [usize; 3], colours: &[ColourParameters]) -> Vec<f32> {
    list(augment(levels, shape, colours, &identity(), &wgpu()))
}

fn run_plain(levels: &[u8], shape: [usize; 3], colours: &[ColourParameters]) -> Vec<f32> {
    list(augment_plain(levels, shape, colours, &identity(), &Device::flex()))
}

fn jitter_only(jitter: Jitter) -> ColourParameters {
    ColourParameters { jitter: Some(jitter), blur_weights: vec![] }
}

/// Jitters a sample per order and compares every level.
fn assert_jitter_is_exact([height, width]: [usize; 2], orders: &[[Operation; 4]]) {
    let draw = |(&order, number): (&_, u64)| jitter_only(jitter(order, number));
    let colours: Vec<_> = orders.iter().zip((height * width) as u64..).map(draw).collect();
    let shape = [colours.len(), height, width];
    let levels = images(shape);
    let found = run_wgsl(&levels, shape, &colours);
    let expected = run_plain(&levels, shape, &colours);
    for (sample, colours) in colours.iter().enumerate() {
        let part = sample * 3 * height * width..(sample + 1) * 3 * height * width;
        assert!(found[part.clone()] == expected[part], "{height}x{width}: {colours:?}");
    }
}

#[test]
fn the_jitter_is_exact_in_all_24_orders_at_every_size() {
    // The last takes four workgroups for one sample.
    for size in [[1, 1], [5, 7], [17, 33], [2, 64], [48, 67]] {
        assert_jitter_is_exact(size, &all_orders());
    }
}

#[test]
fn the_jitter_of_more_quads_than_the_workgroups_hold_at_once_is_exact() {
    assert_jitter_is_exact([257, 259], &all_orders()[9..12]);
}

#[test]
fn the_hue_is_exact_for_every_place_on_its_circle_and_every_saturation() {
    use Operation::{Brightness, Contrast, Hue, Saturation};
    // The hue depends on which channel is which and on two differences, the saturation on the
    // largest channel and one difference.
    let mut pixels: Vec<[u8; 3]> = vec![];
    for chroma in 0..=255 {
        for distance in 0..=chroma {
            let sorted = [255, 255 - distance, 255 - chroma];
            for places in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                pixels.push(places.map(|place: usize| sorted[place]));
            }
            let (largest, least) = (chroma, chroma - distance);
            pixels.push([least, largest, least]);
        }
    }
    let width = 512;
    let height = pixels.len().div_ceil(width);
    pixels.resize(height * width, [0; 3]);
    let levels: Vec<u8> =
        (0..3).flat_map(|channel| pixels.iter().map(move |pixel| pixel[channel])).collect();
    for hue_step in [0, 1, 77, 255] {
        let colours = [jitter_only(Jitter {
            order: [Hue, Brightness, Contrast, Saturation],
            brightness: 1.0,
            contrast: 1.0,
            saturation: 1.0,
            hue_step: Some(hue_step),
        })];
        let found = run_wgsl(&levels, [1, height, width], &colours);
        let expected = run_plain(&levels, [1, height, width], &colours);
        for (at, pixel) in pixels.iter().enumerate() {
            let of = |list: &[f32]| [0, 1, 2].map(|channel| list[channel * pixels.len() + at]);
            assert_eq!(of(&found), of(&expected), "{pixel:?}, step {hue_step}");
        }
    }
}

#[test]
fn a_blur_is_within_one_level_at_every_radius_and_size() {
    for (height, width) in [(1, 1), (5, 7), (17, 33), (16, 32), (49, 70)] {
        let colours: Vec<_> = (0..=9)
            .map(|radius| ColourParameters {
                jitter: None,
                blur_weights: gaussian(0.15 + f64::from(radius) / 4.0, radius),
            })
            .collect();
        for (radius, colours) in colours.chunks(1).enumerate() {
            let shape = [1, height, width];
            let levels = images(shape);
            let found = run_wgsl(&levels, shape, colours);
            let expected = run_plain(&levels, shape, colours);
            assert_close(&format!("{height}x{width}, radius {radius}"), &found, &expected);
        }
    }
}

/// Within one level everywhere, and with that difference at one level in 500 at most: a sum next to
/// a limit of truncation, at which two orders of rounding differ by less than 1e-4 levels.
fn assert_close(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let mut differing = 0;
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= 1.0, "{what}: {found} for {expected} at {at}");
        differing += usize::from(found != expected);
    }
    assert!(differing <= found.len() / 500, "{what}: {differing} of {} differ", found.len());
}

#[test]
fn a_flat_image_keeps_every_level() {
    let (height, width) = (3, 86);
    let pixels = height * width;
    for radius in [1, 5, 8] {
        let blur = ColourParameters { jitter: None, blur_weights: gaussian(1.3, radius) };
        let levels: Vec<u8> =
            (0..=255).flat_map(|level| std::iter::repeat_n(level, 3 * pixels)).collect();
        let found = run_wgsl(&levels, [256, height, width], &vec![blur; 256]);
        assert!(found.iter().zip(&levels).all(|(&found, &level)| found == f32::from(level)));
    }
}

/// Samples with jitter and blur, with one of them, and with neither.
fn mixed(batch: usize) -> Vec<ColourParameters> {
    let orders = all_orders();
    let of = |sample: usize| ColourParameters {
        jitter: sample
            .is_multiple_of(2)
            .then(|| jitter(orders[5 * sample % 24], 1000 + sample as u64)),
        blur_weights: if sample % 3 == 1 { vec![] } else { gaussian(0.9, 1 + sample as u32 % 5) },
    };
    (0..batch).map(of).collect()
}

#[test]
fn a_batch_of_mixed_samples_is_within_one_level() {
    let shape = [12, 39, 71];
    let (levels, colours) = (images(shape), mixed(12));
    let found = run_wgsl(&levels, shape, &colours);
    assert_close("mixed", &found, &run_plain(&levels, shape, &colours));
}

#[test]
fn a_sample_does_not_depend_on_its_neighbours() {
    let [batch, height, width] = [6, 19, 41];
    let (levels, colours) = (images([batch, height, width]), mixed(batch));
    let together = run_wgsl(&levels, [batch, height, width], &colours);
    let sample_levels = 3 * height * width;
    for (sample, colours) in colours.chunks(1).enumerate() {
        let part = sample * sample_levels..(sample + 1) * sample_levels;
        let alone = run_wgsl(&levels[part.clone()], [1, height, width], colours);
        assert!(alone == together[part], "sample {sample}");
    }
}

#[test]
fn without_jitter_and_blur_a_level_becomes_its_value_in_its_channel() {
    let values: [[f32; 256]; 3] = std::array::from_fn(|channel| {
        std::array::from_fn(|level| (level as f32 / 255.0 - 0.4) / (0.2 + channel as f32))
    });
    let shape = [2, 5, 7];
    let levels = images(shape);
    let colours = vec![ColourParameters::default(); 2];
    let expected: Vec<f32> = levels
        .iter()
        .enumerate()
        .map(|(at, &level)| values[at / 35 % 3][usize::from(level)])
        .collect();
    for device in [wgpu(), wgpu().autodiff(), Device::flex(), Device::flex().autodiff()] {
        let found = augment(&levels, shape, &colours, &values, &device);
        assert_eq!(found.device().is_autodiff(), device.is_autodiff());
        assert_eq!(found.dims(), [2, 3, 5, 7]);
        assert_eq!(list(found), expected);
    }
}

#[test]
fn an_empty_batch_is_an_empty_tensor() {
    for device in [wgpu(), Device::flex()] {
        let found = augment(&[], [0, 5, 7], &[], &identity(), &device);
        assert_eq!(found.dims(), [0, 3, 5, 7]);
    }
}
