//! Whole narrow networks of every family: shapes, initial values, and exact second order against
//! finite differences.

use burn::tensor::{DType, Device, Tensor};

use crate::backbone::BackboneName::{MobileNetV2, ResNet18, ResNet50, ResNext50, ShuffleNetV2};
use crate::backbone::{Backbone, BackboneConfig, BackboneName};
use crate::labels::LabelBatch;
use crate::layout::tensor_from;
use crate::memory::{self, ReadOptions, SlotSum, WriteOptions};
use crate::mode::{Mode, Plain};
use crate::network::{ModelName, Network, NetworkConfig};
use crate::normalization::places::{NormKind, NormPlaces};
use crate::normalization::presets::NormPreset;
use crate::pass::{Normalization, Pass};
use crate::random::Stream;
use crate::tangent::{Dual, Tangent};

const BACKBONES: [BackboneName; 5] = [ResNet18, ResNet50, ResNext50, MobileNetV2, ShuffleNetV2];

const MODELS: [ModelName; 5] = [
    ModelName::DeepLabV3Plus,
    ModelName::DeepLabV3,
    ModelName::DeepLabV2,
    ModelName::DeepLabV2Original,
    ModelName::Fcn8s,
];

/// All widths divided by 16, one block per stage where that can be chosen.
pub(crate) fn narrow(model: ModelName, backbone: BackboneName, output_stride: usize) -> Network {
    Network::new(narrow_config(model, backbone, output_stride))
}

fn narrow_config(model: ModelName, backbone: BackboneName, output_stride: usize) -> NetworkConfig {
    NetworkConfig {
        model,
        backbone,
        blocks: backbone.has_free_blocks().then_some([1; 4]),
        width_divisor: 16,
        output_stride,
        aspp_rates: (1..=model.aspp_branches()).collect(),
        classes: 5,
        ..NetworkConfig::deeplab_v3_plus_resnet50(5, false)
    }
}

pub(crate) fn random(name: &str, len: usize) -> Tensor<1> {
    let stream = Stream::named(name);
    let values: Vec<f64> = (0..len as u64).map(|i| stream.normal(i)).collect();
    tensor_from(&values, &Device::flex(), DType::F64)
}

/// Initial values, with gains and offsets of normalisation moved away from 1 and 0, so that no value
/// lies on the kink of a ReLU.
pub(crate) fn parameters(network: &Network) -> Vec<Tensor<1>> {
    let initial = network.layout.init_parameters(3, &Device::flex(), DType::F64);
    let specs = &network.layout.parameters;
    let moved = |(tensor, spec): (Tensor<1>, &crate::layout::ParameterSpec)| {
        let size = if spec.shape.len() == 1 { 0.2 } else { 0.0 };
        tensor + random(&format!("{} moved", spec.name), spec.len()).mul_scalar(size)
    };
    initial.into_iter().zip(specs).map(moved).collect()
}

/// `mean c y^2` of all results, with fixed random `c`, in training's regime: logits, auxiliary
/// logits, what is whitened, and with a memory the losses of its slots.
///
/// A memory is first written, by labels of which one class is absent and some pixels are ignored,
/// and then read.
fn loss<M: Mode>(network: &Network, parameters: Vec<M::T<1>>, image: &Tensor<4>) -> M::T<1> {
    let running = network.layout.init_statistics(&Device::flex(), DType::F64);
    let mut pass = Pass::<M>::new(&network.layout, parameters, &running, Normalization::Batch);
    let encoded = network.encode(&mut pass, M::constant(image.clone()));
    let mut feature = encoded.feature;
    let mut slots = Vec::new();
    if network.config.memory {
        let [batch, channels, height, width] = M::dims(&feature);
        let classes = network.config.classes;
        let old = random("memory", classes * channels).reshape([classes, channels]);
        let old = Plain::l2_normalize(old, 1);
        let labels = LabelBatch {
            batch,
            height,
            width,
            // Class 4 is absent; 5 and 6 are no classes.
            train_ids: (0..batch * height * width).map(|at| [0, 1, 2, 3, 5, 6][at % 6]).collect(),
        };
        let labels = labels.maps(&image.device());
        let written =
            memory::write(&mut pass, feature.clone(), &old, &labels, WriteOptions::RELEASED);
        let found = memory::slot_losses(&pass, written.clone(), SlotSum::Mean);
        slots = vec![found.divergence, found.classification];
        feature = memory::read(&mut pass, feature, written, &ReadOptions::PAPER).feature;
    }
    let logits = network.decode(&mut pass, encoded.skips, feature);
    let auxiliary = network.auxiliary(&mut pass, encoded.stage3);
    let maps =
        [logits, auxiliary].into_iter().chain(encoded.whitened).map(weighted_squares::<M, 4>);
    let slots = slots.into_iter().map(weighted_squares::<M, 1>);
    maps.chain(slots).reduce(M::add).expect("logits")
}

