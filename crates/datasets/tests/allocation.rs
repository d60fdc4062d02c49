//! What a file claims about itself costs no memory before it is found to be consistent.
//!
//! A binary of its own, because it measures the address space of the whole process.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use datasets::{Manifest, Pair, SampleErrorKind};

/// The pixels of the labels below are 134 MB; a header's worth of a file is at most 8 MiB.
const LIMIT_MIB: u64 = 40;

/// The most pixels a side that a square picture may have.
const SIDE: u32 = 11_584;

/// The largest address space that the process has had, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has this file");
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.expect("VmPeak is a number of kB") / 1024
}

/// A grey PNG whose pixels are garbage behind a sound header.
fn garbage(side: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().expect("a valid header");
    writer.write_chunk(png::chunk::IDAT, b"no compressed pixels").expect("a chunk");
    drop(writer);
    bytes
}

/// A file of that beginning and length, most of it a hole on the disk.
fn sparse(path: PathBuf, beginning: &[u8], length: u64) -> PathBuf {
    let mut file = File::create(&path).expect("a file");
    file.write_all(beginning).expect("its beginning");
    file.set_len(length).expect("its length");
    path
}

fn pair(image: &Path, label: &Path) -> Pair {
    let (image, label) = (image.to_owned(), label.to_owned());
    let [id, image_relative, label_relative] = ["a", "image", "label"].map(String::from);
    Pair { id, image, label, image_relative, label_relative }
}

#[test]
fn a_file_that_claims_much_is_refused_before_memory_is_taken_for_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        path
    };
    let cityscapes = Manifest::built_in("cityscapes").expect("a built-in manifest");
    let idd = Manifest::built_in("idd").expect("a built-in manifest");
    let image = file("i.png", &garbage(64));
    let before = peak_mib();

    let label = file("l.png", &garbage(SIDE));
    let error = cityscapes.read_pair(&pair(&image, &label)).expect_err("sizes differ");
    assert_eq!(
        error.relative_to(folder.path()),
        "i.png: image is 64x64, but its label l.png is 11584x11584, expected equal sizes"
    );
    let json = format!(
        r#"{{"imgWidth": {SIDE}, "imgHeight": {SIDE}, "objects": [
            {{"label": "car", "polygon": [[0, 0], [{SIDE}, 0], [{SIDE}, {SIDE}]]}}]}}"#
    );
    let polygons = file("l.json", json.as_bytes());
    let error = idd.read_pair(&pair(&image, &polygons)).expect_err("sizes differ");
    assert_eq!(error.kind(), SampleErrorKind::SizeMismatch);

    // A JPEG that is all comments, as far as one looks.
    let comment = [&[0xff, 0xfe, 0xff, 0xff][..], &[0; 65_533]].concat();
    let comments = [&[0xff, 0xd8][..], &comment.repeat(140)].concat();
    let endless = sparse(folder.path().join("e.jpg"), &comments, 1 << 30);
    drop((comment, comments));
    let error = cityscapes.measure(&pair(&endless, &label)).expect_err("no size");
    assert_eq!(
        error.relative_to(folder.path()),
        "e.jpg: cannot be decoded: its first 8388608 bytes do not tell its size: it ends before \
         its frame header"
    );

    let too_large = sparse(folder.path().join("t"), &garbage(64), (1 << 30) + 1);
    for files in [pair(&too_large, &label), pair(&image, &too_large)] {
        for error in [
            cityscapes.measure(&files).expect_err("a large file"),
            cityscapes.read_pair(&files).expect_err("a large file"),
        ] {
            assert_eq!(error.kind(), SampleErrorKind::TooLarge);
            assert_eq!(
                error.relative_to(folder.path()),
                "t: found 1073741825 bytes, expected a file of at most 1073741824"
            );
        }
    }
    let claimed = peak_mib() - before;
    assert!(claimed < LIMIT_MIB, "{claimed} MiB");

    // The measure itself works.
    assert!(vec![0u8; 256 << 20].iter().step_by(4096).all(|byte| *byte == 0));
    assert!(peak_mib() - before > LIMIT_MIB);
}
