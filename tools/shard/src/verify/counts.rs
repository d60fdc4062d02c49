//! Compares `audit.json` with what the shards hold.

use std::fmt::Display;

use datasets::Tally;
use shard_format::Dataset;

use super::{AuditFile, Finding};

/// All that differs; class counts are compared where `tally` has them for every sample.
pub(super) fn compare(dataset: &Dataset, tally: Option<&Tally>, file: &AuditFile) -> Vec<Finding> {
    let audit = match &file.content {
        Ok(audit) => audit,
        Err(reason) => {
            return vec![Finding::Audit { path: file.path.clone(), reason: reason.clone() }];
        }
    };
    let mut findings = Vec::new();
    let mut expect = |field: &str, found: &dyn Display, expected: &dyn Display| {
        let (found, expected) = (found.to_string(), expected.to_string());
        if found != expected {
            let (path, field) = (file.path.clone(), field.into());
            findings.push(Finding::Counts { path, field, found, expected });
        }
    };
    let info = &dataset.index().dataset;
    expect("dataset", &audit.dataset, &info.name);
    expect("split", &audit.split, &info.split);
    expect("domain", &audit.domain, &info.domain);
    expect("mapping", &audit.mapping, &info.mapping);
    expect("complete", &audit.complete, &true);
    expect("packed", &audit.packed, &dataset.len());
    expect("the number of classes", &audit.classes.len(), &info.class_names.len());
    let Some(tally) = tally else { return findings };
    let named = audit.classes.iter().zip(&info.class_names).zip(&tally.classes).enumerate();
    for (train_id, ((class, name), counted)) in named {
        let field = |name: &str| format!("classes[{train_id}].{name}");
        expect(&field("name"), &class.name, name);
        expect(&field("pixels"), &class.pixels, &counted.pixels);
        expect(&field("images"), &class.images, &counted.images);
    }
    expect("ignored_pixels", &audit.ignored_pixels, &tally.ignored.pixels);
    findings
}
