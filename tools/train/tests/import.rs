//! `train import` as a user calls it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use models::network::{Network, NetworkConfig};
use models::weights::{self, HostTensor, NamedTensors, expected_tensors};
use serde_json::Value;
use training::checkpoint;

/// The demo's network with all widths divided by 16.
const RECIPE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recipes/demo_pin_the_memory.toml");
/// A checkpoint in the authors' form, with five tensors of that network.
const AUTHORS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/torch_weights/tests/data/authors.pth");

/// As [`RECIPE`], without a memory.
const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recipes/demo_baseline.toml");
/// All blocks of ResNet-50, of which the demo has four.
const RESNET50: [&str; 2] = ["--set", "model.blocks=[3, 4, 6, 3]"];

struct Imported {
    output: Output,
    out: PathBuf,
    _folder: tempfile::TempDir,
}

impl Imported {
    fn new(weights: &str, arguments: &[&str]) -> Self {
        Self::with_recipe(RECIPE, weights, arguments)
    }

    fn with_recipe(recipe: &str, weights: &str, arguments: &[&str]) -> Self {
        let network = ["--recipe", recipe, "--set", "model.width_divisor=16"];
        Self::into_network(&network, weights, arguments)
    }

    fn into_network(network: &[&str], weights: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("imported.safetensors");
        let output = Command::new(env!("CARGO_BIN_EXE_train"))
            .args(["import", weights])
            .args(network)
            .arg("--out")
            .arg(&out)
            .args(arguments)
            .output()
            .expect("train runs");
        Self { output, out, _folder: folder }
    }

    #[track_caller]
    fn ended_with(&self, code: i32) -> String {
        let [stdout, stderr] = [&self.output.stdout, &self.output.stderr]
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        assert_eq!(self.output.status.code(), Some(code), "{stdout}{stderr}");
        assert_eq!(self.out.exists(), code == 0, "a file is written where all is well alone");
        if code == 2 { stderr } else { stdout }
    }

    fn names(&self) -> Vec<String> {
        weights::read(&self.out).expect("a weights file").0.into_keys().collect()
    }
}

/// All tensors of the network, in the names of torchvision where there are such.
fn backbone_of_torchvision(path: &Path) {
    let config = NetworkConfig {
        blocks: Some([1; 4]),
        width_divisor: 16,
        ..NetworkConfig::deeplab_v3_plus_resnet50(19, true)
    };
    let network = Network::new(config);
    let tensors: NamedTensors = expected_tensors(&network.layout, None)
        .into_iter()
        .filter(|(name, _)| name.starts_with("layer"))
        .map(|(name, shape)| {
            let name = name.replace("layer0.0", "conv1").replace("layer0.1", "bn1");
            let values = vec![0.5; shape.iter().product()];
            (name, HostTensor { shape, values })
        })
        .chain([("fc.bias".to_owned(), HostTensor { shape: vec![3], values: vec![0.0; 3] })])
        .collect();
    let bytes = weights::serialize(&tensors, &[].into()).expect("bytes");
    fs::write(path, bytes).expect("a file");
}

/// Everything that the authors' file lacks.
const REST: [&str; 12] = [
    "--allow-missing",
    "layer",
    "--allow-missing",
    "aspp",
    "--allow-missing",
    "bot",
    "--allow-missing",
    "final",
    "--allow-missing",
    "dsn",
    "--allow-missing",
    "memory",
];

#[test]
fn the_authors_checkpoint_becomes_a_file_with_our_names_and_its_source() {
    let import = Imported::new(AUTHORS, &REST);
    let text = import.ended_with(0);
    for expected in [
        "authors.pth: a PyTorch file (zip), 6 tensors in the names of the reference",
        "     5 matched",
        "     0 unexpected",
        "     0 mismatched",
        "     1 ignored as counts of batches",
        "     5 not read",
        "imported.safetensors: 5 tensors, 919 values",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in: {text}");
    }
    let expected = [
        "final2.0.bias",
        "layer0.0.weight",
        "layer0.1.running_mean",
        "layer0.1.weight",
        "memory.m_items",
    ];
    assert_eq!(import.names(), expected);
    let (_, metadata) = weights::read(&import.out).expect("a weights file");
    let source: Value = serde_json::from_str(&metadata["pinmem.source"]).expect("JSON");
    assert_eq!(source["file"], "authors.pth");
    assert_eq!(source["blake3"].as_str().expect("a hash").len(), 64);
    let again = Imported::new(AUTHORS, &REST);
    assert!(fs::read(&import.out).expect("a file") == fs::read(&again.out).expect("a file"));
}

