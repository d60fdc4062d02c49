//! Values that no run can have, found before anything is made.

use std::ops::RangeInclusive;
use std::path::Path;

use evaluation::protocol::{InferenceProtocol, NAMES};
use kernels::BLUR_RADIUS_MAX;
use loader::{BLUR_REACH, LoaderError};
use models::network_check::NetworkError;

use super::method_check::wrong_method;
use super::{ColoursOn, LARGE, Recipe, RecipeError, SamplingRecipe, SourceRecipe, isw};
use crate::method::Algorithm;
use crate::schedule::Decay;

/// Crops and windows, in pixels.
const SIDES: RangeInclusive<u64> = 32..=8192;

/// Blurs of this sigma and above, of radius `int(reach sigma + 0.5)`, are wider than the shader takes.
const GPU_BLUR_SIGMA_LIMIT: f32 = (BLUR_RADIUS_MAX as f32 + 0.5) / BLUR_REACH as f32;

/// The first contradiction: key, what was found, what was expected.
pub(super) type Finding = Option<(String, String, String)>;

/// Refuses a recipe that cannot be trained as it says.
pub(super) fn check(recipe: &Recipe, path: &Path) -> Result<(), RecipeError> {
    let finding = wrong_integer(recipe)
        .or_else(|| wrong_float(recipe))
        .or_else(|| wrong_name(recipe))
        .or_else(|| wrong_choice(recipe))
        .or_else(|| isw::wrong(recipe))
        .or_else(|| wrong_method(recipe))
        .or_else(|| wrong_combination(recipe));
    match finding {
        None => Ok(()),
        Some((key, found, expected)) => {
            Err(RecipeError::Contradiction { path: path.to_owned(), key, found, expected })
        }
    }
}

fn wrong_integer(recipe: &Recipe) -> Finding {
    let (model, data) = (&recipe.model, &recipe.data);
    let steps = 1..=1_000_000_000;
    let ranges = [
        ("steps", recipe.steps, steps.clone()),
        ("log_every_steps", recipe.log_every_steps, steps.clone()),
        ("checkpoint_every_steps", recipe.checkpoint_every_steps, steps.clone()),
        ("model.memory_init_batches", model.memory_init_batches, 0..=1_000_000),
        ("data.crop_height", data.crop_height.into(), SIDES),
        ("data.crop_width", data.crop_width.into(), SIDES),
        ("data.workers", data.workers as u64, 1..=1024),
        ("evaluation.window", recipe.evaluation.window[0].into(), SIDES),
        ("evaluation.window", recipe.evaluation.window[1].into(), SIDES),
        ("schedule.warmup_steps", recipe.schedule.warmup_steps, 0..=1_000_000_000),
        ("schedule.inner_warmup_steps", recipe.schedule.inner_warmup_steps, 0..=1_000_000_000),
    ];
    ranges.into_iter().find(|(_, value, range)| !range.contains(value)).map(
        |(key, value, range)| {
            let expected = format!("{} to {}", range.start(), range.end());
            (key.to_owned(), value.to_string(), expected)
        },
    )
}

fn wrong_float(recipe: &Recipe) -> Finding {
    let (schedule, method) = (&recipe.schedule, &recipe.method);
    // Not 0, which would train nothing.
    let tiny = 1e-12;
    let decay = match schedule.decay {
        Decay::Exponential { gamma, .. } => gamma,
        Decay::Poly { power, .. } => power,
        Decay::Constant {} => 0.0,
    };
    [
        ("schedule.learning_rate", schedule.learning_rate, tiny..=LARGE),
        ("schedule.decay", decay, 0.0..=LARGE),
        ("schedule.inner_ratio", schedule.inner_ratio, 0.0..=LARGE),
        ("schedule.first_inner_rate", schedule.first_inner_rate.unwrap_or(0.0), 0.0..=LARGE),
        ("optimizer.momentum", recipe.optimizer.momentum, 0.0..=0.9999),
        ("optimizer.weight_decay", recipe.optimizer.weight_decay, 0.0..=1.0),
        ("optimizer.clip_gradient_norm", recipe.optimizer.clip_gradient_norm, 0.0..=LARGE),
        ("model.auxiliary_dropout", recipe.model.auxiliary_dropout, 0.0..=0.99),
        ("method.read_temperature", method.read_temperature, 1e-6..=LARGE),
        ("method.memory_momentum", method.memory_momentum, 0.0..=1.0),
        ("method.losses.auxiliary", method.losses.auxiliary, 0.0..=LARGE),
        ("method.losses.cohesion", method.losses.cohesion, 0.0..=LARGE),
        ("method.losses.divergence", method.losses.divergence, 0.0..=LARGE),
        ("method.losses.classification", method.losses.classification, 0.0..=LARGE),
    ]
    .into_iter()
    // NaN is in no range.
    .find(|(_, value, range)| !range.contains(value))
    .map(|(key, value, range)| {
        let expected = format!("{} to {}", number(*range.start()), number(*range.end()));
        (key.to_owned(), value.to_string(), expected)
    })
}

