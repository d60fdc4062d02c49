//! Pairs of files, decoded.

use png::{BitDepth, ColorType};

use crate::toy_folder::{Folder, official, pair, png, png_of_depth};

#[test]
fn an_image_and_a_label_of_different_size_are_named_with_both_sizes() {
    let root = Folder::new();
    let image = root.file("a.png", png(2, 3, ColorType::Rgb, &[0; 18]));
    let label = root.file("l.png", png(3, 2, ColorType::Grayscale, &[7; 6]));
    let error = official("cityscapes").read_pair(&pair(image, label)).unwrap_err().to_string();
    let folder = root.path().display();
    assert_eq!(
        error,
        format!(
            "{folder}/a.png: image is 2x3, but its label {folder}/l.png is 3x2, expected equal sizes"
        )
    );
}

#[test]
fn each_official_encoding_decodes_to_train_ids() {
    let root = Folder::new();
    let image = root.file("image.jpg", png(2, 1, ColorType::Rgb, &[1, 2, 3, 4, 5, 6]));
    let polygons = r#"{"imgWidth": 2, "imgHeight": 1, "objects": [
        {"label": "car", "polygon": [[0, 0], [0.5, 0.2], [0, 0.9]]}]}"#;
    let sixteen = [0, 3, 0, 9, 0, 9, 0, 22, 0, 0, 0, 0];
    for (name, label, expected) in [
        ("cityscapes", png(2, 1, ColorType::Grayscale, &[7, 33]), [0, 18]),
        ("gtav", png(2, 1, ColorType::Indexed, &[26, 34]), [13, 255]),
        ("synthia", png_of_depth(2, 1, ColorType::Rgb, BitDepth::Sixteen, &sixteen), [0, 255]),
        ("idd", polygons.into(), [13, 255]),
        ("camvid", png(2, 1, ColorType::Grayscale, &[0, 11]), [10, 255]),
        ("camvid", png(2, 1, ColorType::Indexed, &[0, 11]), [10, 255]),
    ] {
        let label = root.file("label", label);
        let decoded = official(name).read_pair(&pair(image.clone(), label)).unwrap();
        assert_eq!(decoded.train_ids, expected, "{name}");
        // The image is a PNG in spite of its name.
        assert_eq!(decoded.rgb, [1, 2, 3, 4, 5, 6]);
        assert_eq!((decoded.width, decoded.height), (2, 1));
    }
}

/// An 8x8 picture of uniform grey, baseline JPEG: quantizers of one, one Huffman code per table.
fn grey_jpeg() -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
    bytes.extend([1; 64]);
    bytes.extend([0xff, 0xc0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0]);
    for table in [0x00, 0x10] {
        bytes.extend([0xff, 0xc4, 0, 20, table, 1]);
        bytes.extend([0; 15]);
        bytes.push(0);
    }
    bytes.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0]);
    // Code 0 for "no difference", code 0 for "end of block", padded with ones.
    bytes.extend([0x3f, 0xff, 0xd9]);
    bytes
}

#[test]
fn jpeg_is_recognised_by_content_and_grey_becomes_rgb() {
    let root = Folder::new();
    let image = root.file("image.png", grey_jpeg());
    let label = root.file("l.png", png(8, 8, ColorType::Grayscale, &[7; 64]));
    let decoded = official("cityscapes").read_pair(&pair(image, label)).unwrap();
    assert_eq!(decoded.rgb, [128; 192]);
}

#[test]
fn cut_off_and_missing_files_are_errors_that_name_the_file() {
    let root = Folder::new();
    let good = root.file("good.png", png(8, 8, ColorType::Grayscale, &[7; 64]));
    let jpeg = grey_jpeg();
    let cut = root.file("cut.jpg", &jpeg[..jpeg.len() - 40]);
    let absent = root.path().join("absent.png");
    for (image, label, blamed) in
        [(&cut, &good, &cut), (&absent, &good, &absent), (&good, &absent, &absent)]
    {
        let files = pair(image.clone(), label.clone());
        let error = official("cityscapes").read_pair(&files).unwrap_err().to_string();
        assert!(error.starts_with(&blamed.display().to_string()), "{error}");
    }
}