#[test]
fn a_network_by_flags_takes_what_the_same_network_of_a_recipe_takes() {
    let flags =
        ["--model", "deeplab_v3_plus", "--blocks", "1,1,1,1", "--width-divisor", "16", "--memory"];
    let by_flags = Imported::into_network(&flags, AUTHORS, &REST);
    let by_recipe = Imported::new(AUTHORS, &REST);
    by_flags.ended_with(0);
    by_recipe.ended_with(0);
    assert!(fs::read(by_flags.out).expect("a file") == fs::read(by_recipe.out).expect("a file"));

    let text = Imported::into_network(&flags[..2], AUTHORS, &REST).ended_with(1);
    let whole = "module.layer0.0.weight: found [4, 3, 7, 7], expected [64, 3, 7, 7]";
    assert!(text.contains(whole), "the paper's network is wider: {text}");
    let both = [&flags[..], &["--recipe", RECIPE]].concat();
    let text = Imported::into_network(&both, AUTHORS, &REST).ended_with(2);
    assert!(text.contains("cannot be used with"), "{text}");
}

#[test]
fn what_is_missing_fails_with_code_1_unless_it_is_allowed() {
    let text = Imported::new(AUTHORS, &[]).ended_with(1);
    for expected in
        ["missing", "layer0.1.bias [4]", "more; --verbose", "not written", "--allow-missing"]
    {
        assert!(text.contains(expected), "{expected:?} is not in: {text}");
    }
    assert!(!text.contains("memory.clsfier.weight"), "{text}");
    let text = Imported::new(AUTHORS, &["--verbose"]).ended_with(1);
    for expected in ["memory.clsfier.weight [19, 16]", "layer0.0.weight <- module.layer0.0.weight"]
    {
        assert!(text.contains(expected), "{expected:?} is not in: {text}");
    }
}

#[test]
fn other_numbers_of_classes_mismatch_and_can_be_left_out() {
    let mut arguments = REST.to_vec();
    arguments.extend(["--classes", "11"]);
    let text = Imported::new(AUTHORS, &arguments).ended_with(1);
    for expected in [
        "     2 mismatched",
        "module.final2.0.bias: found [19], expected [11]",
        "memory.m_items: found [19, 16], expected [11, 16]",
        "not written: 2 surprises",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in: {text}");
    }
    arguments.extend(["--allow-mismatched", "final2", "--allow-mismatched", "memory"]);
    let import = Imported::new(AUTHORS, &arguments);
    import.ended_with(0);
    assert_eq!(import.names(), ["layer0.0.weight", "layer0.1.running_mean", "layer0.1.weight"]);
}

#[test]
fn a_backbone_goes_into_a_whole_network_on_purpose_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("resnet.safetensors");
    backbone_of_torchvision(&path);
    let path = path.to_str().expect("UTF-8");
    let text = Imported::new(path, &[]).ended_with(1);
    assert!(text.contains("hint: for a backbone without heads, --backbone-only"), "{text}");

    let import = Imported::new(path, &["--backbone-only"]);
    let text = import.ended_with(0);
    for expected in
        ["torchvision's ResNet", "     0 missing", "ignored as the classifier of whole images"]
    {
        assert!(text.contains(expected), "{expected:?} is not in: {text}");
    }
    let names = import.names();
    assert!(names.contains(&"layer0.0.weight".to_owned()));
    assert!(names.iter().all(|name| name.starts_with("layer")), "{names:?}");
}

#[test]
fn a_file_that_would_run_a_command_is_an_error_that_names_it() {
    let malicious = AUTHORS.replace("authors.pth", "malicious.pth");
    let text = Imported::new(&malicious, &[]).ended_with(2);
    assert!(text.contains("posix.system") && text.contains("nothing was run"), "{text}");
}

