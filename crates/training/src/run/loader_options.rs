//! The recipe's data as the loader takes it.

use burn::tensor::Device;
use loader::{
    ClassUniform, FaultPolicy, LoaderError, LoaderOptions, Roles, Sampling, StreamSource,
    StrongStream, ViewPairs, ViewTrials,
};
use models::random::mix;
use shard_store::StoreOptions;

use super::Machine;
use crate::device_colours::DeviceColours;
use crate::method::{Algorithm, StrongAugmentation};
use crate::recipe::{
    ColoursOn, DamageRecipe, DataRecipe, IswRecipe, Recipe, SamplingRecipe, SourceRecipe,
};

/// Batches under way at least: some that are ready while others are rendered.
const LEAST_PREFETCH_BATCHES: usize = 4;

/// The batches from `first` to before `end`, as the steps of these numbers take them.
pub(super) fn loader_options(
    recipe: &Recipe,
    [first, end]: [u64; 2],
    store: &StoreOptions,
) -> LoaderOptions {
    let data = &recipe.data;
    LoaderOptions {
        streams: streams(data),
        store: store.clone(),
        sampling: match data.sampling {
            SamplingRecipe::Quotas => Sampling::Quotas,
            SamplingRecipe::ImageUniform => Sampling::image_uniform(data.batch()),
            SamplingRecipe::DomainUniform => Sampling::domain_uniform(data.batch()),
            SamplingRecipe::Weighted => Sampling::by_weight(data.batch()),
        },
        class_uniform: (data.class_uniform > 0.0)
            .then_some(ClassUniform { fraction: data.class_uniform }),
        crop_width: data.crop_width,
        crop_height: data.crop_height,
        augment: recipe.augmentation.augment(),
        roles: match recipe.method.algorithm {
            Algorithm::Aggregated => Roles::None,
            Algorithm::Episodic => Roles::PerStep,
        },
        strong: strong(recipe),
        strong_augment: recipe.augmentation.strong(),
        faults: match data.on_damage {
            DamageRecipe::Strict => FaultPolicy::Strict,
            DamageRecipe::Substitute => FaultPolicy::Substitute,
            DamageRecipe::MaskTile => FaultPolicy::MaskTile,
        },
        seed: recipe.seed,
        workers: data.workers,
        prefetch_batches: prefetch_batches(data),
        first_batch: first,
        end_batch: end,
        ..LoaderOptions::default()
    }
}

/// Enough batches that every worker has a sample at hand and another one waiting.
fn prefetch_batches(data: &DataRecipe) -> usize {
    (2 * data.workers).div_ceil(data.batch()).max(LEAST_PREFETCH_BATCHES)
}

/// As [`loader_options`], for the batches that the memory starts from: other crops than those of
/// training, none with the strong augmentation, no roles.
pub(super) fn initial_options(
    recipe: &Recipe,
    seed: u64,
    count: u64,
    store: &StoreOptions,
) -> LoaderOptions {
    LoaderOptions {
        seed,
        roles: Roles::None,
        strong: StrongStream::Nobody,
        ..loader_options(recipe, [0, count], store)
    }
}

/// The images of ISW's statistics: whole, under the strong colour jitter and the recipe's blur and
/// as they are, in another order than that of training.
pub(super) fn view_pairs(
    recipe: &Recipe,
    isw: &IswRecipe,
    machine: Machine<'_>,
) -> Result<(ViewPairs, Option<DeviceColours>), LoaderError> {
    let seed = mix(recipe.seed ^ 0x636f_7661_7269);
    let options = initial_options(recipe, seed, 0, machine.store);
    let (options, colours) = device_colours(recipe, options, machine.device);
    let trials = ViewTrials { trials: isw.trials, images: isw.images_per_trial };
    Ok((ViewPairs::start(options, trials)?, colours))
}

/// What the loader does, and what of it the recipe leaves to the device.
pub(super) fn device_colours(
    recipe: &Recipe,
    options: LoaderOptions,
    device: &Device,
) -> (LoaderOptions, Option<DeviceColours>) {
    match recipe.augmentation.colours_on {
        ColoursOn::Loader => (options, None),
        ColoursOn::Gpu => DeviceColours::take_from(options, device),
    }
}

fn streams(data: &DataRecipe) -> Vec<StreamSource> {
    let stream = |source: &SourceRecipe, stream| StreamSource {
        stream,
        weight: source.weight.unwrap_or(1.0),
        ..StreamSource::new(&source.name, source.shards.clone(), data.quota(source))
    };
    let numbers = || 0..data.streams_per_domain;
    data.sources.iter().flat_map(|source| numbers().map(move |n| stream(source, n))).collect()
}

fn strong(recipe: &Recipe) -> StrongStream {
    match recipe.method.strong_augmentation {
        StrongAugmentation::Nobody => StrongStream::Nobody,
        StrongAugmentation::FirstStream => StrongStream::FirstStream,
        StrongAugmentation::MetaTestOfSingleSource
            if recipe.data.sources.len() == 1 && recipe.method.algorithm == Algorithm::Episodic =>
        {
            StrongStream::MetaTest
        }
        StrongAugmentation::MetaTestOfSingleSource => StrongStream::Nobody,
    }
}
