//! What a person reads when a folder or a file is not as it should be.

use std::path::PathBuf;

use datasets::{Manifest, SampleErrorKind, SkipKind};
use png::{BitDepth, ColorType};

use crate::toy_folder::{Folder, official, pair, picture, png, png_of_depth};

fn built_in(name: &str) -> Manifest {
    Manifest::built_in(name).expect("a built-in manifest")
}

/// The error of a pair of these files, with the folder's path shortened to `ROOT`.
fn of_pair(manifest: &Manifest, image: Vec<u8>, label: Vec<u8>) -> String {
    let root = Folder::new();
    let files = pair(root.file("a.png", image), root.file("a_label", label));
    let error = manifest.read_pair(&files).expect_err("an error").to_string();
    error.replace(&root.path().display().to_string(), "ROOT")
}

fn grey(values: &[u8]) -> Vec<u8> {
    png(values.len() as u32, 1, ColorType::Grayscale, values)
}

#[test]
fn of_labels_with_other_ids_than_the_dataset_has() {
    let two = || picture(2, 1);
    insta::assert_snapshot!(
        of_pair(&official("cityscapes"), two(), grey(&[7, 34])),
        @"ROOT/a_label: unknown label 34 at pixel x=1, y=0, expected one of 0..33; hint: add it to `labels.ids` of the manifest, or check that this is the right kind of label file"
    );
    insta::assert_snapshot!(
        of_pair(&official("bdd100k"), two(), grey(&[19, 0])),
        @"ROOT/a_label: unknown label 19 at pixel x=0, y=0, expected one of 0..18, 255; hint: add it to `labels.ids` of the manifest, or check that this is the right kind of label file"
    );
    let red = |id: u8| {
        let samples = [0, 0, 0, 0, 0, 0, 0, id, 0, 0, 0, 0];
        png_of_depth(2, 1, ColorType::Rgb, BitDepth::Sixteen, &samples)
    };
    insta::assert_snapshot!(
        of_pair(&official("synthia"), two(), red(23)),
        @"ROOT/a_label: unknown label 23 at pixel x=1, y=0, expected one of 0..22; hint: add it to `labels.ids` of the manifest, or check that this is the right kind of label file"
    );
    insta::assert_snapshot!(
        of_pair(&official("camvid_32"), two(), png(2, 1, ColorType::Rgb, &[64, 0, 128, 1, 2, 3])),
        @"ROOT/a_label: unknown label colour (1, 2, 3) at pixel x=1, y=0, expected one of the manifest's 32 colours; hint: add it to `labels.ids` of the manifest, or check that this is the right kind of label file"
    );
}

#[test]
fn of_labels_stored_in_another_way() {
    let two = || picture(2, 1);
    let sixteen = || png_of_depth(2, 1, ColorType::Grayscale, BitDepth::Sixteen, &[0, 1, 0, 2]);
    for (name, message) in [
        ("cityscapes", "ROOT/a_label: found 16-bit grey, expected 8-bit grey"),
        ("bdd100k", "ROOT/a_label: found 16-bit grey, expected 8-bit grey or palette"),
        ("gtav", "ROOT/a_label: found 16-bit grey, expected palette"),
        ("mapillary_v1_2", "ROOT/a_label: found 16-bit grey, expected palette"),
        ("camvid_32", "ROOT/a_label: found 16-bit grey, expected 8-bit RGB"),
        (
            "synthia",
            "ROOT/a_label: found 16-bit grey, expected 16-bit RGB with the id in the first sample",
        ),
        (
            "carla_0_9_14",
            "ROOT/a_label: found 16-bit grey, expected 8-bit grey, or 8-bit RGB with the id in the \
             first sample",
        ),
    ] {
        assert_eq!(of_pair(&official(name), two(), sixteen()), message);
    }
    insta::assert_snapshot!(
        of_pair(&official("cityscapes"), two(), b"{}".to_vec()),
        @"ROOT/a_label: found a file that begins with 7b 7d, expected a PNG label"
    );
    insta::assert_snapshot!(
        of_pair(&official("idd"), two(), b"{}".to_vec()),
        @"ROOT/a_label: cannot be decoded: missing field `imgWidth` at line 1 column 2"
    );
}

