//! Drafted manifests load and list pairs as they stand.

use std::path::Path;

use datasets::{Draft, Encoding, Manifest, draft_manifest};
use png::{BitDepth, ColorType};

use crate::toy_folder::{Folder, ids, palette_png, picture, png, png_of_depth};

fn draft(root: &Folder) -> Draft {
    draft_manifest(root.path()).expect("a draft")
}

/// The drafted manifest, loaded from a file as a user would.
fn loaded(draft: &Draft) -> Manifest {
    let folder = Folder::new();
    Manifest::load(&folder.file("draft.toml", &draft.toml)).expect("a draft is a valid manifest")
}

/// Name and class of every value in the draft.
fn entries(manifest: &Manifest) -> Vec<(&str, &str)> {
    manifest.ids.iter().map(|entry| (entry.name.as_str(), entry.train.as_str())).collect()
}

/// Every listed pair of the split can be decoded.
fn assert_reads(manifest: &Manifest, root: &Path, split: &str, expected: &[&str]) {
    let listing = manifest.list(root, split).expect("a listing");
    assert_eq!(ids(&listing), expected);
    for pair in &listing.pairs {
        manifest.read_pair(pair).expect("a readable pair");
    }
}

fn label(values: &[u8]) -> Vec<u8> {
    png(values.len() as u32, 1, ColorType::Grayscale, values)
}

#[test]
fn images_and_masks_in_split_folders_are_found_with_the_names_of_classes_txt() {
    let root = Folder::new();
    root.file("classes.txt", "road\nbuilding\nspaceship\n");
    for (split, stem) in [("train", "a"), ("train", "b"), ("valid", "c")] {
        root.file(&format!("{split}/images/{stem}.jpg"), picture(3, 1));
        root.file(&format!("{split}/masks/{stem}.png"), label(&[0, 1, 2]));
    }
    root.file("test/images/d.jpg", picture(3, 1));
    let draft = draft(&root);
    let manifest = loaded(&draft);
    let expected = [("road", "road"), ("building", "building"), ("spaceship", "ignore")];
    assert_eq!(entries(&manifest), expected);
    assert_eq!(manifest.split_names(), ["train", "val"]);
    assert_reads(&manifest, root.path(), "train", &["a", "b"]);
    assert_reads(&manifest, root.path(), "val", &["c"]);
    assert!(
        draft.notes.contains(&"names are those of classes.txt".to_owned()),
        "{:?}",
        draft.notes
    );
}