fn weighted_squares<M: Mode, const D: usize>(y: M::T<D>) -> M::T<1> {
    let dims = M::dims(&y);
    let weights = random("weights", dims.iter().product()).reshape(dims);
    M::linear(M::mul(y.clone(), y), |y| (y * weights.clone()).mean())
}

fn gradient(network: &Network, parameters: &[Tensor<1>], image: &Tensor<4>) -> Vec<Vec<f64>> {
    let leaves: Vec<Tensor<1>> =
        parameters.iter().map(|x| x.clone().autodiff().require_grad()).collect();
    let gradients = loss::<Plain>(network, leaves.clone(), image).backward();
    host(&leaves, |leaf| leaf.grad(&gradients))
}

/// Nothing where there is no gradient.
fn host(leaves: &[Tensor<1>], gradient: impl Fn(&Tensor<1>) -> Option<Tensor<1>>) -> Vec<Vec<f64>> {
    let values = leaves.iter().map(|leaf| match gradient(leaf) {
        Some(gradient) => gradient.try_into_vec_as().expect("a computed gradient"),
        None => Vec::new(),
    });
    let values: Vec<Vec<f64>> = values.collect();
    assert!(values.iter().flatten().all(|x| x.is_finite()), "finite gradients");
    values
}

pub(crate) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()))
}

/// Compares tangent and Hessian product with central differences of value and gradient.
fn check(model: ModelName, backbone: BackboneName, output_stride: usize) {
    check_all_but(&narrow(model, backbone, output_stride), &[]);
}