#[test]
fn checkpoints_of_robustnet_import_whole_with_their_norms() {
    for (name, norms, tensors) in [("ibn", "ibn", 322), ("isw", "iw", 316)] {
        let path = AUTHORS.replace("authors.pth", &format!("robustnet_{name}_legacy.pth"));
        let norms = format!("model.normalization={norms}");
        let arguments = [&RESNET50[..], &["--set", &norms]].concat();
        let import = Imported::with_recipe(BASELINE, &path, &arguments);
        let text = import.ended_with(0);
        for expected in [
            &format!("   {tensors} matched"),
            "     0 missing",
            "     0 unexpected",
            "     0 mismatched",
            "     5 not read",
        ] {
            assert!(text.contains(expected), "{expected:?} is not in: {text}");
        }
        let names = import.names();
        let norm = "layer2.3.instance_norm_layer.weight".to_owned();
        assert_eq!(names.contains(&norm), name == "ibn", "{name}");
        assert!(!names.contains(&"layer0.1.running_mean".to_owned()), "{name}");
    }
}

#[test]
fn a_checkpoint_of_the_authors_imports_whole_with_its_memory() {
    let path = AUTHORS.replace("authors.pth", "pin_the_memory.pth");
    // Their update network has the batch norm that the paper's, the recipe's, has not.
    let theirs = [&RESNET50[..], &["--set", "method.update_network=conv-norm-relu"]].concat();
    let import = Imported::new(&path, &theirs);
    let text = import.ended_with(0);
    for expected in ["0 missing", "0 unexpected", "0 mismatched", "optimizer_at"] {
        assert!(text.contains(expected), "{expected:?} is not in: {text}");
    }
    assert!(import.names().contains(&"memory.m_items".to_owned()));
}

#[test]
fn the_backbone_of_a_deeplab_checkpoint_imports_into_an_fcn() {
    let path = AUTHORS.replace("authors.pth", "pin_the_memory.pth");
    let fcn = ["--set", "model.name=fcn8s", "--set", "model.aspp_rates=[]"];
    let arguments = [&RESNET50[..], &fcn, &["--backbone-only"]].concat();
    let import = Imported::new(&path, &arguments);
    let text = import.ended_with(0);
    assert!(text.contains("ignored as no part of the backbone\n         memory.m_items"), "{text}");
    assert!(import.names().iter().all(|name| name.starts_with("layer")));
}

#[test]
fn weights_that_are_no_numbers_are_refused_with_no_hint_to_allow_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("nan.safetensors");
    let path = path.to_str().expect("UTF-8");
    backbone_of_torchvision(Path::new(path));
    let (mut tensors, _) = weights::read(Path::new(path)).expect("a weights file");
    tensors.get_mut("bn1.weight").expect("a tensor").values[0] = f32::NAN;
    let bytes = weights::serialize(&tensors, &[].into()).expect("bytes");
    fs::write(path, &bytes).expect("a file");
    let text = Imported::new(path, &["--backbone-only"]).ended_with(1);
    let expected = "not written: 1 surprise, found 1 tensor with values that are infinite or NaN, \
                    expected none; hint: ";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("cannot be allowed") && !text.contains("--allow"), "{text}");

    // Beside another surprise, each has its hint.
    tensors.insert("layer9.\u{1b}[2J".to_owned(), HostTensor { shape: vec![1], values: vec![0.0] });
    let bytes = weights::serialize(&tensors, &[].into()).expect("bytes");
    fs::write(path, &bytes).expect("a file");
    let text = Imported::new(path, &["--backbone-only"]).ended_with(1);
    assert!(text.contains("not written: 2 surprises, found 1 tensor with"), "{text}");
    assert!(text.contains("cannot be allowed") && text.contains("--allow-unexpected"), "{text}");
    assert!(text.contains("layer9.[2J [1]") && !text.contains('\u{1b}'), "{text}");
}

