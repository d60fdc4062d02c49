//! Labels as real encoders store them; `tests/data/README.md` tells how the files were made.

use std::path::{Path, PathBuf};

use datasets::Manifest;

use crate::toy_folder::{Folder, manifest_with_classes, pair, picture};

const WIDTH: u32 = 11;
const HEIGHT: u32 = 6;

/// As many as a manifest may have, so that ids can be told apart.
const CLASSES: u32 = 31;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/png").join(name)
}

/// Every file, with the number of values in it.
fn files() -> Vec<(String, u32)> {
    let entries = std::fs::read_dir(file("")).expect("the folder is there");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut files: Vec<(String, u32)> = names
        .map(|name| {
            let name = name.into_string().expect("a plain name");
            let (_, values) = name.trim_end_matches(".png").rsplit_once('_').expect("a number");
            let values = values.parse().expect("a number");
            (name, values)
        })
        .collect();
    files.sort();
    files
}

/// A manifest of values 0 to 34, value i in class i modulo 31.
fn reader(encoding: &str) -> Manifest {
    let ids = (0..35).map(|id| {
        let key = match encoding {
            "shown-colour" => format!("colour = [{id}, {}, {}]", 255 - id, 7 * id % 256),
            _ => format!("id = {id}"),
        };
        format!("{{ {key}, name = \"n{id}\", train = \"c{}\" }}", id % CLASSES)
    });
    let labels =
        format!("encoding = \"{encoding}\"\nids = [{}]", ids.collect::<Vec<_>>().join(", "));
    manifest_with_classes(CLASSES, &labels)
}

fn expected(values: u32) -> Vec<u8> {
    let rows = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x + 3 * y) % values));
    rows.map(|value| (value % CLASSES) as u8).collect()
}

/// The files whose names hold `part` are read, and all others are refused.
fn assert_reads(encoding: &str, part: impl Fn(&str) -> bool) {
    let root = Folder::new();
    let image = root.file("image.png", picture(WIDTH, HEIGHT));
    let reader = reader(encoding);
    let mut read = 0;
    for (name, values) in files() {
        let decoded = reader.read_pair(&pair(image.clone(), file(&name)));
        if part(&name) {
            assert_eq!(decoded.expect(&name).train_ids, expected(values), "{name}");
            read += 1;
        } else {
            let error = decoded.expect_err(&name).to_string();
            assert!(error.contains(": found ") && error.contains("-bit "), "{error}");
        }
    }
    assert!(read >= 2, "only {read} files for {encoding}");
}

#[test]
fn palette_indices_are_kept_whatever_depth_order_and_transparency() {
    assert_reads("palette-index", |name| name.contains("palette"));
    assert_reads("index", |name| name.contains("palette") || name.contains("grey8"));
}

#[test]
fn grey_ids_are_kept_in_any_order_and_with_a_transparent_value() {
    assert_reads("grey-id", |name| name.contains("grey8"));
}

#[test]
fn all_sixteen_bits_of_the_first_sample_are_kept() {
    assert_reads("rgb16-red", |name| name.contains("rgb16") || name.contains("rgba16"));
}

#[test]
fn the_first_sample_of_eight_bits_is_kept() {
    assert_reads("grey-or-red", |name| name.contains("grey8") || name.contains("rgb8"));
}

#[test]
fn colours_shown_through_a_palette_and_stored_ones_are_the_same() {
    assert_reads("shown-colour", |name| name.contains("palette") || name.contains("rgb8"));
}
