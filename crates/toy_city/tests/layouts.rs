//! What the written files are, read back with a plain PNG decoder.

#![expect(clippy::unwrap_used, reason = "a test stops at the first file it cannot read")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use png::{BitDepth, ColorType};
use toy_city::{City, CityError, CityOptions, draw_frame, write_city};

const OPTIONS: CityOptions =
    CityOptions { seed: 4, train_frames: 3, val_frames: 2, width: 96, height: 48 };

/// Every file under a folder by relative path.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let relative = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(relative, fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn written(city: City) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_city(city, folder.path(), &OPTIONS, &|| {}).unwrap();
    folder
}

/// Samples as they are in the file: no palette applied, no bits dropped.
fn read_png(path: PathBuf) -> (ColorType, BitDepth, Vec<u8>, Option<Vec<u8>>) {
    let mut decoder = png::Decoder::new(BufReader::new(File::open(path).unwrap()));
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().unwrap();
    let mut samples = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut samples).unwrap();
    assert_eq!((info.width, info.height), (OPTIONS.width, OPTIONS.height));
    let palette = reader.info().palette.as_ref().map(|palette| palette.to_vec());
    (info.color_type, info.bit_depth, samples, palette)
}

#[test]
fn gtav_labels_are_palette_indices() {
    let folder = written(City::Gtav);
    let names: Vec<String> = files(folder.path()).into_keys().collect();
    assert_eq!(names[0], "images/00001.png");
    assert_eq!(names[9], "labels/00005.png");
    let frame = draw_frame(City::Gtav, OPTIONS.seed, 4, OPTIONS.width, OPTIONS.height);
    let (colour, depth, indices, palette) = read_png(folder.path().join("labels/00005.png"));
    assert_eq!((colour, depth), (ColorType::Indexed, BitDepth::Eight));
    assert_eq!(indices, frame.label_ids);
    assert_eq!(palette.unwrap()[3 * 7..3 * 8], [128, 64, 128]); // road
    let (colour, depth, rgb, _) = read_png(folder.path().join("images/00005.png"));
    assert_eq!((colour, depth), (ColorType::Rgb, BitDepth::Eight));
    assert_eq!(rgb, frame.rgb);
}

#[test]
fn synthia_labels_are_16_bit_with_class_in_red_and_number_in_green() {
    let folder = written(City::Synthia);
    let names: Vec<String> = files(folder.path()).into_keys().collect();
    assert_eq!(names[0], "GT/LABELS/0000000.png");
    assert_eq!(names[9], "RGB/0000004.png");
    let frame = draw_frame(City::Synthia, OPTIONS.seed, 2, OPTIONS.width, OPTIONS.height);
    let (colour, depth, samples, _) = read_png(folder.path().join("GT/LABELS/0000002.png"));
    assert_eq!((colour, depth), (ColorType::Rgb, BitDepth::Sixteen));
    for (pixel, bytes) in samples.chunks_exact(6).enumerate() {
        let sample =
            |channel: usize| u16::from_be_bytes([bytes[2 * channel], bytes[2 * channel + 1]]);
        assert_eq!(sample(0), u16::from(frame.label_ids[pixel]));
        assert_eq!(sample(1), frame.instances[pixel]);
        assert_eq!(sample(2), 0);
        assert!(sample(0) <= 22, "class {}", sample(0));
    }
}

#[test]
fn cityscapes_labels_are_grey_label_ids_in_a_folder_per_town() {
    let folder = written(City::Cityscapes);
    let names: Vec<String> = files(folder.path()).into_keys().collect();
    assert_eq!(names.len(), 10);
    let stem = "altmuster/altmuster_000000_000019";
    assert!(names.contains(&format!("leftImg8bit/train/{stem}_leftImg8bit.png")), "{names:?}");
    let path = folder.path().join(format!("gtFine/train/{stem}_gtFine_labelIds.png"));
    let (colour, depth, samples, _) = read_png(path);
    assert_eq!((colour, depth), (ColorType::Grayscale, BitDepth::Eight));
    let frame = draw_frame(City::Cityscapes, OPTIONS.seed, 0, OPTIONS.width, OPTIONS.height);
    assert_eq!(samples, frame.label_ids);
    assert!(samples.contains(&7) && samples.contains(&1)); // road and ego vehicle
}

#[test]
fn idd_has_a_picture_and_a_polygon_file_per_frame() {
    let folder = written(City::Idd);
    let names: Vec<String> = files(folder.path()).into_keys().collect();
    assert_eq!(names.len(), 10);
    assert_eq!(names[0], "gtFine/train/0/000000_gtFine_polygons.json");
    assert_eq!(names[9], "leftImg8bit/val/200/000004_leftImg8bit.png");
    let text = fs::read_to_string(folder.path().join(&names[0])).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&file["imgWidth"], &file["imgHeight"]), (&96.into(), &48.into()));
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    for city in City::ALL {
        let [one, three] = [1, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let folder = pool.install(|| written(city));
            files(folder.path())
        });
        assert!(one == three, "{}", city.name());
    }
}

#[test]
fn progress_counts_every_frame() {
    let folder = tempfile::tempdir().unwrap();
    let count = AtomicU32::new(0);
    let on_frame = || {
        count.fetch_add(1, Ordering::Relaxed);
    };
    write_city(City::Gtav, &folder.path().join("new"), &OPTIONS, &on_frame).unwrap();
    assert_eq!(count.into_inner(), 5);
}

#[test]
fn a_folder_that_holds_something_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.txt"), "keep").unwrap();
    let error = write_city(City::Gtav, folder.path(), &OPTIONS, &|| {}).unwrap_err();
    assert!(matches!(&error, CityError::RootNotEmpty { path } if path == folder.path()));
    assert_eq!(files(folder.path()).len(), 1);
}

#[test]
fn a_file_in_the_way_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "").unwrap();
    let error = write_city(City::Idd, &path, &OPTIONS, &|| {}).unwrap_err();
    assert!(error.to_string().starts_with(path.to_str().unwrap()), "{error}");
}

#[test]
fn a_frame_without_pixels_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let options = CityOptions { width: 0, ..OPTIONS };
    let error = write_city(City::Idd, folder.path(), &options, &|| {}).unwrap_err();
    assert_eq!(error.to_string(), "frame size 0x48, expected 16 to 8192 pixels a side");
}
