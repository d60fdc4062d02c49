//! Parts that are packed on their own and merged give what one run gives.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::Command;

use shard::merge::{MergeError, MergeOptions, merge};
use shard::pack::{PackError, PackOptions, Part, Space, pack};
use shard_format::Preset;
use terminal::Outcome;

use crate::toy_city::ToyCity;

/// Fourteen samples: noise, and of everything that parts must settle with one another.
fn city() -> ToyCity {
    let city = ToyCity::new(0);
    for index in 0..14_u32 {
        city.write_noise(&format!("t/{index:02}"), 40 + index, 40, u64::from(index));
    }
    let copy = |from: &str, to: &str| {
        for kind in ["images", "labels"] {
            let path = |id: &str| city.path(&format!("data/{kind}/train/t/{id}.png"));
            fs::copy(path(from), path(to)).unwrap();
        }
    };
    // 01, 02, 08 and 12 are one picture; 01 is the first, but its label is bad.
    copy("01", "02");
    copy("01", "08");
    copy("01", "12");
    city.write_label("t/01", 2, 2, &[1; 4]);
    // 05, 06 and 13 are another one, with different labels.
    copy("05", "06");
    copy("05", "13");
    city.write_label("t/13", 45, 40, &[9; 45 * 40]);
    // One that is ignored everywhere, one without label, and one without image.
    city.write_label("t/10", 50, 40, &[9; 50 * 40]);
    fs::remove_file(city.path("data/labels/train/t/03.png")).unwrap();
    fs::remove_file(city.path("data/images/train/t/11.png")).unwrap();
    city
}

fn parts(city: &ToyCity, count: u32) -> Vec<PathBuf> {
    let pack_part = |number| {
        let name = format!("part-{number}-of-{count}");
        let part = Some(Part { number, count });
        pack(&PackOptions { part, ..city.options(&name) }, &|_, _| ()).unwrap();
        city.path(&name)
    };
    (1..=count).map(pack_part).collect()
}

fn options(city: &ToyCity, parts: Vec<PathBuf>, out: &str) -> MergeOptions {
    MergeOptions { parts, out: city.path(out), max_skipped: None, space: Space::FileSystem }
}

fn error(city: &ToyCity, parts: Vec<PathBuf>) -> String {
    let error = merge(&options(city, parts, "merged"), &|_, _| ()).unwrap_err();
    assert!(!city.exists("merged/index.json"));
    city.text(&error)
}

#[test]
fn parts_in_any_order_merge_to_the_bytes_of_one_run() {
    let city = city();
    let whole = pack(&city.options("whole"), &|_, _| ()).unwrap();
    assert!(whole.index.as_ref().unwrap().shards.len() > 2, "several shards");
    assert_eq!(whole.audit.skipped_by_kind["duplicate"], 4);
    for count in [1, 2, 3, 7, 30] {
        let mut parts = parts(&city, count);
        parts.reverse();
        let middle = parts.len() / 2;
        parts.rotate_left(middle);
        let out = format!("merged-{count}");
        let merged = merge(&options(&city, parts, &out), &|_, _| ()).unwrap();
        assert_eq!(merged.audit, whole.audit, "{count} parts");
        assert!(city.packed_bytes(&out) == city.packed_bytes("whole"), "{count} parts");
    }
}

#[test]
fn a_part_is_a_dataset_of_its_own_and_one_without_samples_is_not() {
    let city = city();
    parts(&city, 30);
    let reports = [1, 2].map(|number| format!("part-{number}-of-30"));
    // 12 pairs in 30 parts: the first part has none, of the second's it is not yet known.
    assert!(city.exists(&format!("{}/part.json", reports[0])));
    assert!(!city.exists(&format!("{}/index.json", reports[0])));
    let audit = fs::read_to_string(city.path(&format!("{}/audit.json", reports[0]))).unwrap();
    let audit: serde_json::Value = serde_json::from_str(&audit).unwrap();
    assert_eq!(audit["part"], serde_json::json!({ "number": 1, "count": 30 }));
    assert_eq!((&audit["packed"], &audit["complete"]), (&0.into(), &true.into()));
    parts(&city, 2);
    assert_eq!(city.shard(&["verify", "@part-1-of-2"]).result, Ok(Outcome::Done));
    // Neither is packed over.
    for (name, part) in [("part-1-of-30", "1/30"), ("part-1-of-2", "1/2")] {
        let again = PackOptions { part: part.parse().ok(), ..city.options(name) };
        let error = pack(&again, &|_, _| ()).unwrap_err();
        assert!(city.text(&error).contains("a dataset is already here"), "{error}");
    }
}

