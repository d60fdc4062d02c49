//! Norms equal PyTorch's, whitening losses and their statistics those of the authors' code.

use std::path::Path;
use std::slice::from_ref;

use burn::tensor::{DType, Device, Tensor};
use models::layout::{Layout, tensor_from};
use models::mode::{BatchStatistics, Plain};
use models::normalization::places::{NormKind, NormPlace, NormPlaces};
use models::normalization::presets::NormPreset;
use models::normalization::sensitivity::{CovarianceTrial, SensitivePairs};
use models::normalization::whitening_loss::{CovarianceMask, whitening_loss};
use models::pass::{Normalization, Pass, updated_statistics};

use crate::golden::{Golden, GoldenFile, assert_close, values};

/// f64 on both sides, sums of a hundred terms.
const TOLERANCE: f64 = 1e-13;

fn misc() -> (GoldenFile, Device) {
    (GoldenFile::read("misc_f64.safetensors"), Device::flex())
}

fn software_vulkan() -> Device {
    kernels::device::software_vulkan().unwrap_or_else(|error| panic!("{error}")).device
}

/// The pairs that the file's four images in two views give, and their mean variances.
fn sensitive_pairs(file: &GoldenFile, device: &Device, dtype: DType) -> (SensitivePairs, Vec<f64>) {
    let mut trial = CovarianceTrial::new();
    for image in 0..4 {
        trial.add(&[file.get(&format!("isw.fmap{image}")).tensor(device, dtype)]);
    }
    let variances = trial.variances().expect("four images").remove(0);
    (trial.sensitive(3).expect("four images").remove(0), variances)
}

fn check_selective_whitening(device: &Device, dtype: DType, tolerance: f64) {
    let file = GoldenFile::read("misc_f64.safetensors");
    let close = |what: &str, found: &[f64], key: &str| {
        assert_close(what, found, &file.get(key).values, tolerance);
    };
    let (pairs, variances) = sensitive_pairs(&file, device, dtype);
    close("variances", &variances, "isw.var_mean");
    let mask: Vec<f64> = pairs.entries().iter().map(|x| f64::from(u8::from(*x))).collect();
    assert_eq!(mask, file.get("isw.mask").values);
    assert_eq!(pairs.count() as f64, file.get("isw.num_sensitive").values[0]);

    let mask = CovarianceMask::sensitive(&pairs, device, dtype);
    let map: Tensor<4> = file.get("isw.x_fmap").tensor(device, dtype);
    let map = map.autodiff().require_grad();
    let loss = whitening_loss::<Plain>(from_ref(&map), &[mask]);
    close("loss", &values(&loss), "isw.loss");
    let gradient = map.grad(&loss.backward()).expect("a gradient");
    close("gradient", &values(&gradient), "isw.loss_grad");
}

#[test]
fn the_variance_between_the_views_of_each_image_equals_the_reference() {
    let (file, device) = misc();
    for image in 0..4 {
        let mut trial = CovarianceTrial::new();
        trial.add(&[file.get(&format!("isw.fmap{image}")).tensor(&device, DType::F64)]);
        let found = trial.variances().expect("an image");
        let expected = &file.get(&format!("isw.var{image}")).values;
        assert_close("variance", &found[0], expected, TOLERANCE);
    }
}

#[test]
fn sensitive_pairs_and_their_loss_and_its_gradient_equal_the_reference() {
    check_selective_whitening(&Device::flex(), DType::F64, TOLERANCE);
}

#[test]
fn sensitive_pairs_and_their_loss_on_software_vulkan_equal_the_reference() {
    // f32, 24 bits, and differences of covariances that are squared.
    check_selective_whitening(&software_vulkan(), DType::F32, 5e-6);
}

#[test]
fn whitening_loss_of_all_pairs_equals_the_reference_and_is_averaged_over_layers() {
    let (file, device) = misc();
    let mask = CovarianceMask::all_pairs(12, 0.0, &device, DType::F64);
    let map: Tensor<4> = file.get("isw.x_fmap").tensor(&device, DType::F64);
    let expected = &file.get("irw.loss_margin0").values;
    let one = whitening_loss::<Plain>(from_ref(&map), from_ref(&mask));
    assert_close("one layer", &values(&one), expected, TOLERANCE);
    let zero = map.zeros_like();
    let three = whitening_loss::<Plain>(&[map.clone(), zero, map], &vec![mask; 3]);
    assert_close("three layers", &values(&three), &[expected[0] * 2.0 / 3.0], TOLERANCE);
}

type Apply = fn(&mut Pass<'_, Plain>, Tensor<4>) -> Tensor<4>;

/// A norm of the file, as a network has it under the name `n`.
struct Case {
    /// What its tensors begin with.
    prefix: &'static str,
    layout: Layout,
    apply: Apply,
}

/// Where and how exactly the norms are computed.
struct Setting {
    device: Device,
    dtype: DType,
    tolerance: f64,
}

impl Setting {
    fn check(&self, case: &Case) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("normalization");
        let file = GoldenFile::read_from(&folder, "normalization_f64.safetensors");
        Comparison { setting: self, case, file }.check();
    }
}

struct Comparison<'a> {
    setting: &'a Setting,
    case: &'a Case,
    file: GoldenFile,
}

