//! `train import`: weights of PyTorch become a file that recipes can start from.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use models::backbone::BackboneName;
use models::memory::UpdateNetwork;
use models::network::{Network, NetworkConfig};
use models::weights::{MEMORY_KEY, expected_tensors, serialize};
use terminal::{Outcome, counted, require_new_file};
use torch_weights::matching::{Allowed, MatchReport, Scope, match_tensors};
use torch_weights::{WeightsFile, shown};
use tracing::warn;
use training::checkpoint;

use crate::cli::ImportArguments;

/// Key of the metadata that names the imported file and its hash.
pub const SOURCE_KEY: &str = "pinmem.source";

/// How the names of the update network's tensors begin: of its convolution, and of its batch norm.
const UPDATE_CONV: &str = "memory.writenet.writefeat.0.";
const UPDATE_NORM: &str = "memory.writenet.writefeat.1.";

/// Names of each kind that are shown unless all are asked for.
const SHOWN: usize = 6;
const ALL: usize = usize::MAX;

pub(crate) fn run(arguments: &ImportArguments, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let recipe = arguments.recipe.iter().map(|recipe| ("the recipe", recipe.as_path()));
    let weights = [("the file to import,", arguments.weights.as_path())];
    let inputs: Vec<(&str, &Path)> = weights.into_iter().chain(recipe).collect();
    require_new_file("--out", &arguments.out, &inputs)?;
    let network = Network::new(arguments.network.choose(arguments.recipe.as_deref())?.config);
    let config = &network.config;
    let memory = config.memory.then(|| [config.classes, config.feature_channels()]);
    let expected = expected_tensors(&network.layout, memory);
    let file = torch_weights::read(&arguments.weights, arguments.key.as_deref())?;
    let WeightsFile { format, blake3, tensors, metadata, not_read } = file;
    checkpoint::verify(&tensors, &metadata, &arguments.weights)?;
    let scope = if arguments.backbone_only { Scope::Backbone } else { Scope::Whole };
    let found = tensors.len();
    let (tensors, report) = match_tensors(&expected, tensors, scope);
    let source = arguments.weights.display();
    let naming = report.naming.label;
    let found = counted(found as u64, "tensors");
    writeln!(out, "{source}: {format}, {found} in the names of {naming}")?;
    write_table(out, &report, &not_read, arguments.verbose)?;

    let path = arguments.out.display();
    let allowed = Allowed {
        missing: arguments.allow_missing.clone(),
        unexpected: arguments.allow_unexpected.clone(),
        mismatched: arguments.allow_mismatched.clone(),
    };
    for (kind, prefix) in report.unused(&allowed) {
        warn!("--allow-{kind} {prefix}: allows nothing, as no {kind} tensor's name begins so");
    }
    if report.surprises(&allowed) > 0 || tensors.is_empty() {
        let complaint = complaint(&report, &allowed, (scope, config));
        writeln!(out, "{path}: not written: {complaint}")?;
        return Ok(Outcome::CheckFailed);
    }
    let name = arguments.weights.file_name().unwrap_or_default().to_string_lossy();
    // One key, since the library writes several in no order.
    let facts = serde_json::json!({ "blake3": blake3, "file": name });
    let metadata = BTreeMap::from([(SOURCE_KEY.to_owned(), facts.to_string())]);
    let bytes = serialize(&tensors, &metadata)?;
    whole_file::write(&arguments.out, &bytes).with_context(|| path.to_string())?;
    let values: usize = tensors.values().map(|tensor| tensor.values.len()).sum();
    let [tensors, values] =
        [(tensors.len(), "tensors"), (values, "values")].map(|(n, unit)| counted(n as u64, unit));
    writeln!(out, "{path}: {tensors}, {values}")?;
    Ok(Outcome::Done)
}

/// What became of each tensor: kind, number, and a line for each of the first ones.
fn write_table(
    out: &mut dyn Write,
    report: &MatchReport,
    not_read: &[String],
    verbose: bool,
) -> std::io::Result<()> {
    // Names of a stranger's file may be endless, or hold commands for the terminal.
    let matched = report.matched.iter().map(|at| match at.name == at.source {
        true => at.name.clone(),
        false => format!("{} <- {}", at.name, shown(&at.source)),
    });
    let missing = report.missing.iter().map(|at| format!("{} {:?}", at.name, at.shape));
    let unexpected =
        report.unexpected.iter().map(|at| format!("{} {:?}", shown(&at.name), at.shape));
    let mismatched = report.mismatched.iter().map(|at| {
        format!("{}: found {:?}, expected {:?}", shown(&at.source), at.found, at.expected)
    });
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for at in &report.ignored {
        reasons.entry(at.reason).or_default().push(shown(&at.source));
    }
    // Of what went well the number is enough.
    write_names(out, "matched", &matched.collect::<Vec<_>>(), if verbose { ALL } else { 0 })?;
    let few = if verbose { ALL } else { SHOWN };
    write_names(out, "missing", &missing.collect::<Vec<_>>(), few)?;
    write_names(out, "unexpected", &unexpected.collect::<Vec<_>>(), few)?;
    write_names(out, "mismatched", &mismatched.collect::<Vec<_>>(), few)?;
    write_names(out, "not finite", &report.not_finite, few)?;
    // What hardly ever happens has a line only then.
    for (kind, names) in
        [("with a variance below 0", &report.negative), ("with nothing but 0", &report.unfilled)]
    {
        if !names.is_empty() {
            write_names(out, kind, names, few)?;
        }
    }
    if reasons.is_empty() {
        write_names(out, "ignored", &[], few)?;
    }
    for (reason, names) in reasons {
        write_names(out, &format!("ignored as {reason}"), &names, if verbose { ALL } else { 1 })?;
    }
    let not_read: Vec<String> = not_read.iter().map(|name| shown(name)).collect();
    write_names(out, "not read", &not_read, few)
}

