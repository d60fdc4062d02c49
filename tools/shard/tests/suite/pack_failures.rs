//! What a person sees when the data is not as it should be.

use shard::pack::{PackError, pack};
use terminal::Outcome;

use crate::toy_city::{ToyCity, label};

fn audit(city: &ToyCity, dir: &str) -> serde_json::Value {
    let text = std::fs::read_to_string(city.path(&format!("{dir}/audit.json"))).expect("an audit");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn bad_samples_are_left_out_and_listed_with_their_reason() {
    let city = ToyCity::new(7);
    city.write_label("t/01", 5, 4, &label(5, 4));
    let mut unknown = label(75, 125);
    unknown[75 * 2 + 6] = 77;
    city.write_label("t/02", 75, 125, &unknown);
    std::fs::write(city.path("data/images/train/t/03.png"), "no picture").unwrap();
    std::fs::remove_file(city.path("data/labels/train/t/04.png")).unwrap();
    let packed = city.pack("packed", &["--max-skipped", "0.6"]);
    assert_eq!(packed.result, Ok(Outcome::Done));
    assert!(packed.output.contains("packed 3 samples of toy (train)"), "{}", packed.output);
    assert!(packed.output.contains("4 left out"), "{}", packed.output);
    let audit = audit(&city, "packed");
    let expected = serde_json::json!([
        {
            "path": "images/train/t/04.png",
            "kind": "missing-label",
            "reason": "image without a label, expected labels/train/t/04.png"
        },
        {
            "path": "images/train/t/01.png",
            "kind": "size-mismatch",
            "reason": "image is 38x64, but its label labels/train/t/01.png is 5x4, expected equal \
                       sizes"
        },
        {
            "path": "images/train/t/02.png",
            "kind": "unknown-label",
            "reason": "labels/train/t/02.png: unknown label 77 at pixel x=6, y=2, expected one of \
                       1..2, 9; hint: add it to `labels.ids` of the manifest, or check that this \
                       is the right kind of label file"
        },
        {
            "path": "images/train/t/03.png",
            "kind": "undecodable",
            "reason": "found a file that begins with 6e 6f 20 70 69 63 74 75, expected a PNG or \
                       JPEG image"
        },
    ]);
    assert_eq!(audit["skipped"], expected);
    assert_eq!(audit["skipped_by_kind"]["unknown-label"], 1);
    assert_eq!(city.shard(&["verify", "@packed"]).result, Ok(Outcome::Done));
}

#[test]
fn too_many_skips_fail_the_check_and_leave_only_the_audit() {
    let city = ToyCity::new(4);
    city.write_label("t/01", 5, 4, &label(5, 4));
    let packed = city.pack("packed", &["--max-skipped", "0.24"]);
    assert_eq!(packed.result, Ok(Outcome::CheckFailed));
    let left: Vec<String> = city.packed_bytes("packed").into_iter().map(|(name, _)| name).collect();
    assert_eq!(left, ["audit.json"]);
    assert_eq!(audit(&city, "packed")["skipped_by_kind"]["size-mismatch"], 1);
    // The threshold itself is allowed, and the folder can be used again.
    let again = city.pack("packed", &["--max-skipped", "0.25"]);
    assert_eq!(again.result, Ok(Outcome::Done));
}

#[test]
fn a_split_of_bad_samples_alone_fails_whatever_is_allowed() {
    let city = ToyCity::new(1);
    city.write_label("t/00", 5, 4, &label(5, 4));
    assert_eq!(city.pack("packed", &["--max-skipped", "1"]).result, Ok(Outcome::CheckFailed));
    let left: Vec<String> = city.packed_bytes("packed").into_iter().map(|(name, _)| name).collect();
    assert_eq!(left, ["audit.json"]);
    let error = pack(&city.options("packed"), &|_, _| ()).unwrap_err();
    assert!(matches!(error, PackError::NothingPacked { .. }));
    insta::assert_snapshot!(city.text(&error), @"data: none of 1 samples can be packed, expected at least one; the first: images/train/t/00.png (image is 1x3, but its label labels/train/t/00.png is 5x4, expected equal sizes); hint: packed/audit.json lists all reasons, check that the manifest is that of this dataset");
}

#[test]
fn shards_without_an_index_are_refused_and_left_alone() {
    let city = ToyCity::packed(2);
    std::fs::remove_file(city.path("packed/index.json")).unwrap();
    let before = city.packed_bytes("packed");
    for _ in 0..2 {
        let error = city.pack("packed", &[]).result.unwrap_err();
        insta::allow_duplicates! {
            insta::assert_snapshot!(error, @"packed/toy-00000.shard: a shard without an index, expected a folder without shards of `toy`; hint: it is of an unfinished or damaged dataset, delete the folder or choose another --out");
        }
        assert!(city.packed_bytes("packed") == before);
    }
}

#[test]
fn what_a_run_leaves_that_was_killed_before_its_first_shard_is_in_nobodys_way() {
    let city = ToyCity::packed(2);
    for (out, leftovers) in
        [("one", &[".toy-00000.shard.partial"][..]), ("two", &[".pack-journal.jsonl"])]
    {
        std::fs::create_dir(city.path(out)).unwrap();
        for name in leftovers {
            std::fs::write(city.path(out).join(name), "").unwrap();
        }
        assert_eq!(city.pack(out, &[]).result, Ok(Outcome::Done));
        assert!(city.packed_bytes(out) == city.packed_bytes("packed"), "{out}");
    }
}

#[test]
fn an_output_folder_that_holds_a_dataset_is_refused_and_left_alone() {
    let city = ToyCity::new(2);
    city.pack("packed", &[]).result.unwrap();
    let before = city.packed_bytes("packed");
    let error = city.pack("packed", &[]).result.unwrap_err();
    assert!(error.starts_with("packed/index.json: a dataset is already here"), "{error}");
    assert!(error.contains("hint: "), "{error}");
    assert!(city.packed_bytes("packed") == before);
}

#[test]
fn a_missing_folder_and_a_wrong_layout_are_errors_that_leave_no_output_folder() {
    let city = ToyCity::new(1);
    let missing = city.shard(&[
        "pack",
        "--manifest",
        "@toy.toml",
        "--root",
        "@absent",
        "--split",
        "train",
        "--out",
        "@o",
    ]);
    let error = missing.result.unwrap_err();
    assert!(error.starts_with("absent: no such folder, expected the folder that holds"), "{error}");
    let wrong = city.shard(&[
        "pack",
        "--manifest",
        "@toy.toml",
        "--root",
        "@data",
        "--split",
        "val",
        "--out",
        "@o",
    ]);
    let error = wrong.result.unwrap_err();
    assert!(
        error.starts_with(
            "data: no image of split `val` found, expected images/val/*/*.png; data/images has no \
             `val`, it holds train; hint: there are images of: train"
        ),
        "{error}"
    );
    assert!(!city.exists("o"));
}

#[test]
fn a_manifest_with_an_unknown_key_and_a_folder_without_dataset_are_errors() {
    let city = ToyCity::new(1);
    let text = std::fs::read_to_string(city.path("toy.toml")).unwrap();
    std::fs::write(city.path("toy.toml"), text.replace("license", "licence")).unwrap();
    let error = city.pack("packed", &[]).result.unwrap_err();
    assert!(error.contains("unknown field `licence`"), "{error}");
    for command in ["verify", "inspect"] {
        let error = city.shard(&[command, "@data"]).result.unwrap_err();
        assert!(error.starts_with("data/index.json: not found"), "{error}");
    }
}
