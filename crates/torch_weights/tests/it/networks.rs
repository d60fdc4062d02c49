//! Names and shapes of other programs' networks, in files of `tests/torch/list_names.py`, and small
//! checkpoints with all of those names: nothing of them is missing in ours, and nothing left over.

use std::collections::BTreeMap;
use std::fs;

use models::backbone::BackboneName;
use models::network::{ModelName, Network, NetworkConfig};
use models::normalization::places::NormPlaces;
use models::normalization::presets::NormPreset;
use models::weights::{HostTensor, MEMORY_KEY, NamedTensors, expected_tensors};
use torch_weights::matching::{Allowed, MatchReport, Scope, match_tensors};
use torch_weights::read;

use crate::data;
use crate::torch_files::tensor;

/// Shapes of a network's tensors by name.
type Shapes = BTreeMap<String, Vec<usize>>;

fn networks(file: &str) -> BTreeMap<String, Shapes> {
    let bytes = fs::read(data(file)).expect("a checked-in file");
    serde_json::from_slice(&bytes).expect("names and shapes")
}

/// Tensors of ones.
fn ones(shapes: Shapes) -> NamedTensors {
    let one = |shape: Vec<usize>| {
        let values = vec![1.0; shape.iter().product()];
        HostTensor { shape, values }
    };
    shapes.into_iter().map(|(name, shape)| (name, one(shape))).collect()
}

fn expected(config: NetworkConfig) -> Vec<(String, Vec<usize>)> {
    let memory = config.memory.then(|| [config.classes, config.feature_channels()]);
    expected_tensors(&Network::new(config).layout, memory)
}

/// Their DeepLabV3+ on ResNet-50, with or without memory.
fn deeplab(memory: bool, width_divisor: usize, normalization: NormPlaces) -> NetworkConfig {
    let whole = NetworkConfig::deeplab_v3_plus_resnet50(19, memory);
    NetworkConfig { width_divisor, normalization, ..whole }
}

#[track_caller]
fn assert_no_surprise(report: &MatchReport, name: &str) {
    assert!(report.missing.is_empty(), "{name}: {:?}", report.missing);
    assert!(report.unexpected.is_empty(), "{name}: {:?}", report.unexpected);
    assert!(report.mismatched.is_empty(), "{name}: {:?}", report.mismatched);
    assert_eq!(report.surprises(&Allowed::default()), 0, "{name}");
}

#[test]
fn every_backbone_of_torchvision_has_exactly_our_tensors_and_a_classifier() {
    let backbones = [
        ("resnet18", BackboneName::ResNet18, "torchvision's ResNet"),
        ("resnet34", BackboneName::ResNet34, "torchvision's ResNet"),
        ("resnet50", BackboneName::ResNet50, "torchvision's ResNet"),
        ("resnet101", BackboneName::ResNet101, "torchvision's ResNet"),
        ("resnet152", BackboneName::ResNet152, "torchvision's ResNet"),
        ("resnext50_32x4d", BackboneName::ResNext50, "torchvision's ResNet"),
        ("mobilenet_v2", BackboneName::MobileNetV2, "torchvision's MobileNetV2"),
        ("shufflenet_v2_x1_0", BackboneName::ShuffleNetV2, "torchvision's ShuffleNetV2"),
    ];
    let mut listed = networks("names_torchvision.json");
    assert_eq!(listed.len(), backbones.len());
    for (name, backbone, naming) in backbones {
        let config = NetworkConfig { backbone, ..deeplab(true, 1, NormPlaces::default()) };
        let shapes = listed.remove(name).unwrap();
        let found = shapes.len();
        let (fitting, report) = match_tensors(&expected(config), ones(shapes), Scope::Backbone);
        assert_no_surprise(&report, name);
        assert_eq!(report.naming.label, naming, "{name}");
        // Its names tell whose they are, whatever the network is.
        let theirs = report.recognised.unwrap();
        assert_eq!(theirs.label, naming, "{name}");
        for (_, other, label) in backbones {
            assert_eq!(theirs.is_of(other), label == naming, "{name} for {other:?}");
        }
        assert_eq!(fitting.len() + report.ignored.len(), found, "{name}");
        let classifier =
            report.ignored.iter().filter(|at| at.reason == "the classifier of whole images");
        assert_eq!(classifier.count(), 2, "{name}: weight and bias");
    }
}