#[test]
fn copies_of_a_dataset_under_any_name_merge_to_the_same_bytes_and_audit() {
    let city = city();
    city.write_noise("t/20", 8, 8, 20);
    fs::write(city.path("data/images/train/t/20.png"), "no picture").unwrap();
    // A root of one letter, which occurs in every path, and one that is written in a long way.
    let program = |root: &str, out: &str, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shard"));
        command.current_dir(city.path(""));
        command.args(["pack", "--manifest", "toy.toml", "--split", "train", "--max-skipped", "1"]);
        let output = command.args(["--root", root, "--out", out]).args(more).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    program("data", "whole", &[]);
    fs::rename(city.path("data"), city.path("s")).unwrap();
    program("s", "part-1", &["--part", "1/2"]);
    fs::create_dir(city.path("other")).unwrap();
    fs::rename(city.path("s"), city.path("other/images")).unwrap();
    program("./other/../other/images/", "part-2", &["--part", "2/2"]);
    let parts = ["part-1", "part-2"].map(|name| city.path(name)).to_vec();
    merge(&options(&city, parts, "merged"), &|_, _| ()).unwrap();
    assert!(city.packed_bytes("merged") == city.packed_bytes("whole"));
    let audit = shard::audit::Audit::load(&city.path("whole")).unwrap();
    let of_files = audit.skipped.iter().map(|skip| format!("{}: {}", skip.path, skip.reason));
    insta::assert_snapshot!(of_files.collect::<Vec<_>>().join("\n"), @r"
    images/train/t/03.png: image without a label, expected labels/train/t/03.png
    labels/train/t/11.png: label without an image
    images/train/t/01.png: image is 41x40, but its label labels/train/t/01.png is 2x2, expected equal sizes
    images/train/t/06.png: the same file as images/train/t/05.png, which is packed; their labels are equal
    images/train/t/08.png: the same file as images/train/t/02.png, which is packed; their labels are equal
    images/train/t/12.png: the same file as images/train/t/02.png, which is packed; their labels are equal
    images/train/t/13.png: the same file as images/train/t/05.png, which is packed; their labels differ
    images/train/t/20.png: found a file that begins with 6e 6f 20 70 69 63 74 75, expected a PNG or JPEG image
    ");
}

#[test]
fn parts_of_bad_samples_alone_merge_to_nothing_whatever_is_allowed() {
    let city = ToyCity::new(2);
    ["t/00", "t/01"].iter().for_each(|id| city.write_label(id, 5, 4, &[1; 20]));
    let two = parts(&city, 2);
    let allowed = MergeOptions { max_skipped: Some(1.0), ..options(&city, two, "merged") };
    let error = merge(&allowed, &|_, _| ()).unwrap_err();
    assert!(matches!(error, MergeError::Pack(PackError::NothingPacked { .. })));
    insta::assert_snapshot!(city.text(&error), @"merged: none of 2 samples can be packed, expected at least one; the first: images/train/t/00.png (image is 1x3, but its label labels/train/t/00.png is 5x4, expected equal sizes); hint: merged/audit.json lists all reasons, check that the manifest is that of this dataset");
    let words = ["merge", "@part-1-of-2", "@part-2-of-2", "--out", "@merged"];
    assert_eq!(city.shard(&words).result, Ok(Outcome::CheckFailed));
}

#[test]
fn a_merge_overwrites_no_shards_without_an_index() {
    let city = city();
    let two = parts(&city, 2);
    merge(&options(&city, two.clone(), "merged"), &|_, _| ()).unwrap();
    fs::remove_file(city.path("merged/index.json")).unwrap();
    let before = city.packed_bytes("merged");
    let error = error(&city, two);
    assert!(error.starts_with("merged/toy-00000.shard: a shard without an index"), "{error}");
    assert!(city.packed_bytes("merged") == before);
}

#[test]
fn the_program_packs_and_merges_parts() {
    let city = ToyCity::new(5);
    city.pack("whole", &[]).result.unwrap();
    for part in ["1/2", "2/2"] {
        let packed = city.pack(&format!("part-{}", &part[..1]), &["--part", part]);
        assert_eq!(packed.result, Ok(Outcome::Done));
        assert!(
            packed.output.contains(&format!("of toy (train, part {part})")),
            "{}",
            packed.output
        );
    }
    let merged = city.shard(&["merge", "@part-2", "@part-1", "--out", "@merged"]);
    assert_eq!(merged.result, Ok(Outcome::Done));
    assert!(merged.output.contains("packed 5 samples of toy (train) into 1 shard,"));
    assert!(city.packed_bytes("merged") == city.packed_bytes("whole"));
    let again = city.shard(&["merge", "@part-2", "@part-1", "--out", "@merged"]);
    assert!(again.result.unwrap_err().starts_with("merged/index.json: a dataset is already here"));
}

#[test]
fn missing_doubled_and_foreign_parts_are_named() {
    let city = city();
    let three = parts(&city, 3);
    insta::assert_snapshot!(error(&city, vec![three[1].clone()]), @"part-2-of-3: is one of 3 parts, but of these 1, 3 are not named; hint: name the folders of all parts");
    insta::assert_snapshot!(error(&city, vec![three[0].clone(), three[2].clone()]), @"part-1-of-3: is one of 3 parts, but of these 2 is not named; hint: name the folders of all parts");
    fs::create_dir(city.path("copy")).unwrap();
    for entry in fs::read_dir(&three[1]).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, city.path("copy").join(path.file_name().unwrap())).unwrap();
    }
    let doubled = vec![three[0].clone(), three[1].clone(), city.path("copy")];
    insta::assert_snapshot!(error(&city, doubled), @"copy: is part 2/3, as is part-2-of-3, expected each part once");
    insta::assert_snapshot!(error(&city, vec![three[0].clone(), city.path("data")]), @"data: no part.json, expected a part of a split; hint: parts are what `shard pack --part` writes, and are complete once it ends");
    let fast =
        PackOptions { preset: Preset::Fast, part: "2/4".parse().ok(), ..city.options("fast") };
    pack(&fast, &|_, _| ()).unwrap();
    insta::assert_snapshot!(error(&city, vec![three[0].clone(), city.path("fast")]), @"fast: differs from part-1-of-3 in preset (default there, fast now), number of parts (3 and 4), expected parts of one split packed in the same way; hint: pack the part again with the options of the others");
    // A part that is still being packed, or was cut off, is not merged.
    fs::write(three[1].join(".pack-journal.jsonl"), "").unwrap();
    assert!(error(&city, three).starts_with("part-2-of-3: no part.json, expected"));
}

