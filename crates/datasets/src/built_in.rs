//! The manifests and lists that are part of the program.

/// Name and text of every manifest, in alphabetical order.
const MANIFESTS: &[(&str, &str)] = &[
    ("acdc", include_str!("../../../data-manifests/acdc.toml")),
    ("bdd100k", include_str!("../../../data-manifests/bdd100k.toml")),
    ("camvid", include_str!("../../../data-manifests/camvid.toml")),
    ("camvid_32", include_str!("../../../data-manifests/camvid_32.toml")),
    ("carla_0_9_10", include_str!("../../../data-manifests/carla_0_9_10.toml")),
    ("carla_0_9_14", include_str!("../../../data-manifests/carla_0_9_14.toml")),
    ("carla_0_9_9", include_str!("../../../data-manifests/carla_0_9_9.toml")),
    ("cityscapes", include_str!("../../../data-manifests/cityscapes.toml")),
    ("cityscapes_coarse", include_str!("../../../data-manifests/cityscapes_coarse.toml")),
    ("gtav", include_str!("../../../data-manifests/gtav.toml")),
    ("idd", include_str!("../../../data-manifests/idd.toml")),
    ("kitti", include_str!("../../../data-manifests/kitti.toml")),
    ("mapillary_v1_2", include_str!("../../../data-manifests/mapillary_v1_2.toml")),
    ("mapillary_v2_0", include_str!("../../../data-manifests/mapillary_v2_0.toml")),
    ("synthia", include_str!("../../../data-manifests/synthia.toml")),
];

/// Path, as manifests name it, and text of every list.
const LISTS: &[(&str, &str)] = &[
    ("lists/camvid_test.txt", include_str!("../../../data-manifests/lists/camvid_test.txt")),
    ("lists/camvid_train.txt", include_str!("../../../data-manifests/lists/camvid_train.txt")),
    ("lists/camvid_val.txt", include_str!("../../../data-manifests/lists/camvid_val.txt")),
    ("lists/gtav_test.txt", include_str!("../../../data-manifests/lists/gtav_test.txt")),
    ("lists/gtav_train.txt", include_str!("../../../data-manifests/lists/gtav_train.txt")),
    ("lists/gtav_val.txt", include_str!("../../../data-manifests/lists/gtav_val.txt")),
    ("lists/synthia_train.txt", include_str!("../../../data-manifests/lists/synthia_train.txt")),
    ("lists/synthia_val.txt", include_str!("../../../data-manifests/lists/synthia_val.txt")),
];

/// The names of the manifests that are part of the program, in alphabetical order.
pub fn built_in_names() -> Vec<&'static str> {
    MANIFESTS.iter().map(|(name, _)| *name).collect()
}

pub(crate) fn manifest_text(name: &str) -> Option<&'static str> {
    find(MANIFESTS, name)
}

pub(crate) fn list_text(path: &str) -> Option<&'static str> {
    find(LISTS, path)
}

fn find(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn files(folder: &str, ending: &str) -> Vec<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data-manifests").join(folder);
        let entries = std::fs::read_dir(path).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(ending)).collect();
        names.sort();
        names
    }

    #[test]
    fn every_shipped_manifest_and_list_is_embedded() {
        let manifests: Vec<String> =
            built_in_names().iter().map(|name| format!("{name}.toml")).collect();
        assert_eq!(manifests, files("", ".toml"));
        let lists: Vec<&str> =
            LISTS.iter().map(|(path, _)| path.strip_prefix("lists/").unwrap()).collect();
        assert_eq!(lists, files("lists", ".txt"));
    }
}
