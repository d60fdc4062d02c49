//! The words in which readers and writers tell what is wrong.

use insta::assert_snapshot;
use shard_format::{
    Dataset, DatasetInfo, DatasetWriter, Decoder, LabelMap, Preset, RgbImage, SampleMeta, Window,
    WriterOptions, encode_jpeg_sample, encode_sample,
};
use tempfile::tempdir;

use crate::drawing::{JPEGS, info, meta, noise_image, patchy_labels};
use crate::layout::{reseal, samples};
use crate::memory::Memory;
use crate::victim::{SHARD, Victim};

/// One message to a line.
fn lines(messages: impl IntoIterator<Item = String>) -> String {
    messages.into_iter().collect::<Vec<_>>().join("\n")
}

#[test]
fn of_an_index() {
    let intact = Victim::new(Preset::Default).memory;
    let edits = [
        ("pinmem-shards", "other-shards"),
        ("\"format_version\": 2", "\"format_version\": 3"),
        ("\"format_version\": 2", "\"format_version\": 0"),
        ("\"format_version\": 2", "\"format_version\": 1"),
        ("\"ignore_id\": 255", "\"ignore_id\": 0"),
        ("\"samples\": 2", "\"samples\": 3"),
        ("toy-00000.shard", "../00000.shard"),
        ("\"name\": \"toy\"", "\"name\": \"a/b\""),
        ("\"default\"", "\"raw\""),
        ("\"default\"", "\"best\""),
        ("\"split\"", "\"splat\""),
        (",\n      \"class 18\"", ""),
        ("\"blake3\": \"", "\"blake3\": \"0"),
        ("{", ""),
    ];
    let errors = edits.into_iter().map(|(from, to)| {
        let mut memory = intact.clone();
        memory.edit_index(from, to);
        memory.open_dataset().unwrap_err().to_string().replace(&hash(&intact), "HASH")
    });
    let absent = Memory::new(true).open_dataset().unwrap_err().to_string();
    assert_snapshot!(lines(errors.chain([absent])), @r#"
    memory/index.json: format is other-shards, expected pinmem-shards; hint: the index was altered, pack the dataset again
    memory/index.json: format version 3, expected at most 2; hint: read it with a newer release of these programs
    memory/index.json: format_version is 0, expected 1 to 2; hint: the index was altered, pack the dataset again
    memory/toy-00000.shard: format version at byte 8 is 2, expected 1 as in index.json; hint: the shard was altered, copy it again or pack the dataset again
    memory/index.json: dataset.ignore_id is 0, expected 255; hint: the index was altered, pack the dataset again
    memory/index.json: samples is 3, expected 2, the shards' sum; hint: the index was altered, pack the dataset again
    memory/index.json: shards[0].file is ../00000.shard, expected toy-00000.shard; hint: the index was altered, pack the dataset again
    memory/index.json: dataset.name is "a/b", expected 1 to 100 ASCII letters, digits, '-', '_' or '.', not starting with '.'; hint: the index was altered, pack the dataset again
    memory/index.json: preset is raw, expected default, fast or jpeg for sample "0" of memory/toy-00000.shard; hint: the index was altered, pack the dataset again
    memory/index.json: unknown variant `best`, expected one of `default`, `fast`, `raw`, `jpeg` at line 33 column 18, expected the index of a packed dataset; hint: the index was altered or cut off, pack the dataset again
    memory/index.json: unknown field `splat`, expected one of `name`, `split`, `domain`, `class_names`, `ignore_id`, `mapping`, `license` at line 6 column 11, expected the index of a packed dataset; hint: the index was altered or cut off, pack the dataset again
    memory/index.json: dataset.class_names is 18 names, expected a class 18 for sample "0" of memory/toy-00000.shard; hint: the index was altered, pack the dataset again
    memory/index.json: shards[0].blake3 is 0HASH, expected 64 lower-case hexadecimal digits; hint: the index was altered, pack the dataset again
    memory/index.json: invalid type: string "format", expected an object at line 2 column 10, expected the index of a packed dataset; hint: the index was altered or cut off, pack the dataset again
    memory/index.json: not found, expected the index of a packed dataset; hint: name the folder that `shard pack` wrote, and pack again if packing was interrupted
    "#);
}

/// The hash in the index, which is another with every release of zstd.
fn hash(memory: &Memory) -> String {
    memory.open_dataset().expect("an intact dataset").index().shards[0].blake3.clone()
}

#[test]
fn of_a_shard() {
    let victim = Victim::new(Preset::Raw);
    let open_error = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut shard = victim.shard().to_vec();
        change(&mut shard);
        victim.with_shard(shard, false).open_dataset().unwrap_err().to_string()
    };
    let footer = samples(victim.shard())[0].footer_head.start;
    let mut several = victim.memory.clone();
    several.edit_index("\"samples\": 2", "\"samples\": 3");
    several.edit_index("\"samples\": 2", "\"samples\": 3");
    let mut absent = victim.memory.clone();
    absent.files.remove(SHARD);
    let errors = [
        absent.open_dataset().unwrap_err().to_string(),
        several.open_dataset().unwrap_err().to_string(),
        open_error(&|shard| shard.truncate(100)),
        open_error(&|shard| shard[..8].copy_from_slice(b"\x89PNG\r\n\x1a\n")),
        open_error(&|shard| shard[8] = 3),
        open_error(&|shard| shard[13] = 3),
        open_error(&|shard| *shard.last_mut().unwrap() ^= 1),
        open_error(&|shard| shard[footer + 70] ^= 1),
    ];
    assert_snapshot!(lines(errors), @r#"
    memory/toy-00000.shard: not found, expected a shard listed in index.json; hint: copy the whole folder, index.json and every shard
    memory/toy-00000.shard: sample count at byte 6980 is 2, expected 3 as in index.json; hint: the shard was altered, copy it again or pack the dataset again
    memory/toy-00000.shard: 100 bytes, expected 7012; hint: the shard was cut off or altered, copy it again or pack the dataset again
    memory/toy-00000.shard: begins with \x89PNG\r\n\x1a\n, expected PINMSHRD; hint: this file is no shard
    memory/toy-00000.shard: format version 3, expected at most 2; hint: read it with a newer release of these programs
    memory/toy-00000.shard: header checksum at byte 60 is f9a85dad, expected 28b05449; hint: the shard was altered, copy it again or pack the dataset again
    memory/toy-00000.shard: trailer checksum at byte 7008 is df96aef4, expected de96aef4; hint: the shard was altered, copy it again or pack the dataset again
    memory/toy-00000.shard: footer checksum at byte 6592 is cdf292a0, expected cfb81430; hint: the shard was altered, copy it again or pack the dataset again
    "#);
}

#[test]
fn of_a_head_whose_checksums_are_right() {
    let victim = Victim::new(Preset::Raw);
    let head = samples(victim.shard())[1].footer_head.clone();
    let lies: [(usize, &[u8]); 9] = [
        (0, b"X"),
        (4, &[0xff, 0xff]),
        (8, &[0xff, 0xff, 0xff, 0x7f]),
        (16, &[0, 0]),
        (20, &[0, 0, 1]),
        (24, &[0, 0, 5, 0]),
        (30, &[9]),
        (40, &[1]),
        (64, &[0, 0, 0, 0]),
    ];
    let errors = lies.into_iter().map(|(at, lie)| {
        let mut shard = victim.shard().to_vec();
        shard[head.start + at..][..lie.len()].copy_from_slice(lie);
        reseal(&mut shard);
        victim.with_shard(shard, true).open_dataset().unwrap_err().to_string()
    });
    assert_snapshot!(lines(errors), @r#"
    memory/toy-00000.shard: sample magic at byte 6770 is XMPL, expected SMPL; hint: the shard was altered, copy it again or pack the dataset again
    memory/toy-00000.shard: head length at byte 6774 is 65535, expected 64 to 178; hint: the shard was altered, copy it again or pack the dataset again
    memory/toy-00000.shard: tile length at byte 6834 is 2147480397, expected 5 bytes; hint: the shard was altered, copy it again or pack the dataset again
    memory/toy-00000.shard: width at byte 6786 is 0, expected 1 to 32768 pixels; hint: the shard was altered, copy it again or pack the dataset again
    memory/toy-00000.shard: height at byte 6790 is 65536, expected 1 to 32768 pixels; hint: the shard was altered, copy it again or pack the dataset again
    memory/toy-00000.shard: head length at byte 6774 is 178, expected 170; hint: the shard was altered, copy it again or pack the dataset again
    memory/toy-00000.shard: codec id at byte 6800 is 9, expected 0, 1 or 2; hint: the shard was altered, copy it again or pack the dataset again
    memory/toy-00000.shard: reserved byte at byte 6810 is 1, expected 0; hint: the shard was altered, copy it again or pack the dataset again
    memory/toy-00000.shard: offset of the first tile at byte 6834 is 0, expected 178; hint: the shard was altered, copy it again or pack the dataset again
    "#);
}

#[test]
fn of_a_tile() {
    let error = |preset, tile: usize, is_resealed: bool| {
        let victim = Victim::new(preset);
        let mut shard = victim.shard().to_vec();
        let tile = samples(&shard)[0].tiles[tile].clone();
        shard[tile].fill(0x1f);
        if is_resealed {
            reseal(&mut shard);
        }
        victim.with_shard(shard, true).read_all().unwrap_err().to_string()
    };
    let errors = [
        error(Preset::Raw, 0, false),
        error(Preset::Raw, 1, true),
        error(Preset::Default, 1, true),
        error(Preset::Default, 2, true),
        error(Preset::Jpeg, 0, true),
    ];
    assert_snapshot!(lines(errors), @r#"
    memory/toy-00000.shard: sample "0", RGB tile (column 0, row 0): CRC-32C 9e6bd0e0, expected 39a1677c; hint: the shard was altered, copy it again or pack the dataset again
    memory/toy-00000.shard: sample "0", label tile (column 0, row 0): label 31, expected 255 or a train id in the tile's class-presence bits; hint: the shard was altered, copy it again or pack the dataset again
    memory/toy-00000.shard: sample "0", RGB tile (column 1, row 0): zstd failed: Unknown frame descriptor, expected a frame of 3072 bytes; hint: the shard was altered, copy it again or pack the dataset again
    memory/toy-00000.shard: sample "0", label tile (column 0, row 0): zstd failed: Unknown frame descriptor, expected a frame of 260 bytes; hint: the shard was altered, copy it again or pack the dataset again
    memory/toy-00000.shard: sample "0", RGB tile (column 0, row 0): JPEG decoder failed: it does not begin as a JPEG does, expected a JPEG file; hint: the shard was altered, copy it again or pack the dataset again
    "#);
}

#[test]
fn of_what_verify_finds() {
    let victim = Victim::new(Preset::Raw);
    let mut shard = victim.shard().to_vec();
    let parts = samples(&shard);
    shard[parts[0].record_head.start + 20] ^= 1;
    shard[parts[0].tiles[1].start] = 1;
    shard[parts[1].tiles[0].start] ^= 1;
    let found = blake3::hash(&shard).to_string();
    let hash = hash(&victim.memory);
    let dataset = victim.with_shard(shard, true).open_dataset().unwrap();
    let problems = dataset.verify(&mut |_| ()).unwrap();
    let problems = problems
        .iter()
        .map(|problem| problem.to_string().replace(&found, "FOUND").replace(&hash, "HASH"));
    assert_snapshot!(lines(problems), @r#"
    memory/toy-00000.shard: BLAKE3 hash FOUND, expected HASH as in index.json
    memory/toy-00000.shard: sample "0": sample head differs from its copy in the footer, expected the same bytes
    memory/toy-00000.shard: sample "0": label tile (column 0, row 0): CRC-32C 67e6d6e3, expected 88d6bdfa
    memory/toy-00000.shard: sample "1": RGB tile (column 0, row 0): CRC-32C b4affa5b, expected 6e756050
    "#);
}

#[test]
fn of_requests_that_cannot_be_met() {
    let victim = Victim::new(Preset::Raw);
    let dataset = victim.memory.open_dataset().unwrap();
    let mut decoder = Decoder::new();
    let outside = Window { x: 2, y: 0, width: 2, height: 1 };
    let mut one = victim.shard().to_vec();
    one[samples(victim.shard())[0].record_head.start + 20] ^= 1;
    let altered = victim.with_shard(one, true).open_dataset().unwrap();
    let mut twice = victim.shard().to_vec();
    let second = samples(&twice)[1].footer_head.end - "1images/1.pngdrawnlabels/1.png".len();
    twice[second] = b'0';
    reseal(&mut twice);
    let older = Dataset::open("tests/data/version_1/raw".as_ref()).unwrap();
    let errors = [
        dataset.read_image(0, outside, &mut decoder).unwrap_err().to_string(),
        dataset.read_image(2, outside, &mut decoder).unwrap_err().to_string(),
        dataset.check_shard(1).unwrap_err().to_string(),
        altered.encoded(0).unwrap_err().to_string(),
        older.encoded(0).unwrap_err().to_string(),
        victim.with_shard(twice, true).open_dataset().unwrap_err().to_string(),
    ];
    assert_snapshot!(lines(errors), @r#"
    memory/toy-00000.shard: sample "0": window of 2x1 pixels at column 2, row 0, expected one inside 3x2
    memory/index.json: sample index 2, expected less than 2
    memory/index.json: shard index 1, expected less than 1
    memory/toy-00000.shard: sample "0": sample head differs from its copy in the footer, expected the same bytes; hint: the shard was altered, copy it again or pack the dataset again
    tests/data/version_1/raw/toy-00000.shard: format version 1, expected 2 for a record that is copied; hint: pack the dataset again
    memory/toy-00000.shard: sample id "0" is used twice in the dataset, expected unique ids; hint: the shards come from different runs, pack the dataset again
    "#);
}

#[test]
fn of_a_file_that_shrinks() {
    let folder = tempdir().unwrap();
    let victim = Victim::new(Preset::Raw);
    for (name, bytes) in &victim.memory.files {
        std::fs::write(folder.path().join(name), &**bytes).unwrap();
    }
    let access = shard_format::Access::Read;
    let storage = shard_format::Folder { dir: folder.path().to_owned(), access };
    let dataset = Dataset::open_in(std::sync::Arc::new(storage)).unwrap();
    let file = std::fs::File::options().write(true).open(folder.path().join(SHARD)).unwrap();
    file.set_len(1000).unwrap();
    let window = Window::whole(3, 2);
    let error = dataset.read_image(0, window, &mut Decoder::new()).unwrap_err().to_string();
    let error = error.replace(&*folder.path().to_string_lossy(), "FOLDER");
    assert_snapshot!(error, @r#"FOLDER/toy-00000.shard: sample "0": cannot read bytes 242 to 3314: the file has 1000 bytes, expected at least 3314; hint: it was cut off after it was opened"#);
}

#[test]
fn of_samples_that_cannot_be_written() {
    let (image, labels) = (noise_image(4, 2, 1), patchy_labels(4, 2, 1));
    let encode = |meta: &SampleMeta, image: &RgbImage, labels: &LabelMap| {
        encode_sample(meta, image, labels, Preset::Fast).unwrap_err().to_string()
    };
    let cut = LabelMap { train_ids: vec![0; 7], ..labels.clone() };
    let unknown = LabelMap { train_ids: vec![31; 8], ..labels.clone() };
    let errors = [
        encode(&SampleMeta { id: String::new(), ..meta("a") }, &image, &labels),
        encode(&SampleMeta { label_source: "a".repeat(4097), ..meta("a") }, &image, &labels),
        encode(&meta("a"), &RgbImage { width: 0, ..image.clone() }, &labels),
        encode(&meta("a"), &RgbImage { pixels: vec![0; 5], ..image.clone() }, &labels),
        encode(&meta("a"), &image, &cut),
        encode(&meta("a"), &image, &patchy_labels(2, 4, 1)),
        encode(&meta("a"), &image, &unknown),
        encode_jpeg_sample(&meta("a"), b"GIF89a", &labels).unwrap_err().to_string(),
        encode_jpeg_sample(&meta("a"), JPEGS[0].1, &labels).unwrap_err().to_string(),
    ];
    assert_snapshot!(lines(errors), @r#"
    images/a.png: length of the sample id 0, expected 1 to 4096 bytes
    images/a.png: length of the label source path 4097, expected 0 to 4096 bytes
    images/a.png: width 0, expected 1 to 32768 pixels
    images/a.png: image holds 5 bytes, expected 24 for its width and height
    images/a.png: label map holds 7 bytes, expected 8 for its width and height
    images/a.png: label map is 2x4 pixels, expected the image's 4x2; hint: image and label may belong to different frames
    images/a.png: label 31 at column 0, row 0, expected a train id below 31 or 255; hint: the label mapping must turn every other id into 255
    images/a.png: JPEG decoder failed: it does not begin as a JPEG does, expected a JPEG file
    images/a.png: label map is 4x2 pixels, expected the image's 24x16; hint: image and label may belong to different frames
    "#);
}

#[test]
fn of_a_writer() {
    let folder = tempdir().unwrap();
    let create = |info| DatasetWriter::create(folder.path(), info, WriterOptions::default());
    let sample = |id: &str, preset| {
        encode_sample(&meta(id), &noise_image(4, 2, 1), &patchy_labels(4, 2, 1), preset).unwrap()
    };
    let one_class = vec!["road".to_owned()];
    let mut writer = create(info()).unwrap();
    writer.push(sample("0", Preset::Fast)).unwrap();
    let mut errors = vec![
        writer.push(sample("0", Preset::Fast)).unwrap_err(),
        writer.push(sample("1", Preset::Raw)).unwrap_err(),
        create(DatasetInfo { name: "a/b".into(), ..info() }).unwrap_err(),
        create(DatasetInfo { class_names: vec![], ..info() }).unwrap_err(),
        create(DatasetInfo { ignore_id: 0, ..info() }).unwrap_err(),
        create(info()).unwrap().finish().unwrap_err(),
        create(DatasetInfo { class_names: one_class, ..info() })
            .unwrap()
            .push(sample("1", Preset::Fast))
            .unwrap_err(),
    ];
    writer.finish().unwrap();
    errors.push(create(info()).unwrap_err());
    let folder = folder.path().to_string_lossy().into_owned();
    let errors = errors.iter().map(|error| error.to_string().replace(&folder, "FOLDER"));
    assert_snapshot!(lines(errors), @r#"
    images/0.png: sample id "0" is used twice, expected unique ids
    images/1.png: encoded with preset raw, expected fast as the samples before it
    FOLDER: dataset name is "a/b", expected 1 to 100 ASCII letters, digits, '-', '_' or '.', not starting with '.'
    FOLDER: list of class names is 0 names, expected 1 to 31 names
    FOLDER: ignore id is 0, expected 255
    FOLDER: no sample was written, expected at least one
    images/1.png: train id 12 is used, expected one of the dataset's 1 classes
    FOLDER/index.json: a dataset is already here, expected a folder without an index; hint: choose another output folder or delete this one
    "#);
}
