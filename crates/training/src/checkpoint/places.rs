//! A checkpoint's tensors have places in the state: one without would be lost at the next save.

use std::collections::BTreeSet;
use std::path::Path;

use models::network::Network;
use models::weights::{MEMORY_KEY, NamedTensors};

use super::{CheckpointError, EMPTY_BATCHES_KEY, MOMENTUM_PREFIX, SENSITIVE_PAIRS_PREFIX};
use crate::memory_history::{FIRST_KEY, LOGGED_KEY, WRITES_KEY};
use crate::state::State;

/// Refuses a tensor that `state`, which was read from `named`, does not have.
pub(super) fn require(
    named: &NamedTensors,
    network: &Network,
    state: &State,
    path: &Path,
) -> Result<(), CheckpointError> {
    let places = places(network, state);
    // A parameter says more than its momentum, and the memory more than its history.
    let derived = |name: &str| name.starts_with(MOMENTUM_PREFIX) || name.starts_with("history.");
    let lost = named.iter().filter(|(name, _)| !places.contains(*name));
    match lost.min_by_key(|(name, _)| derived(name)) {
        None => Ok(()),
        Some((name, tensor)) => Err(CheckpointError::NoPlace {
            path: path.to_owned(),
            name: name.clone(),
            found: tensor.shape.clone(),
        }),
    }
}

/// The names of all that a checkpoint of `state` has.
fn places(network: &Network, state: &State) -> BTreeSet<String> {
    let mut names = BTreeSet::from([EMPTY_BATCHES_KEY.to_owned()]);
    for spec in &network.layout.parameters {
        names.extend([spec.name.clone(), format!("{MOMENTUM_PREFIX}{}", spec.name)]);
    }
    for spec in network.layout.statistics() {
        names.extend([spec.mean, spec.variance]);
    }
    if state.memory.is_some() {
        names.extend([MEMORY_KEY, FIRST_KEY, LOGGED_KEY, WRITES_KEY].map(str::to_owned));
    }
    let layers = state.sensitive_pairs.as_ref().map_or(0, Vec::len);
    names.extend((0..layers).map(|layer| format!("{SENSITIVE_PAIRS_PREFIX}{layer}")));
    names
}