/// A file of these tensors.
fn saved(folder: &Path, tensors: &NamedTensors) -> String {
    let path = folder.join("saved.safetensors");
    fs::write(&path, weights::serialize(tensors, &[].into()).expect("bytes")).expect("a file");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn a_variance_below_zero_is_refused_with_no_hint_to_allow_it() {
    let folder = tempfile::tempdir().expect("a folder");
    backbone_of_torchvision(&folder.path().join("resnet.safetensors"));
    let (mut tensors, _) =
        weights::read(&folder.path().join("resnet.safetensors")).expect("a weights file");
    tensors.get_mut("bn1.running_var").expect("a tensor").values[1] = -1e-3;
    let path = saved(folder.path(), &tensors);
    let text = Imported::new(&path, &["--backbone-only"]).ended_with(1);
    for expected in [
        "     1 with a variance below 0\n         layer0.1.running_var",
        "not written: 1 surprise, found 1 tensor with a variance below 0, expected none; hint: ",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in: {text}");
    }
    assert!(text.contains("cannot be allowed") && !text.contains("--allow"), "{text}");
}

#[test]
fn a_memory_of_zeros_is_refused_or_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let bias = HostTensor { shape: vec![19], values: vec![0.5; 19] };
    let memory = HostTensor { shape: vec![19, 16], values: vec![0.0; 19 * 16] };
    let [bias, memory] = [("final2.0.bias", bias), ("memory.m_items", memory)]
        .map(|(name, tensor)| (name.to_owned(), tensor));
    let path = saved(folder.path(), &NamedTensors::from([bias, memory]));
    let rest = ["memory.clsfier", "memory.output", "memory.writenet"];
    let rest: Vec<&str> = rest.iter().flat_map(|prefix| ["--allow-missing", *prefix]).collect();
    let others = [&REST[..10], &rest].concat();
    let text = Imported::new(&path, &others).ended_with(1);
    for expected in [
        "     1 with nothing but 0\n         memory.m_items",
        "not written: 1 surprise; hint: the memory was never filled; --allow-missing memory.m_items",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in: {text}");
    }
    let import = Imported::new(&path, &REST);
    import.ended_with(0);
    assert_eq!(import.names(), ["final2.0.bias"]);
}

#[test]
fn a_flag_that_allows_nothing_is_told() {
    let import = Imported::new(AUTHORS, &[&REST[..], &["--allow-missing", "lyer"]].concat());
    import.ended_with(0);
    let remarks = String::from_utf8_lossy(&import.output.stderr).into_owned();
    assert!(remarks.contains("--allow-missing lyer: allows nothing"), "{remarks}");
    assert_eq!(remarks.lines().count(), 1, "the others allow something: {remarks}");
}

#[test]
fn a_file_of_another_backbone_is_told_by_its_names_or_shapes() {
    let folder = tempfile::tempdir().expect("a folder");
    let tensor = || HostTensor { shape: vec![2], values: vec![0.5; 2] };
    for (name, expected) in [
        ("features.18.0.weight", "the file is of torchvision's MobileNetV2: --backbone, or"),
        ("module.stage4.0.weight", "is to be shufflenet_v2_x1_0"),
        ("layer3.22.bn1.bias", "the backbone is to be that of the file: --backbone, --blocks"),
    ] {
        let path = saved(folder.path(), &NamedTensors::from([(name.to_owned(), tensor())]));
        let text = Imported::new(&path, &["--backbone-only"]).ended_with(1);
        assert!(text.contains(expected), "{expected:?} is not in: {text}");
    }
    let mobile = ["--model", "deeplab_v3_plus", "--backbone", "mobilenet_v2"];
    let path = folder.path().join("resnet.safetensors");
    backbone_of_torchvision(&path);
    let path = path.to_str().expect("UTF-8");
    let text = Imported::into_network(&mobile, path, &["--backbone-only"]).ended_with(1);
    assert!(text.contains("torchvision's ResNet: --backbone, or model.backbone"), "{text}");
}

#[test]
fn a_damaged_checkpoint_of_a_run_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("checkpoint.safetensors");
    let bias = HostTensor { shape: vec![19], values: vec![0.5; 19] };
    let tensors = NamedTensors::from([("final2.0.bias".to_owned(), bias)]);
    let mut bytes =
        checkpoint::encode(&tensors, checkpoint::Stamp { step: 7, recipe: None }).expect("bytes");
    let run = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("a file");
        Imported::new(path.to_str().expect("UTF-8"), &REST)
    };
    run(&bytes).ended_with(0);
    *bytes.last_mut().expect("a byte") ^= 1;
    let text = run(&bytes).ended_with(2);
    assert!(text.contains("checkpoint.safetensors: found a content with BLAKE3"), "{text}");
}
