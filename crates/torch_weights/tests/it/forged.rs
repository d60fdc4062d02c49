//! Small files that promise more than they hold: archives, views and names made by hand.

use std::path::Path;

use torch_weights::{WeightsFile, read_bytes};

/// What a file of these bytes gives, or the text of the error.
fn outcome(bytes: &[u8]) -> Result<WeightsFile, String> {
    read_bytes(bytes, Path::new("forged.pth"), None).map_err(|error| error.to_string())
}

/// An error's text, which is short whatever is in the file.
#[track_caller]
fn refusal(bytes: &[u8]) -> String {
    let error = outcome(bytes).expect_err("a forged file");
    assert!(error.len() < 2000, "{} bytes of error", error.len());
    assert!(!error.chars().any(char::is_control), "{error:?}");
    error
}

/// A zip archive of stored entries without checksums, and a directory line for each of `lines`,
/// which are names and numbers of entries.
fn zip(entries: &[(&str, &[u8])], lines: &[(&str, usize)]) -> Vec<u8> {
    let header = |name: &str, data: &[u8]| {
        let [size, name] = [data.len() as u32, name.len() as u32].map(u32::to_le_bytes);
        [&[0; 10][..], &[0; 4], &size, &size, &name[..2], &[0; 2]].concat()
    };
    let mut bytes = Vec::new();
    let mut starts = Vec::new();
    for &(name, data) in entries {
        starts.push(bytes.len() as u32);
        bytes.extend(b"PK\x03\x04");
        bytes.extend(header(name, data));
        bytes.extend(name.as_bytes());
        bytes.extend(data);
    }
    let directory = bytes.len();
    for &(name, entry) in lines {
        bytes.extend(b"PK\x01\x02\0\0");
        bytes.extend(header(name, entries[entry].1));
        bytes.extend([0; 10]);
        bytes.extend(starts[entry].to_le_bytes());
        bytes.extend(name.as_bytes());
    }
    let count = (lines.len() as u16).to_le_bytes();
    let length = (bytes.len() - directory) as u32;
    bytes.extend([&b"PK\x05\x06\0\0\0\0"[..], &count, &count].concat());
    bytes.extend([length.to_le_bytes(), (directory as u32).to_le_bytes()].concat());
    bytes.extend([0; 2]);
    bytes
}

/// A zip archive as PyTorch writes it.
fn torch_zip(pickle: &[u8], storage: &[u8]) -> Vec<u8> {
    zip(&[("a/data.pkl", pickle), ("a/data/0", storage)], &[("a/data.pkl", 0), ("a/data/0", 1)])
}

/// The instruction that pushes a text.
fn text(value: &str) -> Vec<u8> {
    [b"X", &(value.len() as u32).to_le_bytes()[..], value.as_bytes()].concat()
}

