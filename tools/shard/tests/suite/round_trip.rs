//! What goes in comes out.

use png::ColorType;
use serde_json::Value;
use terminal::Outcome;

use crate::toy_city::{ToyCity, image, label, read_png, train_id};

#[test]
fn packed_samples_verify_and_come_back_bit_for_bit() {
    let city = ToyCity::new(7);
    for preset in [&[][..], &["--fast"], &["--raw"]] {
        let out = format!("packed{}", preset.concat());
        let packed = city.pack(&out, preset);
        assert_eq!(packed.result, Ok(Outcome::Done));
        assert!(packed.output.contains("packed 7 samples of toy (train)"), "{}", packed.output);
        let verified = city.shard(&["verify", &format!("@{out}")]);
        assert_eq!(verified.result, Ok(Outcome::Done));
        let intact = "7 samples in 1 shard are intact: hashes and checksums";
        assert_eq!(verified.output, format!("{out}: {intact}\n"));
        let back = format!("back{}", preset.concat());
        let extracted = city.shard(&["extract", &format!("@{out}"), "--out", &format!("@{back}")]);
        assert_eq!(extracted.result, Ok(Outcome::Done));
        for index in 0..7_u32 {
            let (width, height) = (1 + 37 * (index % 5), 3 + 61 * (index % 3));
            let file = |end: &str| city.path(&format!("{back}/t__{index:02}{end}.png"));
            let expected = (ColorType::Rgb, (width, height), image(width, height));
            assert!(read_png(&file("")) == expected, "image {index}");
            let train_ids = label(width, height).into_iter().map(train_id).collect();
            let expected = (ColorType::Grayscale, (width, height), train_ids);
            assert!(read_png(&file("_label")) == expected, "label {index}");
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let city = ToyCity::new(23);
    for threads in ["1", "2", "5"] {
        let packed = city.pack(&format!("by{threads}"), &["--threads", threads, "--fast"]);
        assert_eq!(packed.result, Ok(Outcome::Done));
    }
    let one = city.packed_bytes("by1");
    assert!(city.packed_bytes("by2") == one, "two threads");
    assert!(city.packed_bytes("by5") == one, "five threads");
}

#[test]
fn inspect_lists_samples_in_order_and_in_full_as_json() {
    let city = ToyCity::new(23);
    city.pack("packed", &["--domain", "drawn"]).result.unwrap();
    let text = city.shard(&["inspect", "@packed"]).output;
    for line in ["dataset   toy (split train)", "domain    drawn", "mapping   toy-3/1"] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    assert!(text.contains("t/01    38x64"), "{text}");
    assert!(text.ends_with("and 3 more; --samples all lists all\n"), "{text}");
    let json: Value =
        serde_json::from_str(&city.shard(&["inspect", "@packed", "--json"]).output).unwrap();
    assert_eq!(json["index"]["dataset"]["license"], "made for a test");
    let samples = json["samples"].as_array().unwrap();
    assert_eq!(samples.len(), 23);
    assert_eq!(samples[22]["id"], "t/22");
    assert_eq!(samples[22]["source"], "images/train/t/22.png");
    assert_eq!(samples[1]["train_ids"], serde_json::json!([0, 10]));
    assert_eq!(samples[1]["has_ignored_pixels"], true);
}

#[test]
fn the_audit_counts_pixels_and_images_of_every_class() {
    let city = ToyCity::new(2);
    city.pack("packed", &[]).result.unwrap();
    let text = std::fs::read_to_string(city.path("packed/audit.json")).unwrap();
    let audit: Value = serde_json::from_str(&text).unwrap();
    let stored = [label(1, 3), label(38, 64)].concat();
    let pixels = |id: u8| stored.iter().filter(|&&value| value == id).count();
    assert_eq!(audit["classes"][0]["pixels"], pixels(1));
    assert_eq!(audit["classes"][0]["images"], 2);
    assert_eq!(audit["classes"][10]["pixels"], pixels(2));
    assert_eq!(audit["classes"][10]["images"], 1);
    assert_eq!(audit["ignored_pixels"], pixels(9));
    assert_eq!((&audit["complete"], &audit["packed"]), (&true.into(), &2.into()));
    let note = "2 pairs of split `train` found, complete copies have 7";
    assert_eq!(audit["notes"], serde_json::json!([note]));
}

#[test]
fn an_altered_and_a_cut_off_shard_fail_the_check() {
    let city = ToyCity::new(3);
    city.pack("packed", &[]).result.unwrap();
    let shard = city.path("packed/toy-00000.shard");
    let whole = std::fs::read(&shard).unwrap();
    let mut altered = whole.clone();
    let middle = altered.len() / 2;
    altered[middle] ^= 1;
    for damaged in [&altered[..], &whole[..whole.len() - 1]] {
        std::fs::write(&shard, damaged).unwrap();
        let verified = city.shard(&["verify", "@packed"]);
        assert_eq!(verified.result, Ok(Outcome::CheckFailed));
        assert!(verified.output.starts_with("packed/toy-00000.shard: "), "{}", verified.output);
        assert!(verified.output.contains("hint: "), "{}", verified.output);
    }
}

#[test]
fn extract_overwrites_nothing() {
    let city = ToyCity::new(2);
    city.pack("packed", &[]).result.unwrap();
    std::fs::create_dir(city.path("back")).unwrap();
    std::fs::write(city.path("back/mine.txt"), "mine").unwrap();
    let error = city.shard(&["extract", "@packed", "--out", "@back"]).result.unwrap_err();
    assert_eq!(
        error,
        "back: not empty, expected a new or empty folder; hint: name another folder, nothing is \
         ever overwritten"
    );
}
