//! Every key of the method changes what it says and nothing before it.

use std::collections::BTreeMap;

use models::memory::UpdateNetwork;
use models::network::Network;
use training::method::{
    ClassifierStep, CohesionResolution, LabelWeighting, Method, Order, OuterGradient, ReadWeights,
    SlotReduction,
};
use training::state::State;
use training::step::StepReport;

use crate::episode::{Episode, UPDATE};
use crate::golden::values;

/// Two images whose label edges do not all lie where feature pixels meet.
const UNEVEN: [usize; 3] = [2, 72, 72];
const CLASSIFIER: &str = "memory.clsfier.";

/// What a step computed, by name; parameters and gradients in groups.
fn parts(network: &Network, (state, report): &(State, StepReport)) -> BTreeMap<String, Vec<f64>> {
    let mut parts = BTreeMap::new();
    let outer = report.outer.as_ref().expect("an episode has an outer pass");
    for (pass, losses) in [("inner", &report.inner.losses), ("outer", &outer.losses)] {
        parts.extend(losses.iter().map(|(name, loss)| (format!("{pass} {name}"), values(loss))));
    }
    let details = &report.details;
    for (name, memory) in [
        ("inner memory", &details.inner_memory),
        ("meta memory", &details.meta_memory),
        ("final memory", &state.memory),
    ] {
        parts.insert(name.to_owned(), values(memory.as_ref().expect("a memory")));
    }
    let stepped: Vec<_> = state.parameters.iter().cloned().map(Some).collect();
    for (what, tensors) in [
        ("inner gradient", &details.inner_gradient),
        ("outer gradient", &details.outer_gradient),
        ("parameters", &stepped),
    ] {
        for (spec, tensor) in network.layout.parameters.iter().zip(tensors) {
            let group = match &spec.name {
                name if name.starts_with(UPDATE) => "U",
                name if name.starts_with(CLASSIFIER) => "G",
                name if name.starts_with("dsn.") => "head",
                name if name.starts_with("layer") => "encoder",
                _ => "rest",
            };
            let part = parts.entry(format!("{what} of {group}")).or_default();
            part.extend(tensor.as_ref().map(values).unwrap_or_default());
        }
    }
    parts
}

/// A key, what it changes, and what it leaves as it is, to the bit.
struct Change {
    key: &'static str,
    to: fn(&mut Method),
    changes: &'static [&'static str],
    keeps: &'static [&'static str],
}

const CHANGES: [Change; 19] = [
    Change {
        key: "order",
        to: |m| m.order = Order::Second,
        changes: &["outer gradient of encoder", "outer gradient of U", "outer gradient of G"],
        keeps: &["inner total", "outer total", "meta memory", "inner gradient of encoder"],
    },
    Change {
        key: "outer_gradient",
        to: |m| m.outer_gradient = OuterGradient::Sum,
        changes: &["parameters of encoder", "parameters of U"],
        keeps: &["outer total", "outer gradient of encoder"],
    },
    Change {
        key: "read",
        to: |m| m.read = ReadWeights::Gumbel,
        changes: &["inner segmentation", "outer segmentation"],
        keeps: &["inner cohesion", "inner memory", "inner auxiliary"],
    },
    Change {
        key: "read_temperature",
        to: |m| m.read_temperature = 0.5,
        changes: &["inner segmentation", "outer segmentation"],
        keeps: &["inner cohesion", "inner memory", "inner auxiliary"],
    },
    Change {
        key: "label_weights",
        to: |m| m.label_weights = LabelWeighting::Soft,
        changes: &["inner memory", "inner divergence", "meta memory", "final memory"],
        keeps: &["inner segmentation", "inner cohesion"],
    },
    Change {
        key: "cohesion_resolution",
        to: |m| m.cohesion_resolution = CohesionResolution::Label,
        changes: &["inner cohesion", "outer cohesion"],
        keeps: &["inner segmentation", "inner memory"],
    },
    Change {
        key: "update_network = none",
        to: |m| m.update_network = UpdateNetwork::None,
        changes: &["inner memory", "meta memory", "final memory", "inner gradient of U"],
        keeps: &["inner segmentation", "inner cohesion"],
    },
    Change {
        key: "update_network = conv-norm-relu",
        to: |m| m.update_network = UpdateNetwork::ConvNormRelu,
        changes: &["inner memory", "meta memory", "final memory", "inner gradient of U"],
        keeps: &["inner segmentation", "inner cohesion"],
    },
    Change {
        key: "normalize_slots",
        to: |m| m.normalize_slots = false,
        changes: &["inner memory", "meta memory", "final memory"],
        keeps: &["inner segmentation", "inner cohesion"],
    },
    Change {
        key: "memory_momentum",
        to: |m| m.memory_momentum = 0.5,
        changes: &["inner memory", "meta memory", "final memory"],
        keeps: &["inner segmentation", "inner cohesion"],
    },
    Change {
        key: "divergence_reduction",
        to: |m| m.divergence_reduction = SlotReduction::Sum,
        changes: &["inner divergence", "inner total"],
        keeps: &["inner memory", "inner classification"],
    },
    Change {
        key: "classification_reduction",
        to: |m| m.classification_reduction = SlotReduction::Mean,
        changes: &["inner classification", "inner total"],
        keeps: &["inner memory", "inner divergence"],
    },
    Change {
        key: "classifier_step",
        to: |m| {
            m.classifier_step = ClassifierStep::Outer;
            m.outer_gradient = OuterGradient::Sum;
        },
        changes: &["parameters of G"],
        keeps: &["outer gradient of encoder"],
    },
    Change {
        key: "meta_write_freezes_encoder",
        to: |m| m.meta_write_freezes_encoder = false,
        changes: &["outer gradient of encoder", "outer gradient of rest"],
        keeps: &["meta memory", "outer total", "outer gradient of U", "outer gradient of head"],
    },
    Change {
        key: "meta_write_freezes_update_network",
        to: |m| m.meta_write_freezes_update_network = true,
        changes: &["outer gradient of U", "parameters of U"],
        keeps: &["meta memory", "outer total", "outer gradient of encoder"],
    },
    Change {
        key: "losses.auxiliary",
        to: |m| m.losses.auxiliary = 0.0,
        changes: &["inner auxiliary", "outer auxiliary", "parameters of head", "inner total"],
        keeps: &["inner segmentation", "inner cohesion", "inner memory"],
    },
    Change {
        key: "losses.cohesion",
        to: |m| m.losses.cohesion = 0.0,
        changes: &["inner cohesion", "outer cohesion", "inner total"],
        keeps: &["inner segmentation", "inner memory"],
    },
    Change {
        key: "losses.divergence",
        to: |m| m.losses.divergence = 0.0,
        changes: &["inner divergence", "inner total"],
        keeps: &["inner segmentation", "inner memory", "inner classification"],
    },
    Change {
        key: "losses.classification",
        to: |m| m.losses.classification = 0.0,
        changes: &["inner classification", "inner total", "parameters of G"],
        keeps: &["inner segmentation", "inner memory", "inner divergence"],
    },
];

