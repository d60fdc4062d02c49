//! The paper's choices where they differ from the released code, by hand or against the other choice.

use burn::tensor::{DType, Device, Tensor};
use models::labels::{LabelBatch, LabelWeights};
use models::layout::tensor_from;
use models::memory::{self, SlotSum, UpdateNetwork, WriteOptions};
use models::mode::{Mode, Plain};
use models::network::{Network, NetworkConfig};
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
    let maps = labels().maps(&Device::flex());
    // Pixel (0, 0) is nearest to column 0, pixel (0, 1) to column 2, both in row 0.
    assert_eq!(maps.weights([1, 2], 3, LabelWeights::Hard), [1., 0., 0., 0., 1., 0.]);
    // With aligned corners the soft weights of the second pixel are those of the last column.
    assert_eq!(maps.weights([1, 2], 3, LabelWeights::Soft), [1., 0., 0., 0., 0., 1.]);
}

#[test]
fn cohesion_at_feature_resolution_is_the_cross_entropy_of_each_pixels_scores() {
    let scores = [0.5, -0.25, 1.0, 0.0, 0.75, -1.0];
    let targets = labels().nearest_targets([1, 2], 3, &Device::flex());
    // Two pixels, one after the other: [1, K, 1, 2].
    let maps = tensor(&scores, [1, 1, 2, 3]).permute([0, 3, 1, 2]);
    let found = losses::cohesion::<Plain>(maps, &targets, EmptyBatch::Zero);
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
fn the_divergence_is_the_sum_or_the_mean_of_positive_cosines_over_ordered_pairs() {
    // Two slots at right angles, one opposite the first, one between the first two.
    let half = 0.5f64.sqrt();
    let memory = tensor(&[1.0, 0.0, 0.0, 1.0, -1.0, 0.0, half, half], [4, 2]);
    let (weight, bias) = (memory.zeros_like(), tensor(&[0.0; 4], [4]));
    let mean = Plain::memory_divergence(memory, weight, bias, SlotSum::Mean).divergence;
    // The last slot with each of the first two, both ways.
    for (reduction, expected) in
        [(SlotReduction::Sum, 4.0 * half), (SlotReduction::Mean, 4.0 * half / 12.0)]
    {
        let got = losses::divergence::<Plain>(mean.clone(), 4, reduction);
        assert_close(&format!("{reduction:?}"), &values(&got), &[expected], TOLERANCE);
    }
}

#[test]
fn the_sum_over_slots_is_the_mean_times_their_number() {
    let memory = golden::memory(16, &Device::flex(), DType::F64);
    let bias = memory.clone().slice_dim(1, 0..1).reshape([19]);
    let loss = |reduction: SlotReduction| {
        let (memory, weight, bias) = (memory.clone(), memory.clone(), bias.clone());
        let losses = Plain::memory_divergence(memory, weight, bias, reduction.into());
        values(&losses.classification)[0]
    };
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
    // Six columns of labels at as many feature pixels, all classes different.
    let labels = LabelBatch { batch: 2, height: 1, width: 3, train_ids: vec![0, 3, 4, 7, 11, 18] };
    let old = golden::memory(16, &device, DType::F64);
    memory::write(&mut pass, feature, &old, &labels.maps(&device), options)
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
fn what_is_written_is_the_feature_or_the_feature_and_its_convolution() {
    // Two pixels of 16 channels, each of a class of its own, and a slot that is nothing before.
    let feature = golden::uniform("written feature", 2 * 16, -1.0, 1.0);
    let device = Device::flex();
    for (update_network, convolved) in [(UpdateNetwork::None, 0.0), (UpdateNetwork::Conv, 1.0)] {
        let config = NetworkConfig { update_network, ..tiny(true).config };
        let layout = Network::new(config).layout;
        let parameters = golden::parameters(&layout, &device, DType::F64);
        let weight = match update_network {
            UpdateNetwork::None => vec![0.0; 256],
            _ => values(&parameters[layout.parameter("memory.writenet.writefeat.0.weight")]),
        };
        let statistics = golden::statistics(&layout, &device, DType::F64);
        let mut pass = Pass::<Plain>::new(&layout, parameters, &statistics, Normalization::Batch);
        let labels = LabelBatch { batch: 1, height: 1, width: 2, train_ids: vec![0, 1] };
        // [1, C, 1, 2]
        let map: Vec<f64> = (0..32).map(|at| feature[at % 2 * 16 + at / 2]).collect();
        let options = WriteOptions {
            momentum: 0.0,
            update_network,
            update_reads_normalized: true,
            ..WriteOptions::RELEASED
        };
        let old = Tensor::zeros([2, 16], (&device, DType::F64));
        let map = tensor(&map, [1, 16, 1, 2]);
        let written = values(&memory::write(&mut pass, map, &old, &labels.maps(&device), options));
        for (pixel, written) in feature.chunks(16).zip(written.chunks(16)) {
            let row = |c: usize| (0..16).map(|i| weight[16 * c + i] * pixel[i]).sum::<f64>();
            let updated: Vec<f64> = (0..16).map(|c| pixel[c] + convolved * row(c)).collect();
            let norm = updated.iter().map(|x| x * x).sum::<f64>().sqrt();
            let expected: Vec<f64> = updated.iter().map(|x| x / norm).collect();
            assert_close(&format!("{update_network:?}"), written, &expected, TOLERANCE);
        }
    }
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
