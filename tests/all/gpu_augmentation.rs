//! Colour jitter and blur on the device equal the loader's own, sample for sample.

use burn::tensor::{Device, Tensor};
use kernels::{ColourParameters, augment, augment_plain, device::software_vulkan};
use loader::{Augment, ColourDraw, Mode, SampleKey, SampleRenderer};
use shard_format::{
    Dataset, DatasetInfo, DatasetWriter, LabelMap, Preset, RgbImage, SampleMeta, WriterOptions,
    encode_sample,
};
use training::device_colours::parameters;

/// Not a multiple of four, of a tile's 32 or 16, or of anything else.
const WIDTH: u32 = 67;
const HEIGHT: u32 = 45;
const SAMPLES: u64 = 48;

/// Every level is its own value, so that results are levels.
fn identity() -> [[f32; 256]; 3] {
    [std::array::from_fn(|level| level as f32); 3]
}

/// A dataset of one frame: noise on a slope, so that blurs and contrasts have something to do.
fn pack(folder: &std::path::Path) -> Dataset {
    let info = DatasetInfo {
        name: "frames".to_owned(),
        split: "train".to_owned(),
        domain: "frames".to_owned(),
        class_names: vec!["all".to_owned()],
        ignore_id: 255,
        mapping: "test".to_owned(),
        license: "none".to_owned(),
    };
    let mut writer = DatasetWriter::create(folder, info, WriterOptions::default()).unwrap();
    let meta = SampleMeta {
        id: "frame".to_owned(),
        source: "frame.png".to_owned(),
        domain: "frames".to_owned(),
        ..SampleMeta::default()
    };
    let level = |at: u32| {
        let noise = at.wrapping_mul(0x9e37_79b9) >> 26;
        (at % (3 * WIDTH) / 2 + noise + at / 100) as u8
    };
    let image = RgbImage {
        width: WIDTH,
        height: HEIGHT,
        pixels: (0..3 * WIDTH * HEIGHT).map(level).collect(),
    };
    let train_ids = vec![0; (WIDTH * HEIGHT) as usize];
    let labels = LabelMap { width: WIDTH, height: HEIGHT, train_ids };
    writer.push(encode_sample(&meta, &image, &labels, Preset::Fast).unwrap()).unwrap();
    writer.finish().unwrap();
    Dataset::open(folder).unwrap()
}

/// The crops of [`SAMPLES`] keys. Shapes: [SAMPLES, 3, HEIGHT, WIDTH].
fn render(dataset: &Dataset, augment: Augment) -> Vec<u8> {
    let pixels = (WIDTH * HEIGHT) as usize;
    let mut renderer = SampleRenderer::new(WIDTH, HEIGHT, augment);
    let mut levels = vec![0; SAMPLES as usize * 3 * pixels];
    for (planes, key) in levels.chunks_exact_mut(3 * pixels).zip(keys()) {
        let mut labels = vec![0; pixels];
        renderer.render((dataset, 0), key, planes, &mut labels, &mut |_| {}).unwrap();
    }
    levels
}

fn keys() -> impl Iterator<Item = SampleKey> {
    (0..SAMPLES).map(|index| SampleKey::new(5, "frames", 0, index))
}

