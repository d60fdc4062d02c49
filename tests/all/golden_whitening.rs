//! Norms equal PyTorch's, whitening losses and their statistics those of the authors' code.

use std::path::Path;

use burn::tensor::{DType, Device, Tensor};
use models::layout::{Layout, tensor_from};
use models::mode::{BatchStatistics, Plain};
use models::normalization::places::{NormKind, NormPlace, NormPlaces};
use models::normalization::presets::NormPreset;
use models::normalization::sensitivity::{CovarianceTrial, SensitivePairs};
use models::normalization::whitening_loss::{CovarianceMask, whitening_loss};
use models::pass::{Normalization, Pass, updated_statistics};

use crate::golden::{GoldenFile, assert_close, values};

/// f64 on both sides, sums of a hundred terms.
const TOLERANCE: f64 = 1e-13;

/// Newton's iteration multiplies some twenty matrices, whose rounding adds up.
const WHITENING_TOLERANCE: f64 = 1e-12;

fn misc() -> (GoldenFile, Device) {
    (GoldenFile::read("misc_f64.safetensors"), Device::flex())
}

fn sensitive_pairs(file: &GoldenFile, device: &Device) -> SensitivePairs {
    let mut trial = CovarianceTrial::new();
    for image in 0..4 {
        trial.add(&[file.get(&format!("isw.fmap{image}")).tensor(device, DType::F64)]);
    }
    let variances = trial.variances().expect("four images");
    assert_close("mean", &variances[0], &file.get("isw.var_mean").values, TOLERANCE);
    trial.sensitive(3).expect("four images").remove(0)
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
fn the_sensitive_pairs_of_three_clusters_equal_the_reference() {
    let (file, device) = misc();
    let pairs = sensitive_pairs(&file, &device);
    let found: Vec<f64> = pairs.entries().iter().map(|x| f64::from(u8::from(*x))).collect();
    assert_eq!(found, file.get("isw.mask").values);
    assert_eq!(pairs.count() as f64, file.get("isw.num_sensitive").values[0]);
}

#[test]
fn selective_whitening_loss_and_its_gradient_equal_the_reference() {
    let (file, device) = misc();
    let mask = CovarianceMask::sensitive(&sensitive_pairs(&file, &device), &device, DType::F64);
    let map: Tensor<4> = file.get("isw.x_fmap").tensor(&device, DType::F64);
    let map = map.autodiff().require_grad();
    let loss = whitening_loss::<Plain>(&[map.clone()], &[mask]);
    assert_close("loss", &values(&loss), &file.get("isw.loss").values, TOLERANCE);
    let gradient = map.grad(&loss.backward()).expect("a gradient");
    assert_close("gradient", &values(&gradient), &file.get("isw.loss_grad").values, TOLERANCE);
}

#[test]
fn whitening_loss_of_all_pairs_equals_the_reference_and_is_averaged_over_layers() {
    let (file, device) = misc();
    let mask = CovarianceMask::all_pairs(12, 0.0, &device, DType::F64);
    let map: Tensor<4> = file.get("isw.x_fmap").tensor(&device, DType::F64);
    let expected = &file.get("irw.loss_margin0").values;
    let one = whitening_loss::<Plain>(&[map.clone()], &[mask.clone()]);
    assert_close("one layer", &values(&one), expected, TOLERANCE);
    let zero = map.zeros_like();
    let three = whitening_loss::<Plain>(&[map.clone(), zero, map], &vec![mask; 3]);
    assert_close("three layers", &values(&three), &[expected[0] * 2.0 / 3.0], TOLERANCE);
}

type Apply = fn(&mut Pass<'_, Plain>, Tensor<4>) -> Tensor<4>;

/// A norm of the file with its tensors, as a network has it.
struct Case {
    file: GoldenFile,
    /// What its tensors begin with.
    prefix: &'static str,
    layout: Layout,
    apply: Apply,
    tolerance: f64,
}

impl Case {
    fn new(prefix: &'static str, declare: impl Fn(&mut Layout)) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("normalization");
        let file = GoldenFile::read_from(&folder, "normalization_f64.safetensors");
        let mut layout = Layout::default();
        declare(&mut layout);
        Self { file, prefix, layout, apply: |_, x| x, tolerance: TOLERANCE }
    }

    /// The tensor `part` of the norm whose parameters are named `n.` here and nothing there.
    fn get(&self, part: &str, name: &str) -> Vec<f64> {
        let name = name.strip_prefix("n.").unwrap_or(name);
        self.file.get(&format!("{}.{part}{name}", self.prefix)).values.clone()
    }

    fn flat(&self, part: &str, name: &str) -> Tensor<1> {
        tensor_from(&self.get(part, name), &Device::flex(), DType::F64)
    }

    fn statistics(&self, part: &str) -> Vec<BatchStatistics> {
        let specs = self.layout.statistics();
        let read = |name: &str| self.flat(part, name);
        specs
            .iter()
            .map(|spec| BatchStatistics { mean: read(&spec.mean), variance: read(&spec.variance) })
            .collect()
    }

    /// Output, gradients and running averages in training, then the output in evaluation.
    fn check(&self) {
        let device = Device::flex();
        let close = |what: &str, found: &[f64], expected: &[f64]| {
            assert_close(&format!("{} {what}", self.prefix), found, expected, self.tolerance);
        };
        let tracked = |x: Tensor<1>| x.autodiff().require_grad();
        let parameters: Vec<Tensor<1>> = self
            .layout
            .parameters
            .iter()
            .map(|spec| tracked(self.flat("before.", &spec.name)))
            .collect();
        let x: Tensor<4> = self.file.get(&format!("{}.x", self.prefix)).tensor(&device, DType::F64);
        let image = x.clone().autodiff().require_grad();
        let before = self.statistics("before.");
        let mut pass =
            Pass::<Plain>::new(&self.layout, parameters.clone(), &before, Normalization::Batch);
        let y = (self.apply)(&mut pass, image.clone());
        close("output in training", &values(&y), &self.get("train", ""));

        let cotangent = self.flat("c", "").reshape(y.dims());
        let gradients = (y * cotangent).sum().backward();
        let of_image = image.grad(&gradients).expect("a gradient");
        close("gradient of the image", &values(&of_image), &self.get("grad.x", ""));
        for (spec, parameter) in self.layout.parameters.iter().zip(&parameters) {
            let found = parameter.grad(&gradients).expect("a gradient");
            close(&spec.name, &values(&found), &self.get("grad.", &spec.name));
        }

        let after = updated_statistics(&before, &pass.observed);
        for (spec, after) in self.layout.statistics().iter().zip(&after) {
            close(&spec.mean, &values(&after.mean), &self.get("after.", &spec.mean));
            close(&spec.variance, &values(&after.variance), &self.get("after.", &spec.variance));
        }
        let untracked = parameters.into_iter().map(Tensor::without_autodiff).collect();
        let mut pass = Pass::<Plain>::new(&self.layout, untracked, &after, Normalization::Running);
        let y = (self.apply)(&mut pass, x);
        close("output in evaluation", &values(&y), &self.get("eval", ""));
    }
}

const PLACE: NormPlace = NormPlace::stage(0);

fn places(kind: NormKind) -> NormPlaces {
    NormPlaces { stages: [kind; 4], ..NormPlaces::default() }
}

fn apply(kind: NormKind, pass: &mut Pass<'_, Plain>, x: Tensor<4>) -> Tensor<4> {
    places(kind).apply(pass, "n", PLACE, x, &mut Vec::new())
}

#[test]
fn instance_norms_equal_pytorch() {
    for kind in [NormKind::Instance, NormKind::InstanceWhitening] {
        let case = Case::new("instance", |layout| places(kind).declare(layout, "n", PLACE, 3));
        assert!(case.layout.parameters.is_empty());
        let apply: Apply = match kind {
            NormKind::Instance => |pass, x| apply(NormKind::Instance, pass, x),
            _ => |pass, x| apply(NormKind::InstanceWhitening, pass, x),
        };
        Case { apply, ..case }.check();
    }
    let declare =
        |layout: &mut Layout| places(NormKind::InstanceAffine).declare(layout, "n", PLACE, 3);
    let apply = |pass: &mut Pass<'_, Plain>, x| apply(NormKind::InstanceAffine, pass, x);
    Case { apply, ..Case::new("instance-affine", declare) }.check();
}

#[test]
fn ibn_a_equals_pytorch() {
    let declare = |layout: &mut Layout| NormPreset::IbnA.places().declare_first(layout, "n", 0, 5);
    let apply =
        |pass: &mut Pass<'_, Plain>, x| NormPreset::IbnA.places().apply_first(pass, "n", 0, x);
    Case { apply, ..Case::new("ibn-a", declare) }.check();
}

#[test]
fn switchable_whitening_equals_the_reference() {
    let declare =
        |layout: &mut Layout| places(NormKind::Switchable).declare(layout, "n", PLACE, 32);
    let apply = |pass: &mut Pass<'_, Plain>, x| apply(NormKind::Switchable, pass, x);
    let tolerance = WHITENING_TOLERANCE;
    Case { apply, tolerance, ..Case::new("switchable", declare) }.check();
}
