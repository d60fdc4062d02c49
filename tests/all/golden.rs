//! Reading the golden data, and regenerating its inputs by formula (`formula.rs`).
//!
//! The files were produced by running the authors' code. Weights are not stored: each value is a
//! function of the tensor's name. `PINMEM_GOLDENS` names another folder of the same files, and a
//! `salt.txt` in it is appended to every name.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device, Tensor};
use models::labels::LabelBatch;
use models::layout::{Layout, tensor_from};
use models::mode::BatchStatistics;
use models::random::Stream;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use crate::formula::Formula;

/// A tensor of a golden file, as f64.
#[derive(Clone, Debug)]
pub(crate) struct Golden {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f64>,
}

impl Golden {
    pub(crate) fn tensor<const D: usize>(&self, device: &Device, dtype: DType) -> Tensor<D> {
        let shape: [usize; D] = self.shape.as_slice().try_into().expect("rank of the golden");
        tensor_from(&self.values, device, dtype).reshape(shape)
    }

    pub(crate) fn labels(&self) -> LabelBatch {
        let train_ids = self.values.iter().map(|&x| x as u8).collect();
        let [batch, height, width] = self.shape.as_slice() else { panic!("labels have rank 3") };
        LabelBatch { batch: *batch, height: *height, width: *width, train_ids }
    }
}

/// All tensors of one golden file.
pub(crate) struct GoldenFile {
    name: String,
    tensors: BTreeMap<String, Golden>,
    metadata: HashMap<String, String>,
}

impl GoldenFile {
    pub(crate) fn read(name: &str) -> Self {
        Self::read_from(&folder(), name)
    }

    /// A file of numbers that other code than the authors' gave.
    pub(crate) fn read_from(folder: &Path, name: &str) -> Self {
        let path = folder.join(name);
        let bytes = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a safetensors header");
        let tensors = file
            .iter()
            .map(|(name, view)| {
                let values = match view.dtype() {
                    Dtype::F64 => view.data().chunks_exact(8).map(f64_from).collect(),
                    Dtype::F32 => view.data().chunks_exact(4).map(f32_from).collect(),
                    // Indices: far below 2^53.
                    Dtype::I64 => view.data().chunks_exact(8).map(i64_from).collect(),
                    Dtype::I32 => view.data().chunks_exact(4).map(i32_from).collect(),
                    other => panic!("{name}: unexpected type {other:?}"),
                };
                (name.to_owned(), Golden { shape: view.shape().to_vec(), values })
            })
            .collect();
        let metadata = header.metadata().clone().unwrap_or_default();
        Self { name: name.to_owned(), tensors, metadata }
    }

    pub(crate) fn get(&self, key: &str) -> &Golden {
        self.tensors.get(key).unwrap_or_else(|| panic!("{}: no tensor {key}", self.name))
    }

    /// Number of tensors whose name begins with `prefix`.
    pub(crate) fn count(&self, prefix: &str) -> usize {
        self.tensors.keys().filter(|name| name.starts_with(prefix)).count()
    }

    /// All names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// A text of the file's header.
    pub(crate) fn metadata(&self, key: &str) -> &str {
        self.metadata.get(key).unwrap_or_else(|| panic!("{}: no metadata {key}", self.name))
    }

    pub(crate) fn find(&self, key: &str) -> Option<&Golden> {
        self.tensors.get(key)
    }
}

pub(crate) fn json(name: &str) -> Value {
    read_json(&folder().join(name))
}

/// A file that a script of this repository wrote, with names as they are; other sets lack it.
pub(crate) fn own_json(name: &str) -> Value {
    read_json(&Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens").join(name))
}

fn read_json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("a JSON file")
}

