//! Files in a dataset's folder that are no files, and names that are no text.
#![cfg(unix)]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use datasets::{Listing, Manifest, SkipKind};

use crate::toy_folder::{Folder, ids, manifest, official};

fn toy() -> Manifest {
    manifest(
        "images = [\"{split}/{city}/{stem}.png\"]\nlabels = [\"{split}/{city}/{stem}.txt\"]",
        "encoding = \"index\"\nids = [{ id = 0, name = \"street\", train = \"road\" }]",
    )
}

/// Everything that was left out, one line each.
fn skips(listing: &Listing) -> String {
    let lines = listing.skipped.iter().map(|skip| {
        let kind = skip.kind.name();
        format!("{} ({kind}): {}\n", skip.path, skip.reason)
    });
    lines.collect()
}

#[test]
fn a_link_to_nothing_and_a_socket_are_named_once_for_their_pair() {
    let root = Folder::new();
    root.files(&["train/x/a.png", "train/x/a.txt", "train/x/b.txt", "train/x/c.txt"]);
    root.files(&["train/x/d.png"]);
    let at = |name: &str| root.path().join("train/x").join(name);
    symlink("nowhere.png", at("b.png")).unwrap();
    let _listener = UnixListener::bind(at("c.png")).unwrap();
    symlink("nowhere.txt", at("d.txt")).unwrap();
    symlink("nowhere.txt", at("e.txt")).unwrap();
    // A link that leads somewhere is as good as the file, and a folder is no broken file.
    symlink("a.png", at("f.png")).unwrap();
    symlink("a.txt", at("f.txt")).unwrap();
    std::fs::create_dir(at("g.png")).unwrap();
    let listing = toy().list(root.path(), "train").unwrap();
    assert_eq!(ids(&listing), ["x/a", "x/f"]);
    insta::assert_snapshot!(skips(&listing), @"
    train/x/b.png (bad-file): a link that leads to no file (No such file or directory (os error 2))
    train/x/c.png (bad-file): neither a file nor a folder
    train/x/d.png (missing-label): image without a label, expected train/x/d.txt
    train/x/e.txt (bad-file): a link that leads to no file (No such file or directory (os error 2))
    ");
}

#[test]
fn names_that_are_not_unicode_are_shown_escaped() {
    let root = Folder::new();
    root.files(&["train/x/a.png", "train/x/a.txt"]);
    for name in [&b"x/caf\xe9.png"[..], b"x/caf\xe9.txt", b"x/\xff.bmp", b"x/.\xff.png", b"\xe9"] {
        std::fs::write(root.path().join("train").join(OsStr::from_bytes(name)), "").unwrap();
    }
    let city = root.path().join(OsStr::from_bytes(b"train/K\xf6ln"));
    std::fs::create_dir(&city).unwrap();
    std::fs::write(city.join("a.png"), "").unwrap();
    let listing = toy().list(root.path(), "train").unwrap();
    assert_eq!(ids(&listing), ["x/a"]);
    assert!(listing.skipped.iter().all(|skip| skip.kind == SkipKind::BadFile));
    assert_eq!(listing.notes, ["1 hidden files and unfinished downloads left aside"]);
    insta::assert_snapshot!(skips(&listing), @r"
    train/K\xf6ln (bad-file): its name is not Unicode, so it gives no id; hint: rename it
    train/x/caf\xe9.png (bad-file): its name is not Unicode, so it gives no id; hint: rename it
    train/x/caf\xe9.txt (bad-file): its name is not Unicode, so it gives no id; hint: rename it
    ");
}

#[test]
fn a_folder_of_unusable_images_alone_is_told_from_one_without_images() {
    let root = Folder::new();
    root.files(&["train/x/a.txt"]);
    for name in [&b"x/caf\xe9.png"[..], b"x/\xff.png"] {
        std::fs::write(root.path().join("train").join(OsStr::from_bytes(name)), "").unwrap();
    }
    let error = toy().list(root.path(), "train").unwrap_err().to_string();
    let shown = error.replace(&root.path().display().to_string(), "ROOT");
    insta::assert_snapshot!(shown, @r"ROOT: no image of split `train` found, expected train/*/*.png; 2 unusable files, the first train/x/\xff.png: its name is not Unicode, so it gives no id; hint: rename it");
}

#[test]
fn a_broken_image_of_another_splits_list_is_no_concern() {
    let root = Folder::new();
    // The first two are in the list of `train`, the others in that of `val`.
    for (good, broken) in [("00001", "00002"), ("00022", "00023")] {
        root.files(&[&format!("images/{good}.png"), &format!("labels/{good}.png")]);
        root.files(&[&format!("labels/{broken}.png")]);
        symlink("nowhere", root.path().join(format!("images/{broken}.png"))).unwrap();
    }
    let found = |split: &str| {
        let listing = official("gtav").list(root.path(), split).unwrap();
        let skipped = listing.skipped.iter();
        let broken = skipped.filter(|skip| skip.path.contains("0002"));
        let broken = broken.map(|skip| (skip.path.clone(), skip.kind)).collect::<Vec<_>>();
        (ids(&listing).join(" "), broken)
    };
    let broken = |id: &str| (format!("images/{id}.png"), SkipKind::BadFile);
    let missing = |id: &str| (id.to_owned(), SkipKind::MissingImage);
    let (pairs, of_train) = found("train");
    assert_eq!(pairs, "00001");
    assert!(of_train.contains(&broken("00002")) && !of_train.contains(&missing("00002")));
    assert!(!of_train.contains(&broken("00023")));
    let (pairs, of_val) = found("val");
    assert_eq!(pairs, "00022");
    assert!(of_val.contains(&broken("00023")) && !of_val.contains(&missing("00023")));
    assert!(!of_val.contains(&broken("00002")));
    assert_eq!(found("all").1, [broken("00002"), broken("00023")]);
}
