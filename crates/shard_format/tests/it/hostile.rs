//! A reader against shards of any content: what the fuzz targets and the tests of their seeds run.

use std::fmt::Write;

use shard_format::{Dataset, Decoder, Depth, Window};

use crate::layout::reseal;
use crate::memory::Memory;

/// Pictures up to this size are read whole, larger ones only at their ends, to keep a run short.
const WHOLE_AREA: usize = 1 << 20;

/// Reads all there is to read from a dataset with this one shard, and returns what came of it.
///
/// The index agrees with the shard as far as it can: size, hash, version and number of samples.
///
/// # Panics
/// The reader panics, or the shard reads differently mapped and piece by piece.
pub(crate) fn open_and_read(shard: &[u8]) -> Vec<String> {
    ["default", "raw", "jpeg"]
        .into_iter()
        .map(|preset| {
            let index = index(shard, preset);
            let read = |mapped| {
                let mut memory = Memory::new(mapped);
                memory.put("index.json", index.clone().into_bytes());
                memory.put("toy-00000.shard", shard.to_vec());
                match memory.open_dataset() {
                    Ok(dataset) => read_all(&dataset),
                    Err(error) => error.to_string(),
                }
            };
            let (mapped, pieces) = (read(true), read(false));
            assert_eq!(mapped, pieces);
            mapped
        })
        .collect()
}

/// Applies the changes that `script` encodes to one of `seeds`, makes all checksums right, and
/// reads the result as [`open_and_read`] does.
///
/// The script's first byte chooses the seed. Each further four bytes are an operation, a value
/// and a place, counted from the end of the file if the operation's highest bit is set: footer
/// and trailer are there.
///
/// # Panics
/// As [`open_and_read`].
pub(crate) fn resealed(seeds: &[&[u8]], script: &[u8]) -> Vec<String> {
    let Some((seed, changes)) = script.split_first() else { return Vec::new() };
    let mut shard = seeds[usize::from(*seed) % seeds.len()].to_vec();
    let (changes, _) = changes.as_chunks();
    for [operation, value, low, high] in changes {
        let place = usize::from(u16::from_le_bytes([*low, *high])) % shard.len();
        let from_end = operation & 0x80 != 0;
        let place = if from_end { shard.len() - 1 - place } else { place };
        match operation % 4 {
            0 => shard[place] ^= value,
            1 => shard[place] = *value,
            2 => shard[place] = shard[place].wrapping_add(*value),
            _ => {
                // Numbers at the edges of what fields can hold, over up to eight bytes.
                let number = [0u64, 1, 0x7fff_ffff, 0x8000_0000, 1 << 32, u64::MAX >> 1, u64::MAX];
                let number = number[usize::from(*value) % number.len()].to_le_bytes();
                let width = shard.len().min(place + 1 + usize::from(*value >> 4) % 8) - place;
                shard[place..place + width].copy_from_slice(&number[..width]);
            }
        }
    }
    reseal(&mut shard);
    open_and_read(&shard)
}

fn read_all(dataset: &Dataset) -> String {
    let mut report = String::new();
    let mut decoder = Decoder::new();
    let mut note = |result: String| writeln!(report, "{result}").expect("a string takes all");
    for index in 0..dataset.len() {
        let info = dataset.sample(index);
        note(format!("{info:?} {:?}", dataset.class_presence(index)));
        let whole = Window::whole(info.width, info.height);
        let last = Window { x: info.width - 1, y: info.height - 1, width: 1, height: 1 };
        let is_small = info.width as usize * info.height as usize <= WHOLE_AREA;
        for window in [if is_small { whole } else { Window::whole(1, 1) }, last] {
            match dataset.read_image(index, window, &mut decoder) {
                Ok(image) => note(blake3::hash(&image.pixels).to_string()),
                Err(error) => note(error.to_string()),
            }
            match dataset.read_labels(index, window, &mut decoder) {
                Ok(labels) => note(blake3::hash(&labels.train_ids).to_string()),
                Err(error) => note(error.to_string()),
            }
        }
        let depth = if is_small { Depth::Content } else { Depth::Checksums };
        match dataset.check_sample(index, depth, &mut decoder) {
            Ok(problems) => note(format!("{problems:?}")),
            Err(error) => note(error.to_string()),
        }
        match dataset.encoded(index) {
            Ok(sample) => note(sample.stored_bytes().to_string()),
            Err(error) => note(error.to_string()),
        }
    }
    let problem = dataset.check_shard(0).expect("memory can be read");
    assert_eq!(problem, None, "the index has the shard's hash");
    report
}

/// An index for one shard, as its header and trailer describe it.
fn index(shard: &[u8], preset: &str) -> String {
    let number = |at: Option<usize>| {
        let bytes = at.and_then(|at| shard.get(at..)?.first_chunk());
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
    };
    let version = if number(Some(8)) == 1 && preset != "jpeg" { 1 } else { 2 };
    let samples = number(shard.len().checked_sub(32)).max(1);
    let classes: Vec<String> = (0..31).map(|class| format!("\"class {class}\"")).collect();
    format!(
        r#"{{
            "format": "pinmem-shards", "format_version": {version},
            "dataset": {{
                "name": "toy", "split": "train", "domain": "drawn",
                "class_names": [{}], "ignore_id": 255, "mapping": "identity", "license": "none"
            }},
            "preset": "{preset}", "samples": {samples},
            "shards": [{{
                "file": "toy-00000.shard", "bytes": {}, "blake3": "{}", "samples": {samples}
            }}]
        }}"#,
        classes.join(", "),
        shard.len(),
        blake3::hash(shard),
    )
}
