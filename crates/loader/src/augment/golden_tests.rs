//! Every operation beside the output of Pillow, torchvision and scikit-image.

use std::path::PathBuf;

use safetensors::SafeTensors;
use shard_format::Window;
use simd_level::Level;

use super::exact::ByInstruction;
use super::warp_image::Target;
use super::{
    Blur, BlurDraw, ColourOperation, Filter, Geometry, ImageWarp, JitterDraw, LabelWarp, Mode,
    Span, exact, hue,
};
use crate::mapillary_crop;

const FACTORS: [&str; 4] = ["0.2", "0.6", "1.4", "1.8"];

const WIDTH: u32 = 36;
const HEIGHT: u32 = 24;

/// The golden file, and one tensor of bytes after the other out of it.
struct Goldens(Vec<u8>);

impl Goldens {
    fn open() -> Self {
        let folder = std::env::var_os("PINMEM_GOLDENS").map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens"),
            PathBuf::from,
        );
        Self(std::fs::read(folder.join("image_ops.safetensors")).unwrap())
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        SafeTensors::deserialize(&self.0).unwrap().tensor(name).unwrap().data().to_vec()
    }

    /// [H, W, 3] as [3, H, W].
    fn planes(&self, name: &str) -> Vec<u8> {
        planes_of(&self.bytes(name))
    }
}

fn planes_of(rgb: &[u8]) -> Vec<u8> {
    (0..3).flat_map(|channel| rgb.iter().skip(channel).step_by(3).copied()).collect()
}

/// The largest difference, and how many values differ at all.
fn difference(found: &[u8], expected: &[u8]) -> (u8, usize) {
    assert_eq!(found.len(), expected.len());
    let distances = || found.iter().zip(expected).map(|(a, b)| a.abs_diff(*b));
    (distances().max().unwrap(), distances().filter(|distance| *distance > 0).count())
}

/// The whole image resized, without padding or cropping.
fn whole(width: u32, height: u32) -> Geometry {
    let span = |source, scaled| Span { source, scaled, first: 0, visible: scaled, at: 0 };
    Geometry { x: span(WIDTH, width), y: span(HEIGHT, height), flip: false }
}

fn warp_image(rgb: &[u8], geometry: &Geometry, filter: Filter, crop: (u32, u32)) -> Vec<u8> {
    let mut warp = ImageWarp::default();
    let window = warp.aim(geometry, filter);
    let part = planes_of(&cut(rgb, geometry.x.source, window, 3));
    let mut planes = vec![77; (crop.0 * crop.1 * 3) as usize];
    let mut target = Target { geometry, planes: &mut planes, crop_width: crop.0 };
    target.blacken_padding();
    warp.take_band(Level::best(), window, &part, &mut target);
    planes
}

fn warp_labels(train_ids: &[u8], geometry: &Geometry, crop: (u32, u32), padding: u8) -> Vec<u8> {
    let mut warp = LabelWarp::default();
    let window = warp.aim(geometry);
    let part = cut(train_ids, geometry.x.source, window, 1);
    let mut labels = vec![77; (crop.0 * crop.1) as usize];
    warp.run(Level::best(), geometry, (&part, window), (&mut labels, crop.0), padding);
    labels
}

/// The part of a picture of `width` columns that lies in `window`.
fn cut(pixels: &[u8], width: u32, window: Window, channels: u32) -> Vec<u8> {
    let row = |y: u32| {
        let start = ((y * width + window.x) * channels) as usize;
        &pixels[start..][..(window.width * channels) as usize]
    };
    (window.y..window.y + window.height).flat_map(|y| row(y).to_vec()).collect()
}

#[test]
fn colour_operations_equal_torchvision_on_pillow_exactly() {
    let goldens = Goldens::open();
    let image = goldens.planes("img");
    let none = JitterDraw {
        order: [
            ColourOperation::Brightness,
            ColourOperation::Contrast,
            ColourOperation::Saturation,
            ColourOperation::Hue,
        ],
        brightness: 1.0,
        contrast: 1.0,
        saturation: 1.0,
        hue: None,
    };
    type Draw = fn(JitterDraw, f64) -> JitterDraw;
    let draws: [(&str, Draw, &[&str]); 4] = [
        ("brightness", |n, f| JitterDraw { brightness: f as f32, ..n }, &FACTORS),
        ("contrast", |n, f| JitterDraw { contrast: f as f32, ..n }, &FACTORS),
        ("saturation", |n, f| JitterDraw { saturation: f as f32, ..n }, &FACTORS),
        ("hue", |n, f| JitterDraw { hue: Some(f), ..n }, &["-0.3", "-0.1", "0.05", "0.1", "0.3"]),
    ];
    for (name, draw, factors) in draws {
        for factor in factors {
            let mut planes = image.clone();
            draw(none, factor.parse().unwrap()).apply(Level::best(), &mut planes);
            let golden = goldens.planes(&format!("{name}_{factor}"));
            assert_eq!(difference(&planes, &golden), (0, 0), "{name} {factor}");
        }
    }
}