#[test]
fn the_authors_networks_have_exactly_our_tensors() {
    let mut robustnet = networks("names_robustnet.json");
    let mut pin_the_memory = networks("names_pin_the_memory.json");
    let [ibn, isw] = [NormPreset::Ibn, NormPreset::Isw].map(NormPreset::places);
    for (name, shapes, config) in [
        ("ibn", robustnet.remove("ibn"), deeplab(false, 1, ibn)),
        ("isw", robustnet.remove("isw"), deeplab(false, 1, isw)),
        (
            "deeplab_v3_plus",
            pin_the_memory.remove("deeplab_v3_plus"),
            deeplab(true, 1, NormPlaces::default()),
        ),
    ] {
        let mut shapes = shapes.unwrap();
        if config.memory {
            // The authors save it beside the state_dict.
            shapes.insert(MEMORY_KEY.to_owned(), vec![19, 256]);
        }
        let (_, report) = match_tensors(&expected(config), ones(shapes), Scope::Whole);
        assert_no_surprise(&report, name);
        assert_eq!(report.naming.label, "the reference", "{name}");
        assert!(report.recognised.is_none(), "{name}");
    }
}

#[test]
fn their_checkpoints_fill_our_networks_with_their_numbers() {
    let [ibn, isw] = [NormPreset::Ibn, NormPreset::Isw].map(NormPreset::places);
    let robustnet = ["command", "epoch = 3", "mean_iu", "optimizer", "scheduler"];
    let with_episodes =
        ["epoch = 3", "mean_iu", "optimizer", "optimizer_at", "scheduler", "scheduler_at"];
    for (name, config, not_read) in [
        ("robustnet_ibn_legacy.pth", deeplab(false, 16, ibn), &robustnet[..]),
        ("robustnet_isw_legacy.pth", deeplab(false, 16, isw), &robustnet),
        ("pin_the_memory.pth", deeplab(true, 16, NormPlaces::default()), &with_episodes),
    ] {
        let file = read(&data(name), None).unwrap();
        assert_eq!(file.not_read, not_read, "{name}");
        let expected = expected(config);
        let (fitting, report) = match_tensors(&expected, file.tensors, Scope::Whole);
        assert_no_surprise(&report, name);
        assert_eq!(fitting.len(), expected.len(), "{name}");
        for (key, shape) in &expected {
            let mut expected = tensor(key, shape);
            if key.ends_with(".running_var") {
                expected.values.iter_mut().for_each(|value| *value = value.abs());
            }
            assert_eq!(fitting[key], expected, "{name}: {key}");
        }
    }
}

#[test]
fn instance_norms_of_a_checkpoint_surprise_a_network_without_them() {
    let file = read(&data("robustnet_ibn_legacy.pth"), None).unwrap();
    let plain = expected(deeplab(false, 16, NormPlaces::default()));
    let (_, report) = match_tensors(&plain, file.tensors, Scope::Whole);
    let unexpected: Vec<&str> = report.unexpected.iter().map(|at| at.name.as_str()).collect();
    let norms = ["layer1.2", "layer2.3"];
    let parts = norms
        .map(|at| ["bias", "weight"].map(|part| format!("module.{at}.instance_norm_layer.{part}")));
    assert_eq!(unexpected, parts.concat());
    let missing: Vec<&str> = report.missing.iter().map(|at| at.name.as_str()).collect();
    assert_eq!(missing, ["layer0.1.running_mean", "layer0.1.running_var"]);
}

#[test]
fn a_deeplab_checkpoint_gives_its_backbone_to_an_fcn() {
    let file = read(&data("pin_the_memory.pth"), None).unwrap();
    let config = NetworkConfig {
        model: ModelName::Fcn8s,
        aspp_rates: Vec::new(),
        output_stride: 32,
        ..deeplab(false, 16, NormPlaces::default())
    };
    let expected = expected(config);
    let (fitting, report) = match_tensors(&expected, file.tensors, Scope::Backbone);
    assert_no_surprise(&report, "FCN-8s");
    let backbone = expected.iter().filter(|(name, _)| name.starts_with("layer"));
    assert_eq!(fitting.len(), backbone.count());
    let left_out = |source: &str| {
        let reason = report.ignored.iter().find(|at| at.source == source).map(|at| at.reason);
        reason == Some("no part of the backbone")
    };
    for source in ["memory.m_items", "module.aspp.features.0.0.weight", "module.final2.0.bias"] {
        assert!(left_out(source), "{source}: {:?}", report.ignored);
    }
}