#[test]
fn of_images_that_cannot_be_used() {
    let read = |image| of_pair(&official("cityscapes"), image, grey(&[7, 8]));
    insta::assert_snapshot!(
        read(b"<html>".to_vec()),
        @"ROOT/a.png: found a file that begins with 3c 68 74 6d 6c 3e, expected a PNG or JPEG image"
    );
    insta::assert_snapshot!(read(Vec::new()), @"ROOT/a.png: found an empty file, expected a PNG or JPEG image");
    insta::assert_snapshot!(
        read(b"\xff\xd8\xff".to_vec()),
        @"ROOT/a.png: cannot be decoded: it ends before its frame header"
    );
    insta::assert_snapshot!(
        read(b"\xff\xd8\xff\xc0\x00\x0b\x08\xff\xff\xff\xff".to_vec()),
        @"ROOT/a.png: size 65535x65535, expected at most 32768 a side and 134217728 pixels"
    );
    insta::assert_snapshot!(
        read(picture(3, 1)),
        @"ROOT/a.png: image is 3x1, but its label ROOT/a_label is 2x1, expected equal sizes"
    );
    insta::assert_snapshot!(
        read(png(2, 1, ColorType::Rgb, &[0; 6])),
        @"ROOT/a.png: every pixel is (0, 0, 0), expected a picture"
    );
}

#[test]
fn of_folders_that_hold_something_else() {
    let error = |name: &str, split: &str, files: &[&str]| {
        let root = Folder::new();
        root.files(files);
        root.error_of(built_in(name).list(root.path(), split))
    };
    insta::assert_snapshot!(
        error("synthia", "all", &["RGB/Stereo_Left/Omni_F/000000.png"]),
        @"ROOT/RGB/Stereo_Left: not `synthia`: this is a SYNTHIA sequence, whose ids differ; the sequence releases are not supported, use SYNTHIA-RAND-CITYSCAPES"
    );
    insta::assert_snapshot!(
        error("kitti", "train", &["testing/image_2/000000_10.png"]),
        @"ROOT: no image of split `train` found, expected training/image_2/*.png; ROOT has no `training`, it holds testing; hint: unpack data_semantics.zip and name the folder that holds `training`"
    );
    insta::assert_snapshot!(
        error("acdc", "val", &["rgb_anon/fog/val/GOPR0475/a_rgb_anon.png"]),
        @"ROOT: 1 images of split `val` found, but no label for any, expected gt/*/val/*/*_gt_labelIds.png or gt_trainval/gt/*/val/*/*_gt_labelIds.png or gt/val/*_gt_labelIds.png; ROOT has no `gt`, it holds rgb_anon; hint: labels are usually an archive of their own; unpack it into the same folder"
    );
    insta::assert_snapshot!(
        error("gtav", "night", &[]),
        @"built-in manifest gtav: no split `night`, expected one of: all, test, train, val"
    );
}

#[test]
fn every_reason_for_leaving_a_sample_out_has_a_name_of_its_own() {
    let bad = [
        SampleErrorKind::Undecodable,
        SampleErrorKind::TooLarge,
        SampleErrorKind::PixelFormat,
        SampleErrorKind::SizeMismatch,
        SampleErrorKind::UnknownLabel,
        SampleErrorKind::Blank,
    ];
    let mut names: Vec<&str> =
        bad.into_iter().map(|kind| SkipKind::BadSample(kind).name()).collect();
    names.extend(
        [SkipKind::MissingLabel, SkipKind::MissingImage, SkipKind::Duplicate, SkipKind::BadFile]
            .map(SkipKind::name),
    );
    insta::assert_snapshot!(
        names.join(" "),
        @"undecodable too-large pixel-format size-mismatch unknown-label blank missing-label missing-image duplicate bad-file"
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let absent = PathBuf::from("absent.png");
    let files = pair(absent.clone(), absent);
    let error = official("cityscapes").measure(&files).unwrap_err().to_string();
    assert!(error.starts_with("absent.png: cannot be read: "), "{error}");
}