/// As [`check`], for a network that has parameters which it does not use.
fn check_all_but(network: &Network, unused: &[&str]) {
    // Small enough that no activation crosses a kink between the two sides.
    const STEP: f64 = 1e-7;
    // Gradients are right to some 1e-14 of their size, which the step makes 1e-7; measured 9e-8.
    const TOLERANCE: f64 = 1e-6;
    // Relative to the largest element of all products. A bias before a batch normalisation has no
    // influence: its products are rounding errors.
    const FLOOR: f64 = 1e-3;
    let NetworkConfig { model, backbone, output_stride, .. } = network.config;
    let what = format!("{model:?} on {backbone:?} at output stride {output_stride}");
    let image = random("image", 4 * 3 * 33 * 33).reshape([4, 3, 33, 33]);
    let at = parameters(network);
    let specs = &network.layout.parameters;
    let direction: Vec<Tensor<1>> =
        specs.iter().map(|spec| random(&spec.name, spec.len()).mul_scalar(0.1)).collect();
    let moved = |step: f64| -> Vec<Tensor<1>> {
        at.iter().zip(&direction).map(|(x, d)| x.clone() + d.clone().mul_scalar(step)).collect()
    };
    let (ahead, behind) = (moved(STEP), moved(-STEP));

    let leaves: Vec<Tensor<1>> = at.iter().map(|x| x.clone().autodiff().require_grad()).collect();
    let pairs = leaves.iter().zip(&direction).map(|(x, d)| Dual::new(x.clone(), d.clone()));
    let tangent = loss::<Tangent>(network, pairs.collect(), &image).tangent.expect("a tangent");
    let value = |x: &[Tensor<1>]| loss::<Plain>(network, x.to_vec(), &image).into_scalar::<f64>();
    let expected = (value(&ahead) - value(&behind)) / (2.0 * STEP);
    let slope = tangent.clone().without_autodiff().into_scalar::<f64>();
    let error = (slope - expected).abs() / expected.abs();
    assert!(error <= TOLERANCE, "{what}: tangent {slope}, expected {expected}");

    let gradients = tangent.backward();
    let products = host(&leaves, |leaf| leaf.grad(&gradients));
    let (ahead, behind) = (gradient(network, &ahead, &image), gradient(network, &behind, &image));
    let expected: Vec<Vec<f64>> = ahead
        .iter()
        .zip(&behind)
        .map(|(ahead, behind)| {
            ahead.iter().zip(behind).map(|(a, b)| (a - b) / (2.0 * STEP)).collect()
        })
        .collect();
    let floor = FLOOR * expected.iter().map(|x| largest(x)).fold(0.0, f64::max);
    for ((spec, got), expected) in specs.iter().zip(&products).zip(&expected) {
        let len = if unused.contains(&&*spec.name) { 0 } else { spec.len() };
        assert_eq!([got.len(), expected.len()], [len, len], "{what}: {}", spec.name);
        let differences: Vec<f64> = got.iter().zip(expected).map(|(a, b)| a - b).collect();
        let error = largest(&differences) / largest(expected).max(floor);
        assert!(error <= TOLERANCE, "{what}: Hv of {}: relative error {error:e}", spec.name);
    }
}

#[test]
fn hessian_products_of_every_family_of_backbones_equal_finite_differences() {
    for (backbone, output_stride) in BACKBONES.into_iter().zip([16, 8, 16, 16, 8]) {
        check(ModelName::DeepLabV3Plus, backbone, output_stride);
    }
}

#[test]
fn hessian_products_of_mobile_backbones_with_other_norms_equal_finite_differences() {
    // A batch norm that gave way, whose tensors stay.
    let stem = ["layer0.layer.0.1.weight", "layer0.layer.0.1.bias"];
    for (backbone, norms, unused) in [
        (MobileNetV2, NormPreset::Ibn, &[][..]),
        (MobileNetV2, NormPreset::Switchable, &[]),
        (ShuffleNetV2, NormPreset::Ibn, &stem),
    ] {
        let config = narrow_config(ModelName::DeepLabV3Plus, backbone, 16);
        let network = Network::new(NetworkConfig { normalization: norms.places(), ..config });
        check_all_but(&network, unused);
    }
}

#[test]
fn hessian_products_of_a_resnet_with_other_norms_equal_finite_differences() {
    for norms in [NormPreset::IbnA, NormPreset::Ibn, NormPreset::Iw, NormPreset::Switchable] {
        let config = narrow_config(ModelName::DeepLabV3Plus, ResNet50, 16);
        let network = Network::new(NetworkConfig { normalization: norms.places(), ..config });
        check_all_but(&network, &[]);
    }
}

#[test]
fn hessian_products_through_a_write_and_a_read_of_the_memory_equal_finite_differences() {
    for model in [ModelName::DeepLabV3Plus, ModelName::Fcn8s] {
        let config = NetworkConfig { memory: true, ..narrow_config(model, ResNet50, 16) };
        check_all_but(&Network::new(config), &[]);
    }
}

#[test]
fn hessian_products_of_every_model_equal_finite_differences() {
    for model in MODELS {
        check(model, ResNet50, 8);
    }
}

