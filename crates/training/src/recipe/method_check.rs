//! Keys of the method that would have no effect, or leave a part of the network as it began: whoever
//! sets one expects one.

use models::memory::UpdateNetwork;

use super::Recipe;
use super::check::Finding;
use crate::method::{
    Algorithm, ClassifierStep, Method, Order, OuterGradient, SlotReduction, StrongAugmentation,
};

const NO_EPISODE: &str = "an aggregated method has no inner step and no meta-test write";
const NO_MEMORY: &str = "without model.memory nothing is read or written";

/// The first key that asks for what the rest of the recipe rules out.
///
/// A key that no run of the recipe looks at may have any preset's value, as a preset sets all.
pub(super) fn wrong_method(recipe: &Recipe) -> Finding {
    if recipe.method.algorithm == Algorithm::Aggregated
        && let Some(found) = wrong_without_episode(recipe)
    {
        return Some(found);
    }
    if !recipe.model.memory
        && let Some(found) = wrong_without_memory(&recipe.method)
    {
        return Some(found);
    }
    let method = &recipe.method;
    if method.meta_write_freezes_update_network && method.update_network == UpdateNetwork::None {
        let expected = "false, as method.update_network is \"none\"";
        return finding("meta_write_freezes_update_network", "true", expected);
    }
    wrong_inner_rate(recipe).or_else(|| left_alone(recipe))
}

/// An inner rate of 0 where something is to come of it.
fn wrong_inner_rate(recipe: &Recipe) -> Finding {
    let method = &recipe.method;
    if method.algorithm == Algorithm::Aggregated || recipe.schedule.inner_ratio > 0.0 {
        return None;
    }
    let user = if method.order == Order::Second {
        "method.order is \"second\", whose term it multiplies"
    } else if recipe.model.memory && method.classifier_step == ClassifierStep::Inner {
        "method.classifier_step is \"inner\", whose rate it gives"
    } else {
        return None;
    };
    Some(("schedule.inner_ratio".to_owned(), "0".to_owned(), format!("above 0, as {user}")))
}

/// A part of the memory that no gradient of the optimiser's reaches; weight decay alone would have
/// an effect on it, or not even that.
fn left_alone(recipe: &Recipe) -> Finding {
    let method = &recipe.method;
    if !recipe.model.memory {
        return None;
    }
    let losses = &method.losses;
    let has_slot_losses = losses.divergence > 0.0 || losses.classification > 0.0;
    let has_update_network = method.update_network != UpdateNetwork::None;
    if method.algorithm == Algorithm::Aggregated {
        // A step reads the memory that the step before left.
        return (has_update_network && !has_slot_losses).then(|| {
            let expected = "\"none\" where method.losses.divergence and .classification are 0: in an \
                            aggregated method nothing else moves the update network";
            let found = if method.update_network == UpdateNetwork::Conv {
                "conv"
            } else {
                "conv-norm-relu"
            };
            ("method.update_network".to_owned(), found.to_owned(), expected.to_owned())
        });
    }
    // The slots' losses are the inner pass's: they come through its gradient, or its curvature.
    let sums = method.outer_gradient == OuterGradient::Sum;
    let is_second = method.order == Order::Second;
    if has_update_network
        && method.meta_write_freezes_update_network
        && !((sums || is_second) && has_slot_losses)
    {
        let expected = "false: nothing else moves the update network; hint: where \
                        method.losses.divergence or .classification is above 0, \
                        method.outer_gradient = \"sum\" or method.order = \"second\" would";
        return finding("meta_write_freezes_update_network", "true", expected);
    }
    // With all of a slot kept, what is written does not bend with the network.
    let bends = is_second && method.memory_momentum < 1.0;
    if losses.classification > 0.0
        && method.classifier_step == ClassifierStep::Outer
        && !(sums || bends)
    {
        let expected = "\"inner\": nothing else moves the memory classifier, which has no part in the \
                        outer loss; hint: method.outer_gradient = \"sum\" or method.order = \
                        \"second\" would, and method.losses.classification = 0 leaves it out";
        return finding("classifier_step", "outer", expected);
    }
    None
}

fn wrong_without_episode(recipe: &Recipe) -> Finding {
    let method = &recipe.method;
    let expected = |value: &str| format!("{value}: {NO_EPISODE}");
    if method.order == Order::Second {
        return finding("order", "second", &expected("\"first\""));
    }
    if method.outer_gradient == OuterGradient::Sum {
        return finding("outer_gradient", "sum", &expected("\"alone\""));
    }
    if method.classifier_step == ClassifierStep::Inner {
        return finding("classifier_step", "inner", &expected("\"outer\""));
    }
    if method.strong_augmentation == StrongAugmentation::MetaTestOfSingleSource {
        let expected = "another one: an aggregated method has no meta-test stream";
        return finding("strong_augmentation", "meta-test-of-single-source", expected);
    }
    if let Some(found) = unusual_freezing(method, NO_EPISODE) {
        return Some(found);
    }
    recipe.schedule.first_inner_rate.map(|rate| {
        let key = "schedule.first_inner_rate".to_owned();
        (key, rate.to_string(), expected("no such key"))
    })
}

fn wrong_without_memory(method: &Method) -> Finding {
    if method.update_network == UpdateNetwork::None {
        let expected = format!("\"conv\" or \"conv-norm-relu\": {NO_MEMORY}");
        return finding("update_network", "none", &expected);
    }
    if let Some(found) = unusual_freezing(method, NO_MEMORY) {
        return Some(found);
    }
    if !method.normalize_slots {
        return finding("normalize_slots", "false", &format!("true: {NO_MEMORY}"));
    }
    if method.divergence_reduction == SlotReduction::Sum {
        return finding("divergence_reduction", "sum", &format!("\"mean\": {NO_MEMORY}"));
    }
    type Number = fn(&Method) -> f64;
    let numbers: [(&str, Number, bool); 5] = [
        ("read_temperature", |method| method.read_temperature, false),
        ("memory_momentum", |method| method.memory_momentum, false),
        ("losses.cohesion", |method| method.losses.cohesion, true),
        ("losses.divergence", |method| method.losses.divergence, true),
        ("losses.classification", |method| method.losses.classification, true),
    ];
    for (key, number, may_be_off) in numbers {
        let (found, usual) = (number(method), number(&Method::paper()));
        if found != usual && !(may_be_off && found == 0.0) {
            let off = if may_be_off { " or 0" } else { "" };
            return finding(key, &found.to_string(), &format!("{usual}{off}: {NO_MEMORY}"));
        }
    }
    None
}

/// A freezing that no preset has, where there is no meta-test write for `reason`.
fn unusual_freezing(method: &Method, reason: &str) -> Finding {
    if !method.meta_write_freezes_encoder {
        return finding("meta_write_freezes_encoder", "false", &format!("true: {reason}"));
    }
    if method.meta_write_freezes_update_network {
        return finding("meta_write_freezes_update_network", "true", &format!("false: {reason}"));
    }
    None
}

fn finding(key: &str, found: &str, expected: &str) -> Finding {
    Some((format!("method.{key}"), found.to_owned(), expected.to_owned()))
}