/// A bound as a recipe would have it: 0.9999, 1000000 or 1e-12.
fn number(bound: f64) -> String {
    let is_short = bound == 0.0 || (1e-4..=LARGE).contains(&bound.abs());
    if is_short { bound.to_string() } else { format!("{bound:e}") }
}

/// Names stand in lines of logs and reports.
fn wrong_name(recipe: &Recipe) -> Finding {
    let sources = recipe.data.sources.iter().map(|source| ("data.sources.name", &source.name));
    let mut names = std::iter::once(("name", &recipe.name)).chain(sources);
    let wrong = |name: &str| name.trim().is_empty() || name.contains(char::is_control);
    names.find(|(_, name)| wrong(name)).map(|(key, name)| {
        let expected = "a name of one line, with a character at least";
        (key.to_owned(), format!("{name:?}"), expected.to_owned())
    })
}

fn wrong_choice(recipe: &Recipe) -> Finding {
    let finding = |key: &str, found: String, expected: &str| {
        Some((key.to_owned(), found, expected.to_owned()))
    };
    if let Err(NetworkError { key, found, expected }) = recipe.network(1).check() {
        return finding(&format!("model.{key}"), found, &expected);
    }
    let name = &recipe.evaluation.protocol;
    if InferenceProtocol::named(name, recipe.evaluation.window).is_none() {
        return finding("evaluation.protocol", name.clone(), NAMES);
    }
    None
}

/// Batches that the algorithm cannot be given.
fn wrong_batch(recipe: &Recipe) -> Finding {
    let data = &recipe.data;
    let finding = |key: &str, found: String, expected: &str| {
        Some((key.to_owned(), found, expected.to_owned()))
    };
    if !(1..=2).contains(&data.streams_per_domain) {
        return finding("data.streams_per_domain", data.streams_per_domain.to_string(), "1 or 2");
    }
    let episodic = recipe.method.algorithm == Algorithm::Episodic;
    if data.sources.is_empty() {
        let expected = if episodic { "at least 2 domains" } else { "at least one domain" };
        return finding("data.sources", "an empty list".to_owned(), expected);
    }
    if episodic && data.streams() < 2 {
        return finding(
            "data.sources",
            "a list of one domain".to_owned(),
            "at least 2 domains for an episodic method; hint: with data.streams_per_domain = 2 two \
             streams of a single domain take the two roles",
        );
    }
    if episodic && data.sampling != SamplingRecipe::Quotas {
        return finding(
            "data.sampling",
            data.sampling.name().to_owned(),
            "\"quotas\" for an episodic method, each of whose domains must be in every batch",
        );
    }
    for (number, source) in data.sources.iter().enumerate() {
        if data.sources[..number].iter().any(|earlier| earlier.name == source.name) {
            let expected =
                "another name for each source; hint: one source may list several folders";
            return finding(
                "data.sources",
                format!("a list with two sources named {}", source.name),
                expected,
            );
        }
        if source.shards.is_empty() {
            let key = format!("data.sources.{}.shards", source.name);
            return finding(&key, "empty".to_owned(), "at least one folder of shards");
        }
    }
    // An episode's pass may see one stream alone.
    let least = if episodic { 2 } else { 1 };
    let wrong = |source: &&SourceRecipe| !(least..=4096).contains(&data.quota(source));
    let wrong_quota = data.sources.iter().find(wrong).map(|source| match source.samples {
        Some(samples) => (format!("data.sources.{}.samples", source.name), samples),
        None => ("data.samples_per_domain".to_owned(), data.samples_per_domain),
    });
    let too_small =
        || (data.batch() < 2).then(|| ("data.samples_per_domain".to_owned(), data.batch()));
    if let Some((key, samples)) = wrong_quota.or_else(too_small) {
        return finding(
            &key,
            samples.to_string(),
            if samples > 4096 {
                "at most 4096"
            } else {
                "at least 2: batch normalisation of the image-level branch needs two images"
            },
        );
    }
    let weights = || data.sources.iter().map(|source| (source, source.weight.unwrap_or(1.0)));
    if let Some((source, weight)) = weights().find(|(_, weight)| !(0.0..=LARGE).contains(weight)) {
        let key = format!("data.sources.{}.weight", source.name);
        return finding(&key, weight.to_string(), "0 to 1000000");
    }
    if data.sampling == SamplingRecipe::Weighted && weights().all(|(_, weight)| weight == 0.0) {
        return finding(
            "data.sources",
            "a list with weight 0 everywhere".to_owned(),
            "a weight above 0",
        );
    }
    if !(0.0..=1.0).contains(&data.class_uniform) {
        return finding("data.class_uniform", data.class_uniform.to_string(), "0 to 1");
    }
    None
}