#[test]
fn every_model_works_on_every_backbone_at_every_output_stride() {
    let image = random("image", 3 * 49 * 65).reshape([1, 3, 49, 65]);
    for (model, backbone, output_stride) in MODELS
        .into_iter()
        .flat_map(|model| BACKBONES.map(|backbone| (model, backbone)))
        .flat_map(|(model, backbone)| [8, 16, 32].map(|stride| (model, backbone, stride)))
    {
        let network = narrow(model, backbone, output_stride);
        let running = network.layout.init_statistics(&Device::flex(), DType::F64);
        let parameters = parameters(&network);
        let mut pass =
            Pass::<Plain>::new(&network.layout, parameters, &running, Normalization::Running);
        let encoded = network.encode(&mut pass, image.clone());
        let logits = network.decode(&mut pass, encoded.skips, encoded.feature);
        let decoder_stride = match model {
            ModelName::DeepLabV3Plus if backbone.has_free_blocks() => 4,
            ModelName::DeepLabV3Plus | ModelName::Fcn8s => 8,
            _ => output_stride,
        };
        let size = [49usize, 65].map(|side| side.div_ceil(decoder_stride));
        let what = format!("{model:?} on {backbone:?} at output stride {output_stride}");
        assert_eq!(logits.dims(), [1, 5, size[0], size[1]], "{what}");
        let values: Vec<f64> = logits.try_into_vec_as().unwrap();
        assert!(values.iter().all(|x| x.is_finite()), "{what}");
        let auxiliary = network.auxiliary(&mut pass, encoded.stage3).dims();
        assert_eq!(auxiliary[..2], [1, 5], "{what}");
    }
}

#[test]
fn mobile_backbones_start_as_torchvisions() {
    let moments = |backbone, name: &str| {
        let layout = Backbone::new(&BackboneConfig {
            name: backbone,
            blocks: None,
            width_divisor: 1,
            output_stride: 32,
            second_stage_strides_early: false,
            normalization: NormPlaces::default(),
        })
        .layout();
        let all = layout.init_parameters(1, &Device::flex(), DType::F64);
        let values: Vec<f64> = all[layout.parameter(name)].clone().try_into_vec_as().unwrap();
        let square = values.iter().map(|x| x * x).sum::<f64>() / values.len() as f64;
        (square.sqrt(), largest(&values))
    };
    // Standard errors of the deviations are below 0.2 %; five of them.
    let is_near = |found: f64, expected: f64| (found / expected - 1.0).abs() < 0.01;
    // Normal with deviation sqrt(2 / fan_out), fan_out = 1280.
    let (deviation, _) = moments(MobileNetV2, "layer4.0.0.weight");
    assert!(is_near(deviation, (2.0f64 / 1280.0).sqrt()), "{deviation}");
    // Uniform within 1 / sqrt(fan_in), fan_in = 464.
    let (deviation, largest) = moments(ShuffleNetV2, "layer4.layer.0.weight");
    let bound = 464f64.sqrt().recip();
    assert!(is_near(deviation, bound / 3f64.sqrt()), "{deviation}");
    assert!(largest <= bound && is_near(largest, bound), "{largest}");
}

#[test]
fn whitening_maps_are_those_of_the_whole_pass() {
    let lasts: [(_, &[usize]); 4] =
        [(ResNet18, &[1, 3]), (ResNet50, &[1, 3]), (MobileNetV2, &[1]), (ShuffleNetV2, &[1])];
    for (backbone, lasts) in lasts {
        let config = narrow(ModelName::DeepLabV3Plus, backbone, 16).config;
        let mut places = NormPreset::Isw.places();
        for &last in lasts {
            places.stages[last] = NormKind::InstanceWhitening;
            let network = Network::new(NetworkConfig { normalization: places, ..config.clone() });
            let running = network.layout.init_statistics(&Device::flex(), DType::F64);
            let image = || random("image", 2 * 3 * 32 * 48).reshape([2, 3, 32, 48]);
            let pass = || {
                let parameters = parameters(&network);
                Pass::<Plain>::new(&network.layout, parameters, &running, Normalization::Running)
            };
            let whole = network.encode(&mut pass(), image()).whitened;
            let maps = network.backbone.whitening_maps(&mut pass(), image());
            assert_eq!(maps.len(), places.whitening_layers());
            for (map, expected) in maps.into_iter().zip(whole) {
                assert_eq!(map.into_data(), expected.into_data());
            }
        }
    }
}
