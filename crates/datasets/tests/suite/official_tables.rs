//! The shipped id tables and lists against the published ones.

use std::collections::BTreeMap;
use std::path::Path;

use datasets::{CITYSCAPES_CLASSES, IGNORE_ID, Manifest};
use serde_json::Value;

use crate::toy_folder::{official, reading};

/// Tables read off the reference code; see `tests/goldens`.
fn published() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/label_maps.json");
    let text = std::fs::read_to_string(path).expect("the golden table is there");
    serde_json::from_str(&text).expect("the golden table is JSON")
}

/// The manifest's train ids by id, with the names.
fn shipped(manifest: &Manifest) -> BTreeMap<i64, (String, i64)> {
    let train_id = |class: &str| match class {
        "ignore" => i64::from(IGNORE_ID),
        _ => manifest.classes.iter().position(|name| name == class).expect("a class") as i64,
    };
    let entries = manifest.ids.iter();
    entries.map(|e| (e.id.expect("an id").into(), (e.name.clone(), train_id(&e.train)))).collect()
}

/// Tables by id, as a list, of `tests/data/mappings.json`.
fn mappings() -> Value {
    serde_json::from_str(include_str!("../data/mappings.json")).expect("the table is JSON")
}

/// The manifest's train ids in order of the ids, which count from zero.
fn in_order(manifest: &Manifest) -> Vec<Value> {
    let table = shipped(manifest);
    let ids: Vec<i64> = table.keys().copied().filter(|id| *id != 255).collect();
    assert_eq!(ids, (0..ids.len() as i64).collect::<Vec<_>>(), "{}", manifest.name);
    ids.iter().map(|id| table[id].1.into()).collect()
}

fn number(value: &Value) -> i64 {
    value.as_i64().expect("a number")
}

#[test]
fn class_names_are_the_published_ones_in_order() {
    let names: Vec<Value> = CITYSCAPES_CLASSES.iter().map(|&name| name.into()).collect();
    assert_eq!(published()["train_classes"], Value::Array(names));
    for name in datasets::built_in_names() {
        assert_eq!(official(name).classes, CITYSCAPES_CLASSES, "{name}");
    }
}

