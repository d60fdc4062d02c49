//! Finding manifests by name or path, choosing a reading, and what a fingerprint covers.

use std::path::Path;

use datasets::{Manifest, built_in_names};

use crate::toy_folder::{Folder, official, reading};

const TOY: &str = r#"name = "toy"
mapping = "toy/1"
license = "none"
[layout]
images = ["{stem}.png"]
labels = ["{stem}_label.png"]
[labels]
encoding = "index"
ids = [{ id = 0, name = "street", train = "road" }, { id = 1, name = "kerb", train = "ignore" }]
[readings.kerb]
mapping = "toy-kerb/1"
train = { kerb = "sidewalk" }
[splits.train]
list = "train.txt"
[splits.val]
list = "val.txt"
"#;

/// A manifest in a folder of its own, with the lists of its two splits.
fn toy(text: &str) -> (Folder, Manifest) {
    let folder = Folder::new();
    folder.file("train.txt", "a\nb\n");
    folder.file("val.txt", "c\n");
    let manifest = Manifest::load(&folder.file("toy.toml", text)).expect("a valid manifest");
    (folder, manifest)
}

#[test]
fn every_built_in_manifest_is_valid_in_all_its_readings_and_lists() {
    for name in built_in_names() {
        let manifest = Manifest::built_in(name).unwrap();
        assert!(name.starts_with(&manifest.name), "{name} is for {}", manifest.name);
        for reading in manifest.readings() {
            let read = manifest.with_reading(reading).unwrap();
            let is_own = read.mapping_name() == manifest.mapping_name();
            assert_eq!(read.reading(), (!is_own).then_some(reading), "{name}");
            assert_eq!(is_own, reading == manifest.readings()[0], "{name} {reading}");
        }
        for split in manifest.split_names() {
            assert_eq!(manifest.fingerprint(split).unwrap().len(), 64);
        }
    }
}

#[test]
fn a_built_in_manifest_is_the_shipped_file() {
    for name in built_in_names() {
        let (built_in, shipped) = (Manifest::built_in(name).unwrap(), official(name));
        for split in shipped.split_names() {
            assert_eq!(built_in.fingerprint(split).unwrap(), shipped.fingerprint(split).unwrap());
        }
    }
}

#[test]
fn a_file_goes_before_a_built_in_name() {
    let (folder, _) = toy(TOY);
    let named = Manifest::resolve(&folder.path().join("toy.toml")).unwrap();
    assert_eq!(named.name, "toy");
    assert_eq!(Manifest::resolve(Path::new("gtav")).unwrap().name, "gtav");
}

#[test]
fn an_unknown_name_lists_the_manifests_there_are() {
    let error = Manifest::resolve(Path::new("gta5")).unwrap_err().to_string();
    insta::assert_snapshot!(error, @"gta5: no such manifest, expected a manifest file or one of: acdc, bdd100k, camvid, camvid_32, carla_0_9_10, carla_0_9_14, carla_0_9_9, cityscapes, cityscapes_coarse, gtav, idd, kitti, mapillary_v1_2, mapillary_v2_0, synthia; hint: `shard init-manifest` drafts one for a dataset of your own");
}

#[test]
fn a_reading_changes_the_classes_it_names_and_no_other() {
    for (name, reading_name, changed) in [
        ("synthia", "lane-marking-road", &[("lane marking", "road")][..]),
        ("idd", "wilddash", &[("autorickshaw", "motorcycle"), ("curb", "sidewalk")]),
    ] {
        let (own, other) = (official(name), reading(name, reading_name));
        assert_eq!(own.encoding, other.encoding);
        let different: Vec<(&str, &str)> = own
            .ids
            .iter()
            .zip(&other.ids)
            .filter(|(own, other)| own != other)
            .map(|(_, other)| (other.name.as_str(), other.train.as_str()))
            .collect();
        assert_eq!(different, changed);
    }
}

#[test]
fn readings_are_listed_by_name_and_an_unknown_one_is_refused() {
    assert_eq!(official("gtav").readings(), ["index", "colour"]);
    assert_eq!(official("gtav").reading(), None);
    let error = Manifest::built_in("gtav").unwrap().with_reading("color").unwrap_err();
    insta::assert_snapshot!(error, @"built-in manifest gtav: no reading `color`, expected one of: index, colour");
    let error = Manifest::built_in("kitti").unwrap().with_reading("colour").unwrap_err();
    insta::assert_snapshot!(error, @"built-in manifest kitti: no reading `colour`, expected one of: default");
}

