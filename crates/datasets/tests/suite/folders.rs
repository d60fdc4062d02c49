//! Folders that are not quite what a manifest describes.

use datasets::{Manifest, SkipKind};

use crate::toy_folder::{Folder, ids, manifest, official};

const LABELS: &str =
    "encoding = \"index\"\nids = [{ id = 0, name = \"street\", train = \"road\" }]";

fn toy() -> Manifest {
    manifest("images = [\"{split}/{stem}.png\"]\nlabels = [\"{split}_label/{stem}.png\"]", LABELS)
}

#[test]
fn a_missing_folder_is_named_with_what_it_should_hold() {
    let root = Folder::new();
    let absent = root.path().join("absent");
    let error = root.error_of(official("cityscapes").list(&absent, "val"));
    assert_eq!(
        error,
        "ROOT/absent: no such folder, expected the folder that holds \
         leftImg8bit/val/*/*_leftImg8bit.png or \
         leftImg8bit_trainvaltest/leftImg8bit/val/*/*_leftImg8bit.png; hint: unpack \
         leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip into one folder and name that \
         folder"
    );
}

#[test]
fn a_wrong_layout_is_told_apart_from_what_is_there() {
    let root = Folder::new();
    root.files(&["pictures/a.png", "notes.txt"]);
    let error = root.error_of(toy().list(root.path(), "train"));
    assert_eq!(
        error,
        "ROOT: no image of split `train` found, expected train/*.png; ROOT has no `train`, it \
         holds notes.txt, pictures; hint: check the folder and the name of the split"
    );
}

#[test]
fn files_of_another_kind_in_the_right_folder_are_listed() {
    let root = Folder::new();
    root.files(&["train/a.bmp"]);
    let error = root.error_of(toy().list(root.path(), "train"));
    assert!(error.contains("ROOT/train holds a.bmp, but nothing of that form"), "{error}");
}

#[test]
fn a_missing_split_folder_names_the_splits_that_are_there() {
    let root = Folder::new();
    root.files(&[
        "leftImg8bit/val/a/a_0_0_leftImg8bit.png",
        "gtFine/val/a/a_0_0_gtFine_labelIds.png",
    ]);
    let error = root.error_of(official("cityscapes").list(root.path(), "train"));
    assert!(error.contains("ROOT/leftImg8bit has no `train`, it holds val"), "{error}");
    assert!(error.ends_with("hint: there are images of: val"), "{error}");
}

#[test]
fn a_folder_named_one_level_too_high_or_too_low_is_pointed_out() {
    let root = Folder::new();
    root.files(&["city/train/a.png", "city/train_label/a.png"]);
    let high = root.error_of(toy().list(root.path(), "train"));
    assert!(high.ends_with("hint: name the folder ROOT/city instead"), "{high}");
    let low = root.error_of(toy().list(&root.path().join("city/train"), "train"));
    assert!(low.ends_with("hint: name the folder ROOT/city instead"), "{low}");
}

#[test]
fn images_without_any_label_are_an_error_of_their_own() {
    let root = Folder::new();
    root.files(&["train/a.png", "train/b.png"]);
    let error = root.error_of(toy().list(root.path(), "train"));
    assert_eq!(
        error,
        "ROOT: 2 images of split `train` found, but no label for any, expected \
         train_label/*.png; ROOT has no `train_label`, it holds train; hint: labels are usually \
         an archive of their own; unpack it into the same folder"
    );
}

#[test]
fn a_missing_partner_is_a_skip_with_the_path() {
    let root = Folder::new();
    root.files(&["train/a.png", "train_label/a.png", "train/b.png", "train_label/c.png"]);
    root.files(&["train_label/b.png.filepart"]);
    let listing = toy().list(root.path(), "train").unwrap();
    assert_eq!(ids(&listing), ["a"]);
    let skips: Vec<_> =
        listing.skipped.iter().map(|skip| (skip.path.as_str(), skip.kind)).collect();
    assert_eq!(
        skips,
        [("train/b.png", SkipKind::MissingLabel), ("train_label/c.png", SkipKind::MissingImage)]
    );
    assert_eq!(listing.skipped[0].reason, "image without a label, expected train_label/b.png");
    assert_eq!(listing.notes, ["1 hidden files and unfinished downloads left aside"]);
}

