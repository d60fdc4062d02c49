//! Files of `tests/torch/make_weights.py`, whose values are known by formula.

use models::weights::{HostTensor, NamedTensors};
use torch_weights::{Format, ReadError, WeightsFile, read};

use crate::data;

/// `value` of the script, for the whole of a tensor.
fn values(name: &str, shape: &[usize]) -> Vec<f32> {
    let value = |index: usize| ((7 * index + name.len()) % 23) as f32 - 11.0;
    (0..shape.iter().product()).map(|index| value(index) / 8.0).collect()
}

pub(crate) fn tensor(name: &str, shape: &[usize]) -> HostTensor {
    HostTensor { shape: shape.to_vec(), values: values(name, shape) }
}

fn opened(name: &str) -> WeightsFile {
    read(&data(name), None).unwrap_or_else(|error| panic!("{error}"))
}

fn host(shape: &[usize], values: &[f32]) -> HostTensor {
    HostTensor { shape: shape.to_vec(), values: values.to_vec() }
}

#[test]
fn every_format_and_protocol_gives_the_same_tensors() {
    let mut expected = NamedTensors::new();
    for (name, shape) in
        [("conv1.weight", &[4, 3, 2, 2][..]), ("bn1.running_var", &[4]), ("fc.bias", &[5])]
    {
        expected.insert(name.to_owned(), tensor(name, shape));
    }
    expected.insert("bn1.num_batches_tracked".to_owned(), host(&[], &[12345.0]));
    for (name, format) in [
        ("plain.pth", Format::TorchZip),
        ("plain_protocol_4.pth", Format::TorchZip),
        ("plain_legacy.pth", Format::TorchLegacy),
    ] {
        let file = opened(name);
        assert_eq!(file.format, format);
        assert_eq!(file.tensors, expected, "{name}");
        assert!(file.not_read.is_empty(), "{name}");
    }
}

#[test]
fn views_are_read_through_their_strides() {
    let base = values("base", &[4, 6]);
    let at = |row: usize, column: usize| base[6 * row + column];
    let transposed: Vec<f32> = (0..6).flat_map(|c| (0..4).map(move |r| at(r, c))).collect();
    let every_other: Vec<f32> = (1..4).flat_map(|r| [0, 2, 4].map(|c| at(r, c))).collect();
    for name in ["views.pth", "views_legacy.pth"] {
        let tensors = opened(name).tensors;
        assert_eq!(tensors["base"], host(&[4, 6], &base), "{name}");
        assert_eq!(tensors["row"], host(&[6], &base[12..18]), "{name}");
        assert_eq!(tensors["transposed"], host(&[6, 4], &transposed), "{name}");
        assert_eq!(tensors["every_other"], host(&[3, 3], &every_other), "{name}");
        assert_eq!(tensors["channels_last"], tensor("channels_last", &[2, 3, 2, 2]), "{name}");
        assert_eq!(tensors["empty"], host(&[0, 3], &[]), "{name}");
        assert_eq!(tensors["scalar"], host(&[], &[at(3, 5)]), "{name}");
    }
}

#[test]
fn every_element_type_keeps_its_numbers() {
    let tensors = opened("types.pth").tensors;
    for name in ["float64", "float32", "float16", "bfloat16"] {
        assert_eq!(tensors[name], tensor(name, &[3]), "{name}");
    }
    for name in ["int64", "int32", "int16", "int8"] {
        assert_eq!(tensors[name], host(&[3], &[-3.0, 0.0, 100.0]), "{name}");
    }
    for name in ["uint8", "uint16", "uint32", "uint64"] {
        assert_eq!(tensors[name], host(&[3], &[3.0, 0.0, 200.0]), "{name}");
    }
    assert_eq!(tensors["bool"], host(&[3], &[1.0, 0.0, 1.0]));
}

#[test]
fn the_authors_checkpoint_gives_weights_and_memory_and_names_the_rest() {
    for name in ["authors.pth", "authors_legacy.pth"] {
        let file = opened(name);
        let names: Vec<&String> = file.tensors.keys().collect();
        assert_eq!(
            names,
            [
                "memory.m_items",
                "module.final2.0.bias",
                "module.layer0.0.weight",
                "module.layer0.1.num_batches_tracked",
                "module.layer0.1.running_mean",
                "module.layer0.1.weight",
            ],
            "{name}"
        );
        assert_eq!(file.tensors["memory.m_items"], tensor("memory.m_items", &[19, 16]), "{name}");
        let weight = &file.tensors["module.layer0.0.weight"];
        assert_eq!(*weight, tensor("layer0.0.weight", &[4, 3, 7, 7]), "{name}");
        let not_read = ["command", "epoch = 3", "mean_iu", "optimizer", "scheduler"];
        assert_eq!(file.not_read, not_read, "{name}");
    }
}

