//! The state that a new run begins with.

use std::path::Path;

use burn::tensor::{DType, Device};
use models::network::Network;

use super::{RunError, RunFacts};
use crate::checkpoint::CheckpointError;
use crate::initial_weights::InitialWeights;
use crate::recipe::Recipe;
use crate::state::State;

/// The weights that the recipe names, checked against its network.
pub(super) fn weights(
    recipe: &Recipe,
    network: &Network,
) -> Result<Option<InitialWeights>, RunError> {
    let Some(path) = &recipe.model.weights else { return Ok(None) };
    let config = &network.config;
    let memory = config.memory.then(|| [config.classes, config.feature_channels()]);
    // An error of the weights, whoever tells it.
    InitialWeights::read(path, &network.layout, memory).map(Some).map_err(|error| match error {
        CheckpointError::Weights(error) => RunError::Weights(error),
        error => RunError::Checkpoint(error),
    })
}

/// Random parameters, with the recipe's weights in their places.
///
/// Returns whether the memory still needs its first value: it is part of no weights.
pub(super) fn first_state(
    recipe: &Recipe,
    network: &Network,
    (facts, out): (&RunFacts, &Path),
    device: &Device,
) -> Result<(State, bool), RunError> {
    let mut state = State::new(network, recipe.seed, device, DType::F32);
    let Some(weights) = weights(recipe, network)? else { return Ok((state, true)) };
    // A run that was stopped before its first checkpoint begins anew, with the same file.
    if let (Some(expected), Some(path)) = (&facts.weights, &recipe.model.weights)
        && weights.facts.blake3 != expected.blake3
    {
        return Err(RunError::WeightsChanged {
            path: path.clone(),
            run: out.to_owned(),
            found: weights.facts.blake3,
            expected: expected.blake3.clone(),
        });
    }
    weights.apply(&network.layout, &mut state);
    Ok((state, !weights.has_memory()))
}
