//! The paper's choices where they differ from the released code, by hand or against the other choice.

use burn::tensor::{DType, Device, Tensor};
use models::labels::{ClassWeights, LabelBatch, LabelWeights};
use models::layout::tensor_from;
use models::memory::{self, WriteOptions};
use models::mode::{Mode, Plain};
use models::pass::{Normalization, Pass};
use training::losses;
use training::method::{EmptyBatch, SlotReduction};
use training::optimizer::{clipped, global_norm};

use crate::golden::{self, assert_close, values};
use crate::golden_forward::tiny;

/// f64, a handful of operations.
const TOLERANCE: f64 = 1e-13;

fn tensor<const D: usize>(values: &[f64], shape: [usize; D]) -> Tensor<D> {
    tensor_from(values, &Device::flex(), DType::F64).reshape(shape)
}

fn labels() -> LabelBatch {
    // Four columns of two rows: 0 1 1 2 over 2 2 1 255.
    LabelBatch { batch: 1, height: 2, width: 4, train_ids: vec![0, 1, 1, 2, 2, 2, 1, 255] }
}

#[test]
fn hard_label_weights_are_the_one_hot_of_the_nearest_label() {
    let weights =
        labels().class_weights([1, 2], 3, LabelWeights::Hard, &Device::flex(), DType::F64);
    // Pixel (0, 0) is nearest to column 0, pixel (0, 1) to column 2, both in row 0.
    assert_eq!(values(&weights.weights), [1., 0., 0., 0., 1., 0.]);
    assert_eq!(weights.totals, [1., 1., 0.]);
    // With aligned corners the soft weights of the second pixel are those of the last column.
    let soft = labels().class_weights([1, 2], 3, LabelWeights::Soft, &Device::flex(), DType::F64);
    assert_eq!(values(&soft.weights), [1., 0., 0., 0., 0., 1.]);
}

#[test]
fn cohesion_at_feature_resolution_is_the_cross_entropy_of_each_pixels_scores() {
    let scores = [0.5, -0.25, 1.0, 0.0, 0.75, -1.0];
    let targets = labels().nearest_targets([1, 2], 3, &Device::flex());
    let found =
        losses::cohesion::<Plain>(tensor(&scores, [2, 3]), [1, 1, 2], &targets, EmptyBatch::Zero);
    let row = |s: &[f64], class: usize| s.iter().map(|x| x.exp()).sum::<f64>().ln() - s[class];
    let expected = (row(&scores[..3], 0) + row(&scores[3..], 1)) / 2.0;
    assert_close("cohesion", &values(&found), &[expected], TOLERANCE);
}

#[test]
fn a_batch_without_labels_has_loss_zero_or_nan_and_no_gradient_either_way() {
    let empty = LabelBatch { train_ids: vec![255; 8], ..labels() };
    let targets = empty.targets(3, &Device::flex());
    for (choice, is_nan) in [(EmptyBatch::Zero, false), (EmptyBatch::Nan, true)] {
        let logits = tensor(&[0.5; 24], [1, 3, 2, 4]).autodiff().require_grad();
        let loss = losses::cross_entropy::<Plain>(logits.clone(), &targets, choice);
        assert_eq!(values(&loss)[0].is_nan(), is_nan);
        let gradient = logits.grad(&loss.backward()).expect("the logits are in the graph");
        assert!(values(&gradient).iter().all(|&g| g == 0.0), "{choice:?}");
    }
}

#[test]
fn the_sum_over_slots_is_the_mean_times_their_number() {
    let scores = golden::memory(16, &Device::flex(), DType::F64).narrow(1, 0, 16);
    let square = scores.clone().matmul(scores.transpose());
    let loss = |reduction| values(&losses::classification::<Plain>(square.clone(), reduction))[0];
    let (mean, sum) = (loss(SlotReduction::Mean), loss(SlotReduction::Sum));
    assert_close("sum", &[sum], &[19.0 * mean], TOLERANCE);
}

fn write(feature: Tensor<4>, options: WriteOptions) -> Tensor<2> {
    let device = Device::flex();
    let network = tiny(true);
    let parameters = golden::parameters(&network.layout, &device, DType::F64);
    let statistics = golden::statistics(&network.layout, &device, DType::F64);
    let mut pass =
        Pass::<Plain>::new(&network.layout, parameters, &statistics, Normalization::Batch);
    let weights = golden::uniform("write weights", 6 * 19, 0.0, 1.0);
    let weights = ClassWeights {
        totals: (0..19).map(|class| weights.iter().skip(class).step_by(19).sum()).collect(),
        weights: tensor(&weights, [6, 19]),
    };
    let old = golden::memory(16, &device, DType::F64);
    memory::write(&mut pass, feature, &old, &weights, options)
}

#[test]
fn the_papers_update_network_reads_the_normalised_feature() {
    let feature = tensor(&golden::uniform("write feature", 2 * 16 * 3, 0.0, 5.0), [2, 16, 1, 3]);
    let paper = WriteOptions { update_reads_normalized: true, ..WriteOptions::RELEASED };
    let got = values(&write(feature.clone(), paper));
    let normalised = Plain::l2_normalize(feature.clone(), 1);
    let expected = values(&write(normalised, WriteOptions::RELEASED));
    assert_close("written memory", &got, &expected, TOLERANCE);
    assert_ne!(got, values(&write(feature, WriteOptions::RELEASED)));
}

#[test]
fn slots_have_unit_norm_after_a_write_only_where_asked_for() {
    let feature = tensor(&golden::uniform("write feature", 2 * 16 * 3, 0.0, 5.0), [2, 16, 1, 3]);
    for (normalize_slots, unit) in [(true, true), (false, false)] {
        let options = WriteOptions { normalize_slots, ..WriteOptions::RELEASED };
        let norms = values(&write(feature.clone(), options).square().sum_dim(1));
        assert_eq!(norms.iter().all(|norm| (norm - 1.0).abs() < 1e-12), unit, "{norms:?}");
    }
}

#[test]
fn a_gradient_is_clipped_to_the_limit_with_its_direction_kept() {
    let gradients = vec![Some(tensor(&[3.0, 0.0], [2])), None, Some(tensor(&[4.0], [1]))];
    let short = clipped(gradients.clone(), 1.0);
    // torch divides by norm + 1e-6, here 5.
    let factor = 1.0 / (5.0 + 1e-6);
    assert_close("a", &values(short[0].as_ref().expect("kept")), &[3.0 * factor, 0.0], TOLERANCE);
    assert_close("b", &values(short[2].as_ref().expect("kept")), &[4.0 * factor], TOLERANCE);
    assert!(short[1].is_none());
    for limit in [0.0, 6.0] {
        let norm = global_norm(&clipped(gradients.clone(), limit)).expect("gradients");
        assert_eq!(values(&norm), [5.0], "limit {limit}");
    }
}
