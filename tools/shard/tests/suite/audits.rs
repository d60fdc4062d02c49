//! What packing notices, and what decides the bytes.

use std::fs;

use png::ColorType;
use shard::pack::{PackOptions, pack};
use shard_format::{Dataset, Decoder, Preset, Window};
use terminal::Outcome;

use crate::toy_city::{ToyCity, image, label, noise, write_png};

/// A JPEG of 24x16 pixels.
const JPEG: &[u8] =
    include_bytes!("../../../../crates/shard_format/tests/data/jpeg/baseline_420.jpg");

/// A good sample and one of every kind of bad ones.
fn city_of_every_fault() -> ToyCity {
    let city = ToyCity::new(0);
    let write = |id: &str, pixels: &[u8], stored: &[u8]| {
        city.write_pixels(id, 8, 4, pixels);
        city.write_label(id, 8, 4, stored);
    };
    let mut unknown = label(8, 4);
    unknown[3 * 8 + 5] = 77;
    write("t/blank", &[7; 96], &label(8, 4));
    write("t/copy", &image(8, 4), &label(8, 4));
    write("t/damaged", &noise(8, 4, 1), &label(8, 4));
    write("t/excluded", &noise(8, 4, 2), &label(8, 4));
    write("t/good", &image(8, 4), &label(8, 4));
    write("t/ignored", &noise(8, 4, 3), &[9; 32]);
    write("t/no-image", &noise(8, 4, 4), &label(8, 4));
    write("t/no-label", &noise(8, 4, 5), &label(8, 4));
    write("t/small-label", &noise(8, 4, 6), &label(8, 4));
    write("t/unknown", &noise(8, 4, 7), &unknown);
    city.write_pixels("t/wide", 32_769, 1, &noise(32_769, 1, 8));
    city.write_label("t/wide", 32_769, 1, &label(32_769, 1));
    write("t/wrong-kind", &noise(8, 4, 9), &label(8, 4));
    let image_file = |id: &str| city.path(&format!("data/images/train/{id}.png"));
    let label_file = |id: &str| city.path(&format!("data/labels/train/{id}.png"));
    let whole = fs::read(image_file("t/damaged")).unwrap();
    fs::write(image_file("t/damaged"), &whole[..whole.len() - 30]).unwrap();
    fs::remove_file(image_file("t/no-image")).unwrap();
    fs::remove_file(label_file("t/no-label")).unwrap();
    city.write_label("t/small-label", 4, 4, &label(4, 4));
    write_png(&label_file("t/wrong-kind"), (8, 4), ColorType::Rgb, &image(8, 4));
    let manifest = fs::read_to_string(city.path("toy.toml")).unwrap();
    let known_bad = "expected = [7]\nknown_bad = [\"t/excluded\"]";
    fs::write(city.path("toy.toml"), manifest.replace("expected = [7]", known_bad)).unwrap();
    city
}

#[test]
fn the_audit_tells_every_fault_with_its_file_and_reason() {
    let city = city_of_every_fault();
    assert_eq!(city.pack("packed", &["--max-skipped", "1"]).result, Ok(Outcome::Done));
    let audit = fs::read_to_string(city.path("packed/audit.json")).unwrap();
    insta::assert_snapshot!("every_fault_audit", audit);
}

#[test]
fn a_duplicate_is_left_out_only_if_the_first_of_them_was_packed() {
    let city = ToyCity::new(4);
    for (from, to) in [("00", "01"), ("00", "03")] {
        let path = |id: &str| city.path(&format!("data/images/train/t/{id}.png"));
        fs::copy(path(from), path(to)).unwrap();
        city.write_label(&format!("t/{to}"), 1, 3, &label(1, 3));
    }
    city.write_label("t/00", 2, 2, &[1; 4]);
    let report = pack(&city.options("packed"), &|_, _| ()).unwrap();
    let skipped: Vec<_> = report.audit.skipped.iter().map(|skip| skip.reason.as_str()).collect();
    assert!(skipped[0].contains("expected equal sizes"), "{}", skipped[0]);
    assert_eq!(
        skipped[1..],
        ["the same file as images/train/t/01.png, which is packed; their labels are equal"]
    );
    assert_eq!(report.audit.packed, 2);
}

#[test]
fn the_reason_of_a_duplicate_tells_whether_the_labels_differ() {
    let city = ToyCity::new(3);
    let path = |id: &str| city.path(&format!("data/images/train/t/{id}.png"));
    fs::copy(path("01"), path("02")).unwrap();
    city.write_label("t/02", 38, 64, &[2; 38 * 64]);
    let report = pack(&city.options("packed"), &|_, _| ()).unwrap();
    assert_eq!(
        report.audit.skipped[0].reason,
        "the same file as images/train/t/01.png, which is packed; their labels differ"
    );
}

