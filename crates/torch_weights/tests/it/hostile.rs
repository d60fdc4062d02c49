//! Files that want to do harm, and files that are damaged: errors, and nothing else.

use std::fs;
use std::path::Path;

use torch_weights::{PickleError, ReadError, read, read_bytes};

use crate::data;

#[test]
fn a_pickle_that_would_run_a_command_is_refused_by_its_name() {
    for name in ["malicious.pth", "malicious_legacy.pth"] {
        let error = read(&data(name), None).unwrap_err();
        let ReadError::Pickle { source: PickleError::Foreign { name: named }, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(named, "posix.system");
        assert!(error.to_string().contains(name), "{error}");
    }
    assert!(!Path::new("torch_weights_ran_a_command").exists());
}

/// Whether a file of these bytes is read. Whatever comes out of it, it comes without a panic, with
/// no more elements than the file has bytes, or with a short error.
fn is_read(bytes: &[u8]) -> bool {
    match read_bytes(bytes, Path::new("changed.pth"), None) {
        Ok(file) => {
            let elements: usize =
                file.tensors.values().map(|tensor| tensor.values.capacity()).sum();
            assert!(elements <= bytes.len(), "{elements} elements from {} bytes", bytes.len());
            true
        }
        Err(error) => {
            assert!(error.to_string().len() < 2000, "{error}");
            false
        }
    }
}

/// All that are read, and take no minutes.
const SMALL: [&str; 11] = [
    "authors.pth",
    "authors_legacy.pth",
    "early.pth",
    "model.pth",
    "plain.pth",
    "plain_legacy.pth",
    "plain_protocol_4.pth",
    "two_equal_memories.pth",
    "types.pth",
    "views.pth",
    "views_legacy.pth",
];

#[test]
fn a_truncated_file_is_an_error_at_every_length() {
    for name in SMALL {
        let bytes = fs::read(data(name)).unwrap();
        // A tar archive ends in padding, which no reader needs.
        let needed = match name {
            "early.pth" => bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1,
            _ => bytes.len(),
        };
        for length in 0..needed {
            assert!(!is_read(&bytes[..length]), "{name} cut to {length} bytes");
        }
        assert!(is_read(&bytes[..needed]), "{name}");
    }
}

#[test]
fn no_changed_byte_makes_the_reader_panic() {
    for name in SMALL {
        let mut bytes = fs::read(data(name)).unwrap();
        let (mut read, mut refused) = (0, 0);
        for at in 0..bytes.len() {
            let byte = bytes[at];
            // One bit, all bits, and the instructions that build things.
            for other in [byte ^ 1, byte ^ 0x80, !byte, b'R', b'h'] {
                bytes[at] = other;
                if is_read(&bytes) { read += 1 } else { refused += 1 }
            }
            bytes[at] = byte;
        }
        assert!(refused > 0 && read > 0, "{name}: {read} read, {refused} refused");
    }
}

#[test]
fn a_safetensors_file_cut_or_with_a_changed_byte_is_an_error_or_a_result() {
    use safetensors::tensor::{Dtype, TensorView};

    let data = [0, 60, 0, 192];
    let views = [("a.weight", TensorView::new(Dtype::F16, vec![2, 1], &data).unwrap())];
    let mut bytes = safetensors::serialize(views, None).unwrap();
    assert!(is_read(&bytes));
    for length in 0..bytes.len() {
        assert!(!is_read(&bytes[..length]), "cut to {length} bytes");
    }
    for at in 0..bytes.len() {
        let byte = bytes[at];
        for other in 0..=255 {
            bytes[at] = other;
            is_read(&bytes);
        }
        bytes[at] = byte;
    }
}

#[test]
fn a_zip_entry_that_does_not_match_its_checksum_is_refused() {
    let mut bytes = fs::read(data("plain.pth")).unwrap();
    // The first weight, -11/8 shifted by the length of its name: 1/8.
    let weight: Vec<u8> = [0.125f32, 1.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let at = bytes.windows(8).position(|window| window == weight).unwrap();
    bytes[at] ^= 1;
    let error = read_bytes(&bytes, Path::new("changed.pth"), None).unwrap_err().to_string();
    assert!(error.contains("does not match its checksum"), "{error}");
}

#[test]
fn compressed_entries_are_refused_since_they_may_hold_anything() {
    let error = read(&data("compressed.pth"), None).unwrap_err().to_string();
    assert!(error.contains("compressed entry model/data.pkl") && error.contains("hint"), "{error}");
}

#[test]
fn files_of_machines_with_the_other_byte_order_are_refused() {
    let error = read(&data("big_endian.pth"), None).unwrap_err().to_string();
    assert!(error.contains("big-endian, expected little-endian"), "{error}");
    // The legacy format says it in a dictionary, the value being an instruction.
    let mut bytes = fs::read(data("plain_legacy.pth")).unwrap();
    let name = b"little_endian";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
    let value = at + bytes[at..].iter().position(|&byte| byte == 0x88).unwrap();
    bytes[value] = 0x89;
    let error = read_bytes(&bytes, Path::new("changed.pth"), None).unwrap_err().to_string();
    assert!(error.contains("big-endian, expected little-endian"), "{error}");
}

#[test]
fn tensors_that_share_a_storage_cannot_outgrow_the_file_together() {
    let error = read(&data("shared.pth"), None).unwrap_err();
    assert!(matches!(error, ReadError::Tensor { .. }), "{error}");
    assert!(error.to_string().contains("more elements than the file has bytes"), "{error}");
}

#[test]
fn what_is_no_weights_file_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.pth");
    for bytes in [&b""[..], b"<html>not found</html>", b"\x89PNG\r\n\x1a\n"] {
        fs::write(&path, bytes).unwrap();
        let error = read(&path, None).unwrap_err();
        assert!(matches!(error, ReadError::UnknownFormat { .. }), "{error}");
    }
    let error = read(&folder.path().join("none.pth"), None).unwrap_err();
    assert!(matches!(error, ReadError::Read { .. }), "{error}");
}
