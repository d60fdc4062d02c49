//! The state in a run's checkpoint, where that is one of the run's recipe.

use std::path::Path;

use burn::tensor::Device;
use models::network::Network;

use super::{RECIPE_FILE, RunError};
use crate::checkpoint::{self, CHECKPOINT_FILE};
use crate::recipe::{FREE_KEYS, Recipe};
use crate::state::State;

/// The state to evaluate, in the run folder `dir`.
pub(super) fn to_evaluate(
    dir: &Path,
    recipe: &Recipe,
    network: &Network,
    device: &Device,
) -> Result<State, RunError> {
    let (state, _) = checkpoint::load(&dir.join(CHECKPOINT_FILE), network, device)?;
    require_step(dir, recipe, state.step)?;
    Ok(state)
}

/// The state to go on from, which the same recipe has trained so far.
pub(super) fn to_resume(
    dir: &Path,
    recipe: &Recipe,
    network: &Network,
    device: &Device,
) -> Result<State, RunError> {
    let (state, digest) = checkpoint::load(&dir.join(CHECKPOINT_FILE), network, device)?;
    require_step(dir, recipe, state.step)?;
    let found = recipe.training_digest();
    match digest {
        Some(expected) if expected != found => Err(RunError::RecipeChanged {
            path: dir.join(RECIPE_FILE),
            found: found.to_hex().to_string(),
            expected: expected.to_hex().to_string(),
            free: FREE_KEYS,
        }),
        _ => Ok(state),
    }
}

/// Refuses a checkpoint of a step that the recipe does not come to.
pub(super) fn require_step(dir: &Path, recipe: &Recipe, step: u64) -> Result<(), RunError> {
    if step <= recipe.steps {
        return Ok(());
    }
    let path = dir.join(CHECKPOINT_FILE);
    Err(RunError::StepBeyond { path, found: step, steps: recipe.steps })
}
