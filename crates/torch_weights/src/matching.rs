//! Which tensors of a file are those of a network.

mod report;

use std::collections::BTreeMap;

use models::weights::NamedTensors;

use crate::naming::{NAMINGS, Naming};
pub use report::{Allowed, Ignored, MatchReport, Matched, Mismatched, Unmatched};

/// Layers of a backbone in the reference's names.
const BACKBONE: [&str; 5] = ["layer0.", "layer1.", "layer2.", "layer3.", "layer4."];
/// How the names of all layers of a backbone begin, known or not.
const LAYER: &str = "layer";
/// Why a backbone's import has no use for a head.
const NO_BACKBONE: &str = "no part of the backbone";

/// Which part of a network a file is to fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    Whole,
    /// The backbone; heads are left out, also those of another model that the file has.
    Backbone,
}

/// Gives the tensors of a file the names of a network.
///
/// `expected` are the network's names and shapes, as of [`models::weights::expected_tensors`]. The
/// naming is the one of [`NAMINGS`] under which most of the file's names are the network's.
/// Returns the tensors that fit, and the report.
#[must_use]
pub fn match_tensors(
    expected: &[(String, Vec<usize>)],
    tensors: NamedTensors,
    scope: Scope,
) -> (NamedTensors, MatchReport) {
    let shapes: BTreeMap<&str, &[usize]> =
        expected.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
    let known = |naming: &Naming| {
        tensors.keys().filter(|name| shapes.contains_key(&*naming.translate(name))).count()
    };
    // The last of equals is taken, and the first is to win.
    let best = NAMINGS.into_iter().rev().max_by_key(|naming| known(naming));
    let recognised = Naming::recognised(tensors.keys().map(String::as_str));
    let mut report = MatchReport::new(best.unwrap_or(NAMINGS[0]), recognised);
    let mut fitting = NamedTensors::new();
    let mut sources = BTreeMap::new();
    for (source, tensor) in tensors {
        let name = report.naming.translate(&source);
        let shape = shapes.get(name.as_str());
        let reason = match shape {
            None => reason_to_ignore(report.naming, &source)
                .or_else(|| is_left_out(&name, scope).then_some(NO_BACKBONE)),
            Some(_) if !is_wanted(&name, scope) => Some(NO_BACKBONE),
            Some(_) => None,
        };
        if let Some(reason) = reason {
            report.ignored.push(Ignored { source, reason });
        } else if let Some(&shape) = shape
            && !sources.contains_key(&name)
        {
            sources.insert(name.clone(), source.clone());
            if tensor.shape == shape {
                report.take(name, tensor, &mut fitting);
            } else {
                let (found, expected) = (tensor.shape, shape.to_vec());
                report.mismatched.push(Mismatched { name, source, found, expected });
            }
        } else {
            report.unexpected.push(Unmatched { name: source, shape: tensor.shape });
        }
    }
    for (name, shape) in expected.iter().filter(|(name, _)| is_wanted(name, scope)) {
        match sources.remove(name) {
            None => report.missing.push(Unmatched { name: name.clone(), shape: shape.clone() }),
            Some(source) if fitting.contains_key(name) => {
                report.matched.push(Matched { name: name.clone(), source });
            }
            // Its shape is another, or nothing is in it.
            Some(_) => {}
        }
    }
    (fitting, report)
}

/// Why no network needs a tensor that this one does not have.
fn reason_to_ignore(naming: &Naming, source: &str) -> Option<&'static str> {
    if source.ends_with(".num_batches_tracked") {
        Some("counts of batches, which no pass uses")
    } else if naming.is_classifier(source) {
        Some("the classifier of whole images")
    } else if source.starts_with("momentum.") {
        Some("momentum of a run")
    } else if source.starts_with("history.") {
        Some("history of a run")
    } else {
        None
    }
}

/// Whether a name that the network does not have is of a head, perhaps of another model.
fn is_left_out(name: &str, scope: Scope) -> bool {
    scope == Scope::Backbone && !name.starts_with(LAYER)
}

fn is_wanted(name: &str, scope: Scope) -> bool {
    scope == Scope::Whole || BACKBONE.iter().any(|layer| name.starts_with(layer))
}

#[cfg(test)]
mod tests {
    use models::weights::{HostTensor, MEMORY_KEY};

    use super::*;

