//! Tells a dataset's folder from one of another dataset.

use std::path::Path;

use serde::Deserialize;

use crate::{DatasetError, Manifest};

/// The part of a dataset's own label file that is checked.
#[derive(Deserialize)]
struct Config {
    labels: Vec<ConfigLabel>,
}

#[derive(Deserialize)]
struct ConfigLabel {
    readable: String,
}

impl Manifest {
    /// Refuses a folder that holds another dataset: one with a refused path, or with a label file
    /// that gives ids other names.
    pub(crate) fn check_folder(&self, root: &Path) -> Result<(), DatasetError> {
        for refusal in &self.layout.refuse {
            if root.join(&refusal.path).exists() {
                return Err(DatasetError::Refused {
                    path: root.join(&refusal.path),
                    dataset: self.name.clone(),
                    reason: refusal.reason.clone(),
                });
            }
        }
        for relative in &self.config {
            let path = root.join(relative);
            if path.is_file() {
                self.check_config(&path)?;
            }
        }
        Ok(())
    }

    /// Compares the names of a dataset's own label file, by position, with the manifest's.
    fn check_config(&self, path: &Path) -> Result<(), DatasetError> {
        let differs = |found: String, expected: String| DatasetError::ConfigDiffers {
            path: path.into(),
            found,
            expected,
            manifest: self.source.path.clone(),
        };
        let text = std::fs::read_to_string(path)
            .map_err(|source| DatasetError::Io { path: path.into(), source })?;
        let config: Config = serde_json::from_str(&text)
            .map_err(|error| differs(error.to_string(), "JSON with `labels[].readable`".into()))?;
        let expected = self.ids.iter().filter(|entry| entry.id.is_some_and(|id| id >= 0)).count();
        if config.labels.len() != expected {
            return Err(differs(
                format!("{} labels", config.labels.len()),
                format!("{expected} labels"),
            ));
        }
        for (id, label) in (0..).zip(&config.labels) {
            let Some(entry) = self.ids.iter().find(|entry| entry.id == Some(id)) else {
                return Err(differs(
                    format!("label {id} `{}`", label.readable),
                    "no such id".into(),
                ));
            };
            if !entry.name.eq_ignore_ascii_case(&label.readable) {
                return Err(differs(
                    format!("label {id} `{}`", label.readable),
                    format!("`{}`", entry.name),
                ));
            }
        }
        Ok(())
    }
}
