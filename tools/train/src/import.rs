//! `train import`: weights of PyTorch become a file that recipes can start from.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Context;
use models::network::Network;
use models::weights::{expected_tensors, serialize};
use terminal::Outcome;
use torch_weights::WeightsFile;
use torch_weights::matching::{Allowed, MatchReport, Scope, match_tensors};

use crate::cli::ImportArguments;

/// Key of the metadata that names the imported file and its hash.
pub const SOURCE_KEY: &str = "pinmem.source";

/// Names of each kind that are shown unless all are asked for.
const SHOWN: usize = 6;
const ALL: usize = usize::MAX;

pub(crate) fn run(arguments: &ImportArguments, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let network = Network::new(arguments.network.choose(arguments.recipe.as_deref())?.config);
    let config = &network.config;
    let memory = config.memory.then(|| [config.classes, config.feature_channels()]);
    let expected = expected_tensors(&network.layout, memory);
    let file = torch_weights::read(&arguments.weights, arguments.key.as_deref())?;
    let WeightsFile { format, blake3, tensors, not_read } = file;
    let scope = if arguments.backbone_only { Scope::Backbone } else { Scope::Whole };
    let found = tensors.len();
    let (tensors, report) = match_tensors(&expected, tensors, scope);
    let source = arguments.weights.display();
    let naming = report.naming.label;
    writeln!(out, "{source}: {format}, {found} tensors in the names of {naming}")?;
    write_table(out, &report, &not_read, arguments.verbose)?;

    let path = arguments.out.display();
    let allowed = Allowed {
        missing: arguments.allow_missing.clone(),
        unexpected: arguments.allow_unexpected.clone(),
        mismatched: arguments.allow_mismatched.clone(),
    };
    let surprises = report.surprises(&allowed);
    if surprises > 0 || tensors.is_empty() {
        writeln!(out, "{path}: not written: {}", complaint(&report, surprises, scope))?;
        return Ok(Outcome::CheckFailed);
    }
    let name = arguments.weights.file_name().unwrap_or_default().to_string_lossy();
    // One key, since the library writes several in no order.
    let facts = serde_json::json!({ "blake3": blake3, "file": name });
    let metadata = BTreeMap::from([(SOURCE_KEY.to_owned(), facts.to_string())]);
    let bytes = serialize(&tensors, &metadata)?;
    whole_file::write(&arguments.out, &bytes).with_context(|| path.to_string())?;
    let values: usize = tensors.values().map(|tensor| tensor.values.len()).sum();
    writeln!(out, "{path}: {} tensors, {values} values", tensors.len())?;
    Ok(Outcome::Done)
}

/// What became of each tensor: kind, number, and a line for each of the first ones.
fn write_table(
    out: &mut dyn Write,
    report: &MatchReport,
    not_read: &[String],
    verbose: bool,
) -> std::io::Result<()> {
    let matched = report.matched.iter().map(|at| match at.name == at.source {
        true => at.name.clone(),
        false => format!("{} <- {}", at.name, at.source),
    });
    let missing = report.missing.iter().map(|at| format!("{} {:?}", at.name, at.shape));
    let unexpected = report.unexpected.iter().map(|at| format!("{} {:?}", at.name, at.shape));
    let mismatched = report
        .mismatched
        .iter()
        .map(|at| format!("{}: found {:?}, expected {:?}", at.source, at.found, at.expected));
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for at in &report.ignored {
        reasons.entry(at.reason).or_default().push(at.source.clone());
    }
    // Of what went well the number is enough.
    write_names(out, "matched", &matched.collect::<Vec<_>>(), if verbose { ALL } else { 0 })?;
    let shown = if verbose { ALL } else { SHOWN };
    write_names(out, "missing", &missing.collect::<Vec<_>>(), shown)?;
    write_names(out, "unexpected", &unexpected.collect::<Vec<_>>(), shown)?;
    write_names(out, "mismatched", &mismatched.collect::<Vec<_>>(), shown)?;
    write_names(out, "not finite", &report.not_finite, shown)?;
    if reasons.is_empty() {
        write_names(out, "ignored", &[], shown)?;
    }
    for (reason, names) in reasons {
        write_names(out, &format!("ignored as {reason}"), &names, if verbose { ALL } else { 1 })?;
    }
    write_names(out, "not read", not_read, shown)
}

fn write_names(
    out: &mut dyn Write,
    kind: &str,
    names: &[String],
    shown: usize,
) -> std::io::Result<()> {
    writeln!(out, "{:>6} {kind}", names.len())?;
    for name in names.iter().take(shown) {
        // Names of a stranger's file may hold commands for the terminal.
        let name: String = name.chars().filter(|c| !c.is_control()).collect();
        writeln!(out, "         {name}")?;
    }
    if shown > 0 && names.len() > shown {
        writeln!(out, "         and {} more; --verbose shows all", names.len() - shown)?;
    }
    Ok(())
}

/// Why nothing was written, and what may help.
fn complaint(report: &MatchReport, surprises: usize, scope: Scope) -> String {
    if surprises == 0 {
        return "no tensor of the file fits; hint: is the network that of the file?".into();
    }
    let whole_backbone = scope == Scope::Whole && !report.missing.is_empty() && {
        let head = |name: &str| !name.starts_with("layer");
        report.missing.iter().all(|at| head(&at.name)) && report.unexpected.is_empty()
    };
    let hint = if whole_backbone {
        "for a backbone without heads, --backbone-only"
    } else {
        "what is meant to be so can be allowed: --allow-missing, --allow-unexpected, \
         --allow-mismatched"
    };
    let plural = if surprises == 1 { "" } else { "s" };
    format!("{surprises} surprise{plural}; hint: {hint}")
}