    fn tensors(entries: &[(&str, &[usize])]) -> NamedTensors {
        entries
            .iter()
            .map(|(name, shape)| {
                let values = vec![0.5; shape.iter().product()];
                ((*name).to_owned(), HostTensor { shape: shape.to_vec(), values })
            })
            .collect()
    }

    fn expected() -> Vec<(String, Vec<usize>)> {
        [
            ("layer0.0.weight", vec![2, 3]),
            ("layer0.1.running_mean", vec![2]),
            ("final2.0.bias", vec![5]),
        ]
        .map(|(name, shape)| (name.to_owned(), shape))
        .to_vec()
    }

    fn names(unmatched: &[Unmatched]) -> Vec<&str> {
        unmatched.iter().map(|at| at.name.as_str()).collect()
    }

    #[test]
    fn a_file_in_the_networks_own_names_matches_without_surprise() {
        let file = tensors(&[
            ("module.layer0.0.weight", &[2, 3]),
            ("module.layer0.1.running_mean", &[2]),
            ("module.layer0.1.num_batches_tracked", &[]),
            ("module.final2.0.bias", &[5]),
        ]);
        let (fitting, report) = match_tensors(&expected(), file, Scope::Whole);
        assert_eq!(fitting.len(), 3);
        assert_eq!(report.naming.label, "the reference");
        assert_eq!(report.matched[0].source, "module.layer0.0.weight");
        assert_eq!(report.matched[0].name, "layer0.0.weight");
        assert_eq!(report.ignored.len(), 1);
        assert_eq!(report.surprises(&Allowed::default()), 0);
    }

    #[test]
    fn a_torchvision_backbone_fills_the_backbone_alone() {
        let file = || {
            tensors(&[
                ("conv1.weight", &[2, 3]),
                ("bn1.running_mean", &[2]),
                ("fc.weight", &[1000, 2]),
            ])
        };
        let (fitting, report) = match_tensors(&expected(), file(), Scope::Backbone);
        assert_eq!(report.naming.label, "torchvision's ResNet");
        assert_eq!(
            fitting.keys().collect::<Vec<_>>(),
            ["layer0.0.weight", "layer0.1.running_mean"]
        );
        assert_eq!(report.ignored[0].source, "fc.weight");
        assert_eq!(report.surprises(&Allowed::default()), 0);

        let (_, report) = match_tensors(&expected(), file(), Scope::Whole);
        assert_eq!(names(&report.missing), ["final2.0.bias"]);
        assert_eq!(report.surprises(&Allowed::default()), 1);
        let allowed = Allowed { missing: vec!["final".to_owned()], ..Allowed::default() };
        assert_eq!(report.surprises(&allowed), 0);
    }

    #[test]
    fn heads_in_the_file_stay_out_of_a_backbone() {
        let file = tensors(&[
            ("layer0.0.weight", &[2, 3]),
            ("layer0.1.running_mean", &[2]),
            ("final2.0.bias", &[7]),
        ]);
        let (fitting, report) = match_tensors(&expected(), file, Scope::Backbone);
        assert!(!fitting.contains_key("final2.0.bias"));
        assert_eq!(report.ignored[0].source, "final2.0.bias");
        assert_eq!(report.surprises(&Allowed::default()), 0);
    }

    #[test]
    fn heads_of_another_model_stay_out_of_a_backbone_and_unknown_layers_surprise() {
        let file = tensors(&[
            ("module.layer0.0.weight", &[2, 3]),
            ("module.layer0.1.running_mean", &[2]),
            ("memory.m_items", &[19, 256]),
            ("module.aspp.features.0.0.weight", &[4, 4, 1, 1]),
            ("module.layer0.7.weight", &[2]),
            ("module.layer5.0.weight", &[2]),
        ]);
        let (fitting, report) = match_tensors(&expected(), file, Scope::Backbone);
        assert_eq!(fitting.len(), 2);
        let ignored: Vec<(&str, &str)> =
            report.ignored.iter().map(|at| (at.source.as_str(), at.reason)).collect();
        let heads = ["memory.m_items", "module.aspp.features.0.0.weight"];
        assert_eq!(ignored, heads.map(|name| (name, "no part of the backbone")));
        let layers = ["module.layer0.7.weight", "module.layer5.0.weight"];
        assert_eq!(names(&report.unexpected), layers);
        assert_eq!(report.surprises(&Allowed::default()), 2);
    }

