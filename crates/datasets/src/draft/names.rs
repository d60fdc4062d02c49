//! Reads names of ids or colours that a folder ships, and finds the class of a name.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::CITYSCAPES_CLASSES;
use crate::draft::survey::Survey;

/// Files at the root that give names, by the lower-case end of their own name.
const NAME_FILES: [&str; 6] = [
    "config.json",
    "classes.txt",
    "label_colors.txt",
    "labels.txt",
    "class_names.txt",
    "names.txt",
];

/// Most bytes read of a file of names.
const MAX_BYTES: u64 = 1 << 20;

/// Other words for the classes.
const SYNONYMS: [(&str, &str); 34] = [
    ("bicyclist", "rider"),
    ("bike", "bicycle"),
    ("column pole", "pole"),
    ("cyclist", "rider"),
    ("footpath", "sidewalk"),
    ("grass", "terrain"),
    ("house", "building"),
    ("human", "person"),
    ("lane marking", "road"),
    ("lane markings", "road"),
    ("lorry", "truck"),
    ("motorbike", "motorcycle"),
    ("motorcyclist", "rider"),
    ("pavement", "sidewalk"),
    ("pedestrian", "person"),
    ("people", "person"),
    ("plant", "vegetation"),
    ("road line", "road"),
    ("road lines", "road"),
    ("roadline", "road"),
    ("roads", "road"),
    ("sidewalks", "sidewalk"),
    ("sign", "traffic sign"),
    ("sign symbol", "traffic sign"),
    ("signsymbol", "traffic sign"),
    ("street", "road"),
    ("traffic lights", "traffic light"),
    ("traffic signal", "traffic light"),
    ("traffic signs", "traffic sign"),
    ("trafficlight", "traffic light"),
    ("trafficsign", "traffic sign"),
    ("tree", "vegetation"),
    ("utility pole", "pole"),
    ("vehicle", "car"),
];

/// Names that a folder gives to ids and colours.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// The file that they come from.
    pub(super) file: String,
    pub(super) by_id: BTreeMap<u16, String>,
    pub(super) by_colour: BTreeMap<[u8; 3], String>,
}

#[derive(Deserialize)]
struct Config {
    labels: Vec<ConfigLabel>,
}

#[derive(Deserialize)]
struct ConfigLabel {
    readable: Option<String>,
    name: Option<String>,
    id: Option<u16>,
}

/// The names in the first file at the root that looks like a list of them.
pub(super) fn read(root: &Path, survey: &Survey) -> Names {
    let at_root = survey.folders.iter().filter(|folder| folder.path.is_empty());
    let files: Vec<&String> = at_root.flat_map(|folder| &folder.files).collect();
    for wanted in NAME_FILES {
        for file in &files {
            let lower = file.to_ascii_lowercase();
            // Mapillary Vistas has the version in the name: config_v2.0.json.
            let is_config = wanted.ends_with(".json")
                && lower.starts_with("config")
                && lower.ends_with(".json");
            if !is_config && !lower.ends_with(wanted) {
                continue;
            }
            let path = root.join(file);
            if std::fs::metadata(&path).is_ok_and(|data| data.len() > MAX_BYTES) {
                continue;
            }
            // Names are a help and no more: a file that cannot be read gives none.
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let names = if wanted.ends_with(".json") { of_config(&text) } else { of_lines(&text) };
            if !names.by_id.is_empty() || !names.by_colour.is_empty() {
                return Names { file: (*file).clone(), ..names };
            }
        }
    }
    Names::default()
}

/// The class that a name means, if it means one.
pub(super) fn class_of(name: &str) -> Option<&'static str> {
    let plain: String = name
        .chars()
        .map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { ' ' })
        .collect();
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let class = CITYSCAPES_CLASSES.into_iter().find(|class| *class == plain);
    class.or_else(|| {
        let synonym = SYNONYMS.iter().find(|(word, _)| *word == plain);
        synonym.map(|(_, class)| *class)
    })
}

/// JSON with `labels[]`, as Mapillary Vistas has it; a label's id is its position.
fn of_config(text: &str) -> Names {
    let Ok(config) = serde_json::from_str::<Config>(text) else { return Names::default() };
    let labels = (0..=u16::MAX).zip(config.labels);
    let by_id = labels.filter_map(|(position, label)| {
        let name = label.readable.or(label.name)?;
        Some((label.id.unwrap_or(position), name))
    });
    Names { by_id: by_id.collect(), ..Names::default() }
}

/// One name a line, with its id, with its colour, or with neither: then its position is its id.
fn of_lines(text: &str) -> Names {
    let mut names = Names::default();
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
    for (position, line) in (0..=u16::MAX).zip(lines) {
        let fields = line.split([' ', '\t', ',', ':', ';']).filter(|field| !field.is_empty());
        let (numbers, words): (Vec<&str>, Vec<&str>) =
            fields.partition(|field| field.bytes().all(|byte| byte.is_ascii_digit()));
        let name = words.join(" ");
        let colour: Option<Vec<u8>> = numbers.iter().map(|number| number.parse().ok()).collect();
        match (numbers.as_slice(), colour.as_deref()) {
            _ if name.is_empty() => {}
            ([], _) => drop(names.by_id.insert(position, name)),
            ([id], _) => {
                if let Ok(id) = id.parse() {
                    names.by_id.insert(id, name);
                }
            }
            (_, Some(&[r, g, b])) => drop(names.by_colour.insert([r, g, b], name)),
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_give_names_by_position_by_id_or_by_colour() {
        let by_position = of_lines("# ids\nroad\ntraffic light\n\nsky\n");
        let expected = [(0, "road"), (1, "traffic light"), (2, "sky")];
        assert_eq!(by_position.by_id, expected.map(|(id, name)| (id, name.to_owned())).into());
        let by_id = of_lines("7: road\n23, sky");
        assert_eq!(by_id.by_id, [(7, "road".to_owned()), (23, "sky".to_owned())].into());
        let by_colour = of_lines("64 128 64\tAnimal\nSky:70,130,180::\nBad 300 1 1");
        let expected = [([64, 128, 64], "Animal"), ([70, 130, 180], "Sky")];
        assert_eq!(
            by_colour.by_colour,
            expected.map(|(colour, name)| (colour, name.to_owned())).into()
        );
    }

    #[test]
    fn a_configuration_gives_names_by_position() {
        let names = of_config(
            r#"{"labels": [{"readable": "Bird", "name": "animal--bird"}, {"name": "Road"}]}"#,
        );
        assert_eq!(names.by_id, [(0, "Bird".to_owned()), (1, "Road".to_owned())].into());
        assert_eq!(of_config("[1, 2]"), Names::default());
    }

    #[test]
    fn a_class_is_known_by_its_name_and_by_other_words_for_it() {
        let found = ["Traffic_Light", "PEDESTRIAN", "Sidewalk", "spaceship"].map(class_of);
        assert_eq!(found, [Some("traffic light"), Some("person"), Some("sidewalk"), None]);
        for (_, class) in SYNONYMS {
            assert!(CITYSCAPES_CLASSES.contains(&class), "{class}");
        }
    }
}