#[test]
fn samples_know_the_hashes_of_their_files() {
    let city = ToyCity::new(2);
    city.pack("packed", &[]).result.unwrap();
    let dataset = Dataset::open(&city.path("packed")).unwrap();
    let info = dataset.sample(1);
    assert_eq!(info.label_source, "labels/train/t/01.png");
    for (source, hash) in
        [(&info.source, info.image_blake3), (&info.label_source, info.label_blake3)]
    {
        let bytes = fs::read(city.path("data").join(source)).unwrap();
        assert_eq!(blake3::hash(&bytes), hash);
    }
}

#[test]
fn with_jpeg_the_bytes_of_a_jpeg_image_are_kept_and_others_are_packed_as_ever() {
    let city = ToyCity::new(2);
    // Its ending lies.
    let path = city.path("data/images/train/t/00.png");
    fs::write(&path, JPEG).unwrap();
    city.write_label("t/00", 24, 16, &label(24, 16));
    assert_eq!(city.pack("jpeg", &["--jpeg"]).result, Ok(Outcome::Done));
    assert_eq!(city.pack("default", &[]).result, Ok(Outcome::Done));
    assert_eq!(city.shard(&["verify", "@jpeg"]).result, Ok(Outcome::Done));
    let [jpeg, default] = ["jpeg", "default"].map(|name| Dataset::open(&city.path(name)).unwrap());
    assert_eq!(jpeg.index().preset, Preset::Jpeg);
    for index in 0..2 {
        let info = default.sample(index);
        let window = Window { x: 0, y: 0, width: info.width, height: info.height };
        let read = |dataset: &Dataset| {
            let decoder = &mut Decoder::new();
            let image = dataset.read_image(index, window, decoder).unwrap();
            (image, dataset.read_labels(index, window, decoder).unwrap())
        };
        assert!(read(&jpeg) == read(&default), "sample {index}");
    }
    let shard = fs::read(city.path("jpeg/toy-00000.shard")).unwrap();
    assert!(shard.windows(JPEG.len()).any(|bytes| bytes == JPEG));
    let shard = fs::read(city.path("default/toy-00000.shard")).unwrap();
    assert!(!shard.windows(JPEG.len()).any(|bytes| bytes == JPEG));
}

#[test]
fn neither_threads_nor_memory_change_a_byte() {
    let city = city_of_every_fault();
    for index in 0..20 {
        city.write_noise(&format!("u/{index:02}"), 30 + index, 30, u64::from(index));
    }
    let one = PackOptions { threads: Some(1), ..city.options("one") };
    let report = pack(&one, &|_, _| ()).unwrap();
    assert!(report.index.unwrap().shards.len() > 2);
    for threads in [2, 7] {
        for memory_bytes in [Some(1), Some(40_000), None] {
            let out = format!("{threads}-{memory_bytes:?}");
            let options =
                PackOptions { threads: Some(threads), memory_bytes, ..city.options(&out) };
            pack(&options, &|_, _| ()).unwrap();
            assert!(city.packed_bytes(&out) == city.packed_bytes("one"), "{out}");
        }
    }
}

#[test]
fn the_largest_size_of_a_shard_is_kept_to() {
    let city = ToyCity::new(0);
    for index in 0..4 {
        city.write_noise(&format!("t/{index}"), 400, 400, index);
    }
    assert_eq!(city.pack("small", &["--max-shard-mib", "1"]).result, Ok(Outcome::Done));
    assert!(city.exists("small/toy-00001.shard"));
    assert_eq!(city.pack("large", &[]).result, Ok(Outcome::Done));
    assert!(!city.exists("large/toy-00001.shard"));
}

#[test]
fn a_built_in_manifest_and_a_reading_are_taken_by_name() {
    let city = ToyCity::new(1);
    let out = city.path("out").display().to_string();
    let pack = |manifest, split, more: &[&str]| {
        let words = ["pack", "--manifest", manifest, "--root", "@data", "--split", split, "--out"];
        city.shard(&[&words[..], &[&out], more].concat()).result.unwrap_err()
    };
    assert!(pack("cityscapes", "val", &[]).starts_with("data: no image of split `val` found"));
    let error = pack("gtav", "all", &["--reading", "sepia"]);
    assert!(error.contains("sepia") && error.contains("colour"), "{error}");
}

#[test]
fn init_manifest_drafts_a_manifest_that_packs_and_overwrites_nothing() {
    let city = ToyCity::new(3);
    let shown = city.shard(&["init-manifest", "@data"]);
    assert_eq!(shown.result, Ok(Outcome::Done));
    let written = city.shard(&["init-manifest", "@data", "--out", "@draft.toml"]);
    assert_eq!((written.result, &*written.output), (Ok(Outcome::Done), "draft.toml\n"));
    assert_eq!(fs::read_to_string(city.path("draft.toml")).unwrap(), shown.output);
    datasets::Manifest::load(&city.path("draft.toml")).unwrap();
    let error = city.shard(&["init-manifest", "@data", "--out", "@draft.toml"]).result.unwrap_err();
    insta::assert_snapshot!(error, @"draft.toml: already exists; hint: choose another --out");
    let missing = city.shard(&["init-manifest", "@absent", "--out", "@new.toml"]);
    assert!(missing.result.unwrap_err().starts_with("absent: "));
    assert!(!city.exists("new.toml"));
}