fn first_order() -> Method {
    Method { order: Order::First, ..Method::paper() }
}

#[test]
fn every_key_changes_what_it_says_and_nothing_else() {
    let base = first_order();
    let episode = Episode::new(&base, UNEVEN);
    let before = parts(&episode.network, &episode.step(&base));
    for Change { key, to, changes, keeps } in CHANGES {
        let mut method = base;
        to(&mut method);
        let episode = Episode::new(&method, UNEVEN);
        let after = parts(&episode.network, &episode.step(&method));
        for part in changes {
            assert!(before.contains_key(*part), "{part}");
            assert!(before.get(*part) != after.get(*part), "{key} changes {part}");
        }
        for part in keeps {
            assert!(before.contains_key(*part), "{part}");
            assert!(before.get(*part) == after.get(*part), "{key} keeps {part}");
        }
    }
}

#[test]
fn a_loss_of_weight_0_is_not_computed() {
    let mut method = first_order();
    let episode = Episode::new(&method, UNEVEN);
    let (_, all) = episode.step(&method);
    let names = |report: &StepReport| -> Vec<&str> {
        report.inner.losses.iter().map(|(name, _)| *name).collect()
    };
    let every = ["segmentation", "auxiliary", "cohesion", "divergence", "classification", "total"];
    assert_eq!(names(&all), every);

    method.losses.auxiliary = 0.0;
    method.losses.cohesion = 0.0;
    method.losses.divergence = 0.0;
    method.losses.classification = 0.0;
    let (state, none) = episode.step(&method);
    assert_eq!(names(&none), ["segmentation", "total"]);
    assert_eq!(values(&none.inner.losses[0].1), values(&none.inner.losses[1].1));
    // The head did not even run: its normalisation saw no batch.
    let head = episode.network.layout.batch_norm("dsn.1");
    let mean = |state: &State| values(&state.statistics[head].mean);
    assert_eq!(mean(&state), mean(&episode.state));
    let gradients = episode.network.layout.parameters.iter().zip(&none.details.inner_gradient);
    for (spec, gradient) in gradients {
        let is_off = ["dsn.", CLASSIFIER, UPDATE].iter().any(|off| spec.name.starts_with(off));
        assert_eq!(gradient.is_none(), is_off, "{}", spec.name);
    }
}

#[test]
fn a_frozen_update_network_gets_nothing_from_the_meta_test() {
    let method = Method { meta_write_freezes_update_network: true, ..first_order() };
    let episode = Episode::new(&method, UNEVEN);
    let (state, report) = episode.step(&method);
    let layout = &episode.network.layout;
    let index = layout.parameter("memory.writenet.writefeat.0.weight");
    assert!(report.details.outer_gradient[index].is_none());
    // With the outer gradient alone U then stays, without weight decay too.
    let weight = |state: &State| values(&state.parameters[index]);
    assert_eq!(weight(&state), weight(&episode.state));
}

#[test]
fn the_layout_has_what_the_update_network_needs() {
    let names = |update_network| {
        let method = Method { update_network, ..Method::paper() };
        let layout = Episode::new(&method, UNEVEN).network.layout;
        let parameters = layout.parameters.iter().map(|spec| spec.name.clone());
        let names = parameters.filter_map(|name| name.strip_prefix(UPDATE).map(str::to_owned));
        (names.collect::<Vec<_>>(), layout.batch_norms.len())
    };
    let (nothing, norms) = names(UpdateNetwork::None);
    assert!(nothing.is_empty());
    assert_eq!(names(UpdateNetwork::Conv), (vec!["writefeat.0.weight".to_owned()], norms));
    let all = ["writefeat.0.weight", "writefeat.1.weight", "writefeat.1.bias"];
    assert_eq!(names(UpdateNetwork::ConvNormRelu), (all.map(str::to_owned).to_vec(), norms + 1));
}