#[test]
fn pairs_are_sorted_by_the_bytes_of_the_path() {
    let root = Folder::new();
    for stem in ["b", "a", "B", "10", "9"] {
        root.files(&[&format!("train/{stem}.png"), &format!("train_label/{stem}.png")]);
    }
    assert_eq!(ids(&toy().list(root.path(), "train").unwrap()), ["10", "9", "B", "a", "b"]);
}

#[test]
fn labels_beside_their_images_are_not_taken_for_images() {
    let manifest = manifest(
        "images = [\"{split}/{stem}.png\"]\nlabels = [\"{split}/{stem}_mask.png\"]",
        LABELS,
    );
    let root = Folder::new();
    root.files(&["train/a.png", "train/a_mask.png", "train/b.png", "train/b_mask.png"]);
    let listing = manifest.list(root.path(), "train").unwrap();
    assert_eq!(ids(&listing), ["a", "b"]);
    assert_eq!(listing.skipped, []);
}

#[test]
fn two_files_of_one_id_are_refused_by_name() {
    let root = Folder::new();
    root.files(&["images/00001.png", "labels/00001.png"]);
    root.files(&["images/train/f/00001.png", "labels/train/f/00001.png"]);
    let error = root.error_of(official("gtav").list(root.path(), "all"));
    assert!(
        error.starts_with(
            "ROOT: images/00001.png and images/train/f/00001.png would both have the id `00001`"
        ),
        "{error}"
    );
}

#[test]
fn known_bad_ids_are_excluded_and_listed() {
    let root = Folder::new();
    let text = "name = \"toy\"\nmapping = \"toy/1\"\nlicense = \"none\"\n[layout]\n\
                images = [\"{stem}.png\"]\nlabels = [\"{stem}_label.png\"]\n[labels]\n\
                encoding = \"index\"\nids = [{ id = 0, name = \"street\", train = \"road\" }]\n\
                [splits.train]\nknown_bad = [\"b\"]\nexpected = [2]";
    let manifest = Manifest::load(&root.file("toy.toml", text)).unwrap();
    root.files(&["a.png", "a_label.png", "b.png", "b_label.png"]);
    let listing = manifest.list(root.path(), "train").unwrap();
    assert_eq!(ids(&listing), ["a"]);
    assert_eq!(listing.excluded, ["b"]);
    assert_eq!(listing.notes, [""; 0]);
}

#[test]
fn a_missing_or_empty_split_list_names_the_list_and_its_manifest() {
    let root = Folder::new();
    let text = "name = \"toy\"\nmapping = \"toy/1\"\nlicense = \"none\"\n[layout]\n\
                images = [\"{stem}.png\"]\nlabels = [\"{stem}_label.png\"]\n[labels]\n\
                encoding = \"index\"\nids = [{ id = 0, name = \"street\", train = \"road\" }]\n\
                [splits.train]\nlist = \"lists/train.txt\"";
    let manifest = Manifest::load(&root.file("toy.toml", text)).unwrap();
    let error = root.error_of(manifest.list(root.path(), "train"));
    assert!(error.starts_with("ROOT/lists/train.txt: cannot be read ("), "{error}");
    assert!(
        error.ends_with("hint: the list is named in ROOT/toy.toml and lies beside it"),
        "{error}"
    );
    root.file("lists/train.txt", "# nothing yet\n\n");
    let error = root.error_of(manifest.list(root.path(), "train"));
    assert!(error.starts_with("ROOT/lists/train.txt: holds no id, expected"), "{error}");
}
