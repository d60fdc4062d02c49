//! What `shard verify` finds, at each of its levels.

use std::path::{Path, PathBuf};

use ::toy_city::{City, CityOptions, write_city};
use serde_json::Value;
use terminal::Outcome;

use crate::toy_city::{Run, ToyCity, image, label};

fn verify(city: &ToyCity, more: &[&str]) -> Run {
    city.shard(&[&["verify", "@packed"], more].concat())
}

/// Test data of the shard format.
fn format_data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/shard_format/tests/data")
}

const AGAINST_SOURCE: [&str; 4] = ["--against-source", "@data", "--manifest", "@toy.toml"];

#[test]
fn an_intact_dataset_passes_every_level_and_the_result_says_what_was_checked() {
    let city = ToyCity::packed(7);
    let every = [&["--deep"], &AGAINST_SOURCE[..]].concat();
    for (more, checked) in [
        (&[][..], "hashes and checksums"),
        (&["--deep"], "hashes and checksums, decoded content, counts of the audit"),
        (
            &AGAINST_SOURCE[..2],
            "hashes and checksums, hashes of the source files, pixels of the source",
        ),
        (
            &every,
            "hashes and checksums, decoded content, counts of the audit, hashes of the source \
             files, pixels and labels of the source",
        ),
    ] {
        let verified = verify(&city, more);
        assert_eq!(verified.result, Ok(Outcome::Done), "{}", verified.output);
        let expected = format!("packed: 7 samples in 1 shard are intact: {checked}\n");
        assert_eq!(verified.output, expected);
    }
}

#[test]
fn a_dataset_is_read_in_pieces_as_it_is_by_memory_map() {
    let city = ToyCity::packed(7);
    for access in ["auto", "map", "pread"] {
        let verified = verify(&city, &["--deep", "--access", access]);
        assert_eq!(verified.result, Ok(Outcome::Done), "{access}");
    }
}

#[test]
fn a_jpeg_that_was_passed_through_is_compared_with_its_file() {
    let city = ToyCity::new(0);
    let jpeg = format_data().join("jpeg/progressive_420.jpg");
    let image = city.path("data/images/train/t/00.png");
    city.write_label("t/00", 24, 16, &label(24, 16));
    std::fs::create_dir_all(image.parent().unwrap()).unwrap();
    std::fs::copy(&jpeg, image).unwrap();
    city.pack("packed", &["--jpeg"]).result.unwrap();
    let verified = verify(&city, &[&["--deep"], &AGAINST_SOURCE[..]].concat());
    assert_eq!(verified.result, Ok(Outcome::Done), "{}", verified.output);
    assert!(city.shard(&["inspect", "@packed"]).output.contains("preset    jpeg"));

    city.shard(&["extract", "@packed", "--out", "@kept", "--keep-jpeg"]).result.unwrap();
    city.shard(&["extract", "@packed", "--out", "@decoded"]).result.unwrap();
    assert_eq!(std::fs::read(city.path("kept/t__00.jpg")).unwrap(), std::fs::read(jpeg).unwrap());
    assert!(city.path("decoded/t__00.png").is_file() && !city.path("kept/t__00.png").exists());
}

#[test]
fn an_altered_byte_is_found_at_the_lowest_level_with_sample_and_tile() {
    let city = ToyCity::packed(3);
    let shard = city.path("packed/toy-00000.shard");
    let mut bytes = std::fs::read(&shard).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&shard, bytes).unwrap();
    let verified = verify(&city, &[]);
    assert_eq!(verified.result, Ok(Outcome::CheckFailed));
    let lines: Vec<&str> = verified.output.lines().collect();
    assert!(lines[0].starts_with("packed/toy-00000.shard: "), "{}", verified.output);
    assert!(lines[1].starts_with("packed/toy-00000.shard: sample \"t/"), "{}", verified.output);
    assert!(lines[1].contains("tile"), "{}", verified.output);
    assert!(lines[2].starts_with("packed: 2 problems found; hint: "), "{}", verified.output);
}

/// Changes `audit.json` in `packed`.
fn edit_audit(city: &ToyCity, edit: impl Fn(&mut Value)) {
    let path = city.path("packed/audit.json");
    let bytes = std::fs::read(&path).expect("an audit");
    let mut audit: Value = serde_json::from_slice(&bytes).expect("JSON");
    edit(&mut audit);
    std::fs::write(path, audit.to_string()).expect("the audit can be written");
}

#[test]
fn counts_that_are_not_those_of_the_shards_fail_the_deep_check_alone() {
    let city = ToyCity::packed(2);
    edit_audit(&city, |audit| {
        audit["packed"] = 3.into();
        audit["classes"][0]["pixels"] = 1.into();
        audit["ignored_pixels"] = 0.into();
    });
    assert_eq!(verify(&city, &[]).result, Ok(Outcome::Done));
    let verified = verify(&city, &["--deep"]);
    assert_eq!(verified.result, Ok(Outcome::CheckFailed));
    let stored = [label(1, 3), label(38, 64)].concat();
    let pixels = |id: u8| stored.iter().filter(|&&value| value == id).count();
    let expected = format!(
        "packed/audit.json: packed is 3, expected 2 as in the shards\n\
         packed/audit.json: classes[0].pixels is 1, expected {} as in the shards\n\
         packed/audit.json: ignored_pixels is 0, expected {} as in the shards\n\
         packed: 3 problems found; hint: copy audit.json again, or pack the dataset again\n",
        pixels(1),
        pixels(9)
    );
    assert_eq!(verified.output, expected);
}

