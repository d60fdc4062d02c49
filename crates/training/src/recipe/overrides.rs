//! Presets and overrides: what happens to a recipe's TOML before it is read.

use std::collections::BTreeSet;

use super::{IswRecipe, RecipeError, words};
use crate::method::Method;

/// How an override of the preset begins; it comes before the preset is expanded.
pub(super) const PRESET_OVERRIDE: &str = "method.preset=";

/// Paths of keys that a recipe may leave out and an override can add.
const OPTIONAL_PATHS: [&str; 9] = [
    "schedule.first_inner_rate",
    "model.blocks",
    "model.weights",
    "model.isw",
    "model.isw.statistics_after_steps",
    "model.isw.trials",
    "model.isw.images_per_trial",
    "model.isw.clusters",
    "model.isw.weight",
];

/// Replaces the recipe's preset; what the recipe lists beside it stays.
pub(super) fn override_preset(table: &mut toml::Table, text: &str) -> Result<(), RecipeError> {
    let preset = text.trim_start_matches(PRESET_OVERRIDE).trim_matches('"');
    match table.get_mut("method").and_then(|method| method.get_mut("preset")) {
        Some(old) => *old = preset.into(),
        // Every key is listed, and a listed key wins: the override would do nothing, silently.
        None => {
            return Err(RecipeError::Override {
                text: text.to_owned(),
                reason: "[method] of the recipe has no preset; hint: change its keys one by one"
                    .to_owned(),
            });
        }
    }
    Ok(())
}

/// Fills `[method]` from its `preset`, keeping what is listed.
pub(super) fn expand_preset(table: &mut toml::Table) -> Result<(), String> {
    let Some(toml::Value::Table(method)) = table.get_mut("method") else { return Ok(()) };
    let Some(preset) = method.remove("preset") else { return Ok(()) };
    let base = match preset.as_str() {
        Some("paper") => Method::paper(),
        Some("released") => Method::released(),
        Some("aggregated") => Method::aggregated(),
        _ => {
            return Err(format!(
                "method.preset is {preset}, expected \"paper\", \"released\" or \"aggregated\""
            ));
        }
    };
    let listed = std::mem::take(method);
    *method = toml::Table::try_from(base).map_err(|error| error.to_string())?;
    merge(method, listed);
    Ok(())
}

/// Fills the keys that a recipe may leave out because one value is what nearly everyone wants.
pub(super) fn expand_defaults(table: &mut toml::Table) {
    table.entry("gradient_checkpointing").or_insert(toml::Value::Boolean(false));
}

/// Where tables may be given in part.
const EXTRA: &str = "augmentation.extra";

/// Fills `[augmentation.extra]`, all of which is off unless listed.
pub(super) fn expand_extra(table: &mut toml::Table) -> Result<(), String> {
    let Some(toml::Value::Table(augmentation)) = table.get_mut("augmentation") else {
        return Ok(());
    };
    let mut extra =
        toml::Table::try_from(loader::Extra::none()).map_err(|error| error.to_string())?;
    match augmentation.remove("extra") {
        None => {}
        Some(toml::Value::Table(listed)) => merge(&mut extra, listed),
        Some(other) => return Err(format!("augmentation.extra is {other}, expected a table")),
    }
    drop(augmentation.insert("extra".to_owned(), extra.into()));
    Ok(())
}

/// Fills `[model.isw]`, which a recipe with that normalisation has, keeping what is listed.
pub(super) fn expand_isw(table: &mut toml::Table) -> Result<(), String> {
    let Some(toml::Value::Table(model)) = table.get_mut("model") else { return Ok(()) };
    let is_isw = model.get("normalization").and_then(toml::Value::as_str) == Some("isw");
    // Where it has no business it is filled too, so that the error says that and nothing else.
    if !is_isw && !model.contains_key("isw") {
        return Ok(());
    }
    let mut isw =
        toml::Table::try_from(IswRecipe::reference()).map_err(|error| error.to_string())?;
    match model.remove("isw") {
        None => {}
        Some(toml::Value::Table(listed)) => merge(&mut isw, listed),
        Some(other) => return Err(format!("model.isw is {other}, expected a table")),
    }
    drop(model.insert("isw".to_owned(), isw.into()));
    Ok(())
}

fn merge(base: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(over)) => merge(base, over),
            (_, value) => drop(base.insert(key, value)),
        }
    }
}

/// Sets an existing or optional key; the value is TOML, or text where it is not.
pub(super) fn apply_override(table: &mut toml::Table, text: &str) -> Result<(), RecipeError> {
    let wrong = |reason: String| RecipeError::Override { text: text.to_owned(), reason };
    let Some((key, value)) = text.split_once('=') else {
        return Err(wrong("expected key=value, such as steps=100".to_owned()));
    };
    let raw = value.trim();
    let value = match format!("value = {value}").parse::<toml::Table>() {
        Ok(mut parsed) => parsed.remove("value").unwrap_or_else(|| value.to_owned().into()),
        // A bare word is text; what begins like another value is a mistyped one.
        Err(error) if value.starts_with(|c: char| !c.is_alphabetic()) && key != "model.weights" => {
            return Err(wrong(words::of_text(error.message())));
        }
        Err(_) => value.to_owned().into(),
    };
    // The rest of that table is filled in later.
    if key.starts_with("model.isw.")
        && let Some(toml::Value::Table(model)) = table.get_mut("model")
    {
        model.entry("isw").or_insert_with(|| toml::Table::new().into());
    }
    let (parents, last) = key.rsplit_once('.').unwrap_or(("", key));
    let mut at = table;
    let mut path = String::new();
    for part in parents.split('.').filter(|part| !part.is_empty()) {
        let known = known_keys(at, &path);
        path = format!("{path}{part}.");
        at = match at.get_mut(part) {
            Some(toml::Value::Table(inner)) => inner,
            Some(toml::Value::Array(_)) => {
                return Err(wrong(format!(
                    "{part} is a list; hint: give all of it, {part}=[{{ ... }}, ...]"
                )));
            }
            Some(_) => return Err(wrong(format!("{part} is no table, but a value"))),
            None => return Err(wrong(format!("the recipe has no table {part}; {known}"))),
        };
    }
    let known = known_keys(at, &path);
    match (at.get_mut(last), value) {
        // A table of these may list only what differs, here as in the file.
        (Some(toml::Value::Table(old)), toml::Value::Table(new)) if key.starts_with(EXTRA) => {
            merge(old, new);
        }
        // `nan` is a word of `method.empty_batch`, and a run may be called 2026.
        (Some(old @ toml::Value::String(_)), value) if !value.is_table() && !value.is_array() => {
            *old = value.as_str().unwrap_or(raw).to_owned().into();
        }
        (Some(old), value) => *old = value,
        (None, value) if OPTIONAL_PATHS.contains(&key) => {
            drop(at.insert(last.to_owned(), value));
        }
        (None, _) => return Err(wrong(format!("the recipe has no key {last} there; {known}"))),
    }
    Ok(())
}

/// The keys of the table at `path`, which is empty or ends with a dot, and those that it may have.
fn known_keys(table: &toml::Table, path: &str) -> String {
    let optional = OPTIONAL_PATHS.iter().filter_map(|key| key.strip_prefix(path));
    let optional = optional.filter(|key| !key.contains('.'));
    let keys: BTreeSet<&str> = table.keys().map(String::as_str).chain(optional).collect();
    format!("hint: known keys are {}", Vec::from_iter(keys).join(", "))
}
