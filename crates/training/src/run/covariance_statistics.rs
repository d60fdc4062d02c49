//! The pass over the sources that finds the pairs of channels which ISW whitens.

use burn::tensor::Tensor;
use loader::{LoaderError, ViewPair};
use models::image;
use models::mode::Plain;
use models::network::Network;
use models::normalization::sensitivity::{CovarianceTrial, SensitivePairs};
use models::pass::{Normalization, Pass};

use super::damage::Damage;
use super::loader_options::view_pairs;
use super::log::Log;
use super::{Machine, Observer, RunError};
use crate::device_colours::DeviceColours;
use crate::loading::LoadingLine;
use crate::recipe::{IswRecipe, Recipe};
use crate::state::State;

/// The name of this phase, for an [`Observer`].
const PHASE: &str = "covariance statistics";

/// Finds the pairs of each whitening layer that every trial over every source found sensitive.
///
/// The network is that of `state`, in evaluation mode; nothing but the state and the recipe has an
/// influence. Damage that is met is logged in `loading`, also where the loading fails.
///
/// Source: `validate_for_cov_stat` of RobustNet.
pub(super) fn gather(
    (recipe, isw): (&Recipe, &IswRecipe),
    network: &Network,
    state: &State,
    machine: Machine<'_>,
    observer: &mut dyn Observer,
    loading: &mut Log<LoadingLine>,
) -> Result<Vec<SensitivePairs>, RunError> {
    let (mut pairs, colours) = view_pairs(recipe, isw, machine)?;
    observer.phase(PHASE, 0, pairs.total());
    let mut damage = Damage::new(pairs.stats());
    let mut found: Option<Vec<SensitivePairs>> = None;
    let mut trial = CovarianceTrial::new();
    let outcome = (|| {
        for pair in pairs.by_ref() {
            let pair = pair.map_err(|error: LoaderError| RunError::from(error))?;
            damage.meet(&pair.faults, observer);
            trial.add(&whitening_maps(network, state, upload(&pair, colours.as_ref(), machine)));
            // Uploads that wait for the device would fill the memory; what failed there shows when
            // the trial is read.
            drop(machine.device.sync());
            if pair.ends_trial {
                let sensitive = std::mem::take(&mut trial).sensitive(isw.clusters)?;
                found = Some(match found.take() {
                    None => sensitive,
                    Some(found) => intersection(&found, &sensitive),
                });
            }
            observer.advance();
        }
        Ok(())
    })();
    damage.log_rest(state.step, pairs.stats(), loading)?;
    outcome.map(|()| {
        let found = found.expect("invariant: a recipe asks for a trial, and no source is empty");
        report(&found);
        found
    })
}

/// The pair as a batch of two.
fn upload(pair: &ViewPair, colours: Option<&DeviceColours>, machine: Machine<'_>) -> Tensor<4> {
    let shape = [2, pair.height, pair.width];
    match colours {
        None => image::upload(&pair.levels, shape, machine.device),
        Some(colours) => {
            let (draws, tables) = (colours.of_views(pair.key), image::value_tables());
            kernels::augment(&pair.levels, shape, &draws, &tables, machine.device)
        }
    }
}

fn whitening_maps(network: &Network, state: &State, views: Tensor<4>) -> Vec<Tensor<4>> {
    let (parameters, running) = (state.parameters.clone(), &state.statistics);
    let mut pass = Pass::<Plain>::new(&network.layout, parameters, running, Normalization::Running);
    network.backbone.whitening_maps(&mut pass, views)
}

fn intersection(found: &[SensitivePairs], other: &[SensitivePairs]) -> Vec<SensitivePairs> {
    found.iter().zip(other).map(|(found, other)| found.intersection(other)).collect()
}

fn report(found: &[SensitivePairs]) {
    for (layer, pairs) in found.iter().enumerate() {
        let (channels, count) = (pairs.channels(), pairs.count());
        let all = channels * (channels - 1) / 2;
        if count == 0 {
            tracing::warn!(
                "whitening layer {layer}: none of {all} pairs of channels is sensitive to colours \
                 in every trial; this layer has no whitening loss"
            );
        } else {
            tracing::info!(
                "whitening layer {layer}: {count} of {all} pairs of channels are sensitive to \
                 colours"
            );
        }
    }
}