#[test]
fn a_key_chooses_the_dictionary() {
    let file = read(&data("authors.pth"), Some("state_dict")).unwrap();
    assert_eq!(file.tensors, opened("authors.pth").tensors);
}

#[test]
fn a_file_without_tensors_where_they_are_looked_for_says_what_is_there() {
    let no_key = "found no tensors at the top, and no dictionary under state_dict or \
                  model_state_dict or model, expected a dictionary with some; ";
    let keys = "its keys are: key0, key1, key10, key11, key12, key13, key14, key15 and 12 more; \
                hint: name the dictionary that holds the weights with --key";
    let authors = "its keys are: command, epoch, mean_iu, memory, optimizer, scheduler, \
                   state_dict; hint: name another dictionary with --key, or leave it out";
    let bare = "the file is no dictionary but a tensor; hint: load it with torch and save its \
                state_dict";
    let under =
        |key: &str| format!("found no tensors under {key}, expected a dictionary with some; ");
    for (name, key, expected) in [
        ("authors.pth", Some("ema"), format!("{}{authors}", under("ema"))),
        ("authors.pth", Some("epoch"), format!("{}{authors}", under("epoch"))),
        ("no_tensors.pth", None, format!("{no_key}{keys}")),
        ("bare_tensor.pth", None, format!("{no_key}{bare}")),
        ("bare_tensor.pth", Some("ema"), format!("{}{bare}", under("ema"))),
    ] {
        let error = read(&data(name), key).unwrap_err();
        assert!(matches!(error, ReadError::NoTensors { .. }), "{error}");
        assert_eq!(error.to_string(), format!("{}: {expected}", data(name).display()));
    }
}

#[test]
fn two_memories_are_one_if_they_are_equal_and_a_conflict_otherwise() {
    let tensors = opened("two_equal_memories.pth").tensors;
    let names: Vec<&String> = tensors.keys().collect();
    assert_eq!(names, ["module.final2.0.bias", "module.memory.m_items"]);
    let error = read(&data("two_memories.pth"), None).unwrap_err();
    assert!(matches!(error, ReadError::TwoMemories { .. }), "{error}");
    let text = error.to_string();
    let expected = "two memories that differ, state_dict.module.memory.m_items among the weights \
                    and memory beside them";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn weights_are_found_under_other_common_keys() {
    let file = opened("model.pth");
    assert_eq!(file.tensors, NamedTensors::from([("a".to_owned(), tensor("a", &[2]))]));
    assert_eq!(file.not_read, ["epoch = 1"]);
}

#[test]
fn the_oldest_files_are_tar_archives_with_parameters() {
    let file = opened("early.pth");
    assert_eq!(file.format, Format::TorchTar);
    let shared = values("shared", &[12]);
    let picked = |indices: &[usize]| indices.iter().map(|&i| shared[i]).collect::<Vec<_>>();
    assert_eq!(file.tensors["weight"], tensor("weight", &[2, 3]));
    assert_eq!(file.tensors["transposed"], host(&[3, 2], &picked(&[6, 9, 7, 10, 8, 11])));
    assert_eq!(file.tensors["of_a_view"], host(&[4], &picked(&[4, 6, 8, 10])));
}

#[test]
fn the_hash_is_that_of_the_file() {
    let bytes = std::fs::read(data("plain.pth")).unwrap();
    assert_eq!(opened("plain.pth").blake3, blake3::hash(&bytes).to_hex().as_str());
}

#[test]
fn safetensors_of_other_types_become_f32() {
    use safetensors::tensor::{Dtype, TensorView};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("half.safetensors");
    let half: Vec<u8> = [0x3c00u16, 0xc000].iter().flat_map(|x| x.to_le_bytes()).collect();
    let count = 7i64.to_le_bytes();
    let views = [
        ("a.weight", TensorView::new(Dtype::F16, vec![2, 1], &half).unwrap()),
        ("a.num_batches_tracked", TensorView::new(Dtype::I64, vec![], &count).unwrap()),
    ];
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    let file = read(&path, None).unwrap();
    assert_eq!(file.format, Format::Safetensors);
    assert_eq!(file.tensors["a.weight"], host(&[2, 1], &[1.0, -2.0]));
    assert_eq!(file.tensors["a.num_batches_tracked"], host(&[], &[7.0]));
}
