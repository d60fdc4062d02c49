//! What a checkpoint says of itself: its step, and a digest of all that it holds.

use std::collections::BTreeMap;
use std::path::Path;

use models::weights::NamedTensors;
use serde::{Deserialize, Serialize};

use super::CheckpointError;

/// Key of the metadata; one, since the library writes several in no order.
pub(super) const RECORD_KEY: &str = "pinmem.checkpoint";

/// The metadata of a checkpoint, as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    /// Steps taken.
    step: u64,
    /// BLAKE3 of step and tensors.
    blake3: String,
}

/// The metadata of a checkpoint after `step` steps.
pub(super) fn metadata(named: &NamedTensors, step: u64) -> BTreeMap<String, String> {
    let record = Record { step, blake3: digest(named, step) };
    let text = serde_json::to_string(&record).expect("invariant: a number and a text are JSON");
    BTreeMap::from([(RECORD_KEY.to_owned(), text)])
}

/// The step, where step and tensors are the ones that were saved; `path` is named in errors.
pub(super) fn verified_step(
    named: &NamedTensors,
    metadata: &BTreeMap<String, String>,
    path: &Path,
) -> Result<u64, CheckpointError> {
    let record = metadata.get(RECORD_KEY).and_then(|text| serde_json::from_str(text).ok());
    let Some(Record { step, blake3: expected }) = record else {
        return Err(CheckpointError::NoRecord { path: path.to_owned() });
    };
    let found = digest(named, step);
    if found != expected {
        return Err(CheckpointError::Damaged { path: path.to_owned(), found, expected });
    }
    Ok(step)
}

/// BLAKE3 of the step and of each tensor's name, shape and values, in the order of the names; each
/// part is preceded by its length, so that none can be taken for another.
fn digest(named: &NamedTensors, step: u64) -> String {
    let mut hasher = blake3::Hasher::new();
    let number = |hasher: &mut blake3::Hasher, number: u64| {
        hasher.update(&number.to_le_bytes());
    };
    number(&mut hasher, step);
    for (name, tensor) in named {
        number(&mut hasher, name.len() as u64);
        hasher.update(name.as_bytes());
        number(&mut hasher, tensor.shape.len() as u64);
        tensor.shape.iter().for_each(|&side| number(&mut hasher, side as u64));
        let bytes: Vec<u8> = tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        hasher.update(&bytes);
    }
    hasher.finalize().to_hex().to_string()
}