#[test]
fn a_part_whose_shards_or_facts_were_altered_is_refused() {
    let city = city();
    let two = parts(&city, 2);
    let facts = fs::read_to_string(two[0].join("part.json")).unwrap();
    let more = facts.replacen("\"packed\": 4", "\"packed\": 5", 2);
    assert_ne!(more, facts);
    fs::write(two[0].join("part.json"), more).unwrap();
    insta::assert_snapshot!(error(&city, two.clone()), @"part-1-of-2: samples 4, expected 5 as part.json has it; hint: pack the part again");
    fs::write(two[0].join("part.json"), &facts[..facts.len() / 2]).unwrap();
    assert!(error(&city, two.clone()).starts_with("part-1-of-2/part.json: EOF while parsing"));
    fs::write(two[0].join("part.json"), facts.replace("\"number\": 1", "\"number\": 9")).unwrap();
    let wrong = error(&city, two.clone());
    assert!(wrong.starts_with("part-1-of-2/part.json: part 9/2, expected the file"), "{wrong}");
    fs::write(two[0].join("part.json"), facts).unwrap();
    let shard = two[1].join("toy-00000.shard");
    let mut bytes = fs::read(&shard).unwrap();
    bytes[1000] ^= 1; // in an RGB tile of the first sample
    fs::write(&shard, bytes).unwrap();
    let error = error(&city, two);
    assert!(error.starts_with("part-2-of-2/toy-00000.shard: "), "{error}");
    // Nothing is left of the merge but the audit, at most.
    assert!(city.packed_bytes("merged").iter().all(|(name, _)| name == "audit.json"));
}

