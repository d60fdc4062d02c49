//! What each method that a recipe may ask for moves, and what the refused ones would not.

use std::collections::BTreeMap;
use std::path::Path;

use models::memory::UpdateNetwork;
use training::method::{
    Algorithm, ClassifierStep, Method, Order, OuterGradient, StrongAugmentation,
};
use training::recipe::Recipe;

use crate::episode::{Episode, UPDATE};
use crate::golden::values;
use crate::toy::recipe_text;

const CLASSIFIER: &str = "memory.clsfier.";

/// Changes of `first_order` that decide which passes reach which parameters; all combinations.
const CHANGES: [fn(&mut Method); 9] = [
    |m| m.algorithm = Algorithm::Aggregated,
    |m| m.order = Order::Second,
    |m| m.outer_gradient = OuterGradient::Sum,
    |m| m.classifier_step = ClassifierStep::Outer,
    |m| m.update_network = UpdateNetwork::None,
    |m| m.meta_write_freezes_update_network = true,
    |m| m.losses.divergence = 0.0,
    |m| m.losses.classification = 0.0,
    |m| m.memory_momentum = 1.0,
];

fn methods() -> impl Iterator<Item = Method> {
    let first_order = Method {
        order: Order::First,
        strong_augmentation: StrongAugmentation::Nobody,
        ..Method::paper()
    };
    (0..1_usize << CHANGES.len()).map(move |chosen| {
        let mut method = first_order;
        let changes = CHANGES.iter().enumerate();
        changes.filter(|(at, _)| chosen >> at & 1 == 1).for_each(|(_, to)| to(&mut method));
        method
    })
}

/// What a recipe that is complete but for its method says of it.
fn checked(method: Method, base: &Recipe) -> Result<(), String> {
    let text = Recipe { method, ..base.clone() }.to_toml().expect("a recipe");
    let recipe = Recipe::parse(&text, Path::new("my.toml"), Path::new("/recipes"), &[]);
    recipe.map(drop).map_err(|error| error.to_string())
}

/// The sets of parameters that a step without weight decay leaves as they are.
fn unmoved(method: &Method) -> Vec<&'static str> {
    let episode = Episode::new(method, [2, 32, 32]);
    let (next, _) = episode.step_decaying(method, 0.0);
    let mut moved = BTreeMap::new();
    let parameters = episode.state.parameters.iter().zip(&next.parameters);
    for (spec, (before, after)) in episode.network.layout.parameters.iter().zip(parameters) {
        let set = match &spec.name {
            name if name.starts_with(UPDATE) => "update network",
            name if name.starts_with(CLASSIFIER) => "memory classifier",
            name if name.starts_with("memory.") => "read",
            name if name.starts_with("dsn.") => "auxiliary head",
            name if name.starts_with("layer") => "encoder",
            _ => "decoder",
        };
        *moved.entry(set).or_insert(false) |= values(before) != values(after);
    }
    moved.into_iter().filter(|(_, moved)| !moved).map(|(set, _)| set).collect()
}

#[test]
fn a_method_is_refused_where_it_would_leave_a_set_of_parameters_as_it_began() {
    let base = recipe_text("demo_pin_the_memory.toml");
    let base = Recipe::parse(&base, Path::new("pin.toml"), Path::new("/recipes"), &[])
        .unwrap_or_else(|error| panic!("{error}"));
    let (mut accepted, mut refused) = (0, BTreeMap::new());
    for method in methods() {
        let verdict = checked(method, &base);
        let reason = verdict.err().unwrap_or_default();
        let kept = reason.split_once("moves the ").map(|(_, of)| of);
        if !reason.is_empty() && kept.is_none() {
            // A key without effect, which says nothing of parameters.
            continue;
        }
        let unmoved = unmoved(&method);
        match kept {
            Some(kept) => {
                let set = unmoved.iter().find(|set| kept.starts_with(**set));
                let set = set.unwrap_or_else(|| panic!("{reason}, but it moves: {method:?}"));
                *refused.entry(*set).or_insert(0) += 1;
            }
            None => {
                let may_stay = |set: &&str| match *set {
                    "memory classifier" => method.losses.classification == 0.0,
                    // Whoever keeps all of a slot has asked for no write.
                    "update network" => method.memory_momentum == 1.0,
                    _ => false,
                };
                assert!(unmoved.iter().all(may_stay), "{unmoved:?} stay: {method:?}");
                accepted += 1;
            }
        }
    }
    assert!(accepted > 0 && refused.len() == 2, "{accepted} accepted, refused {refused:?}");
}