#[test]
fn a_deep_check_without_audit_fails() {
    let city = ToyCity::packed(1);
    std::fs::remove_file(city.path("packed/audit.json")).unwrap();
    let verified = verify(&city, &["--deep"]);
    assert_eq!(verified.result, Ok(Outcome::CheckFailed));
    assert!(verified.output.starts_with("packed/audit.json: not found, expected "));
}

#[test]
fn a_changed_source_image_is_found_by_hash_and_by_its_first_changed_pixel() {
    let city = ToyCity::packed(2);
    let path = city.path("data/images/train/t/01.png");
    let mut pixels = image(38, 64);
    pixels[(38 * 5 + 7) * 3 + 1] ^= 0xFF;
    pixels[(38 * 9 + 1) * 3] ^= 0xFF;
    city.write_pixels("t/01", 38, 64, &pixels);
    let verified = verify(&city, &AGAINST_SOURCE);
    assert_eq!(verified.result, Ok(Outcome::CheckFailed));
    let lines: Vec<&str> = verified.output.lines().collect();
    let named = "data/images/train/t/01.png: sample \"t/01\": ";
    assert!(lines[0].starts_with(&format!("{named}the file's BLAKE3 hash is ")), "{}", lines[0]);
    let differing = format!("{named}2 of 2432 pixels differ, the first at x=7, y=5: found ");
    assert!(lines[1].starts_with(&differing), "{}", lines[1]);
    assert!(lines[2].contains("the source files changed since they were packed"), "{}", lines[2]);
    std::fs::remove_file(path).unwrap();
    let verified = verify(&city, &AGAINST_SOURCE[..2]);
    assert!(
        verified.output.starts_with(&format!("{named}cannot be read: ")),
        "{}",
        verified.output
    );
}

#[test]
fn a_changed_label_is_found_by_hash_and_with_the_manifest_by_its_pixel() {
    let city = ToyCity::packed(2);
    let mut changed = label(38, 64);
    changed[38 * 2] = if changed[38 * 2] == 1 { 2 } else { 1 };
    city.write_label("t/01", 38, 64, &changed);
    let named = "data/labels/train/t/01.png: sample \"t/01\": ";
    let hashed = verify(&city, &AGAINST_SOURCE[..2]);
    assert_eq!(hashed.result, Ok(Outcome::CheckFailed));
    assert!(hashed.output.starts_with(&format!("{named}the file's BLAKE3 hash is ")));
    assert!(hashed.output.contains("packed: 1 problem found"), "{}", hashed.output);
    let compared = verify(&city, &AGAINST_SOURCE);
    let differing = format!("{named}1 of 2432 pixels differ, the first at x=0, y=2: found [");
    assert!(compared.output.contains(&differing), "{}", compared.output);
}

#[test]
fn a_manifest_of_another_mapping_is_refused_before_anything_is_compared() {
    let city = ToyCity::packed(1);
    let text = std::fs::read_to_string(city.path("toy.toml")).unwrap();
    std::fs::write(city.path("other.toml"), text.replace("toy-3/1", "toy-3/2")).unwrap();
    let refused = verify(&city, &["--against-source", "@data", "--manifest", "@other.toml"]).result;
    let expected = "other.toml: maps labels by toy-3/2, expected toy-3/1, which the dataset was \
                    packed with; hint: another --manifest or --reading";
    assert_eq!(refused, Err(expected.to_owned()));
}

#[test]
fn the_reading_is_the_one_that_has_the_datasets_mapping() {
    let city = ToyCity::new(2);
    let mut text = std::fs::read_to_string(city.path("toy.toml")).unwrap();
    text.push_str(
        "[readings.sky-road]\nmapping = \"toy-sky-road/1\"\ntrain = { sky = \"road\" }\n",
    );
    std::fs::write(city.path("toy.toml"), text).unwrap();
    city.pack("packed", &["--reading", "sky-road"]).result.unwrap();
    assert_eq!(verify(&city, &AGAINST_SOURCE).result, Ok(Outcome::Done));
}

#[test]
fn an_official_dataset_is_compared_pixel_by_pixel_without_naming_its_manifest() {
    let city = ToyCity::new(0);
    let size = CityOptions { seed: 3, train_frames: 2, val_frames: 1, width: 64, height: 32 };
    write_city(City::Cityscapes, &city.path("official"), &size, &|| {}).unwrap();
    let words = ["pack", "--manifest", "cityscapes", "--root", "@official", "--split", "train"];
    city.shard(&[&words[..], &["--out", "@packed"]].concat()).result.unwrap();
    let verified = verify(&city, &["--against-source", "@official"]);
    assert_eq!(
        verified.output,
        "packed: 2 samples in 1 shard are intact: hashes and checksums, hashes of the source \
         files, pixels and labels of the source\n"
    );
}

#[test]
fn a_dataset_of_version_1_is_checked_but_has_no_hashes_of_its_sources() {
    let old = format_data().join("version_1/default");
    let city = ToyCity::new(1);
    let old = old.to_str().unwrap();
    assert_eq!(city.shard(&["verify", old]).result, Ok(Outcome::Done));
    let refused = city.shard(&["verify", old, "--against-source", "@data"]).result.unwrap_err();
    assert!(refused.contains("format version 1, expected 2 or later"), "{refused}");
}