#[test]
fn the_share_of_skips_counts_over_all_parts() {
    let city = ToyCity::new(4);
    city.write_label("t/03", 1, 1, &[1]);
    let pack_parts = |prefix: &str, max_skipped: f64| {
        [1, 2].map(|number| {
            let name = format!("{prefix}{number}");
            let part = Some(Part { number, count: 2 });
            let options = PackOptions { part, max_skipped, ..city.options(&name) };
            (city.path(&name), pack(&options, &|_, _| ()))
        })
    };
    // One of four samples, but one of two in its part.
    let [(first, one), (second, two)] = pack_parts("quarter-", 0.25);
    assert!(one.is_ok() && two.is_ok());
    let both = vec![first, second];
    merge(&options(&city, both.clone(), "merged"), &|_, _| ()).unwrap();
    let strict = MergeOptions { max_skipped: Some(0.2), ..options(&city, both, "strict") };
    let error = merge(&strict, &|_, _| ()).unwrap_err();
    assert!(matches!(error, MergeError::Pack(PackError::TooManySkipped { .. })));
    insta::assert_snapshot!(city.text(&error), @"strict: 1 samples left out of 4, expected at most 0; the first: images/train/t/03.png (image is 112x3, but its label labels/train/t/03.png is 1x1, expected equal sizes); hint: strict/audit.json lists all, --max-skipped allows more");
    let left: Vec<String> = city.packed_bytes("strict").into_iter().map(|(name, _)| name).collect();
    assert_eq!(left, ["audit.json"]);
    // A part that alone has too many for the whole need not wait for the merge.
    let [(_, one), (_, two)] = pack_parts("fifth-", 0.2);
    assert!(one.is_ok());
    assert!(matches!(two, Err(PackError::TooManySkipped { .. })));
}

#[test]
fn a_merge_that_failed_or_was_killed_is_done_again_from_its_start() {
    let city = city();
    pack(&city.options("whole"), &|_, _| ()).unwrap();
    let two = parts(&city, 2);
    // The audit cannot be written, as on a full disk.
    let obstacle = city.path("merged/.audit.json.partial");
    fs::create_dir_all(&obstacle).unwrap();
    assert!(merge(&options(&city, two.clone(), "merged"), &|_, _| ()).is_err());
    fs::remove_dir(obstacle).unwrap();
    assert_eq!(city.packed_bytes("merged"), [], "a merge that fails leaves nothing");
    let small = MergeOptions { space: Space::Quota(1000), ..options(&city, two.clone(), "merged") };
    let error = merge(&small, &|_, _| ()).unwrap_err();
    assert!(city.text(&error).starts_with("merged: 1000 B free, expected about "), "{error}");
    // What a killed merge leaves: its journal, shards and an unfinished file.
    let killed = AssertUnwindSafe(|| {
        merge(&options(&city, two.clone(), "merged"), &|done, _| assert!(done < 5, "killed"))
    });
    assert!(catch_unwind(killed).is_err());
    assert!(city.exists("merged/.pack-journal.jsonl"));
    for leftover in ["toy-00000.shard", "toy-00009.shard", ".toy-00001.shard.partial"] {
        fs::write(city.path("merged").join(leftover), "half a shard").unwrap();
    }
    merge(&options(&city, two, "merged"), &|_, _| ()).unwrap();
    assert!(city.packed_bytes("merged") == city.packed_bytes("whole"));
}
