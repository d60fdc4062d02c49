//! How a dataset is opened, by default, by the environment or by the caller.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::error::StoreError;

const GIB: u64 = 1 << 30;

/// How the shards of a folder are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccessMode {
    /// [`Read`](Self::Read) on the network file systems that the system can name (NFS, SMB, FUSE,
    /// 9P, Lustre, GPFS, Ceph, AFS and others), [`Map`](Self::Map) elsewhere.
    #[default]
    Auto,
    /// By memory map.
    Map,
    /// By `pread`.
    Read,
}

/// How [`open`](crate::open) reaches a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// How the shards of a folder are read; a URL takes no notice.
    pub access: AccessMode,
    /// Folder in which the disk cache for shards behind a URL makes its own, `remote-blocks`, and
    /// leaves all else alone; `None` is `$XDG_CACHE_HOME/pinmem`, or `~/.cache/pinmem` without
    /// that variable. Processes may share it.
    pub cache_dir: Option<PathBuf>,
    /// Most bytes that the disk cache may hold, all datasets together; 0 turns it off.
    pub cache_bytes: u64,
    /// How often a request that failed for a passing reason is made again before it counts as
    /// failed. The waits between grow from 0.1 to 10 seconds.
    pub retries: u32,
    /// Settings of the object store as names and values, over those in the environment: for
    /// instance `aws_endpoint`, `google_service_account`, `azure_storage_account_name`,
    /// `read_timeout`. The names are those of the crate `object_store`.
    pub store: Vec<(String, String)>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            access: AccessMode::Auto,
            cache_dir: None,
            cache_bytes: 20 * GIB,
            retries: 8,
            store: Vec::new(),
        }
    }
}

impl StoreOptions {
    /// The default, changed by `PINMEM_READ` (`auto`, `map` or `pread`), `PINMEM_CACHE_DIR` (a
    /// folder) and `PINMEM_CACHE_GIB` (a number, fractions allowed; 0 turns the cache off).
    ///
    /// # Errors
    /// A variable is set to something else.
    pub fn from_environment() -> Result<Self, StoreError> {
        Self::from_variables(|name| env::var_os(name))
    }

    fn from_variables(get: impl Fn(&str) -> Option<OsString>) -> Result<Self, StoreError> {
        // An empty variable counts as none, as the shell's users expect.
        let text = |name| get(name).filter(|value| !value.is_empty());
        let mut options = Self::default();
        if let Some(found) = text("PINMEM_READ") {
            options.access = match found.to_str() {
                Some("auto") => AccessMode::Auto,
                Some("map") => AccessMode::Map,
                Some("pread") => AccessMode::Read,
                _ => return Err(unusable("PINMEM_READ", &found, "auto, map or pread")),
            };
        }
        options.cache_dir = text("PINMEM_CACHE_DIR").map(PathBuf::from);
        if let Some(found) = text("PINMEM_CACHE_GIB") {
            let gib = found.to_str().and_then(|text| text.parse::<f64>().ok());
            let gib = gib.filter(|gib| (0.0..=1e6).contains(gib)).ok_or_else(|| {
                unusable("PINMEM_CACHE_GIB", &found, "a number of GiB from 0 to 1000000")
            })?;
            options.cache_bytes = (gib * GIB as f64) as u64;
        }
        Ok(options)
    }
}

fn unusable(variable: &'static str, found: &OsString, expected: &'static str) -> StoreError {
    StoreError::Environment { variable, found: found.to_string_lossy().into_owned(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<StoreOptions, String> {
        StoreOptions::from_variables(|asked| (asked == name).then(|| value.into()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn unset_and_empty_variables_leave_the_defaults() {
        assert_eq!(StoreOptions::from_variables(|_| None).unwrap(), StoreOptions::default());
        assert_eq!(
            StoreOptions::from_variables(|_| Some("".into())).unwrap(),
            StoreOptions::default()
        );
    }

    #[test]
    fn each_variable_sets_its_option() {
        let default = StoreOptions::default();
        assert_eq!(
            read("PINMEM_READ", "pread"),
            Ok(StoreOptions { access: AccessMode::Read, ..default.clone() })
        );
        assert_eq!(
            read("PINMEM_CACHE_DIR", "/scratch"),
            Ok(StoreOptions { cache_dir: Some("/scratch".into()), ..default.clone() })
        );
        assert_eq!(
            read("PINMEM_CACHE_GIB", "0.5"),
            Ok(StoreOptions { cache_bytes: GIB / 2, ..default })
        );
    }

    #[test]
    fn other_values_are_refused() {
        assert_eq!(
            read("PINMEM_READ", "mmap").unwrap_err(),
            "PINMEM_READ: \"mmap\", expected auto, map or pread"
        );
        for value in ["-1", "NaN", "inf", "20GiB"] {
            assert_eq!(
                read("PINMEM_CACHE_GIB", value).unwrap_err(),
                format!("PINMEM_CACHE_GIB: {value:?}, expected a number of GiB from 0 to 1000000")
            );
        }
    }
}
