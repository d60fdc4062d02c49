//! The first value of the memory.

use loader::{Loader, LoaderError};
use models::memory::MemoryInit;
use models::mode::Plain;
use models::network::Network;
use models::pass::{Normalization, Pass};
use models::random::mix;
use shard_store::StoreOptions;

use super::damage::Damage;
use super::loader_options::{device_colours, initial_options};
use super::log::Log;
use super::{Observer, RunError};
use crate::batches::Upload;
use crate::loading::LoadingLine;
use crate::recipe::Recipe;
use crate::state::State;

/// Gives the memory its first value: class means of F over random crops, in evaluation mode.
///
/// Damage that is met is logged in `loading`, also where the loading fails.
///
/// Source: `memory_initalize` in the reference, which takes two epochs.
pub(super) fn initialize(
    recipe: &Recipe,
    network: &Network,
    state: &mut State,
    store: &StoreOptions,
    observer: &mut dyn Observer,
    loading: &mut Log<LoadingLine>,
) -> Result<(), RunError> {
    let Some(slots) = &state.memory else { return Ok(()) };
    let count = recipe.model.memory_init_batches;
    observer.phase("memory initialisation", 0, count);
    let mut init = MemoryInit::new(slots);
    let device = slots.device();
    // Other crops than those of training.
    let seed = mix(recipe.seed ^ 0x6d65_6d6f_7279);
    if count > 0 {
        let options = initial_options(recipe, seed, count, store);
        let (options, colours) = device_colours(recipe, options, &device);
        let upload = Upload { classes: network.config.classes, colours, device: &device };
        let mut batches = Loader::start(options)?;
        let mut damage = Damage::new(batches.stats());
        let outcome = (|| {
            while let Some(batch) = batches.next() {
                let batch = batch?;
                damage.meet(&batch.faults, observer);
                let all: Vec<usize> = (0..batch.streams.len()).collect();
                let samples = upload.samples(&batch, &all);
                let mut pass = Pass::<Plain>::new(
                    &network.layout,
                    state.parameters.clone(),
                    &state.statistics,
                    Normalization::Running,
                );
                let feature = network.encode(&mut pass, samples.image).feature;
                let label_weights = recipe.method.label_weights.into();
                init.add(feature, &samples.label_maps, label_weights);
                batches.recycle(batch);
                observer.advance();
            }
            Ok(())
        })();
        damage.log_rest(state.step, batches.stats(), loading)?;
        outcome.map_err(|error: LoaderError| RunError::from(error))?;
    }
    state.memory = Some(init.finish());
    Ok(())
}
