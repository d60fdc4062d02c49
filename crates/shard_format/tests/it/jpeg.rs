//! JPEG files that pass through.

use shard_format::{
    Dataset, DatasetWriter, Decoder, Fault, LabelMap, Preset, ReadError, Window, WriteError,
    WriterOptions, encode_jpeg_sample, encode_sample,
};
use tempfile::tempdir;

use crate::drawing::{JPEGS, crop_image, info, meta, patchy_labels, photo_like_image};
use crate::layout::{reseal, samples};
use crate::victim::{Victim, decoded};

#[test]
fn every_kind_of_jpeg_keeps_its_bytes_and_reads_as_its_decoder_says() {
    let folder = tempdir().unwrap();
    let options = WriterOptions::default();
    let mut writer = DatasetWriter::create(folder.path(), info(), options).unwrap();
    let labels = patchy_labels(24, 16, 1);
    for (name, jpeg) in JPEGS {
        writer.push(encode_jpeg_sample(&meta(name), jpeg, &labels).unwrap()).unwrap();
    }
    writer.finish().unwrap();

    let shard = std::fs::read(folder.path().join("toy-00000.shard")).unwrap();
    let dataset = Dataset::open(folder.path()).unwrap();
    assert_eq!(dataset.index().preset, Preset::Jpeg);
    let mut decoder = Decoder::new();
    for (index, ((name, jpeg), parts)) in JPEGS.into_iter().zip(samples(&shard)).enumerate() {
        assert_eq!(&shard[parts.tiles[0].clone()], jpeg, "{name}");
        let whole = decoded(jpeg);
        let read = |window, decoder: &mut Decoder| dataset.read_image(index, window, decoder);
        assert_eq!(read(Window::whole(24, 16), &mut decoder).unwrap(), whole, "{name}");
        let window = Window { x: 5, y: 3, width: 7, height: 13 };
        assert_eq!(read(window, &mut decoder).unwrap(), crop_image(&whole, window), "{name}");
        assert_eq!(
            dataset.read_labels(index, Window::whole(24, 16), &mut decoder).unwrap(),
            labels
        );
        if name != "grey" {
            // The drawing is smooth, so compression moves no sample far.
            for (at, pixel) in whole.pixels.chunks_exact(3).enumerate() {
                let drawn = [10 * (at % 24), 15 * (at / 24), 128];
                let is_near = drawn
                    .iter()
                    .zip(pixel)
                    .all(|(one, other)| one.abs_diff(usize::from(*other)) <= 12);
                assert!(is_near, "{name}: {pixel:?}, drawn as {drawn:?}");
            }
        }
    }
    assert_eq!(dataset.verify(&mut |_| ()).unwrap(), []);
}

#[test]
fn a_dataset_of_jpeg_files_can_hold_other_images_too() {
    let victim = Victim::new(Preset::Jpeg);
    assert_eq!(victim.memory.read_all().unwrap(), victim.samples);
    let mut memory = victim.memory.clone();
    memory.edit_index("\"jpeg\"", "\"default\"");
    let error = memory.open_dataset().unwrap_err().to_string();
    assert!(error.contains("preset is default, expected jpeg for sample \"0\""), "{error}");
}

#[test]
fn what_a_reader_could_not_decode_is_not_written() {
    let labels = patchy_labels(24, 16, 1);
    let jpeg = JPEGS[0].1;
    let error = encode_jpeg_sample(&meta("a"), b"\x89PNG", &labels).unwrap_err();
    assert!(matches!(error, WriteError::Jpeg { .. }), "{error}");
    let error = encode_jpeg_sample(&meta("a"), &jpeg[..jpeg.len() - 40], &labels).unwrap_err();
    assert!(matches!(error, WriteError::Jpeg { .. }), "{error}");
    let labels = patchy_labels(16, 24, 1);
    let error = encode_jpeg_sample(&meta("a"), jpeg, &labels).unwrap_err();
    assert!(matches!(error, WriteError::SizeMismatch { image: (24, 16), labels: (16, 24), .. }));
    let labels = LabelMap { train_ids: vec![0; 7], ..patchy_labels(24, 16, 1) };
    let error = encode_jpeg_sample(&meta("a"), jpeg, &labels).unwrap_err();
    assert!(matches!(error, WriteError::BufferLength { found: 7, .. }), "{error}");
}

#[test]
fn a_picture_of_another_size_than_the_heads_is_refused_before_it_is_decoded() {
    let victim = Victim::new(Preset::Jpeg);
    let mut shard = victim.shard().to_vec();
    let jpeg = samples(&shard)[0].tiles[0].clone();
    // The frame header: marker, length, precision, then the number of rows.
    let frame = shard[jpeg.clone()].windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    shard[jpeg.start + frame + 5] = 0x7f;
    reseal(&mut shard);
    let error = victim.with_shard(shard, true).read_all().unwrap_err();
    let ReadError::Tile { fault, .. } = error else { panic!("{error}") };
    assert_eq!(fault, Fault::JpegSize { found: (24, 0x7f10), expected: (24, 16) });
}

#[test]
fn a_jpeg_that_its_decoder_refuses_is_a_fault_with_the_decoders_reason() {
    let victim = Victim::new(Preset::Jpeg);
    let mut shard = victim.shard().to_vec();
    let jpeg = samples(&shard)[0].tiles[0].clone();
    shard[jpeg].fill(0x55);
    reseal(&mut shard);
    let altered = victim.with_shard(shard, false);
    let error = altered.read_all().unwrap_err();
    let ReadError::Tile { fault: Fault::Jpeg { reason }, .. } = &error else { panic!("{error}") };
    assert!(error.to_string().contains(reason.as_str()));
    // The checksums of such a tile are right, so only a look at the content finds it.
    let problems = altered.open_dataset().unwrap().verify(&mut |_| ()).unwrap();
    assert!(problems.iter().any(|problem| matches!(problem.fault, Fault::Jpeg { .. })));
}

#[test]
fn pixels_in_a_jpeg_dataset_are_stored_as_with_the_default_preset() {
    let (image, labels) = (photo_like_image(150, 40, 1), patchy_labels(150, 40, 1));
    let stored =
        |preset| encode_sample(&meta("0"), &image, &labels, preset).unwrap().stored_bytes();
    assert_eq!(stored(Preset::Jpeg), stored(Preset::Default));
}