#[test]
fn the_manifests_own_reading_can_be_named_and_come_back_to() {
    let own = official("gtav");
    let mut ways = vec![own.with_reading("index").unwrap()];
    ways.push(reading("gtav", "colour").with_reading("index").unwrap());
    for named in ways {
        assert_eq!((named.reading(), named.mapping_name()), (None, "gtav-index/1"));
        assert_eq!((&named.encoding, &named.ids), (&own.encoding, &own.ids));
        assert_eq!(named.fingerprint("val").unwrap(), own.fingerprint("val").unwrap());
    }
    let (_folder, manifest) = toy(TOY);
    assert_eq!(manifest.readings(), ["default", "kerb"]);
    assert_eq!(manifest.with_reading("default").unwrap().mapping_name(), "toy/1");
}

#[test]
fn a_fingerprint_changes_with_text_reading_split_and_list() {
    let (folder, manifest) = toy(TOY);
    let (_other_folder, same) = toy(TOY);
    let train = manifest.fingerprint("train").unwrap();
    assert_eq!(train, same.fingerprint("train").unwrap());
    let (_edited_folder, edited) = toy(&TOY.replace("none", "nothing"));
    let others = [
        manifest.fingerprint("val").unwrap(),
        manifest.with_reading("kerb").unwrap().fingerprint("train").unwrap(),
        edited.fingerprint("train").unwrap(),
    ];
    assert!(others.iter().all(|other| *other != train));
    folder.file("val.txt", "d\n");
    assert_eq!(manifest.fingerprint("train").unwrap(), train, "the other split's list counts not");
    folder.file("train.txt", "a\n");
    assert_ne!(manifest.fingerprint("train").unwrap(), train);
}

#[test]
fn the_documented_schema_loads_with_every_optional_key() {
    let readme = include_str!("../../../../data-manifests/README.md");
    let (_, rest) = readme.split_once("```toml\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("its end");
    let uncommented: String = example
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            // Only colours can be unlisted, and the example has ids.
            Some(rest) if rest.starts_with("unlisted") => "",
            Some(rest) if rest.starts_with('[') || rest.contains(" = ") => rest,
            _ => line,
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let folder = Folder::new();
    for text in [example, &uncommented] {
        let manifest = Manifest::load(&folder.file("mycity.toml", text)).expect("it is valid");
        assert_eq!(manifest.split("val").unwrap().folders, ["valid"]);
    }
    let manifest = Manifest::load(&folder.path().join("mycity.toml")).unwrap();
    assert_eq!(manifest.readings(), ["kerbs-ignored", "pavement-road"]);
    assert_eq!(manifest.classes.len(), 3);
    assert_eq!(manifest.split("val").unwrap().expected, [500]);
}

#[test]
fn mistakes_in_readings_and_refusals_name_their_key() {
    let folder = Folder::new();
    let error = |from: &str, to: &str| {
        let path = folder.file("toy.toml", TOY.replace(from, to));
        let error = Manifest::load(&path).expect_err(to).to_string();
        error.replace(&folder.path().display().to_string(), "ROOT")
    };
    let unknown = error("[readings.kerb]", "[readings.kerb]\nid = []");
    assert!(unknown.contains("unknown field `id`"), "{unknown}");
    insta::assert_snapshot!(
        error("kerb = \"sidewalk\"", "curb = \"sidewalk\""),
        @"ROOT/toy.toml: `readings.kerb.train`: `curb`, expected the name of an id"
    );
    insta::assert_snapshot!(
        error("kerb = \"sidewalk\"", "kerb = \"pavement\""),
        @"ROOT/toy.toml: `readings.kerb.ids`: `kerb` becomes `pavement`, expected `ignore` or a class: road, sidewalk, building, wall, fence, pole, traffic light, traffic sign, vegetation, terrain, sky, person, rider, car, truck, bus, train, motorcycle, bicycle"
    );
    insta::assert_snapshot!(
        error("[layout]", "reading = \"kerb\"\n[layout]"),
        @"ROOT/toy.toml: `readings.kerb`: the manifest's own reading has that name, expected another"
    );
    insta::assert_snapshot!(
        error("[layout]", "reading = \"\"\n[layout]"),
        @r#"ROOT/toy.toml: `reading`: "", expected one line of text"#
    );
    insta::assert_snapshot!(
        error("toy-kerb/1", "toy/1"),
        @"ROOT/toy.toml: `readings.kerb.mapping`: `toy/1`, expected a name of its own"
    );
    insta::assert_snapshot!(
        error("encoding = \"index\"", "encoding = \"index\"\nunlisted = \"ignore\""),
        @"ROOT/toy.toml: `labels.unlisted`: given, but this encoding has no colours"
    );
    insta::assert_snapshot!(
        error("[labels]", "refuse = [{ path = \"../x\", reason = \"y\" }]\n[labels]"),
        @"ROOT/toy.toml: `layout.refuse`: `../x`, expected a plain relative path"
    );
    insta::assert_snapshot!(
        error("encoding = \"index\"", "encoding = \"index\"\nconfig = [\"/etc/passwd\"]"),
        @"ROOT/toy.toml: `labels.config`: `/etc/passwd`, expected a plain relative path"
    );
}