fn folder() -> PathBuf {
    std::env::var_os("PINMEM_GOLDENS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("goldens"), PathBuf::from)
}

/// The formula of this set of files.
fn formula() -> Formula {
    let path = folder().join("salt.txt");
    match fs::read_to_string(&path) {
        Ok(salt) => Formula { salt },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Formula::UNSALTED,
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

/// See [`Formula::uniform`].
pub(crate) fn uniform(name: &str, len: usize, lo: f64, hi: f64) -> Vec<f64> {
    formula().uniform(name, len, lo, hi)
}

/// See [`Formula::parameters`].
pub(crate) fn parameters(layout: &Layout, device: &Device, dtype: DType) -> Vec<Tensor<1>> {
    formula().parameters(layout, device, dtype)
}

/// See [`Formula::statistics`].
pub(crate) fn statistics(layout: &Layout, device: &Device, dtype: DType) -> Vec<BatchStatistics> {
    formula().statistics(layout, device, dtype)
}

/// See [`Formula::memory`].
pub(crate) fn memory(channels: usize, device: &Device, dtype: DType) -> Tensor<2> {
    formula().memory(channels, device, dtype)
}

/// See [`Formula::image`].
pub(crate) fn image(tag: &str, size: [usize; 3], device: &Device, dtype: DType) -> Tensor<4> {
    formula().image(tag, size, device, dtype)
}

/// See [`Formula::labels`].
pub(crate) fn labels(tag: &str, size: [usize; 3]) -> LabelBatch {
    formula().labels(tag, size)
}

/// See [`Formula::checksum`].
pub(crate) fn checksum(values: &[f64]) -> [f64; 3] {
    formula().checksum(values)
}

/// Asserts that one of the maps of a pass has the shape and the checksum of a golden stage.
pub(crate) fn assert_among(what: &str, golden: &Value, maps: &[Tensor<4>], tolerance: f64) {
    let shape: Vec<usize> = serde_json::from_value(golden[0].clone()).expect("a shape");
    let errors: Vec<f64> = maps
        .iter()
        .filter(|map| map.dims().as_slice() == shape)
        .map(|map| formula().checksum_error(golden, &values(map)))
        .collect();
    let nearest = errors.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(nearest <= tolerance, "{what} {golden}: nearest of {} maps: {nearest:e}", errors.len());
}

/// Values of a tensor as f64.
pub(crate) fn values<const D: usize>(x: &Tensor<D>) -> Vec<f64> {
    x.clone().without_autodiff().try_into_vec_as().expect("the device computes the tensor")
}

/// Asserts that the largest difference is at most `tolerance` times the largest golden value.
///
/// NaN agrees with NaN only.
pub(crate) fn assert_close(what: &str, got: &[f64], expected: &[f64], tolerance: f64) {
    // 1e-12: a golden that is zero but for rounding.
    assert_close_above(what, got, expected, (tolerance, 1e-12));
}

/// As [`assert_close`], with an absolute `floor` added to what is allowed.
pub(crate) fn assert_close_above(
    what: &str,
    got: &[f64],
    expected: &[f64],
    (tolerance, floor): (f64, f64),
) {
    assert!(tolerance <= 1e-3, "{what}: a tolerance of {tolerance} proves nothing");
    assert_eq!(got.len(), expected.len(), "{what}: length");
    let largest = expected.iter().filter(|x| x.is_finite()).fold(0f64, |m, x| m.max(x.abs()));
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        if expected.is_nan() {
            assert!(got.is_nan(), "{what}[{i}]: got {got}, expected NaN");
            continue;
        }
        let difference = (got - expected).abs();
        let allowed = tolerance * largest + floor;
        assert!(
            difference <= allowed,
            "{what}[{i}]: got {got}, expected {expected}, difference {difference:e}, \
             allowed {allowed:e}"
        );
    }
}

fn f64_from(bytes: &[u8]) -> f64 {
    f64::from_le_bytes(bytes.try_into().expect("8 bytes"))
}

fn f32_from(bytes: &[u8]) -> f64 {
    f64::from(f32::from_le_bytes(bytes.try_into().expect("4 bytes")))
}

fn i64_from(bytes: &[u8]) -> f64 {
    i64::from_le_bytes(bytes.try_into().expect("8 bytes")) as f64
}

fn i32_from(bytes: &[u8]) -> f64 {
    f64::from(i32::from_le_bytes(bytes.try_into().expect("4 bytes")))
}

#[test]
fn generator_names_and_shapes_match_the_reference() {
    let golden = json("prng_and_names.json");
    if !folder().join("salt.txt").exists() {
        for (name, expected) in golden["first5_u01"].as_object().expect("an object") {
            let stream = Stream::named(name);
            for (i, expected) in expected.as_array().expect("an array").iter().enumerate() {
                // One unit in the last place: the JSON parser's rounding.
                let difference = stream.uniform(i as u64) - expected.as_f64().expect("a number");
                assert!(difference.abs() <= f64::EPSILON / 2.0, "{name}[{i}]: {difference:e}");
            }
        }
    }
    for (key, network) in [
        ("state_dict_tiny", crate::golden_forward::tiny(true)),
        ("state_dict_r50", crate::golden_forward::resnet50(true)),
        ("state_dict_r50_nomem", crate::golden_forward::resnet50(false)),
    ] {
        let mut expected: Vec<(String, Vec<usize>)> =
            serde_json::from_value(golden[key].clone()).expect("names and shapes");
        expected.retain(|(name, _)| !name.ends_with("num_batches_tracked"));
        let layout = &network.layout;
        let mut found: Vec<(String, Vec<usize>)> =
            layout.parameters.iter().map(|spec| (spec.name.clone(), spec.shape.clone())).collect();
        for (name, channels) in &layout.batch_norms {
            found.push((format!("{name}.running_mean"), vec![*channels]));
            found.push((format!("{name}.running_var"), vec![*channels]));
        }
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{key}");
    }
}

#[test]
fn images_and_labels_by_formula_equal_the_stored_ones() {
    let file = GoldenFile::read("meta_tiny_f64.safetensors");
    let device = Device::flex();
    for (tag, prefix) in [("A", "mtr"), ("B", "mte")] {
        let image = image(tag, [2, 64, 64], &device, DType::F64);
        let expected = &file.get(&format!("{prefix}.input")).values;
        assert_close(prefix, &values(&image), expected, 0.0);
        assert_eq!(labels(tag, [2, 64, 64]), file.get(&format!("{prefix}.labels")).labels());
    }
    let initial = values(&memory(16, &device, DType::F64));
    assert_close("memory", &initial, &file.get("mem_init").values, 0.0);
}