#[test]
fn a_draft_reads_well() {
    let root = Folder::new();
    let palette = [[0, 0, 0], [250, 170, 30], [9, 9, 9]];
    for city in ["bonn", "ulm"] {
        root.file(&format!("city/frames/{city}/x1_left.png"), picture(3, 1));
        let mask = palette_png(3, 1, &palette, &[0, 1, 1]);
        root.file(&format!("city/gt/{city}/x1_mask.png"), mask);
    }
    let draft = draft_manifest(&root.path().join("city")).expect("a draft");
    insta::assert_snapshot!(draft.toml, @r#"
    # Drafted from the files of a folder; data-manifests/README.md explains every key.
    name = "city"
    # Change it whenever a class below changes: results depend on it.
    mapping = "city/1"
    license = "unknown: write the dataset's terms here"

    [layout]
    images = [
        "frames/{folder}/{stem}_left.png",
    ]
    labels = [
        "gt/{folder}/{stem}_mask.png",
    ]

    [labels]
    encoding = "palette-index"
    # `train` is the class that an id becomes, or "ignore". The classes:
    # road, sidewalk, building, wall, fence, pole, traffic light, traffic sign, vegetation, terrain, sky, person, rider, car, truck, bus, train, motorcycle, bicycle.
    ids = [
        { id = 0, name = "id 0", train = "ignore" }, # meaning unknown, shown as (0, 0, 0)
        { id = 1, name = "id 1", train = "ignore" }, # meaning unknown, shown as (250, 170, 30)
    ]

    [splits.all]
    "#);
    insta::assert_snapshot!(draft.notes.join("\n"), @r"
    split `all`: 2 pairs, 0 files alone
    2 values occur in the labels: 0 have a class, 2 are ignored until you give them one
    ");
    assert_reads(&loaded(&draft), &root.path().join("city"), "all", &["bonn/x1", "ulm/x1"]);
}

#[test]
fn colours_are_named_by_label_colors_txt() {
    let root = Folder::new();
    root.file("label_colors.txt", "128 64 128\tRoad\n64 128 64\tAnimal\n");
    for (stem, second) in [("a", [64, 128, 64]), ("b", [1, 2, 3])] {
        let mask = [[128, 64, 128], second, second].concat();
        root.file(&format!("raw/{stem}.png"), picture(3, 1));
        root.file(&format!("labelled/{stem}_L.png"), png(3, 1, ColorType::Rgb, &mask));
    }
    let manifest = loaded(&draft(&root));
    let expected = [("colour 1 2 3", "ignore"), ("Animal", "ignore"), ("Road", "road")];
    assert_eq!(entries(&manifest), expected);
    assert_reads(&manifest, root.path(), "all", &["a", "b"]);
}

#[test]
fn polygon_objects_give_their_own_names() {
    let root = Folder::new();
    root.file("images/a.png", picture(4, 4));
    let object =
        |name: &str| format!(r#"{{"label": "{name}", "polygon": [[0, 0], [3, 0], [3, 3]]}}"#);
    let objects = [object("road"), object("zebra")].join(", ");
    let json = format!(r#"{{"imgWidth": 4, "imgHeight": 4, "objects": [{objects}]}}"#);
    root.file("polygons/a_polygons.json", json);
    let manifest = loaded(&draft(&root));
    assert_eq!(entries(&manifest), [("road", "road"), ("zebra", "ignore")]);
    assert_reads(&manifest, root.path(), "all", &["a"]);
}

#[test]
fn sixteen_bit_labels_and_ids_in_red_are_told_by_their_header_and_content() {
    let sixteen = [[0, 3, 0, 9, 0, 9], [0, 3, 0, 1, 0, 9], [1, 1, 0, 1, 0, 9]].concat();
    let sixteen = png_of_depth(3, 1, ColorType::Rgb, BitDepth::Sixteen, &sixteen);
    let red = png(3, 1, ColorType::Rgba, &[7, 0, 0, 255, 8, 0, 0, 255, 8, 0, 0, 255]);
    for (label, encoding, expected) in [
        (sixteen, Encoding::Rgb16Red, ["id 3", "id 257"]),
        // As the CARLA simulator writes them.
        (red, Encoding::GreyOrRed, ["id 7", "id 8"]),
    ] {
        let root = Folder::new();
        root.file("camera/a.png", picture(3, 1));
        root.file("semantic/a.png", label);
        let manifest = loaded(&draft(&root));
        assert_eq!(manifest.encoding, encoding);
        let names: Vec<&str> = manifest.ids.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, expected);
        assert_reads(&manifest, root.path(), "all", &["a"]);
    }
}

#[test]
fn labels_of_train_ids_get_their_classes_and_other_kinds_are_noted() {
    let root = Folder::new();
    root.file("img/a.png", picture(3, 1));
    root.file("gt/a_trainIds.png", label(&[0, 18, 255]));
    root.file("gt/a_instances.png", label(&[1, 2, 2]));
    let draft = draft(&root);
    let manifest = loaded(&draft);
    let expected = [("road", "road"), ("bicycle", "bicycle"), ("id 255", "ignore")];
    assert_eq!(entries(&manifest), expected);
    let note = "other files could be labels too: gt/{stem}_instances.png";
    assert!(draft.notes.iter().any(|found| found == note), "{:?}", draft.notes);
}

#[test]
fn an_official_dataset_is_recognised_by_layout_stems_and_labels() {
    let root = Folder::new();
    root.file("images/00001.png", picture(2, 1));
    root.file("labels/00001.png", palette_png(2, 1, &[[1, 2, 3]; 35], &[7, 34]));
    let draft = draft(&root);
    assert_eq!(
        draft.notes,
        [
            "this is the layout of the built-in manifest `gtav`: `--manifest gtav` needs no file",
            "its labels have other readings too: colour"
        ]
    );
    let manifest = loaded(&draft);
    assert_eq!(manifest.name, "gtav");
    assert_reads(&manifest, root.path(), "all", &["00001"]);
}

#[test]
fn an_official_layout_with_other_names_or_ids_is_drafted_like_any_other() {
    for (stem, id) in [("frame-one", 7), ("00001", 99)] {
        let root = Folder::new();
        root.file(&format!("images/{stem}.png"), picture(2, 1));
        let palette = vec![[1, 2, 3]; 100];
        root.file(&format!("labels/{stem}.png"), palette_png(2, 1, &palette, &[id, 0]));
        let manifest = loaded(&draft(&root));
        assert_ne!(manifest.name, "gtav");
        assert_reads(&manifest, root.path(), "all", &[stem]);
    }
}

#[test]
fn a_folder_without_pairs_is_told_what_it_holds() {
    let error = |root: &Folder| {
        let error = draft_manifest(root.path()).unwrap_err().to_string();
        error.replace(&root.path().display().to_string(), "ROOT")
    };
    let root = Folder::new();
    insta::assert_snapshot!(error(&root), @"ROOT: no images with labels found, it holds no files, expected images (PNG or JPEG) and labels (PNG, or polygons in JSON) whose names begin alike; hint: name the folder that holds both");
    root.files(&["a.bin", "b.bin", "README"]);
    root.file("images/a.png", picture(2, 2));
    insta::assert_snapshot!(error(&root), @"ROOT: no images with labels found, it holds 4 files (2 .bin, 1 without an ending, 1 .png), expected images (PNG or JPEG) and labels (PNG, or polygons in JSON) whose names begin alike; hint: name the folder that holds both");
    let absent = draft_manifest(&root.path().join("absent")).unwrap_err().to_string();
    assert!(absent.contains("/absent: cannot be read: "), "{absent}");
}

#[test]
fn two_folders_of_photographs_are_no_labels() {
    let root = Folder::new();
    for stem in ["a", "b"] {
        root.file(&format!("left/{stem}.png"), picture(40, 30));
        root.file(&format!("right/{stem}.png"), picture(40, 30));
    }
    assert!(draft_manifest(root.path()).is_err());
}