#[test]
fn grey_levels_and_hsv_equal_pillow_exactly() {
    let goldens = Goldens::open();
    let rgb = goldens.bytes("img");
    let (grey, hsv) = (goldens.bytes("grayscale_L"), goldens.bytes("hsv"));
    for ((pixel, grey), hsv) in rgb.chunks_exact(3).zip(grey).zip(hsv.chunks_exact(3)) {
        let [red, green, blue] = [0, 1, 2].map(|channel| f32::from(pixel[channel]));
        assert_eq!(exact::grey::<ByInstruction>(red, green, blue), f32::from(grey));
        let (hue, saturation, value) = hue::hsv_from_rgb::<ByInstruction>(red, green, blue);
        assert_eq!([saturation, value], [f32::from(hsv[1]), f32::from(hsv[2])]);
        // The hue of a grey pixel has no meaning and is never used.
        assert!(saturation == 0.0 || hue == f32::from(hsv[0]));
    }
}

#[test]
fn nearest_labels_equal_pillow_exactly() {
    let goldens = Goldens::open();
    let labels = goldens.bytes("label");
    for (width, height) in [(18, 12), (27, 20), (50, 33), (72, 48)] {
        let found = warp_labels(&labels, &whole(width, height), (width, height), 255);
        let golden = goldens.bytes(&format!("resize_nearest_label_{width}x{height}"));
        assert_eq!(difference(&found, &golden), (0, 0), "{width}x{height}");
    }
}

#[test]
fn resized_images_equal_pillow_exactly() {
    let goldens = Goldens::open();
    let image = goldens.bytes("img");
    for (name, filter) in [("bicubic", Filter::Bicubic), ("bilinear", Filter::Bilinear)] {
        for (width, height) in [(18, 12), (27, 20), (50, 33), (72, 48)] {
            let found = warp_image(&image, &whole(width, height), filter, (width, height));
            let golden = goldens.planes(&format!("resize_{name}_{width}x{height}"));
            assert_eq!(difference(&found, &golden), (0, 0), "{name} {width}x{height}");
        }
    }
}

#[test]
fn blur_equals_scikit_image_exactly_and_within_one_level_in_fixed_point() {
    let goldens = Goldens::open();
    let image = goldens.planes("img");
    for sigma in ["0.15", "0.5", "1", "1.3"] {
        let draw = BlurDraw::with_sigma(sigma.parse().unwrap());
        let golden = goldens.planes(&format!("gaussian_u8_{sigma}"));
        for (mode, tolerance) in [(Mode::Reference, 0), (Mode::Fast, 1)] {
            let mut planes = image.clone();
            Blur::default().run((Level::best(), mode), &draw, WIDTH, &mut planes);
            let (largest, differing) = difference(&planes, &golden);
            assert!(largest <= tolerance, "{mode:?}, sigma {sigma}: {largest}, {differing}");
        }
    }
}

#[test]
fn padding_equals_the_reference_at_every_offset() {
    let goldens = Goldens::open();
    let (image, labels) = (goldens.bytes("img"), goldens.bytes("label"));
    let padded_image = goldens.planes("pad_for_crop40_img"); // [3, 42, 42]
    let padded_labels = goldens.bytes("pad_for_crop40_label"); // [42, 42]
    for (left, top) in [(0, 0), (1, 2), (2, 0), (2, 2)] {
        let geometry = Geometry {
            x: Span::place(WIDTH, 1.0, 40, |_| left),
            y: Span::place(HEIGHT, 1.0, 40, |_| top),
            flip: false,
        };
        let crop = |plane: &[u8]| -> Vec<u8> {
            let rows = plane.chunks_exact(42).skip(top as usize).take(40);
            rows.flat_map(|row| row[left as usize..][..40].to_vec()).collect()
        };
        let found = warp_image(&image, &geometry, Filter::Bicubic, (40, 40));
        assert_eq!(found, padded_image.chunks_exact(42 * 42).flat_map(crop).collect::<Vec<u8>>());
        assert_eq!(warp_labels(&labels, &geometry, (40, 40), 255), crop(&padded_labels));
    }
}

/// A picture mirrored at its diagonal, in which columns are rows.
fn transposed(pixels: &[u8], width: usize, channels: usize) -> Vec<u8> {
    let pixel = |x: usize, y: usize| &pixels[(y * width + x) * channels..][..channels];
    let height = pixels.len() / channels / width;
    (0..width).flat_map(|x| (0..height).flat_map(move |y| pixel(x, y).to_vec())).collect()
}

#[test]
fn the_crops_of_mapillary_equal_the_released_ones_padding_included() {
    let goldens = Goldens::open();
    let (image, labels) = (goldens.bytes("img"), goldens.bytes("label"));
    let upright = [transposed(&image, WIDTH as usize, 3), transposed(&labels, WIDTH as usize, 1)];
    let cases =
        [("landscape", [image, labels], (WIDTH, HEIGHT)), ("portrait", upright, (HEIGHT, WIDTH))];
    for (name, [image, labels], size) in cases {
        let geometry = mapillary_crop::geometry(size, 30).unwrap();
        let found = warp_image(&image, &geometry, Filter::Bicubic, (30, 30));
        assert_eq!(found, goldens.planes(&format!("mapillary_eval_{name}_img")), "{name}");
        let found = warp_labels(&labels, &geometry, (30, 30), 0);
        assert_eq!(found, goldens.bytes(&format!("mapillary_eval_{name}_label")), "{name}");
    }
}
