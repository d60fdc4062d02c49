//! Windows read as planes, band by band, and at every level of vector instructions.

use shard_format::{
    Access, Dataset, DatasetWriter, Decoder, Folder, Level, RgbImage, Window, WriterOptions,
    encode_jpeg_sample,
};
use tempfile::tempdir;

use crate::drawing::{
    AWKWARD_SIZES, JPEGS, crop_image, info, meta, noise_image, pack, patchy_labels,
    photo_like_image,
};
use crate::victim::{PRESETS, decoded};

/// The whole picture, and a part that begins and ends inside tiles.
fn windows(image: &RgbImage) -> Vec<Window> {
    let (x, y) = (image.width / 3, image.height / 5);
    let part = Window { x, y, width: image.width - x - x / 2, height: image.height - y - y / 2 };
    vec![Window::whole(image.width, image.height), part]
}

/// Reads a window in bands and puts them together as an interleaved picture.
fn read_in_bands(dataset: &Dataset, index: usize, window: Window, level: Level) -> RgbImage {
    let mut pixels = Vec::new();
    let (mut decoder, mut planes) = (Decoder::with_level(level), vec![3; 7]);
    let mut next = window.y;
    dataset
        .read_bands(index, window, &mut decoder, &mut planes, |band, planes| {
            assert_eq!((band.x, band.y, band.width), (window.x, next, window.width));
            next += band.height;
            let area = (band.width * band.height) as usize;
            assert_eq!(planes.len(), 3 * area);
            for pixel in 0..area {
                pixels.extend([0, 1, 2].map(|channel| planes[channel * area + pixel]));
            }
        })
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(next, window.y + window.height);
    RgbImage { width: window.width, height: window.height, pixels }
}

#[test]
fn bands_make_up_the_window_and_no_level_changes_a_byte() {
    let samples: Vec<_> = AWKWARD_SIZES
        .into_iter()
        .flat_map(|(width, height)| {
            [noise_image(width, height, 5), photo_like_image(width, height, 6)]
                .map(|image| (image, patchy_labels(width, height, 7)))
        })
        .collect();
    for preset in PRESETS {
        let folder = tempdir().unwrap();
        pack(folder.path(), &samples, preset, 1 << 20);
        for access in [Access::Map, Access::Read] {
            let folder = Folder { dir: folder.path().to_owned(), access };
            let dataset = Dataset::open_in(std::sync::Arc::new(folder)).unwrap();
            for (index, (image, _)) in samples.iter().enumerate() {
                for (window, level) in
                    windows(image).into_iter().flat_map(|w| Level::available().map(move |l| (w, l)))
                {
                    let expected = crop_image(image, window);
                    let found = read_in_bands(&dataset, index, window, level);
                    assert!(found == expected, "{preset} {index} {window:?} {level:?}");
                    let mut decoder = Decoder::with_level(level);
                    let found = dataset.read_image(index, window, &mut decoder).unwrap();
                    assert!(found == expected, "{preset} {index} {window:?} {level:?}");
                }
            }
        }
    }
}

#[test]
fn a_jpeg_file_is_a_single_band() {
    let folder = tempdir().unwrap();
    let mut writer =
        DatasetWriter::create(folder.path(), info(), WriterOptions::default()).unwrap();
    let (name, jpeg) = JPEGS[0];
    let labels = patchy_labels(24, 16, 1);
    writer.push(encode_jpeg_sample(&meta(name), jpeg, &labels).unwrap()).unwrap();
    writer.finish().unwrap();
    let dataset = Dataset::open(folder.path()).unwrap();
    let whole = decoded(jpeg);
    for window in windows(&whole) {
        let found = read_in_bands(&dataset, 0, window, Level::best());
        assert_eq!(found, crop_image(&whole, window));
    }
}

#[test]
fn a_picture_is_copied_into_planes() {
    let image = RgbImage { width: 2, height: 1, pixels: vec![1, 2, 3, 4, 5, 6] };
    let mut planes = vec![9; 100];
    image.copy_planes(&mut planes);
    assert_eq!(planes, [1, 4, 2, 5, 3, 6]);
}

#[test]
fn bands_of_a_window_beyond_the_picture_or_of_no_sample_are_refused() {
    let folder = tempdir().unwrap();
    let samples = [(noise_image(9, 7, 1), patchy_labels(9, 7, 1))];
    pack(folder.path(), &samples, PRESETS[0], 1 << 20);
    let dataset = Dataset::open(folder.path()).unwrap();
    let read = |index, window| {
        let unused = |_: Window, _: &[u8]| panic!("no band was asked for");
        let error = dataset.read_bands(index, window, &mut Decoder::new(), &mut Vec::new(), unused);
        error.unwrap_err().to_string()
    };
    let beyond = read(0, Window { x: 3, y: 0, width: 7, height: 7 });
    assert!(beyond.contains("expected one inside 9x7"), "{beyond}");
    assert!(read(1, Window::whole(9, 7)).contains("sample index 1"));
}
