//! The memory of a run, or of a file of weights, as data.

use std::fs;
use std::path::Path;

use evaluation::memory::{HistoryReport, MemoryLine, MemoryReport, cosine};
use models::weights::{self, MEMORY_KEY};

use super::saved_state::require_step;
use super::{RECIPE_FILE, RunError, content, read_folder};
use crate::checkpoint::{self, CHECKPOINT_FILE, Stamp};
use crate::memory_history::{MEMORY_FILE, MemoryHistory};

/// Reads the memory of the run in the folder `path`, or of the file of weights there.
///
/// A file says nothing of classes and history: 19 slots are taken to be those of Cityscapes.
///
/// # Errors
/// If there is no memory, and those of reading the files.
pub fn memory_report(path: &Path) -> Result<MemoryReport, RunError> {
    if path.is_file() { of_weights(path) } else { of_run(path) }
}

fn of_weights(path: &Path) -> Result<MemoryReport, RunError> {
    let (named, metadata) = weights::read(path)?;
    checkpoint::verify(&named, &metadata, path)?;
    let reason = |found: String| {
        format!(
            "{found}, expected {MEMORY_KEY} of [slots, channels]; hint: `train import` with a \
             recipe that has model.memory = true writes one"
        )
    };
    let Some(slots) = named.get(MEMORY_KEY) else {
        return Err(content(path, reason("found no memory".to_owned())));
    };
    let [count, channels] = slots.shape[..] else {
        return Err(content(path, reason(format!("found {MEMORY_KEY} of {:?}", slots.shape))));
    };
    if count * channels == 0 {
        return Err(content(path, reason(format!("found {MEMORY_KEY} of {:?}", slots.shape))));
    }
    weights::require_finite(&named, path)?;
    let classes = match count == palette::CITYSCAPES.len() {
        true => palette::CITYSCAPES.iter().map(|(name, _)| (*name).to_owned()).collect(),
        false => (0..count).map(|slot| format!("slot {slot}")).collect(),
    };
    Ok(MemoryReport::new(path.display().to_string(), classes, &slots.values, None))
}

fn of_run(dir: &Path) -> Result<MemoryReport, RunError> {
    let (recipe, facts) = read_folder(dir)?;
    if !recipe.model.memory {
        return Err(RunError::NoMemory { path: dir.join(RECIPE_FILE) });
    }
    let path = dir.join(CHECKPOINT_FILE);
    if !path.is_file() {
        return Err(RunError::NoCheckpoint { path: dir.to_owned() });
    }
    let (named, Stamp { step, .. }) = checkpoint::read(&path)?;
    require_step(dir, &recipe, step)?;
    let shape = [facts.classes.len(), recipe.network(facts.classes.len()).feature_channels()];
    let slots = weights::find(&named, &path, MEMORY_KEY, &shape)?;
    let history = MemoryHistory::find(&named, &path, shape)?;
    let pairs = slots.chunks(shape[1]).zip(history.first.values.chunks(shape[1]));
    let history = HistoryReport {
        step,
        slot_writes: history.slot_writes,
        cosine_with_first: pairs.map(|(now, first)| cosine(now, first)).collect(),
        drift: drift(&dir.join(MEMORY_FILE), step, shape[0])?,
    };
    let source = dir.display().to_string();
    Ok(MemoryReport::new(source, facts.classes, slots, Some(history)))
}

/// The lines of the log up to the checkpoint's step.
fn drift(path: &Path, step: u64, slots: usize) -> Result<Vec<MemoryLine>, RunError> {
    let text = fs::read_to_string(path)
        .map_err(|source| RunError::File { path: path.to_owned(), source })?;
    // A line cut short by a crash is after the checkpoint.
    let lines = text.lines().filter_map(|line| serde_json::from_str::<MemoryLine>(line).ok());
    let drift: Vec<_> = lines.filter(|line| line.step <= step).collect();
    let of_other_size = |line: &&MemoryLine| {
        [line.cosine_with_first.len(), line.cosine_with_last.len(), line.slot_writes.len()]
            != [slots; 3]
    };
    match drift.iter().find(of_other_size) {
        None => Ok(drift),
        Some(line) => {
            let reason = format!("the line of step {} is not of {slots} slots", line.step);
            Err(content(path, reason))
        }
    }
}