impl Comparison<'_> {
    /// The tensor of the norm that is called `part`, followed by its `name` but for our `n.`.
    fn get(&self, part: &str, name: &str) -> &Golden {
        let name = name.strip_prefix("n.").unwrap_or(name);
        self.file.get(&format!("{}.{part}{name}", self.case.prefix))
    }

    fn flat(&self, part: &str, name: &str) -> Tensor<1> {
        tensor_from(&self.get(part, name).values, &self.setting.device, self.setting.dtype)
    }

    fn close<const D: usize>(&self, found: &Tensor<D>, part: &str, name: &str) {
        let what = format!("{} {part}{name}", self.case.prefix);
        let expected = &self.get(part, name).values;
        assert_close(&what, &values(found), expected, self.setting.tolerance);
    }

    fn statistics(&self, part: &str) -> Vec<BatchStatistics> {
        let specs = self.case.layout.statistics();
        let read = |name: &str| self.flat(part, name);
        specs
            .iter()
            .map(|spec| BatchStatistics { mean: read(&spec.mean), variance: read(&spec.variance) })
            .collect()
    }

    /// Output, gradients and running averages in training, then the output in evaluation.
    fn check(&self) {
        let Case { layout, apply, .. } = self.case;
        let parameters: Vec<Tensor<1>> =
            layout.parameters.iter().map(|spec| self.flat("before.", &spec.name)).collect();
        let tracked: Vec<Tensor<1>> =
            parameters.iter().map(|x| x.clone().autodiff().require_grad()).collect();
        let x: Tensor<4> = self.get("x", "").tensor(&self.setting.device, self.setting.dtype);
        let image = x.clone().autodiff().require_grad();
        let before = self.statistics("before.");
        let mut pass = Pass::<Plain>::new(layout, tracked.clone(), &before, Normalization::Batch);
        let y = apply(&mut pass, image.clone());
        self.close(&y, "train", "");

        let cotangent = self.flat("c", "").reshape(y.dims());
        let gradients = (y * cotangent).sum().backward();
        self.close(&image.grad(&gradients).expect("a gradient"), "grad.x", "");
        for (spec, parameter) in layout.parameters.iter().zip(&tracked) {
            let found = parameter.grad(&gradients).expect("a gradient");
            self.close(&found, "grad.", &spec.name);
        }

        let after = updated_statistics(&before, &pass.observed);
        for (spec, after) in layout.statistics().iter().zip(&after) {
            self.close(&after.mean, "after.", &spec.mean);
            self.close(&after.variance, "after.", &spec.variance);
        }
        let mut pass = Pass::<Plain>::new(layout, parameters, &after, Normalization::Running);
        self.close(&apply(&mut pass, x), "eval", "");
    }
}

const PLACE: NormPlace = NormPlace::stage(0);

fn places(kind: NormKind) -> NormPlaces {
    NormPlaces { stages: [kind; 4], ..NormPlaces::default() }
}

fn run(kind: NormKind, pass: &mut Pass<'_, Plain>, x: Tensor<4>) -> Tensor<4> {
    places(kind).apply(pass, "n", PLACE, x, &mut Vec::new())
}

fn case(prefix: &'static str, kind: NormKind, channels: usize, apply: Apply) -> Case {
    let mut layout = Layout::default();
    places(kind).declare(&mut layout, "n", PLACE, channels);
    Case { prefix, layout, apply }
}

fn instance() -> Case {
    case("instance", NormKind::Instance, 3, |pass, x| run(NormKind::Instance, pass, x))
}

fn instance_whitening() -> Case {
    let apply: Apply = |pass, x| run(NormKind::InstanceWhitening, pass, x);
    case("instance", NormKind::InstanceWhitening, 3, apply)
}

fn instance_affine() -> Case {
    let apply: Apply = |pass, x| run(NormKind::InstanceAffine, pass, x);
    case("instance-affine", NormKind::InstanceAffine, 3, apply)
}

fn switchable() -> Case {
    case("switchable", NormKind::Switchable, 32, |pass, x| run(NormKind::Switchable, pass, x))
}

fn ibn_a() -> Case {
    let mut layout = Layout::default();
    NormPreset::IbnA.places().declare_first(&mut layout, "n", 0, 5);
    let apply: Apply = |pass, x| NormPreset::IbnA.places().apply_first(pass, "n", 0, x);
    Case { prefix: "ibn-a", layout, apply }
}

#[test]
fn instance_norms_and_ibn_a_equal_pytorch() {
    let setting = Setting { device: Device::flex(), dtype: DType::F64, tolerance: TOLERANCE };
    for case in [instance(), instance_whitening(), instance_affine(), ibn_a()] {
        setting.check(&case);
    }
}

#[test]
fn switchable_whitening_equals_the_reference() {
    // Newton's iteration multiplies some twenty matrices, whose rounding adds up.
    let setting = Setting { device: Device::flex(), dtype: DType::F64, tolerance: 1e-12 };
    setting.check(&switchable());
}

#[test]
fn norms_on_software_vulkan_equal_pytorch() {
    // f32: 24 bits, and the same sums of a hundred terms and twenty matrices.
    let setting = Setting { device: software_vulkan(), dtype: DType::F32, tolerance: 5e-6 };
    for case in [instance(), instance_affine(), ibn_a(), switchable()] {
        setting.check(&case);
    }
}
