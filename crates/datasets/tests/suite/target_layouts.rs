//! The shipped manifests of target domains find their datasets in the official folders, and in the
//! folders that published code makes of them.

use datasets::Manifest;

use crate::toy_folder::{Folder, ids, official, reading};

/// Image, label, split and id of one pair, and nothing else in the folder.
type Case<'a> = (&'a str, &'a str, &'a str, &'a str);

fn assert_found(manifest: &Manifest, cases: &[Case<'_>]) {
    for (image, label, split, id) in cases {
        let root = Folder::new();
        root.files(&[image, label]);
        let listing = manifest.list(root.path(), split).expect("a listing");
        assert_eq!(ids(&listing), [*id], "{image}");
        assert_eq!(listing.pairs[0].label_relative, *label);
        // A lone pair leaves a list's other ids missing, and nothing else.
        assert!(listing.skipped.iter().all(|skip| skip.path != *image && skip.path != *label));
    }
}

#[test]
fn coarse_annotations_are_found_in_place_and_as_their_archives_are_named() {
    let image = "train_extra/bad-honnef/bad-honnef_000000_000000_leftImg8bit.png";
    let label = "train_extra/bad-honnef/bad-honnef_000000_000000_gtCoarse_labelIds.png";
    let id = "bad-honnef/bad-honnef_000000_000000";
    for (images, labels) in [
        ("leftImg8bit", "gtCoarse"),
        ("leftImg8bit_trainextra/leftImg8bit", "gtCoarse/gtCoarse"),
        ("leftImg8bit_trainextra/leftImg8bit", "gtCoarse"),
    ] {
        let (image, label) = (format!("{images}/{image}"), format!("{labels}/{label}"));
        assert_found(&official("cityscapes_coarse"), &[(&image, &label, "train_extra", id)]);
    }
}

#[test]
fn the_blank_image_of_the_coarse_set_is_excluded_by_id() {
    let root = Folder::new();
    for stem in ["troisdorf_000000_000072", "troisdorf_000000_000073"] {
        root.files(&[
            &format!("leftImg8bit/train_extra/troisdorf/{stem}_leftImg8bit.png"),
            &format!("gtCoarse/train_extra/troisdorf/{stem}_gtCoarse_labelIds.png"),
        ]);
    }
    let listing = official("cityscapes_coarse").list(root.path(), "train_extra").unwrap();
    assert_eq!(ids(&listing), ["troisdorf/troisdorf_000000_000072"]);
    assert_eq!(listing.excluded, ["troisdorf/troisdorf_000000_000073"]);
}

#[test]
fn bdd100k_is_found_in_the_new_the_old_and_the_reference_codes_folders() {
    let cases = [
        ("images/10k/val/a.jpg", "labels/sem_seg/masks/val/a.png"),
        ("bdd100k/images/10k/val/a.jpg", "bdd100k/labels/sem_seg/masks/val/a.png"),
        ("seg/images/val/a.jpg", "seg/labels/val/a_train_id.png"),
        ("bdd100k/seg/images/val/a.jpg", "bdd100k/seg/labels/val/a_train_id.png"),
        ("images/val/a.jpg", "labels/val/a_train_id.png"),
    ];
    assert_found(&official("bdd100k"), &cases.map(|(image, label)| (image, label, "val", "a")));
}

#[test]
fn bdd100ks_colour_maps_are_not_taken_for_masks() {
    let root = Folder::new();
    root.files(&["images/10k/val/a.jpg", "labels/sem_seg/colormaps/val/a.png"]);
    let error = root.error_of(official("bdd100k").list(root.path(), "val"));
    assert!(error.contains("but no label for any"), "{error}");
}

#[test]
fn mapillary_stems_that_begin_with_a_dash_or_underscore_are_ids_like_any_other() {
    for stem in ["--NSVcUgfVhFd6uzkqHOOg", "_-a", "-3-MmXdwhyIQhtb4-8NqHQ"] {
        let image = format!("validation/images/{stem}.jpg");
        for label in ["validation/labels", "validation/v1.2/labels"] {
            let label = format!("{label}/{stem}.png");
            assert_found(&official("mapillary_v1_2"), &[(&image, &label, "val", stem)]);
        }
        let label = format!("validation/v2.0/labels/{stem}.png");
        assert_found(&official("mapillary_v2_0"), &[(&image, &label, "val", stem)]);
    }
}

#[test]
fn the_labels_of_both_versions_are_kept_apart_in_one_archive() {
    let root = Folder::new();
    root.files(&[
        "training/images/a.jpg",
        "training/v1.2/labels/a.png",
        "training/v2.0/labels/a.png",
    ]);
    for (name, label) in [
        ("mapillary_v1_2", "training/v1.2/labels/a.png"),
        ("mapillary_v2_0", "training/v2.0/labels/a.png"),
    ] {
        let listing = official(name).list(root.path(), "train").unwrap();
        assert_eq!(listing.pairs[0].label_relative, label);
        assert_eq!(listing.skipped, []);
    }
}

/// A configuration file with labels of these names.
fn config(names: impl Iterator<Item = String>) -> String {
    let labels: Vec<String> =
        names.map(|name| format!("{{\"readable\": \"{name}\", \"instances\": true}}")).collect();
    format!("{{\"labels\": [{}], \"version\": 1}}", labels.join(", "))
}

#[test]
fn mapillarys_configuration_must_give_the_manifests_names_in_its_order() {
    let manifest = Manifest::built_in("mapillary_v1_2").unwrap();
    let names = || manifest.ids.iter().map(|entry| entry.name.clone());
    let listed = |file: &str, text: &str| {
        let root = Folder::new();
        root.files(&["training/images/a.jpg", "training/labels/a.png"]);
        root.file(file, text);
        let listed = manifest.list(root.path(), "train");
        listed
            .map(|listing| listing.pairs.len())
            .map_err(|error| error.to_string().replace(&root.path().display().to_string(), "ROOT"))
    };
    assert_eq!(listed("config.json", &config(names())), Ok(1));
    // The file of the other version says nothing about this one.
    assert_eq!(listed("config_v2.0.json", "{}"), Ok(1));
    let swapped = names().map(|name| if name == "Curb" { "Fence".into() } else { name });
    insta::assert_snapshot!(
        listed("config_v1.2.json", &config(swapped)).unwrap_err(),
        @"ROOT/config_v1.2.json: found label 2 `Fence`, expected `Curb` as in built-in manifest mapillary_v1_2; hint: this is another version of the dataset, choose the manifest of that version"
    );
    insta::assert_snapshot!(
        listed("config.json", &config(names().take(65))).unwrap_err(),
        @"ROOT/config.json: found 65 labels, expected 66 labels as in built-in manifest mapillary_v1_2; hint: this is another version of the dataset, choose the manifest of that version"
    );
}

#[test]
fn camvid_as_published_is_split_by_its_lists() {
    let (train, val) = ("0001TP_006690", "0016E5_07959");
    let root = Folder::new();
    for stem in [train, val] {
        root.files(&[
            &format!("701_StillsRaw_full/{stem}.png"),
            &format!("LabeledApproved_full/{stem}_L.png"),
        ]);
    }
    let manifest = official("camvid_32");
    assert_eq!(ids(&manifest.list(root.path(), "train").unwrap()), [train]);
    assert_eq!(ids(&manifest.list(root.path(), "val").unwrap()), [val]);
    assert_eq!(ids(&manifest.list(root.path(), "all").unwrap()), [train, val]);
}

#[test]
fn kitti_has_one_labelled_split() {
    let case = ("training/image_2/000000_10.png", "training/semantic/000000_10.png");
    assert_found(&official("kitti"), &[(case.0, case.1, "train", "000000_10")]);
}

#[test]
fn acdc_keeps_the_condition_in_the_id_and_leaves_references_aside() {
    let root = Folder::new();
    for condition in ["fog", "night", "rain", "snow"] {
        let below = format!("{condition}/val/GOPR0475/GOPR0475_frame_000041");
        root.files(&[
            &format!("rgb_anon/{below}_rgb_anon.png"),
            &format!("gt/{below}_gt_labelIds.png"),
            &format!("gt/{below}_gt_labelColor.png"),
            &format!(
                "rgb_anon/{condition}/val_ref/GOPR0475/GOPR0475_frame_000041_rgb_ref_anon.png"
            ),
        ]);
    }
    let listing = official("acdc").list(root.path(), "val").unwrap();
    let expected = ["fog", "night", "rain", "snow"]
        .map(|condition| format!("{condition}/GOPR0475/GOPR0475_frame_000041"));
    assert_eq!(ids(&listing), expected);
    assert_eq!(listing.skipped, []);
}

#[test]
fn acdc_is_found_nested_flattened_and_as_train_ids() {
    let nested = "rain/train/GP010400/GP010400_frame_000616";
    let image = format!("rgb_anon_trainvaltest/rgb_anon/{nested}_rgb_anon.png");
    let label = format!("gt_trainval/gt/{nested}_gt_labelIds.png");
    let id = "rain/GP010400/GP010400_frame_000616";
    assert_found(&official("acdc"), &[(&image, &label, "train", id)]);
    let flat = "train/GP010400_frame_000616";
    let image = format!("rgb_anon/{flat}_rgb_anon.png");
    let id = "GP010400_frame_000616";
    let label = format!("gt/{flat}_gt_labelIds.png");
    assert_found(&official("acdc"), &[(&image, &label, "train", id)]);
    let label = format!("gt/{flat}_gt_labelTrainIds.png");
    assert_found(&reading("acdc", "train-ids"), &[(&image, &label, "train", id)]);
}

#[test]
fn carlas_frames_are_found_beside_their_labels_and_by_sensor() {
    let cases = [
        (
            "images/Town10HD_000033_5026200_img.png",
            "images/Town10HD_000033_5026200_labelIds.png",
            "all",
            "Town10HD_000033_5026200",
        ),
        ("rgb/000001.png", "semantic_segmentation/000001.png", "all", "000001"),
    ];
    for name in ["carla_0_9_9", "carla_0_9_10", "carla_0_9_14"] {
        assert_found(&official(name), &cases);
    }
}
