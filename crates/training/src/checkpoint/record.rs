//! What a checkpoint says of itself: its step, and a digest of all that it holds.

use std::collections::BTreeMap;
use std::path::Path;

use models::weights::NamedTensors;
use serde::{Deserialize, Serialize};

use super::CheckpointError;

/// Key of the metadata; one, since the library writes several in no order.
pub(super) const RECORD_KEY: &str = "pinmem.checkpoint";

/// What a checkpoint says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Steps taken.
    pub step: u64,
    /// Digest of the recipe that took them, where a recipe did.
    pub recipe: Option<blake3::Hash>,
}

/// The metadata of a checkpoint, as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    /// Steps taken.
    step: u64,
    /// BLAKE3 of the recipe's keys that decide the training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recipe: Option<String>,
    /// BLAKE3 of the others and of the tensors.
    blake3: String,
}

/// The metadata of a checkpoint.
pub(super) fn metadata(named: &NamedTensors, stamp: Stamp) -> BTreeMap<String, String> {
    let recipe = stamp.recipe.map(|hash| hash.to_hex().to_string());
    let record = Record { step: stamp.step, recipe, blake3: digest(named, stamp) };
    let text = serde_json::to_string(&record).expect("invariant: a number and a text are JSON");
    BTreeMap::from([(RECORD_KEY.to_owned(), text)])
}

/// The stamp, where it and the tensors are the ones that were saved; `path` is named in errors.
pub(super) fn verified(
    named: &NamedTensors,
    metadata: &BTreeMap<String, String>,
    path: &Path,
) -> Result<Stamp, CheckpointError> {
    let record = metadata.get(RECORD_KEY).and_then(|text| serde_json::from_str(text).ok());
    let no_record = || CheckpointError::NoRecord { path: path.to_owned() };
    let Record { step, recipe, blake3: expected } = record.ok_or_else(no_record)?;
    let recipe = recipe.map(blake3::Hash::from_hex).transpose().map_err(|_no_hex| no_record())?;
    let stamp = Stamp { step, recipe };
    let found = digest(named, stamp);
    if found != expected {
        return Err(CheckpointError::Damaged { path: path.to_owned(), found, expected });
    }
    Ok(stamp)
}

/// BLAKE3 of the stamp and of each tensor's name, shape and values, in the order of the names; each
/// part is preceded by its length, so that none can be taken for another.
fn digest(named: &NamedTensors, stamp: Stamp) -> String {
    let mut hasher = blake3::Hasher::new();
    let number = |hasher: &mut blake3::Hasher, number: u64| {
        hasher.update(&number.to_le_bytes());
    };
    number(&mut hasher, stamp.step);
    let recipe = stamp.recipe.as_ref().map_or(&[][..], |hash| hash.as_bytes());
    number(&mut hasher, recipe.len() as u64);
    hasher.update(recipe);
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
