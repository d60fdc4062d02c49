//! Colour jitter and blur on the device equal the loader's own, sample for sample.

use burn::tensor::{Device, Tensor};
use kernels::{
    ColourParameters, Jitter, Operation, augment, augment_plain, device::software_vulkan,
};
use loader::{Augment, ColourDraw, ColourOperation, Mode, SampleKey, SampleRenderer};
use shard_format::{
    Dataset, DatasetInfo, DatasetWriter, LabelMap, Preset, RgbImage, SampleMeta, WriterOptions,
    encode_sample,
};

/// Not a multiple of four, of a tile's 32 or 16, or of anything else.
const WIDTH: u32 = 67;
const HEIGHT: u32 = 45;
const SAMPLES: u64 = 48;

/// Every level is its own value, so that results are levels.
fn identity() -> [[f32; 256]; 3] {
    [std::array::from_fn(|level| level as f32); 3]
}

/// A consumer's parameters from the loader's draws.
fn parameters(draw: ColourDraw) -> ColourParameters {
    let operation = |operation: ColourOperation| match operation {
        ColourOperation::Brightness => Operation::Brightness,
        ColourOperation::Contrast => Operation::Contrast,
        ColourOperation::Saturation => Operation::Saturation,
        ColourOperation::Hue => Operation::Hue,
    };
    let jitter = draw.jitter.map(|jitter| Jitter {
        order: jitter.order.map(operation),
        brightness: jitter.brightness,
        contrast: jitter.contrast,
        saturation: jitter.saturation,
        hue_step: jitter.hue_step,
    });
    ColourParameters { jitter, blur_weights: draw.blur_weights }
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
        let expected = render(&dataset, range);
        let plain = render(&dataset, range.without_colours());
        let colours: Vec<ColourParameters> =
            keys().map(|key| parameters(ColourDraw::of(&range, key))).collect();
        let is_jittered = |colours: &&ColourParameters| colours.jitter.is_some();
        assert!(colours.iter().filter(is_jittered).count() > SAMPLES as usize / 4);

        let shape = [SAMPLES as usize, HEIGHT as usize, WIDTH as usize];
        let on_device = augment(&plain, shape, &colours, &identity(), &wgpu);
        assert_close("WGSL", on_device, &expected, &colours);
        let on_host = augment_plain(&plain, shape, &colours, &identity(), &Device::flex());
        assert_close("twin", on_host, &expected, &colours);
    }
}

/// Exact without a blur. With one, within one level everywhere, and with that difference at one
/// level in 500 at most: a sum next to a limit of truncation.
fn assert_close(what: &str, found: Tensor<4>, expected: &[u8], colours: &[ColourParameters]) {
    let found: Vec<f32> = found.try_into_vec_as().unwrap();
    let sample_levels = expected.len() / colours.len();
    let samples = found.chunks_exact(sample_levels).zip(expected.chunks_exact(sample_levels));
    for (sample, (found, expected)) in samples.enumerate() {
        let errors: Vec<f32> = found
            .iter()
            .zip(expected)
            .map(|(found, &expected)| (found - f32::from(expected)).abs())
            .collect();
        let largest = errors.iter().copied().fold(0.0, f32::max);
        let differing = errors.iter().filter(|&&error| error > 0.0).count();
        let is_blurred = !colours[sample].blur_weights.is_empty();
        let (bound, count) = if is_blurred { (1.0, sample_levels / 500) } else { (0.0, 0) };
        assert!(
            largest <= bound && differing <= count,
            "{what}, sample {sample}: {differing} of {sample_levels} differ, by up to {largest}: \
             {:?}",
            colours[sample]
        );
    }
}