#[test]
fn cityscapes_and_synthia_ids_become_the_published_train_ids() {
    let published = published();
    for name in ["cityscapes", "synthia"] {
        let table = published[name]["id_to_trainid"].as_object().expect("a table");
        // Id -1 cannot be stored in a PNG.
        let expected: BTreeMap<i64, i64> = table
            .iter()
            .map(|(id, train)| (id.parse::<i64>().expect("an id"), number(train)))
            .filter(|(id, _)| *id >= 0)
            .collect();
        let found: BTreeMap<i64, i64> =
            shipped(&official(name)).into_iter().map(|(id, (_, train))| (id, train)).collect();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn cityscapes_names_are_the_published_ones() {
    let published = published();
    for (id, (name, _)) in shipped(&official("cityscapes")) {
        assert_eq!(published["cityscapes"]["names"][id.to_string()], name.as_str());
    }
}

#[test]
fn gtav_has_the_ids_of_cityscapes_and_an_ignored_licence_plate() {
    let mut expected = shipped(&official("cityscapes"));
    expected.insert(34, ("license plate".into(), 255));
    assert_eq!(shipped(&official("gtav")), expected);
}

#[test]
fn idd_names_become_the_official_cs_train_ids() {
    let published = published();
    let table = published["idd"]["label_name_to"].as_object().expect("a table");
    let expected: BTreeMap<i64, (String, i64)> = table
        .iter()
        .map(|(name, ids)| (number(&ids["id"]), (name.clone(), number(&ids["csTrainId"]))))
        .collect();
    assert_eq!(expected.len(), 40);
    assert_eq!(shipped(&official("idd")), expected);
}

#[test]
fn every_table_of_ids_is_the_published_one() {
    let mappings = mappings();
    for (name, table) in [
        ("acdc", "cityscapes_labelIds"),
        ("bdd100k", "bdd100k"),
        ("camvid", "camvid12_segnet"),
        ("carla_0_9_10", "carla_0_9_10_to_13"),
        ("carla_0_9_14", "carla_ge_0_9_14"),
        ("carla_0_9_9", "carla_le_0_9_9"),
        ("cityscapes", "cityscapes_labelIds"),
        ("cityscapes_coarse", "cityscapes_labelIds"),
        ("gtav", "gtav_index"),
        ("idd", "idd_id_to_csTrainId"),
        ("kitti", "kitti_semantic"),
        ("mapillary_v1_2", "mapillary_v1_2_robustnet"),
        ("mapillary_v2_0", "mapillary_v2_0_proposed"),
        ("synthia", "synthia_rand_cityscapes"),
    ] {
        assert_eq!(Value::Array(in_order(&official(name))), mappings[table], "{name}");
    }
    assert_eq!(Value::Array(in_order(&reading("acdc", "train-ids"))), mappings["bdd100k"]);
}

#[test]
fn mapillarys_names_are_the_published_ones_and_both_versions_agree_where_they_share_a_name() {
    let names = |name: &str| -> Vec<Value> {
        official(name).ids.iter().map(|entry| entry.name.as_str().into()).collect()
    };
    assert_eq!(Value::Array(names("mapillary_v1_2")), mappings()["mapillary_v1_2_names"]);
    assert_eq!(names("mapillary_v2_0").len(), 124);
    let (old, new) = (official("mapillary_v1_2"), official("mapillary_v2_0"));
    let mut shared = 0;
    for entry in &old.ids {
        if let Some(same) = new.ids.iter().find(|new| new.name == entry.name) {
            assert_eq!(same.train, entry.train, "{}", entry.name);
            shared += 1;
        }
    }
    assert!(shared >= 60, "only {shared} names are shared");
}

/// The class that the policy of WildDash 2 gives a label, the first of its rules that has it.
fn by_policy(policy: &Value, column: usize, label: &Value) -> String {
    let rules = policy["rules"].as_array().expect("a list of rules");
    let class = rules.iter().find(|rule| rule[column] == *label).map(|rule| &rule[2]);
    match class.map_or("", |class| class.as_str().expect("a name")) {
        "on rails" => "train".into(),
        class if CITYSCAPES_CLASSES.contains(&class) => class.into(),
        _ => "ignore".into(),
    }
}

#[test]
fn the_readings_of_wilddash_follow_its_published_policy_in_every_label() {
    let policy: Value = serde_json::from_str(include_str!("../data/wilddash_policy.json"))
        .expect("the policy is JSON");
    for (column, name, labels) in [(0, "mapillary_v1_2", 66), (1, "idd", 40)] {
        let manifest = reading(name, "wilddash");
        let published = policy[name].as_array().expect("the labels in order");
        assert_eq!((manifest.ids.len(), published.len()), (labels, labels));
        for (id, (entry, label)) in manifest.ids.iter().zip(published).enumerate() {
            assert_eq!(entry.id, Some(id as i32), "{name}");
            assert_eq!(entry.train, by_policy(&policy, column, label), "{name} {label}");
        }
    }
    let names = |name: &str| -> Vec<Value> {
        official(name).ids.iter().map(|entry| entry.name.as_str().into()).collect()
    };
    assert_eq!(Value::Array(names("idd")), policy["idd"]);
    // The policy names Mapillary's labels by their keys, whose last part resembles the name.
    assert_eq!(policy["mapillary_v1_2"][5], "construction--barrier--other-barrier");
    assert_eq!(official("mapillary_v1_2").ids[5].name, "Barrier");
}

#[test]
fn camvids_colours_become_the_published_train_ids() {
    let mappings = mappings();
    let manifest = official("camvid_32");
    assert_eq!(manifest.ids.len(), 32);
    for entry in &manifest.ids {
        let name = entry.name.as_str();
        assert_eq!(serde_json::json!(entry.colour), mappings["camvid32_colours"][name], "{name}");
        let train = manifest.classes.iter().position(|class| *class == entry.train);
        let train = train.unwrap_or(usize::from(IGNORE_ID));
        // The table leaves names out that count for nothing.
        let expected = &mappings["camvid32_by_name"][name];
        assert_eq!(train as i64, expected.as_i64().unwrap_or(i64::from(IGNORE_ID)), "{name}");
    }
}

#[test]
fn gtavs_colour_reading_is_the_reference_codes() {
    let reading = reading("gtav", "colour");
    let found: Vec<Value> = reading
        .ids
        .iter()
        .map(|entry| {
            let train = reading.classes.iter().position(|class| *class == entry.train);
            serde_json::json!([entry.colour, train])
        })
        .collect();
    assert_eq!(Value::Array(found), published()["gtav"]["rgb_to_trainid"]);
}

#[test]
fn camvids_eleven_classes_become_their_cityscapes_counterparts() {
    let found: Vec<i64> =
        shipped(&official("camvid")).into_values().map(|(_, train)| train).collect();
    assert_eq!(found, [10, 2, 5, 0, 1, 8, 7, 4, 13, 11, 12, 255]);
}

#[test]
fn shipped_lists_have_as_many_distinct_ids_as_are_published() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data-manifests/lists");
    let ids = |name: &str| -> Vec<String> {
        let text = std::fs::read_to_string(folder.join(name)).expect("a shipped list");
        text.lines().map(String::from).collect()
    };
    let distinct = |names: &[&str]| {
        let mut all: Vec<String> = names.iter().flat_map(|name| ids(name)).collect();
        all.sort();
        all.dedup();
        all.len()
    };
    assert_eq!(distinct(&["gtav_train.txt"]), 12388);
    assert_eq!(distinct(&["gtav_train.txt", "gtav_val.txt", "gtav_test.txt"]), 24951);
    let camvid = ["camvid_train.txt", "camvid_val.txt", "camvid_test.txt"];
    assert_eq!(camvid.map(|list| distinct(&[list])), [367, 101, 233]);
    assert_eq!(distinct(&camvid), 701);
    assert_eq!(distinct(&["synthia_train.txt"]), 6580);
    assert_eq!(distinct(&["synthia_train.txt", "synthia_val.txt"]), 9400);
}
