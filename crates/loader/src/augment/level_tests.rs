//! Every kernel on all levels of vector instructions.
//!
//! The levels above the baseline have fused multiply-add, whose rounding differs; equal bits show
//! that the compiler made no use of it.

use simd_level::Level;

use super::{
    Augment, Blur, BlurDraw, Filter, Geometry, ImageWarp, JitterDraw, LabelWarp, Mode, Span, Target,
};
use crate::random::{SampleKey, absorb};

const SOURCE: (u32, u32) = (203, 149);
/// No multiple of any vector, and two rows longer than a block of colours.
const CROP: (u32, u32) = (131, 101);

fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    (0..bytes as u64).map(|index| (absorb(seed, index) & 0xff) as u8).collect()
}

/// Colours of a photograph's range beside those of full range.
fn planes() -> Vec<u8> {
    let pixels = (CROP.0 * CROP.1) as usize;
    let mut planes = noise(1, 3 * pixels);
    for (index, value) in planes.iter_mut().enumerate() {
        if index % pixels < pixels / 2 {
            *value = 90 + *value / 8;
        }
    }
    planes
}

fn assert_equal_on_all_levels(name: &str, render: impl Fn(Level) -> Vec<u8>) {
    let expected = render(Level::Baseline);
    for level in Level::available() {
        assert!(render(level) == expected, "{name} on {level:?}");
    }
}

fn geometries() -> impl Iterator<Item = Geometry> {
    [0.41, 0.5, 0.83, 1.0, 1.62, 2.0].into_iter().enumerate().map(|(number, scale)| {
        let place = |source, crop| Span::place(source, scale, crop, |places| places / 3);
        let (x, y) = (place(SOURCE.0, CROP.0), place(SOURCE.1, CROP.1));
        Geometry { x, y, flip: number % 2 == 1 }
    })
}

#[test]
fn resampled_images_have_the_same_bits_on_all_levels_and_in_bands_of_any_height() {
    let source = noise(2, (SOURCE.0 * SOURCE.1 * 3) as usize);
    for (geometry, filter) in geometries()
        .flat_map(|geometry| [Filter::Bilinear, Filter::Bicubic].map(|filter| (geometry, filter)))
    {
        let render = |level: Level, band_height: u32| {
            let mut warp = ImageWarp::default();
            let window = warp.aim(&geometry, filter);
            let mut planes = vec![9; (CROP.0 * CROP.1 * 3) as usize];
            let mut target =
                Target { geometry: &geometry, planes: &mut planes, crop_width: CROP.0 };
            target.blacken_padding();
            let end = window.y + window.height;
            for y in (window.y..end).step_by(band_height as usize) {
                let band = shard_format::Window { y, height: band_height.min(end - y), ..window };
                let pixels: Vec<u8> = (0..3)
                    .flat_map(|channel| (y..y + band.height).map(move |y| (channel, y)))
                    .flat_map(|(channel, y)| {
                        let row = (channel * SOURCE.1 + y) * SOURCE.0 + window.x;
                        source[row as usize..][..window.width as usize].to_vec()
                    })
                    .collect();
                warp.take_band(level, band, &pixels, &mut target);
            }
            planes
        };
        let whole = render(Level::Baseline, SOURCE.1);
        for height in [1, 7, 32, 128] {
            assert_equal_on_all_levels("image", |level| render(level, height));
            assert!(render(Level::best(), height) == whole, "bands of {height} rows");
        }
    }
}

#[test]
fn labels_have_the_same_bytes_on_all_levels() {
    for geometry in geometries() {
        assert_equal_on_all_levels("labels", |level| {
            let mut warp = LabelWarp::default();
            let window = warp.aim(&geometry);
            let train_ids = noise(3, (window.width * window.height) as usize);
            let mut labels = vec![9; (CROP.0 * CROP.1) as usize];
            warp.run(level, &geometry, (&train_ids, window), (&mut labels, CROP.0), 255);
            labels
        });
    }
}

#[test]
fn jitter_has_the_same_bits_on_all_levels_in_every_order() {
    let jitter = Augment::strong().jitter;
    let mut orders = Vec::new();
    for index in 0..200 {
        let draw = JitterDraw::draw(&jitter, SampleKey::new(1, "levels", 0, index)).unwrap();
        if !orders.contains(&draw.order) {
            orders.push(draw.order);
        }
        assert_equal_on_all_levels("jitter", |level| {
            let mut planes = planes();
            draw.apply(level, &mut planes);
            planes
        });
    }
    assert_eq!(orders.len(), 24);
}

#[test]
fn blur_has_the_same_bits_on_all_levels() {
    for mode in [Mode::Fast, Mode::Reference] {
        for sigma in [0.05, 0.15, 0.4, 0.8, 1.3, 5.0] {
            assert_equal_on_all_levels("blur", |level| {
                let mut planes = planes();
                let draw = BlurDraw::with_sigma(sigma);
                Blur::default().run((level, mode), &draw, CROP.0, &mut planes);
                planes
            });
        }
    }
}