fn wrong_combination(recipe: &Recipe) -> Finding {
    let finding =
        |key: &str, found: String, expected: String| Some((key.to_owned(), found, expected));
    if let Some(found) = wrong_batch(recipe) {
        return Some(found);
    }
    if recipe.model.memory && recipe.model.memory_init_batches == 0 {
        let expected = "1 to 1000000 with model.memory, whose first value comes from them";
        return finding("model.memory_init_batches", "0".to_owned(), expected.to_owned());
    }
    let decay_steps = match recipe.schedule.decay {
        // Beyond its steps, poly trains at rate 0.
        Decay::Poly { steps, .. } => Some((steps, recipe.steps)),
        Decay::Exponential { steps, .. } => Some((steps, 1)),
        Decay::Constant {} => None,
    };
    if let Some((found, least)) = decay_steps
        && found < least
    {
        let expected = format!("at least {least}; hint: set it to the run's steps");
        return finding("schedule.decay.steps", found.to_string(), expected);
    }
    let augmentation = &recipe.augmentation;
    if augmentation.colours_on == ColoursOn::Gpu && augmentation.extra.cutout.probability > 0.0 {
        let expected =
            "\"loader\" where augmentation.extra.cutout is on, which comes after the blur";
        return finding("augmentation.colours_on", "gpu".to_owned(), expected.to_owned());
    }
    if augmentation.colours_on == ColoursOn::Gpu
        && augmentation.blur_sigma_max >= GPU_BLUR_SIGMA_LIMIT
    {
        let expected =
            format!("below {GPU_BLUR_SIGMA_LIMIT} where augmentation.colours_on is \"gpu\"");
        let found = augmentation.blur_sigma_max.to_string();
        return finding("augmentation.blur_sigma_max", found, expected);
    }
    match augmentation.augment().validate() {
        Err(LoaderError::Augment { field, found, low, high }) => {
            // The recipe has the jitter's ranges among the others.
            let key = match field {
                "jitter.probability" => "jitter_probability",
                _ => field.strip_prefix("jitter.").unwrap_or(field),
            };
            let key = format!("augmentation.{key}");
            finding(&key, found.to_string(), format!("{low} to {high}"))
        }
        Err(error) => finding("augmentation", error.to_string(), "a valid range".to_owned()),
        Ok(()) => None,
    }
}

#[cfg(test)]
mod tests {
    use loader::{Augment, ColourDraw, SampleKey};

    use super::*;

    #[test]
    fn the_widest_blur_that_a_recipe_may_leave_to_the_gpu_is_the_widest_that_the_shader_takes() {
        let radius = |sigma: f32| {
            let augment =
                Augment { blur_sigma_min: sigma, blur_sigma_max: sigma, ..Augment::reference() };
            let key = SampleKey::of_stream(1, ("domain", 0), 0, 0);
            ColourDraw::of(&augment, key).blur_weights.len() as u32 - 1
        };
        assert_eq!(radius(GPU_BLUR_SIGMA_LIMIT.next_down()), BLUR_RADIUS_MAX);
        assert_eq!(radius(GPU_BLUR_SIGMA_LIMIT), BLUR_RADIUS_MAX + 1);
    }
}
