//! IDD: a folder per drive under each split, labels as polygons in JSON.
//!
//! The polygons are rectangles whose fill, in file order and by IDD's own rule (vertices truncated to
//! integers, right and bottom edge included, later over earlier), gives the label map exactly.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::{CityError, Slot, Split, create_folder, write_picture};
use crate::city::Frame;
use crate::labels::idd_name;

const FRAMES_PER_DRIVE: u32 = 16;
const FIRST_VAL_DRIVE: u32 = 200;
const ID_COUNT: usize = 40;

pub(super) fn write(root: &Path, slot: Slot, frame: &Frame) -> Result<(), CityError> {
    let first_drive = match slot.split {
        Split::Train => 0,
        Split::Val => FIRST_VAL_DRIVE,
    };
    let drive = (first_drive + slot.in_split / FRAMES_PER_DRIVE).to_string();
    let folder = |kind: &str| root.join(kind).join(slot.split.folder()).join(&drive);
    let number = slot.index;
    write_picture(&folder("leftImg8bit").join(format!("{number:06}_leftImg8bit.png")), frame)?;
    create_folder(&folder("gtFine"))?;
    let path = folder("gtFine").join(format!("{number:06}_gtFine_polygons.json"));
    fs::write(&path, polygons_json(frame)).map_err(|source| CityError::Io { path, source })
}

/// A rectangle of one label; corners are inside.
#[derive(Clone, Copy, Debug)]
struct Patch {
    id: u8,
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
}

fn polygons_json(frame: &Frame) -> String {
    let (width, height) = (frame.width as usize, frame.height as usize);
    // Vertices of the real files have fractions, which the rule cuts off.
    let place = |pixel: usize, side: usize| pixel as f64 + if pixel + 1 < side { 0.5 } else { 0.0 };
    let objects: Vec<serde_json::Value> = patches(&frame.label_ids, width, height)
        .into_iter()
        .map(|patch| {
            let (left, right) = (place(patch.left, width), place(patch.right, width));
            let (top, bottom) = (place(patch.top, height), place(patch.bottom, height));
            json!({
                "label": idd_name(patch.id),
                "polygon": [[left, top], [right, top], [right, bottom], [left, bottom]],
            })
        })
        .collect();
    json!({ "imgHeight": frame.height, "imgWidth": frame.width, "objects": objects }).to_string()
}

/// Rectangles that give the label map when each is filled over those before.
///
/// Labels come by falling count. A rectangle may reach over pixels of labels still to come, so there
/// are far fewer of them than of disjoint ones.
fn patches(label_ids: &[u8], width: usize, height: usize) -> Vec<Patch> {
    let mut counts = [0usize; ID_COUNT];
    for &id in label_ids {
        counts[usize::from(id)] += 1;
    }
    let mut order: Vec<u8> =
        (0..ID_COUNT as u8).filter(|&id| counts[usize::from(id)] > 0).collect();
    order.sort_by_key(|&id| (std::cmp::Reverse(counts[usize::from(id)]), id));
    let mut rank = [0u8; ID_COUNT];
    for (place, &id) in order.iter().enumerate() {
        rank[usize::from(id)] = place as u8;
    }
    let ranks: Vec<u8> = label_ids.iter().map(|&id| rank[usize::from(id)]).collect();
    let mut patches = Vec::new();
    for (place, &id) in order.iter().enumerate() {
        if place == 0 {
            patches.push(Patch { id, left: 0, top: 0, right: width - 1, bottom: height - 1 });
            continue;
        }
        cover(&ranks, [width, height], place as u8, |[left, top, right, bottom]| {
            patches.push(Patch { id, left, top, right, bottom });
        });
    }
    patches
}

/// Covers the pixels of one rank with rectangles that hold no lower rank.
fn cover(ranks: &[u8], [width, height]: [usize; 2], rank: u8, mut add: impl FnMut([usize; 4])) {
    let mut is_covered = vec![false; ranks.len()];
    for top in 0..height {
        for first in 0..width {
            if ranks[top * width + first] != rank || is_covered[top * width + first] {
                continue;
            }
            let row = &ranks[top * width..(top + 1) * width];
            let reach = row[first..].iter().take_while(|&&other| other >= rank).count();
            // Columns of later labels at the end of the run are not this label's to cover.
            let own = row[first..first + reach].iter().rposition(|&other| other == rank);
            let right = first + own.unwrap_or(0);
            let mut bottom = top;
            while bottom + 1 < height {
                let next = &ranks[(bottom + 1) * width..][first..=right];
                if next.iter().any(|&other| other < rank) {
                    break;
                }
                bottom += 1;
            }
            for row in top..=bottom {
                is_covered[row * width..][first..=right].fill(true);
            }
            add([first, top, right, bottom]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::City;
    use crate::city::draw_frame;

    /// Fills the objects of a file as IDD's tools do; rectangles need no general polygon fill.
    fn rasterize(text: &str) -> Vec<String> {
        let file: serde_json::Value = serde_json::from_str(text).unwrap();
        let side = |key: &str| file[key].as_u64().unwrap() as usize;
        let (width, height) = (side("imgWidth"), side("imgHeight"));
        let mut canvas = vec![String::from("unlabeled"); width * height];
        for object in file["objects"].as_array().unwrap() {
            let corners: Vec<[usize; 2]> = object["polygon"]
                .as_array()
                .unwrap()
                .iter()
                .map(|corner| [0, 1].map(|axis| corner[axis].as_f64().unwrap().trunc() as usize))
                .collect();
            assert_eq!(corners.len(), 4);
            let ([left, top], [right, bottom]) = (corners[0], corners[2]);
            assert_eq!([corners[1], corners[3]], [[right, top], [left, bottom]]);
            for row in top..=bottom {
                for column in left..=right {
                    canvas[row * width + column] = object["label"].as_str().unwrap().to_owned();
                }
            }
        }
        canvas
    }

    #[test]
    fn polygons_fill_to_the_label_map_exactly() {
        for index in 0..6 {
            let frame = draw_frame(City::Idd, 11, index, 160, 80);
            let names: Vec<&str> = frame.label_ids.iter().map(|&id| idd_name(id)).collect();
            assert_eq!(rasterize(&polygons_json(&frame)), names, "frame {index}");
        }
    }

    #[test]
    fn a_label_map_of_noise_comes_back_exactly() {
        let ids: Vec<u8> = (0..24 * 17u32).map(|place| (place * place * 7 % 11) as u8).collect();
        let mut canvas = vec![u8::MAX; ids.len()];
        for Patch { id, left, top, right, bottom } in patches(&ids, 24, 17) {
            for row in top..=bottom {
                canvas[row * 24..][left..=right].fill(id);
            }
        }
        assert_eq!(canvas, ids);
    }
}
