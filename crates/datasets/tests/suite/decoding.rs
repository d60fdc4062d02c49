//! Pairs of files, decoded.

use datasets::{PairSize, SkipKind};
use png::{BitDepth, ColorType};

use crate::toy_folder::{Folder, official, pair, palette_png, picture, png, png_of_depth, reading};

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
        ("cityscapes_coarse", png(2, 1, ColorType::Grayscale, &[8, 0]), [1, 255]),
        ("kitti", png(2, 1, ColorType::Grayscale, &[26, 0]), [13, 255]),
        ("acdc", png(2, 1, ColorType::Grayscale, &[11, 1]), [2, 255]),
        ("bdd100k", png(2, 1, ColorType::Grayscale, &[18, 255]), [18, 255]),
        ("bdd100k", png(2, 1, ColorType::Indexed, &[18, 2]), [18, 2]),
        ("mapillary_v1_2", png(2, 1, ColorType::Indexed, &[13, 65]), [0, 255]),
        ("mapillary_v2_0", png(2, 1, ColorType::Indexed, &[21, 12]), [0, 3]),
        ("carla_0_9_9", png(2, 1, ColorType::Grayscale, &[7, 10]), [0, 13]),
        ("carla_0_9_10", png(2, 1, ColorType::Grayscale, &[22, 13]), [9, 10]),
        ("carla_0_9_14", png(2, 1, ColorType::Rgb, &[24, 9, 9, 28, 0, 0]), [0, 255]),
        ("camvid_32", png(2, 1, ColorType::Rgb, &[128, 64, 128, 0, 0, 0]), [0, 255]),
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

/// An 8x8 picture of grey that falls from left to right, baseline JPEG: quantizers of 100, one
/// Huffman code for the mean and two for the coefficients that it needs.
fn grey_jpeg() -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
    bytes.extend([100; 64]);
    bytes.extend([0xff, 0xc0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0]);
    // One code of one bit for a DC difference of no bits.
    bytes.extend([0xff, 0xc4, 0, 20, 0x00, 1]);
    bytes.extend([0; 16]);
    // Codes 0 and 10 for "end of block" and for a next coefficient of one bit.
    bytes.extend([0xff, 0xc4, 0, 21, 0x10, 1, 1]);
    bytes.extend([0; 14]);
    bytes.extend([0x00, 0x01]);
    bytes.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0]);
    // DC 0, coefficient code 10 with value bit 1, end of block 0, padded with ones.
    bytes.extend([0b0101_0111, 0xff, 0xd9]);
    bytes
}

#[test]
fn jpeg_is_recognised_by_content_and_grey_becomes_rgb() {
    let root = Folder::new();
    let image = root.file("image.png", grey_jpeg());
    let label = root.file("l.png", png(8, 8, ColorType::Grayscale, &[7; 64]));
    let decoded = official("cityscapes").read_pair(&pair(image, label)).unwrap();
    assert!(decoded.image_is_jpeg);
    let first_row: Vec<u8> = decoded.rgb.chunks(3).take(8).map(|pixel| pixel[0]).collect();
    assert!(first_row.is_sorted_by(|a, b| a > b), "{first_row:?}");
    assert!(decoded.rgb.chunks(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]));
}

#[test]
fn a_pairs_own_bytes_come_with_it() {
    let root = Folder::new();
    let (image_bytes, label_bytes) = (picture(2, 1), png(2, 1, ColorType::Grayscale, &[7, 8]));
    let files = pair(root.file("a.jpg", &image_bytes), root.file("l.png", &label_bytes));
    let decoded = official("cityscapes").read_pair(&files).unwrap();
    assert_eq!((decoded.image_file, decoded.label_file), (image_bytes, label_bytes));
    assert!(!decoded.image_is_jpeg);
}