#[test]
fn the_device_and_its_twin_jitter_and_blur_as_the_loader_does() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = pack(&folder.path().join("frames"));
    let wgpu = software_vulkan().unwrap_or_else(|error| panic!("{error}")).device;
    for range in [Augment::reference(), Augment::strong()] {
        // The device has the reference's arithmetic.
        let range = Augment { mode: Mode::Reference, ..range };
        let jittered = Augment { blur_sigma_min: 0.0, blur_sigma_max: 0.0, ..range };
        let expected = Expected {
            levels: render(&dataset, range),
            sharp: render(&dataset, jittered),
            colours: keys().map(|key| parameters(ColourDraw::of(&range, key))).collect(),
        };
        let is_jittered = |colours: &&ColourParameters| colours.jitter.is_some();
        let count = expected.colours.iter().filter(is_jittered).count();
        assert!(count > SAMPLES as usize / 4);

        let plain = render(&dataset, range.without_colours());
        let shape = [SAMPLES as usize, HEIGHT as usize, WIDTH as usize];
        let on_device = augment(&plain, shape, &expected.colours, &identity(), &wgpu);
        expected.assert_close("WGSL", on_device.clone());
        // The other mode of the loader is no further off.
        let fast = render(&dataset, Augment { mode: Mode::Fast, ..range });
        let found: Vec<f32> = on_device.try_into_vec_as().unwrap();
        assert!(found.iter().zip(fast).all(|(a, b)| (a - f32::from(b)).abs() <= 1.0));
        let twin = augment_plain(&plain, shape, &expected.colours, &identity(), &Device::flex());
        expected.assert_close("twin", twin);
        // Without a blur the jitter is exact.
        let unblurred: Vec<ColourParameters> = expected
            .colours
            .iter()
            .map(|colours| ColourParameters { blur_weights: Vec::new(), ..colours.clone() })
            .collect();
        let on_device = augment(&plain, shape, &unblurred, &identity(), &wgpu);
        let found: Vec<f32> = on_device.try_into_vec_as().unwrap();
        assert!(found.iter().zip(&expected.sharp).all(|(a, &b)| *a == f32::from(b)));
    }
}

/// What the loader makes of [`SAMPLES`] samples.
struct Expected {
    /// Jittered and blurred. Shapes: [SAMPLES, 3, HEIGHT, WIDTH].
    levels: Vec<u8>,
    /// Jittered only.
    sharp: Vec<u8>,
    colours: Vec<ColourParameters>,
}

impl Expected {
    /// Within one level, and equal unless the blurred sum lies next to a limit of truncation: the
    /// device adds 1/2048 so that its rounding errors, of less than that, take no flat area down.
    fn assert_close(&self, what: &str, found: Tensor<4>) {
        const NEAR: f64 = 2.0 / 2048.0;
        let found: Vec<f32> = found.try_into_vec_as().unwrap();
        let plane = (WIDTH * HEIGHT) as usize;
        let planes = found.chunks_exact(plane).zip(self.levels.chunks_exact(plane));
        for (number, (found, expected)) in planes.enumerate() {
            let weights = &self.colours[number / 3].blur_weights;
            let sums = blurred(weights, &self.sharp[number * plane..][..plane]);
            for (at, ((found, &expected), sum)) in found.iter().zip(expected).zip(sums).enumerate()
            {
                let error = (found - f32::from(expected)).abs();
                let is_near = (sum - sum.round()).abs() <= NEAR;
                assert!(
                    error == 0.0 || (error == 1.0 && is_near),
                    "{what}, plane {number}, pixel {at}: {found}, the loader has {expected}, the \
                     sum is {sum}: {:?}",
                    self.colours[number / 3]
                );
            }
        }
    }
}

/// Blurred sums in double precision, untruncated. Shapes: `plane` and result [HEIGHT, WIDTH].
fn blurred(weights: &[f32], plane: &[u8]) -> Vec<f64> {
    let (width, height) = (WIDTH as usize, HEIGHT as usize);
    let kernel: Vec<(isize, f64)> = weights
        .iter()
        .zip(0_isize..)
        .flat_map(|(&weight, by)| {
            let weight = f64::from(weight);
            if by == 0 { vec![(0, weight)] } else { vec![(-by, weight), (by, weight)] }
        })
        .collect();
    // Beyond an edge its own pixel stands in.
    let beside =
        |place: usize, by: isize, count: usize| place.saturating_add_signed(by).min(count - 1);
    let columns: Vec<f64> = (0..plane.len())
        .map(|at| {
            let value = |by| f64::from(plane[beside(at / width, by, height) * width + at % width]);
            kernel.iter().map(|&(by, weight)| weight * value(by)).sum()
        })
        .collect();
    (0..plane.len())
        .map(|at| {
            let value = |by| columns[at / width * width + beside(at % width, by, width)];
            kernel.iter().map(|&(by, weight)| weight * value(by)).sum()
        })
        .collect()
}
