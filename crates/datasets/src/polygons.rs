//! Paints the polygon annotations of Cityscapes and IDD.
//!
//! Objects are painted in file order, later ones over earlier ones. Skipped are objects marked
//! deleted, with fewer than three vertices, or with a negative id. A label that is not in the table
//! and ends in `group` is taken without it; one still unknown is skipped and reported.
//! Source: AutoNUE/public-code `createLabels`, read in full.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::fill::Canvas;
use crate::png_file::check_size;
use crate::{IGNORE_ID, SampleError};

/// An annotation, parsed but not painted.
#[derive(Deserialize)]
pub(crate) struct Annotation {
    #[serde(rename = "imgWidth")]
    width: u32,
    #[serde(rename = "imgHeight")]
    height: u32,
    objects: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    label: String,
    polygon: Vec<[f64; 2]>,
    #[serde(default)]
    deleted: Value,
}

/// A painted annotation.
pub(crate) struct Painted {
    pub(crate) canvas: Canvas,
    /// Labels that are not in the table, without repetition.
    pub(crate) unknown_objects: Vec<String>,
}

impl Annotation {
    /// Parses the annotation in `bytes` and checks its size; `path` only names it in errors.
    pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, SampleError> {
        let annotation: Self = serde_json::from_slice(bytes).map_err(|error| {
            SampleError::Undecodable { path: path.into(), reason: error.to_string() }
        })?;
        check_size(path, u64::from(annotation.width), u64::from(annotation.height))?;
        Ok(annotation)
    }

    /// Columns and rows.
    pub(crate) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Paints the objects with the train ids of `names`.
    pub(crate) fn paint(&self, names: &BTreeMap<String, Option<u8>>) -> Painted {
        let mut canvas = Canvas::new(self.width, self.height, IGNORE_ID);
        let mut unknown = BTreeSet::new();
        for object in &self.objects {
            if is_truthy(&object.deleted) || object.polygon.len() < 3 {
                continue;
            }
            match look_up(names, &object.label) {
                Some(Some(train_id)) => canvas.fill_polygon(&object.polygon, train_id),
                Some(None) => {} // Never drawn: what lies below stays.
                None => {
                    unknown.insert(object.label.clone());
                }
            }
        }
        Painted { canvas, unknown_objects: unknown.into_iter().collect() }
    }
}

fn look_up(names: &BTreeMap<String, Option<u8>>, label: &str) -> Option<Option<u8>> {
    let exact = names.get(label);
    exact.or_else(|| names.get(label.strip_suffix("group")?)).copied()
}

/// As Python decides it, because the official code is Python.
fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(objects: &str) -> Painted {
        let json = format!(r#"{{"imgWidth": 4, "imgHeight": 1, "objects": [{objects}]}}"#);
        let table = [("road", Some(0)), ("car", Some(13)), ("plate", None), ("polegroup", Some(5))];
        let names = table.map(|(name, id)| (name.to_owned(), id)).into_iter().collect();
        Annotation::parse(Path::new("a.json"), json.as_bytes()).unwrap().paint(&names)
    }

    fn object(label: &str, left: u32, right: u32, more: &str) -> String {
        format!(
            r#"{{"label": "{label}", "polygon": [[{left}, 0], [{right}, 0.0], [{right}, 0]] {more}}}"#
        )
    }

    #[test]
    fn later_objects_cover_earlier_ones_and_nothing_is_ignored() {
        let objects = [object("road", 0, 2, ""), object("car", 1, 1, "")].join(",");
        assert_eq!(painted(&objects).canvas.values, [0, 13, 0, IGNORE_ID]);
    }

    #[test]
    fn deleted_degenerate_and_never_drawn_objects_leave_what_is_below() {
        let objects = [
            object("road", 0, 3, ""),
            object("car", 0, 0, r#", "deleted": 1"#),
            object("car", 3, 3, r#", "deleted": 0"#),
            r#"{"label": "car", "polygon": [[1, 0], [1, 0]]}"#.to_owned(),
            object("plate", 2, 2, ""),
        ];
        assert_eq!(painted(&objects.join(",")).canvas.values, [0, 0, 0, 13]);
    }

    #[test]
    fn group_is_stripped_only_from_unknown_labels_and_the_rest_is_reported() {
        let objects =
            [object("cargroup", 0, 0, ""), object("polegroup", 1, 1, ""), object("ufo", 2, 2, "")];
        let painted = painted(&objects.join(","));
        assert_eq!(painted.canvas.values, [13, 5, IGNORE_ID, IGNORE_ID]);
        assert_eq!(painted.unknown_objects, ["ufo"]);
    }

    #[test]
    fn damaged_json_and_absurd_sizes_are_errors() {
        let error = |json: &str| {
            Annotation::parse(Path::new("a.json"), json.as_bytes()).err().unwrap().to_string()
        };
        assert!(error(r#"{"imgWidth": 4"#).starts_with("a.json: cannot be decoded: "));
        let huge = r#"{"imgWidth": 4000000000, "imgHeight": 4000000000, "objects": []}"#;
        assert!(error(huge).starts_with("a.json: size 4000000000x4000000000, expected at most"));
    }
}