/// A pickle of a dictionary with `count` float tensors `[2]` of the elements 0 and `stride` of one
/// storage of `length`.
fn views(count: usize, length: u32, stride: u32) -> Vec<u8> {
    let mut pickle = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nq\x01(".to_vec();
    pickle.extend(text("storage"));
    pickle.extend(b"ctorch\nFloatStorage\n");
    pickle.extend([text("0"), text("cpu")].concat());
    pickle.extend([b"J", &length.to_le_bytes()[..], b"tQq\x02}("].concat());
    for tensor in 0..count {
        pickle.extend(text(&format!("t{tensor}")));
        pickle.extend(b"h\x01(h\x02K\0K\x02\x85");
        pickle.extend([b"J", &stride.to_le_bytes()[..], b"\x85\x89NtR"].concat());
    }
    pickle.extend(b"u.");
    pickle
}

const EMPTY: &[u8] = b"\x80\x02}.";

#[test]
fn an_archive_may_name_an_entry_once() {
    let twice = zip(&[("a/data.pkl", EMPTY)], &[("a/data.pkl", 0), ("a/data.pkl", 0)]);
    let error = refusal(&twice);
    assert!(error.contains("found entry a/data.pkl twice"), "{error}");
}

#[test]
fn entries_of_an_archive_may_share_no_bytes() {
    // Under names of their own, 20 000 lines for 1 MB: 20 GB if all were read.
    let names: Vec<String> = (0..20_000).map(|i| format!("a/data/{i}")).collect();
    let storage = vec![1; 1_000_000];
    let mut lines: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    lines.push(("a/data.pkl", 0));
    let error = refusal(&zip(&[("a/data.pkl", EMPTY), ("a/data/0", &storage)], &lines));
    assert!(error.contains("found entries a/data/") && error.contains("of both"), "{error}");
    // One entry within another: the inner is a whole archive entry in the outer's bytes.
    let inner = zip(&[("b", b"12345")], &[]);
    let mut nested = zip(&[("a/data.pkl", EMPTY), ("a/data/0", &inner)], &[]);
    let outer_start = nested.windows(8).position(|window| window == b"a/data/0").unwrap() - 30;
    let inner_start = outer_start + 38;
    let lines = [("a/data.pkl", 0), ("a/data/0", outer_start), ("b", inner_start)];
    nested.truncate(nested.len() - 22);
    let (directory, sizes) = (nested.len(), [EMPTY.len(), inner.len(), 5]);
    for ((name, start), size) in lines.into_iter().zip(sizes) {
        let [size, start] = [size, start].map(|number| (number as u32).to_le_bytes());
        let length = (name.len() as u16).to_le_bytes();
        nested.extend([&b"PK\x01\x02"[..], &[0; 16], &size, &size, &length, &[0; 12]].concat());
        nested.extend([&start, name.as_bytes()].concat());
    }
    let length = ((nested.len() - directory) as u32).to_le_bytes();
    nested.extend(b"PK\x05\x06\0\0\0\0\x03\0\x03\0");
    nested.extend([&length[..], &(directory as u32).to_le_bytes(), &[0; 2]].concat());
    let error = refusal(&nested);
    assert!(error.contains("found entries a/data/0 and b"), "{error}");
}

#[test]
fn a_view_costs_its_own_elements_and_not_those_that_it_skips() {
    // 20 000 views of 8 MB from end to end: 160 GB if each were converted whole.
    let length = 2_000_000u32;
    let mut storage = vec![0; 4 * length as usize];
    let end = storage.len() - 4;
    storage[end..].copy_from_slice(&2.5f32.to_le_bytes());
    let bytes = torch_zip(&views(20_000, length, length - 1), &storage);
    let file = outcome(&bytes).unwrap();
    assert_eq!(file.tensors.len(), 20_000);
    assert!(file.tensors.values().all(|tensor| tensor.values == [0.0, 2.5]));
}

#[test]
fn an_error_is_short_however_long_the_names_of_the_file_are() {
    let long = "\u{1b}[31mA".repeat(1_000_000);
    let with = |parts: &[&[u8]]| parts.concat();
    let foreign = with(&[b"\x80\x02c", long.as_bytes(), b"\n", long.as_bytes(), b"\n."]);
    let key = with(&[b"\x80\x02}", &text(&long), b"K\x01s."]);
    let mut keys = b"\x80\x02}(".to_vec();
    for i in 0..100_000 {
        keys.extend([text(&format!("{i}")), b"N".to_vec()].concat());
    }
    keys.extend(b"u.");
    // A tensor with a long name, whose storage, with as long a key, is not there.
    let mut tensor = b"\x80\x02}".to_vec();
    tensor.extend([text(&long), b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec()].concat());
    tensor.extend([text("storage"), b"ctorch\nFloatStorage\n".to_vec()].concat());
    tensor
        .extend([text(&long), text("cpu"), b"K\x01tQK\0K\x01\x85K\x01\x85tRs.".to_vec()].concat());
    for (pickle, expected) in [
        (&foreign, "the Python object [31mA"),
        (&key, "its keys are: [31mA"),
        (&keys, "its keys are: 0, 1, 10, 100, 1000, 10000, 10001, 10002 and 99992 more"),
        (&tensor, "found no storage [31mA"),
    ] {
        let error = refusal(&torch_zip(pickle, b""));
        assert!(error.contains(expected), "{error}");
    }
    // Names of archive entries are as long as their 16 bits allow.
    let long = "\u{1b}b".repeat(30_000);
    let error = refusal(&zip(&[(&long, b"1")], &[(&long, 0), (&long, 0)]));
    assert!(error.contains("twice"), "{error}");
}

#[test]
fn a_safetensors_file_has_short_errors_too() {
    let long = "B".repeat(3_000_000);
    let file = |header: String| {
        let length = (header.len() as u64).to_le_bytes();
        [&length[..], header.as_bytes(), &[0; 4]].concat()
    };
    let sides = "1,".repeat(1_000_000);
    for (header, expected) in [
        (format!(r#"{{"{long}":{{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}}}"#), "BBB..."),
        (format!(r#"{{"a":{{"dtype":"{long}","shape":[1],"data_offsets":[0,4]}}}}"#), "BBB..."),
        (
            format!(r#"{{"a":{{"dtype":"F32","shape":[{sides}1],"data_offsets":[0,4]}}}}"#),
            "found 1000001 axes of tensor a, expected at most 8",
        ),
        (
            format!(r#"{{"{long}":{{"dtype":"F8_E5M2","shape":[4],"data_offsets":[0,4]}}}}"#),
            "of F8_E5M2, expected",
        ),
    ] {
        let error = refusal(&file(header));
        assert!(error.contains(expected) && error.contains("; hint: "), "{error}");
    }
}