    #[test]
    fn other_shapes_and_names_are_surprises_unless_allowed() {
        let file = tensors(&[
            ("layer0.0.weight", &[3, 2]),
            ("layer0.1.running_mean", &[2]),
            ("final2.0.bias", &[5]),
            ("module.final2.0.bias", &[5]),
            ("extra.weight", &[1]),
            ("fc.weight", &[1]),
        ]);
        let (fitting, report) = match_tensors(&expected(), file, Scope::Whole);
        assert_eq!(fitting.keys().collect::<Vec<_>>(), ["final2.0.bias", "layer0.1.running_mean"]);
        let [mismatched] = &report.mismatched[..] else { panic!("{:?}", report.mismatched) };
        assert_eq!((&mismatched.found[..], &mismatched.expected[..]), (&[3, 2][..], &[2, 3][..]));
        // `fc` is a classifier in torchvision's names only, and a place is filled once.
        let unexpected = ["extra.weight", "fc.weight", "module.final2.0.bias"];
        assert_eq!(names(&report.unexpected), unexpected);
        assert!(report.missing.is_empty());
        assert_eq!(report.surprises(&Allowed::default()), 4);
        let allowed = Allowed {
            missing: Vec::new(),
            unexpected: unexpected.map(str::to_owned).to_vec(),
            mismatched: vec!["layer0.".to_owned()],
        };
        assert_eq!(report.surprises(&allowed), 0);
    }

    #[test]
    fn a_value_that_is_no_number_cannot_be_allowed() {
        let mut file = tensors(&[("layer0.0.weight", &[2, 3])]);
        file.get_mut("layer0.0.weight").unwrap().values[5] = f32::NAN;
        let (_, report) = match_tensors(&expected()[..1], file, Scope::Whole);
        assert_eq!(report.not_finite, ["layer0.0.weight"]);
        let all = || vec![String::new()];
        let allowed = Allowed { missing: all(), unexpected: all(), mismatched: all() };
        assert_eq!(report.surprises(&allowed), 1);
    }

    #[test]
    fn a_variance_below_zero_cannot_be_allowed() {
        let name = "layer0.1.running_var";
        let mut file = tensors(&[(name, &[2])]);
        let expected = [(name.to_owned(), vec![2])];
        let (_, report) = match_tensors(&expected, file.clone(), Scope::Whole);
        assert_eq!((report.negative.len(), report.surprises(&Allowed::default())), (0, 0));
        file.get_mut(name).unwrap().values[1] = -1e-9;
        let (_, report) = match_tensors(&expected, file, Scope::Whole);
        assert_eq!(report.negative, [name]);
        let allowed = Allowed { missing: vec![String::new()], ..Allowed::default() };
        assert_eq!(report.surprises(&allowed), 1);
    }

    #[test]
    fn a_memory_of_zeros_is_left_out_where_it_may_be_missing() {
        let mut file = tensors(&[(MEMORY_KEY, &[2, 3])]);
        let expected = [(MEMORY_KEY.to_owned(), vec![2, 3])];
        // The slot of an absent class is zero, and the others are not.
        file.get_mut(MEMORY_KEY).unwrap().values[..3].fill(0.0);
        let (fitting, report) = match_tensors(&expected, file.clone(), Scope::Whole);
        assert!(fitting.contains_key(MEMORY_KEY) && report.unfilled.is_empty());
        file.get_mut(MEMORY_KEY).unwrap().values.fill(0.0);
        let (fitting, report) = match_tensors(&expected, file, Scope::Whole);
        assert!(fitting.is_empty());
        assert_eq!((&report.unfilled[..], report.matched.len()), (&[MEMORY_KEY.to_owned()][..], 0));
        assert_eq!(report.surprises(&Allowed::default()), 1);
        let allowed = Allowed { missing: vec!["memory".to_owned()], ..Allowed::default() };
        assert_eq!(report.surprises(&allowed), 0);
        assert!(report.unused(&allowed).is_empty());
    }

    #[test]
    fn prefixes_that_no_name_has_are_told_by_their_kind() {
        let file = tensors(&[("layer0.0.weight", &[2, 3]), ("extra", &[1])]);
        let (_, report) = match_tensors(&expected(), file, Scope::Whole);
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let allowed = Allowed {
            missing: words(&["final", "finale", "layer0.1"]),
            unexpected: words(&["extra", "layer"]),
            mismatched: words(&["extra"]),
        };
        let unused = [("missing", "finale"), ("unexpected", "layer"), ("mismatched", "extra")];
        assert_eq!(report.unused(&allowed), unused);
    }
}