#[test]
fn a_pair_is_measured_by_its_images_header_whatever_stands_before_it() {
    let root = Folder::new();
    let label = root.file("l.json", "seven b");
    let measure = |image: Vec<u8>| {
        let image = root.file("image", image);
        official("cityscapes").measure(&pair(image, label.clone()))
    };
    let jpeg = grey_jpeg();
    let expected = |image_bytes| PairSize {
        width: 8,
        height: 8,
        image_bytes,
        label_bytes: 7,
        image_is_jpeg: true,
    };
    assert_eq!(measure(jpeg.clone()).unwrap(), expected(jpeg.len() as u64));
    // Two comments of 60 kB each, as cameras put pictures there.
    let comment = [&[0xff, 0xfe, 0xea, 0x60][..], &[0; 59_998]].concat();
    let long = [&jpeg[..2], &comment, &comment, &jpeg[2..]].concat();
    let length = long.len() as u64;
    assert_eq!(measure(long).unwrap(), expected(length));
    let cut = picture(5, 4)[..40].to_vec();
    let (image_bytes, label_bytes) = (40, 7);
    let size = PairSize { width: 5, height: 4, image_bytes, label_bytes, image_is_jpeg: false };
    assert_eq!(measure(cut).unwrap(), size);
    assert!(measure(b"text".to_vec()).unwrap_err().to_string().contains("a PNG or JPEG image"));
}

#[test]
fn a_blank_image_is_told_from_a_picture_by_a_single_pixel() {
    let root = Folder::new();
    let label = root.file("l.png", png(3, 1, ColorType::Grayscale, &[7; 3]));
    let read = |samples: &[u8]| {
        let image = root.file("i.png", png(3, 1, ColorType::Rgb, samples));
        official("cityscapes").read_pair(&pair(image, label.clone()))
    };
    let error = read(&[5, 6, 7, 5, 6, 7, 5, 6, 7]).unwrap_err();
    assert_eq!(SkipKind::BadSample(error.kind()).name(), "blank");
    assert!(error.to_string().ends_with("i.png: every pixel is (5, 6, 7), expected a picture"));
    assert!(read(&[5, 6, 7, 5, 6, 7, 5, 6, 8]).is_ok());
}

#[test]
fn the_colour_reading_of_gtav_sends_pole_groups_to_pole_and_plates_to_car() {
    let (pole, car, void) = ([153, 153, 153], [0, 0, 142], [20, 20, 20]);
    let indices = [17, 18, 26, 34, 4];
    let mut palette = vec![void; 35];
    (palette[17], palette[18], palette[26], palette[34]) = (pole, pole, car, car);
    let shown: Vec<u8> = indices.iter().flat_map(|&index| palette[usize::from(index)]).collect();
    let root = Folder::new();
    let image = root.file("i.png", picture(5, 1));
    let label = root.file("l.png", palette_png(5, 1, &palette, &indices));
    let files = pair(image.clone(), label);
    let index = official("gtav").read_pair(&files).unwrap().train_ids;
    assert_eq!(index, [5, 255, 13, 255, 255]);
    let colour = reading("gtav", "colour");
    assert_eq!(colour.read_pair(&files).unwrap().train_ids, [5, 5, 13, 13, 255]);
    let as_rgb = pair(image, root.file("rgb.png", png(5, 1, ColorType::Rgb, &shown)));
    assert_eq!(colour.read_pair(&as_rgb).unwrap().train_ids, [5, 5, 13, 13, 255]);
}

#[test]
fn an_index_beyond_the_palette_has_no_colour() {
    let root = Folder::new();
    let image = root.file("i.png", picture(2, 1));
    let label = root.file("l.png", palette_png(2, 1, &[[128, 64, 128]], &[0, 1]));
    let error = reading("gtav", "colour").read_pair(&pair(image, label)).unwrap_err().to_string();
    let end = "unknown label 1 beyond its palette of 1 at pixel x=1, y=0, expected one of the \
               manifest's 19 colours; hint: add it to `labels.ids` of the manifest, or check that \
               this is the right kind of label file";
    assert!(error.ends_with(end), "{error}");
}

#[test]
fn bitmasks_of_bdd100k_are_refused_by_their_colour_type() {
    let root = Folder::new();
    let image = root.file("i.png", picture(2, 1));
    let label = root.file("l.png", png(2, 1, ColorType::Rgba, &[13, 0, 0, 1, 13, 0, 0, 2]));
    let error = official("bdd100k").read_pair(&pair(image, label)).unwrap_err().to_string();
    assert!(error.ends_with("l.png: found 8-bit RGBA, expected 8-bit grey or palette"), "{error}");
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