fn write_names(
    out: &mut dyn Write,
    kind: &str,
    names: &[String],
    shown: usize,
) -> std::io::Result<()> {
    writeln!(out, "{:>6} {kind}", names.len())?;
    for name in names.iter().take(shown) {
        writeln!(out, "         {name}")?;
    }
    if shown > 0 && names.len() > shown {
        writeln!(out, "         and {} more; --verbose shows all", names.len() - shown)?;
    }
    Ok(())
}

/// Why nothing was written, and what may help.
fn complaint(
    report: &MatchReport,
    allowed: &Allowed,
    (scope, config): (Scope, &NetworkConfig),
) -> String {
    let surprises = report.surprises(allowed);
    let of_backbone = hint_at_backbone(report, config.backbone);
    if surprises == 0 {
        let hint = of_backbone.unwrap_or_else(|| "is the network that of the file?".to_owned());
        return format!("no tensor of the file fits; hint: {hint}");
    }
    let is_allowed = |name: &str| allowed.missing.iter().any(|prefix| name.starts_with(prefix));
    let missing: Vec<&str> =
        report.missing.iter().map(|at| at.name.as_str()).filter(|name| !is_allowed(name)).collect();
    let memory_alone = missing == [MEMORY_KEY];
    // Whoever has some of the heads wants them.
    let whole_backbone = scope == Scope::Whole && !missing.is_empty() && !memory_alone && {
        let head = |name: &str| !name.starts_with("layer");
        let no_head = report.matched.iter().all(|at| !head(&at.name));
        no_head && missing.iter().all(|name| head(name)) && report.unexpected.is_empty()
    };
    let mut found = counted(surprises as u64, "surprises");
    let mut hints = Vec::new();
    for (names, what) in [
        (&report.not_finite, "with values that are infinite or NaN"),
        (&report.negative, "with a variance below 0"),
    ] {
        if !names.is_empty() {
            let tensors = counted(names.len() as u64, "tensors");
            found += &format!(", found {tensors} {what}, expected none");
        }
    }
    if report.impossible() > 0 {
        hints.push(
            "such a training went wrong, and its weights cannot be allowed: take an earlier one"
                .to_owned(),
        );
    }
    if !report.unfilled.is_empty() {
        hints.push(
            "the memory was never filled; --allow-missing memory.m_items leaves it out, and a run fills it \
             from its data"
                .to_owned(),
        );
    }
    if memory_alone {
        hints.push(
            "the memory alone is missing: with --allow-missing memory.m_items, a run fills it from \
             its data"
                .to_owned(),
        );
    }
    hints.extend(of_backbone);
    hints.extend(hint_at_update_network(report, config));
    let have_hints = report.impossible() + report.unfilled.len() + usize::from(memory_alone);
    if whole_backbone {
        hints.push("for a backbone without heads, --backbone-only".to_owned());
    } else if surprises > have_hints {
        hints.push(
            "what is meant to be so can be allowed: --allow-missing, --allow-unexpected, \
             --allow-mismatched"
                .to_owned(),
        );
    }
    format!("{found}; hint: {}", hints.join("; "))
}

/// That the update network of the file's memory is another one, where its names say so.
fn hint_at_update_network(report: &MatchReport, config: &NetworkConfig) -> Option<String> {
    let matched = || report.matched.iter().map(|at| at.name.clone());
    let others = || report.unexpected.iter().map(|at| report.naming.translate(&at.name));
    let has = |prefix: &str| matched().chain(others()).any(|name| name.starts_with(prefix));
    let (theirs, name) = if has(UPDATE_NORM) {
        (UpdateNetwork::ConvNormRelu, "conv-norm-relu")
    } else if has(UPDATE_CONV) {
        (UpdateNetwork::Conv, "conv")
    } else {
        return None;
    };
    (config.memory && theirs != config.update_network).then(|| {
        format!(
            "the file has another update network: the recipe is to have method.update_network = \
             \"{name}\""
        )
    })
}

/// That the file's backbone is another one, where its names or shapes say so.
fn hint_at_backbone(report: &MatchReport, backbone: BackboneName) -> Option<String> {
    if let Some(theirs) = report.recognised.filter(|theirs| !theirs.is_of(backbone)) {
        let (label, backbones) = (theirs.label, theirs.backbones);
        return Some(format!(
            "the file is of {label}: --backbone, or model.backbone of the recipe, is to be \
             {backbones}"
        ));
    }
    let is_layer = |name: &str| report.naming.translate(name).starts_with("layer");
    let differs = report.mismatched.iter().any(|at| is_layer(&at.name))
        || report.unexpected.iter().any(|at| is_layer(&at.name));
    differs.then(|| {
        "the backbone is to be that of the file: --backbone, --blocks and --width-divisor, or \
         [model] of the recipe"
            .to_owned()
    })
}
